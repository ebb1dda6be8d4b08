#pragma once

#include <string>

namespace linnet::tools {

/// The directory of the classifier that comes with linnet: the environment's LINNET_DEFAULT_MODEL;
/// else share/linnet/default of the folder where the program is installed; else weights/default of
/// the sources that it was built in (build/PRESET/tools). Throws kIo, naming where it looked.
std::string default_model_directory();

}  // namespace linnet::tools
