#include "weights/safetensors.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "tests/support/expect_error.h"
#include "tests/support/safetensors_bytes.h"
#include "weights/number_formats.h"

// St01, St02, …: one family of files each, hostile ones and some that only look so.
namespace linnet::weights {
namespace {

using namespace std::string_literals;
using test::memory_file;
using test::safetensors_bytes;

std::string refused(std::string_view bytes, ErrorCode code = ErrorCode::kFormat) {
  return test::error_of(code, [&] { Safetensors file(memory_file(bytes)); });
}
std::string refused_header(std::string_view header, std::string_view data = "") {
  return refused(safetensors_bytes(header, data));
}
Safetensors accepted(std::string_view header, std::string_view data = "") {
  return Safetensors(memory_file(safetensors_bytes(header, data)));
}
std::string length_field(std::uint64_t n) { return {reinterpret_cast<const char*>(&n), sizeof n}; }

bool contains(const std::string& text, std::string_view part) {
  if (text.find(part) != text.npos) return true;
  ADD_FAILURE() << text << "\nlacks: " << part;
  return false;
}

TEST(Safetensors, ReadsTensorsByName) {
  const std::string data("\x00\x00\x80\x3f\x00\x00\x00\x40\x2a\x00", 10);
  const Safetensors file =
      accepted(R"({"__metadata__":{"format":"pt","":"x\u00e9"},"b":{"dtype":"F32","shape":[2,1],)"
               R"("data_offsets":[0,8]},"a":{"dtype":"I16","shape":[],"data_offsets":[8,10]}})",
               data);
  ASSERT_EQ(file.tensors().size(), 2u);
  EXPECT_EQ(file.tensors()[0].name, "a");
  const TensorView* b = file.find("b");
  ASSERT_NE(b, nullptr);
  EXPECT_EQ(b->dtype, DType::kF32);
  EXPECT_EQ(shape_text(b->shape), "[2, 1]");
  EXPECT_EQ(b->elements(), 2);
  float values[2];
  to_f32(values, b->bytes.data(), b->dtype, 2);
  EXPECT_EQ(values[0], 1.0f);
  EXPECT_EQ(values[1], 2.0f);
  EXPECT_EQ(file.find("a")->elements(), 1);
  EXPECT_EQ(file.find("c"), nullptr);
  EXPECT_EQ(file.find(""), nullptr);
  EXPECT_EQ(file.metadata(), (Metadata{{"format", "pt"}, {"", "x\u00e9"}}));
}

TEST(Safetensors, St01TooSmall) {
  for (std::size_t n = 0; n < 8; ++n) {
    contains(refused(std::string(n, '{')),
             "x.safetensors: has " + std::to_string(n) + " bytes, expected at least 8");
  }
}

TEST(Safetensors, St02HeaderBeyondTheFile) {
  contains(refused("\x3c\0\0\0\0\0\0\0"s), "header of 60 bytes reaches beyond the file of 8 bytes");
  contains(refused(length_field(3) + "{}"),
           "header of 3 bytes reaches beyond the file of 10 bytes");
}

TEST(Safetensors, St03HeaderTooLarge) {
  for (const std::uint64_t n :
       {0xFFFFFF000000003Cu, 100'000'001ul, ~0ul, ~0ul - 7, ~0ul - 8, 1ul << 63}) {
    contains(refused(length_field(n) + "{}"),
             "header length " + std::to_string(n) + ", expected at most 100000000");
  }
  contains(refused(length_field(100'000'000) + "{}"), "reaches beyond");
}

TEST(Safetensors, St04NotUtf8) {
  EXPECT_TRUE(contains(refused_header("\xFF"), "x.safetensors header:1:1: not JSON"));
  refused_header(R"({"\ud800":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}})");
  refused_header("{\"\xC0\x80\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}");
  refused_header("{\"__metadata__\":{\"a\":\"\xED\xA0\x80\"}}");
}

TEST(Safetensors, St05NotAnObject) {
  for (const std::string& header :
       {"{"s, ""s, "[]"s, "null"s, "1"s, "\"\""s, "{}x"s, "{}{}"s, "{},"s, "{,}"s, "{\"a\":1,}"s,
        "{}//"s, "/**/{}"s, "{\"__metadata__\":{\"a\":NaN}}"s, "\xEF\xBB\xBF{}"s, "{}\0"s, "\0{}"s,
        "   "s}) {
    EXPECT_NE(refused_header(header), "") << header;
  }
  contains(refused_header("[]"), "found an array, expected an object");
  contains(refused_header(R"({"a":1})"), "a: found an integer, expected an object");
}

TEST(Safetensors, St06PaddedHeaders) {
  for (const char* header : {"{}", "{}\r \t\n", "\t\n{}\r ", "{ }       "}) {
    EXPECT_TRUE(accepted(header).tensors().empty()) << header;
  }
}

TEST(Safetensors, St07Overlap) {
  std::string header = "{";
  for (int i = 0; i < 10; ++i) {
    header.append(i > 0 ? "," : "").append("\"t").append(std::to_string(i));
    header.append(R"(":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]})");
  }
  contains(refused_header(header + "}", std::string(16, '\0')),
           "begins at byte 0 of the data, expected 16: it overlaps");
  contains(refused_header(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
                          R"("b":{"dtype":"U8","shape":[4],"data_offsets":[3,7]}})",
                          "1234567"),
           "tensor \"b\" begins at byte 3 of the data, expected 4: it overlaps");
  // An empty tensor inside another one.
  refused_header(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
                 R"("b":{"dtype":"U8","shape":[0],"data_offsets":[2,2]}})",
                 "1234");
}

