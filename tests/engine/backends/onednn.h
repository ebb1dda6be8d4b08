#pragma once

#include <gtest/gtest.h>

#include <optional>

#include "engine/backends/onednn.h"
#include "weights/base/error.h"

namespace linnet::test {

/// The plug-in, or the reason why there is none.
inline std::optional<onednn::Plugin> open_plugin(std::string* why) {
  try {
    return onednn::Plugin::open();
  } catch (const Error& e) {
    *why = e.what();
    return std::nullopt;
  }
}

}  // namespace linnet::test

/// Opens the plug-in as `name`, or skips the test with the reason.
#define LINNET_NEEDS_ONEDNN(name)                                      \
  std::string name##_why;                                              \
  const auto name##_opened = ::linnet::test::open_plugin(&name##_why); \
  if (!name##_opened) GTEST_SKIP() << name##_why;                      \
  [[maybe_unused]] const ::linnet::onednn::Plugin& name = *name##_opened
