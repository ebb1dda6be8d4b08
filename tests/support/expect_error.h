#pragma once

#include <gtest/gtest.h>

#include <string>

#include "weights/base/error.h"

namespace linnet::test {

/// The message of the linnet::Error with this code that `action` throws; fails the test when it
/// throws nothing or another code.
template <class Action>
std::string error_of(ErrorCode code, Action&& action) {
  try {
    action();
  } catch (const Error& e) {
    EXPECT_STREQ(name(e.code()), name(code)) << e.what();
    return e.what();
  }
  ADD_FAILURE() << "no error, expected one with the code " << name(code);
  return "";
}

}  // namespace linnet::test
