#!/usr/bin/env bash
# Runs clang-tidy with the checks of .clang-tidy over our sources; fails on a finding.
#
#   tools/lint.sh [REGEX]     only files whose path matches, e.g. tokenizer/
#
# Needs the packages of `tools/setup.sh build test lint`. Looks at the code as the release preset
# compiles it; generated and third-party code is left alone.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

program=$(command -v clang-tidy-14 || command -v clang-tidy || true)
if [ -z "$program" ]; then
  echo "lint: there is no clang-tidy; tools/setup.sh lint installs it" >&2
  exit 1
fi

cmake --preset release -B build/lint -DCMAKE_EXPORT_COMPILE_COMMANDS=ON \
  -DCMAKE_CXX_COMPILER=clang++ -DLINNET_BUILD_TESTS=ON >/dev/null
cmake --build build/lint --target linnet_commit >/dev/null  # a header that the build writes

mapfile -t sources < <(sed -n 's/^ *"file": "\(.*\)",\{0,1\}$/\1/p' build/lint/compile_commands.json |
  sort -u | grep -E "^$root/(kernels|weights|tokenizer|engine|tools|tests|bench)/" | grep -E -- "${1:-.}")
if [ ${#sources[@]} -eq 0 ]; then
  echo "lint: no source file matches ${1:-}" >&2
  exit 1
fi
echo "lint: ${#sources[@]} files, $("$program" --version | grep -o 'version [0-9.]*')" >&2
printf '%s\0' "${sources[@]}" |
  xargs -0 --max-args=4 --max-procs="$(nproc)" "$program" -p build/lint --quiet \
    2> >(grep -v ' warnings\{0,1\} generated\.$' >&2)
echo "lint: nothing found" >&2