TEST(Safetensors, St08Holes) {
  contains(refused_header(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                          R"("b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}})",
                          "123"),
           "tensor \"b\" begins at byte 2 of the data, expected 1: there is a hole");
  contains(refused_header(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})", "12"),
           "there is a hole");
  contains(refused_header(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[2,0]}})", "12"),
           "data_offsets [2, 0]");
  contains(refused_header(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,0]}})"),
           "expected a range of 1 bytes");
  refused_header(R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[1,1]}})", "1");
}

TEST(Safetensors, St09TrailingBytes) {
  contains(refused_header("{}", "1234"), "x.safetensors: 4 trailing bytes");
  contains(refused_header(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", "123"),
           "1 trailing bytes");
}

TEST(Safetensors, St10MissingBytes) {
  contains(refused_header(R"({"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}})",
                          std::string(14, '\0')),
           "has 14 bytes of data, the header tells of 16");
}

TEST(Safetensors, St11RangeDoesNotFitTheShape) {
  for (const char* range : {"[0,8]", "[0,15]", "[0,17]", "[0,32]", "[0,9223372036854775807]"}) {
    const std::string header =
        R"({"a":{"dtype":"F32","shape":[2,2],"data_offsets":)"s + range + "}}";
    contains(refused_header(header, std::string(16, '\0')),
             "expected a range of 16 bytes for F32 [2, 2]");
  }
}

TEST(Safetensors, St12ProductsThatOverflow) {
  for (const char* shape :
       {"[2,9223372036854775807]", "[2,4611686018427387904]", "[4294967296,4294967296]",
        "[4611686018427387904,4]", "[2147483648,2147483648,2147483648,0]", "[9223372036854775807]",
        "[2305843009213693952]"}) {
    const std::string header =
        R"({"a":{"dtype":"F32","shape":)"s + shape + R"(,"data_offsets":[0,0]}})";
    contains(refused_header(header), "is no whole number of bytes below 2^63");
  }
  // Beyond int64, as the format allows them.
  for (const char* shape :
       {"[2,18446744073709551614]", "[9223372036854775808]", "[0,18446744073709551615]"}) {
    const std::string header =
        R"({"a":{"dtype":"F32","shape":)"s + shape + R"(,"data_offsets":[0,0]}})";
    contains(refused_header(header), "found an integer beyond 64 bits");
  }
}

