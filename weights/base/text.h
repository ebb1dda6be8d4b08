#pragma once

#include <string>
#include <string_view>

namespace linnet {

/// Text from a file made fit for a message: quoted; control and bidirectional characters, quotes,
/// backslashes and invalid UTF-8 escaped; cut after `most` bytes with "…".
std::string quote(std::string_view text, std::size_t most = 200);

}  // namespace linnet
