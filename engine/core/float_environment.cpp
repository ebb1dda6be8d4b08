#include "engine/core/float_environment.h"

#include <immintrin.h>

namespace linnet {

FloatEnvironment::FloatEnvironment() : saved_(_mm_getcsr()) { _mm_setcsr(0x1F80); }
FloatEnvironment::~FloatEnvironment() { _mm_setcsr(saved_); }

}  // namespace linnet