TEST(Safetensors, St13ScalarsAndEmptyTensors) {
  const Safetensors file = accepted(
      R"({"s":{"dtype":"U8","shape":[],"data_offsets":[0,1]},"e":{"dtype":"F32","shape":[2,0],)"
      R"("data_offsets":[1,1]},"f":{"dtype":"F64","shape":[0,9223372036854775807],"data_offsets":[0,0]}})",
      "x");
  EXPECT_EQ(file.find("s")->elements(), 1);
  EXPECT_EQ(file.find("e")->elements(), 0);
  EXPECT_EQ(shape_text(file.find("e")->shape), "[2, 0]");
  EXPECT_TRUE(file.find("f")->bytes.empty());
}

TEST(Safetensors, St14IllTypedFields) {
  const auto entry = [](const std::string& shape, const std::string& offsets) {
    return R"({"a":{"dtype":"U8","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}";
  };
  accepted(entry("[1]", "[0,1]"), "x");
  for (const char* bad :
       {"-1", "1.0", "1e0", "\"1\"", "18446744073709551616", "01", "null", "true", "[1]", "-0"}) {
    EXPECT_NE(refused_header(entry("["s + bad + "]", "[0,1]"), "x"), "") << bad;
    EXPECT_NE(refused_header(entry("[1]", "[0,"s + bad + "]"), "x"), "") << bad;
    EXPECT_NE(refused_header(entry("[1]", "["s + bad + ",1]"), "x"), "") << bad;
  }
  refused_header(entry("[-1,-1]", "[0,1]"), "x");
  refused_header(entry("[1]", "[-1,0]"), "x");
  for (const char* bad : {"1", "\"[1]\"", "{}", "null"}) {
    contains(refused_header(entry(bad, "[0,1]"), "x"), "a.shape: found");
    contains(refused_header(entry("[1]", bad), "x"), "a.data_offsets: found");
  }
  contains(refused_header(entry("[1]", "[]"), "x"), "found 0 offsets, expected 2");
  contains(refused_header(entry("[1]", "[0]"), "x"), "found 1 offsets, expected 2");
  contains(refused_header(entry("[1]", "[0,1,1]"), "x"), "found 3 offsets, expected 2");
  contains(refused_header(R"({"a":{"shape":[0],"data_offsets":[0,0]}})"),
           "a: the key \"dtype\" is missing");
  contains(refused_header(R"({"a":{"dtype":"U8","data_offsets":[0,0]}})"),
           "the key \"shape\" is missing");
  contains(refused_header(R"({"a":{"dtype":"U8","shape":[0]}})"),
           "the key \"data_offsets\" is missing");
  contains(refused_header(R"({"a":{"dtype":8,"shape":[0],"data_offsets":[0,0]}})"),
           "a.dtype: found an integer");
}

TEST(Safetensors, St15Dtypes) {
  for (const char* bad : {"f32", "F32 ", "", "F128", "FLOAT32", "\\u0000"}) {
    const std::string header =
        R"({"a":{"dtype":")"s + bad + R"(","shape":[0],"data_offsets":[0,0]}})";
    contains(refused_header(header), "a.dtype: unknown dtype");
  }
  for (int i = 0; i < 22; ++i) {
    const auto dtype = static_cast<DType>(i);
    const int size = 8 * bits(dtype) / 8;  // of eight elements, whatever the type
    const std::string header = R"({"a":{"dtype":")"s + name(dtype) +
                               R"(","shape":[2,4],"data_offsets":[0,)" + std::to_string(size) +
                               "]}}";
    const Safetensors file = accepted(header, std::string(static_cast<std::size_t>(size), '\1'));
    EXPECT_EQ(file.find("a")->dtype, dtype);
    EXPECT_EQ(file.find("a")->elements(), 8);
  }
  contains(refused_header(R"({"a":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}})", "12"),
           "no whole number of bytes");
  contains(refused_header(R"({"a":{"dtype":"F6_E2M3","shape":[2],"data_offsets":[0,1]}})", "1"),
           "no whole number");
}

TEST(Safetensors, St16Duplicates) {
  const std::string a = R"("a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]})";
  contains(refused_header("{" + a + "," + a + "}", "x"), "a: this key stands twice");
  refused_header("{" + a + R"(,"\u0061":{"dtype":"U8","shape":[0],"data_offsets":[1,1]}})", "x");
  refused_header(R"({"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "x");
  refused_header(R"({"__metadata__":{},"__metadata__":{}})");
  refused_header(R"({"__metadata__":{"a":"1","a":"1"}})");
}

