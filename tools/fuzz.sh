#!/usr/bin/env bash
# Builds the fuzz targets and runs each of them for a while, from its committed corpus.
#
#   tools/fuzz.sh [--jobs N] [--only TARGET] [SECONDS]     default: 10 s a target
#
# What a run finds is kept in build/fuzz/found/TARGET and used by the next one; the committed corpus
# (tests/fuzz/corpus/TARGET) is only read. Prints executions and coverage (edges reached of edges
# there are, in the library and the target) a target, and fails if any input crashed, leaked, hung or
# took too much memory; the input is then in build/fuzz/crashes.
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1

jobs=$(nproc) only='' seconds=10
while [ $# -gt 0 ]; do
  case "$1" in
    --jobs) jobs=${2:?"--jobs needs a number"}; shift ;;
    --only) only=${2:?"--only needs a target"}; shift ;;
    [1-9]*) seconds=$1 ;;
    *) sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
  esac
  shift
done

build=build/fuzz
logs=$build/logs
crashes=$build/crashes
cmake --preset fuzz && cmake --build --preset fuzz --parallel "$jobs" || exit 1
rm -rf "$logs" "$crashes"
mkdir -p "$logs" "$crashes"

# The build writes the names of its targets, one a line.
mapfile -t targets <"$build/tests/fuzz/targets.txt"
if [ -n "$only" ]; then targets=("$only"); fi
if [ ${#targets[@]} -eq 0 ]; then
  echo "fuzz: there is no target" >&2
  exit 1
fi

run() {  # run TARGET: the log ends with the exit status
  local target=$1 corpus=tests/fuzz/corpus/$1 found=$build/found/$1 from=()
  mkdir -p "$found"
  if [ -d "$corpus" ]; then from=("$corpus"); fi
  "$build/tests/fuzz/$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=3000 \
    -print_final_stats=1 -artifact_prefix="$crashes/$target-" "$found" "${from[@]}" \
    >"$logs/$target" 2>&1
  echo "exit status $?" >>"$logs/$target"
}

for target in "${targets[@]}"; do
  while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n; done
  run "$target" &
done
wait

status=0
for target in "${targets[@]}"; do
  log=$logs/$target
  edges=$(sed -n 's/^INFO: Loaded .* modules *(\([0-9]*\) inline 8-bit counters).*/\1/p' "$log" | tail -1)
  reached=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -1)
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  verdict=ok
  if ! tail -1 "$log" | grep -qx 'exit status 0'; then
    verdict=FAILED
    status=1
    tail -60 "$log"
  fi
  printf 'fuzz: %-24s %10s executions, coverage %6s of %6s edges  %s\n' \
    "$target" "${runs:-?}" "${reached:-?}" "${edges:-?}" "$verdict"
done
exit $status
