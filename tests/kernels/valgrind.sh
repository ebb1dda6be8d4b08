#!/usr/bin/env bash
# The kernels of level avx2 under valgrind: no access outside of what was allocated, no result that
# depends on bytes never written. It knows no AVX-512, and its long double has the 53 bits of a double:
# what is compared with one is left out, and what only adds size.
#
#   tests/kernels/valgrind.sh build/release/tests/kernels/kernels_test
#
# Exit status 77: skipped, with the reason.
set -euo pipefail
if ! command -v valgrind >/dev/null; then
  echo "skipped: valgrind is not installed"
  exit 77
fi
exec valgrind --quiet --error-exitcode=1 "$1" --gtest_brief=1 --gtest_filter='*/avx2:-*FullRange*:*IsWithinAnUlp*:*Random*:*ModelShapes*:*GemmS8Level.SameBitsForEveryTail*:*IsTheMatrix*'
