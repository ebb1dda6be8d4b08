#pragma once

#include <filesystem>
#include <string>

namespace linnet::bench {

/// Writes a model directory with the shapes that `config_json` asks for and normally distributed
/// weights (standard deviation 0.02, LayerNorm weights about 1), the same ones every time. Speed
/// does not depend on what a model has learned.
void write_random_checkpoint(const std::filesystem::path& directory,
                             const std::string& config_json);

}  // namespace linnet::bench
