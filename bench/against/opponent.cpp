#include "bench/against/opponent.h"

#include "bench/against/onednn.h"

namespace linnet::bench {

const OpponentLibrary* find_opponent(const std::string& name) {
  for (const OpponentLibrary* library : {&kOneDnn}) {
    if (name == library->name) return library;
  }
  return nullptr;
}

}  // namespace linnet::bench