TEST(Safetensors, St17Metadata) {
  EXPECT_TRUE(accepted(R"({"__metadata__":{}})").metadata().empty());
  for (const char* bad : {"1", "null", "\"x\"", "[]", R"({"a":1})", R"({"a":null})",
                          R"({"a":{"b":"c"}})", R"({"a":["b"]})"}) {
    contains(refused_header(R"({"__metadata__":)"s + bad + "}"), "__metadata__");
  }
}

TEST(Safetensors, St18UnknownFields) {
  EXPECT_EQ(
      accepted(R"({"a":{"x":[{}],"dtype":"U8","shape":[1],"data_offsets":[0,1],"y":null}})", "x")
          .tensors()
          .size(),
      1u);
}

TEST(Safetensors, St19Nesting) {
  for (const std::size_t depth : {65u, 129u, 100'000u}) {
    contains(refused_header(R"({"a":)" + std::string(depth, '[')), "nested deeper than 64 levels");
  }
}

TEST(Safetensors, St20StrangeNames) {
  const std::vector<std::string> names{"",
                                       std::string(1'000'000, 'n'),
                                       "../x",
                                       "/etc/passwd",
                                       "a\\u0000b",
                                       "\\u202egnp",
                                       "\u00e4\u4f60",
                                       "a b",
                                       "__metadata",
                                       "."};
  std::string header = "{";
  for (const std::string& name : names) {
    header.append(header.size() > 1 ? "," : "").append("\"").append(name);
    header.append(R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})");
  }
  const Safetensors file = accepted(header + "}");
  EXPECT_EQ(file.tensors().size(), names.size());
  for (const std::string& name : {""s, "../x"s, "a\0b"s, "\u202egnp"s})
    EXPECT_NE(file.find(name), nullptr) << name;
  // In messages they neither move the cursor nor fill the screen.
  const std::string message =
      refused_header(R"({"\u001b[2J\u202e)" + std::string(10'000, 'x') +
                         R"(":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
                     "12");
  EXPECT_LT(message.size(), 1000u);
  EXPECT_EQ(message.find('\x1b'), message.npos);
  contains(message, R"(\u{001b}[2J\u{202e}xxx)");
}

TEST(Safetensors, St22DataAtAnyAddress) {
  for (std::size_t padding = 0; padding < 8; ++padding) {
    const std::string header =
        R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}})" + std::string(padding, ' ');
    const float values[3] = {1.5f, -2.25f, 1e-40f};
    std::string data(12, '\0');
    std::memcpy(data.data(), values, 12);
    const Safetensors file = accepted(header, data);
    float read[3];
    to_f32(read, file.find("a")->bytes.data(), DType::kF32, 3);
    EXPECT_EQ(std::memcmp(read, values, 12), 0);
    EXPECT_EQ(first_not_finite(file.find("a")->bytes.data(), DType::kF32, 3), -1);
  }
}

TEST(Safetensors, St28EveryTruncation) {
  std::vector<test::TensorBytes> tensors;
  for (int i = 0; i < 8; ++i)
    tensors.push_back(test::f32_tensor("layer." + std::to_string(i), {1, 2, 3, 4}, {2, 2}));
  const std::string bytes = safetensors_bytes(tensors);
  EXPECT_EQ(Safetensors(memory_file(bytes)).tensors().size(), 8u);
  for (std::size_t n = 0; n < bytes.size(); ++n) EXPECT_NE(refused(bytes.substr(0, n)), "") << n;
}

TEST(Safetensors, MessagesShowTheBeginningOfLongShapes) {
  std::string shape = "[2";
  for (int i = 0; i < 10'000; ++i) shape += ",1";
  const std::string message =
      refused_header(R"({"a":{"dtype":"U8","shape":)" + shape + R"(],"data_offsets":[0,1]}})", "x");
  contains(message, "1, …]");
  EXPECT_LT(message.size(), 500u);
}

}  // namespace
}  // namespace linnet::weights
