#pragma once

#include <cassert>

/// What other code of ours must guarantee; no input from outside can reach it. Debug builds only.
#define LINNET_ASSERT(condition) assert(condition)
