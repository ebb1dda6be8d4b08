#!/usr/bin/env bash
# clang_format.sh ROOT: every source file is formatted as .clang-format says. Skips (exit 77)
# without clang-format 14, since other versions format differently.
set -euo pipefail
cd "$1"

program=$(command -v clang-format-14 || command -v clang-format || true)
if [ -z "$program" ]; then
  echo "skipped: there is no clang-format (tools/setup.sh lint installs it)"
  exit 77
fi
if ! "$program" --version | grep -q 'version 14\.'; then
  echo "skipped: the format is that of version 14; here is $("$program" --version)"
  exit 77
fi
find bench engine kernels tests tokenizer tools weights \( -name '*.h' -o -name '*.cpp' \) \
  -exec "$program" --dry-run --Werror {} +
