#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/core/context.h"
#include "tools/bench/gemm_case.h"
#include "tools/bench/opponent.h"
#include "tools/bench/shapes.h"
#include "tools/cli/option.h"

// Values of options that are lists: "1,8,32". Every function throws cli::UsageError naming the
// option for what is empty or cannot be understood.
namespace linnet::bench {

std::vector<std::string> words(const cli::Option& option, std::string_view list);

/// Each from low to high.
std::vector<std::int64_t> integers(const cli::Option& option, std::string_view list,
                                   std::int64_t low, std::int64_t high);

/// "768x3072" is a product with 768 outputs and 3072 inputs; a name of kNamedProducts is all of its
/// layers. A product that comes again is left out.
std::vector<Product> products(const cli::Option& option, std::string_view list);

/// "fp32", "bf16", "int8". Others than fp32 come after it, which is put before them.
std::vector<Precision> precisions(const cli::Option& option, std::string_view list);

/// "onednn", "openblas".
std::vector<const OpponentLibrary*> libraries(const cli::Option& option, std::string_view list);

std::vector<NumberType> number_types(const cli::Option& option, std::string_view list);

}  // namespace linnet::bench
