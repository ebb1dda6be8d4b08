#pragma once

#include <string>
#include <string_view>

namespace linnet {

/// Text from a file made fit for a message or a terminal: control characters, those that hide or
/// turn text, and invalid UTF-8 escaped; cut after `most` bytes with "…".
std::string printable(std::string_view text, std::size_t most = 4096);

/// The same in quotes, with quotes and backslashes escaped too.
std::string quote(std::string_view text, std::size_t most = 200);

}  // namespace linnet
