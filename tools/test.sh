#!/usr/bin/env bash
# Sets up, builds and runs the tests. Without options: the release build and its whole suite.
#
#   tools/test.sh [--all] [--release] [--sanitizers] [--fuzz] [--jobs N] [--fuzz-seconds N]
#
#   --release       GCC, optimised: every test, those labelled slow too
#   --sanitizers    Clang: ASan + UBSan over the suite, TSan over threads, tokenizer and sessions
#   --fuzz          Clang: every libFuzzer target from its committed corpus, for a short while
#   --all           all of these
#   --jobs N        compilers and tests at a time (default: the number of cores)
#
# Asks nothing and reads nothing from standard input. Ends with one line of totals, in tests as
# ctest counts them (a fuzz target counts as one), and fails if any failed.
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1
exec </dev/null

release=0 sanitizers=0 fuzz=0 jobs=$(nproc) fuzz_seconds=10
passed=0 failed=0 skipped=0
report=()

usage() {
  sed -n '2,13s/^# \{0,1\}//p' "$0" >&2
  exit 2
}

while [ $# -gt 0 ]; do
  case "$1" in
    --release) release=1 ;;
    --sanitizers) sanitizers=1 ;;
    --fuzz) fuzz=1 ;;
    --all) release=1 sanitizers=1 fuzz=1 ;;
    --jobs | --fuzz-seconds)
      [[ "${2:-}" =~ ^[1-9][0-9]*$ ]] || usage
      if [ "$1" = --jobs ]; then jobs=$2; else fuzz_seconds=$2; fi
      shift
      ;;
    *) usage ;;
  esac
  shift
done
if [ $((release + sanitizers + fuzz)) -eq 0 ]; then release=1; fi

step() { printf '\n== %s (%d s so far)\n' "$1" "$SECONDS"; }

# note STAGE SECONDS: a line of the closing table.
note() { report+=("$(printf '%-10s %5d s' "$1" "$2")"); }

# Ends the run when nothing that follows could make sense.
give_up() {
  printf '%s\n' "$1"
  printf '%d passed, %d failed\n' "$passed" "$((failed + 1))"
  exit 1
}

# The level that the kernel says this machine has; a test compares it with what linnet detects, so
# that a level cannot go untested unseen.
expected_isa() {
  local flags
  flags=" $(grep -m1 '^flags' /proc/cpuinfo) "
  has_flags() {
    local flag
    for flag in "$@"; do [[ "$flags" == *" $flag "* ]] || return 1; done
  }
  local avx512=(avx512f avx512bw avx512dq avx512vl)
  if has_flags "${avx512[@]}" amx_tile amx_int8 amx_bf16; then
    echo amx
  elif has_flags "${avx512[@]}" avx512_vnni; then
    echo avx512_vnni
  elif has_flags "${avx512[@]}"; then
    echo avx512
  elif has_flags avx_vnni; then
    echo avx_vnni
  else
    echo avx2
  fi
}

build() {  # build PRESET [CMAKE OPTION…]
  local preset=$1
  shift
  step "Build: $preset"
  cmake --preset "$preset" "$@" && cmake --build --preset "$preset" --parallel "$jobs"
}

# Prints why tests were skipped, inside GoogleTest programs and whole ones, each reason once.
reasons() {  # reasons LOG
  local text
  text=$({
    grep -A1 ': Skipped$' "$1" | grep -v -e ': Skipped$' -e '^--$'
    grep -E '^(skipped|not here): ' "$1"
  } | sort | uniq -c)
  if [ -n "$text" ]; then printf 'Skipped, because:\n%s\n' "$text"; fi
}

# Runs ctest and adds its counts up.
suite() {  # suite PRESET [CTEST OPTION…]
  local preset=$1 log=build/$1/ctest.log
  shift
  step "Tests: $preset"
  ctest --preset "$preset" --parallel "$jobs" --no-tests=error "$@" 2>&1 | tee "$log"
  local status=${PIPESTATUS[0]} line total bad none
  line=$(grep -E '^[0-9]+% tests passed, [0-9]+ tests failed out of [0-9]+' "$log")
  if [[ "$line" =~ ([0-9]+)\ tests\ failed\ out\ of\ ([0-9]+) ]]; then
    bad=${BASH_REMATCH[1]} total=${BASH_REMATCH[2]}
    none=$(grep -cE '\*\*\*Skipped' "$log")
    failed=$((failed + bad)) skipped=$((skipped + none))
    passed=$((passed + total - bad - none))
  fi
  if [ "$status" -ne 0 ] && [ "${bad:-0}" -eq 0 ]; then failed=$((failed + 1)); fi
  reasons "build/$preset/Testing/Temporary/LastTest.log"
}

release_stage() {
  local start=$SECONDS
  build release -DLINNET_BUILD_TESTS=ON || give_up "The release build failed."
  suite release
  note release $((SECONDS - start))
}

asan_stage() {
  local start=$SECONDS
  build asan || give_up "The ASan + UBSan build failed."
  suite asan --label-exclude 'slow|repository'
  note asan $((SECONDS - start))
}

tsan_stage() {
  local start=$SECONDS
  build tsan || give_up "The TSan build failed."
  suite tsan --label-regex threads --label-exclude slow
  note tsan $((SECONDS - start))
}

fuzz_stage() {
  local start=$SECONDS count
  step "Fuzzing: $fuzz_seconds s a target"
  tools/fuzz.sh --jobs "$jobs" "$fuzz_seconds" 2>&1 | tee build/fuzz.log
  local status=${PIPESTATUS[0]}
  count=$(grep -c '^fuzz: .* ok' build/fuzz.log)
  passed=$((passed + count))
  if [ "$status" -ne 0 ]; then failed=$((failed + 1)); fi
  note fuzz $((SECONDS - start))
}

groups=(build model test)
if [ $((sanitizers + fuzz)) -gt 0 ]; then groups+=(sanitize); fi
if [ "${CI:-}" = true ]; then groups+=(lint); fi

step "Packages"
tools/setup.sh "${groups[@]}" || give_up "The set-up failed."
step "Model"
tools/get_minilm.sh || give_up "The model cannot be had."
note set-up "$SECONDS"
mkdir -p build

if command -v ccache >/dev/null; then export CMAKE_CXX_COMPILER_LAUNCHER=ccache; fi
LINNET_EXPECT_ISA=${LINNET_EXPECT_ISA:-$(expected_isa)}
export LINNET_EXPECT_ISA

if [ $release -eq 1 ]; then release_stage; fi
if [ $sanitizers -eq 1 ]; then
  asan_stage
  tsan_stage
fi
if [ $fuzz -eq 1 ]; then fuzz_stage; fi

step "Done"
printf '%s\n' "${report[@]}"
if [ $((passed + failed)) -eq 0 ]; then failed=1; fi
printf '%d passed, %d failed, %d skipped\n' $passed $failed $skipped
[ $failed -eq 0 ]
