#!/usr/bin/env bash
# shell_scripts.sh ROOT: the shell scripts parse, stop at errors, and satisfy shellcheck where there
# is one.
set -euo pipefail
cd "$1"

mapfile -t scripts < <(find .ci tools tests bench -name '*.sh' -o -path '.ci/run' | sort)
echo "${#scripts[@]} scripts"
[ ${#scripts[@]} -gt 0 ]
for script in "${scripts[@]}"; do
  bash -n "$script"
  [ -x "$script" ] || { echo "$script: not executable"; exit 1; }
  grep -qE '^set -e?uo pipefail$' "$script" || { echo "$script: no set -euo pipefail"; exit 1; }
done
if command -v shellcheck >/dev/null; then
  shellcheck --severity=warning "${scripts[@]}"
else
  echo "no shellcheck here (tools/setup.sh lint installs it)"
fi
