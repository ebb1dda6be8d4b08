#include "weights/dtype.h"

#include <array>

namespace linnet::weights {
namespace {

struct Entry {
  const char* name;
  int bits;
};

// In the order of the enum.
constexpr std::array<Entry, 22> kTypes{{
    {"BOOL", 8},        {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8},
    {"I8", 8},          {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8},
    {"F8_E5M2FNUZ", 8}, {"I16", 16},    {"U16", 16},    {"F16", 16},    {"BF16", 16},
    {"I32", 32},        {"U32", 32},    {"F32", 32},    {"C64", 64},    {"F64", 64},
    {"I64", 64},        {"U64", 64},
}};

}  // namespace

const char* name(DType dtype) { return kTypes[static_cast<std::size_t>(dtype)].name; }

std::optional<DType> parse_dtype(std::string_view text) {
  for (std::size_t i = 0; i < kTypes.size(); ++i) {
    if (text == kTypes[i].name) return static_cast<DType>(i);
  }
  return std::nullopt;
}

int bits(DType dtype) { return kTypes[static_cast<std::size_t>(dtype)].bits; }

}  // namespace linnet::weights
