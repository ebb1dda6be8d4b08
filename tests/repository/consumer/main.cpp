#include <cstdio>

#include "weights/base/error.h"

int main() {
  const linnet::Error error(linnet::ErrorCode::kFormat, "an error of linnet in another project");
  std::printf("%s: %s\n", linnet::name(error.code()), error.what());
}
