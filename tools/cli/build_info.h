#pragma once

#include <string>

namespace linnet::cli {

/// What this program is, a line each: version and commit, compiler, levels compiled and detected,
/// and whether oneDNN is used.
std::string version_text();

/// "0.1.0"
std::string version_number();
/// The commit that was built, "unknown" outside of a repository.
std::string commit();
/// "GNU 12.2.0"
std::string compiler();
/// "2.6.3 (avx512_core_vnni)": the oneDNN that --backend onednn would use, and what it takes this
/// CPU for; empty when there is none.
std::string onednn_version();
/// Instruction-set levels in this program, and those that this machine runs: names with blanks.
std::string levels_compiled();
std::string levels_detected();

}  // namespace linnet::cli
