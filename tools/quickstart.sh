#!/usr/bin/env bash
# From a bare clone to a first answer: installs what is missing, builds linnet, fetches
# all-MiniLM-L6-v2 and searches real text by meaning. Ends with the results.
#
#   tools/quickstart.sh [--model DIR]     DIR: a model you have already; nothing is fetched then
#
# Safe to run again: what is done already is not done twice.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

model=models/all-MiniLM-L6-v2
case "${1:-}" in
  "") ;;
  --model)
    model=${2:?"--model needs a folder"}
    ;;
  *)
    sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac

step() { printf '\n== %s (%d s so far)\n' "$1" "$SECONDS" >&2; }

step "Packages"
if [ $# -eq 0 ]; then tools/setup.sh build model; else tools/setup.sh build; fi

step "Build"
if command -v ccache >/dev/null; then export CMAKE_CXX_COMPILER_LAUNCHER=ccache; fi
cmake --preset release -DLINNET_BUILD_TESTS=OFF >&2
cmake --build --preset release --parallel "$(nproc)" --target linnet >&2

step "Model"
[ $# -gt 0 ] || tools/get_minilm.sh "$model"

linnet=build/release/tools/linnet

step "Search by meaning: $(wc -l <tools/examples/everyday.txt) sentences of tools/examples/everyday.txt"
show() { (set -x; "$@"); }
show "$linnet" search --model "$model" --input tools/examples/everyday.txt --top-k 3 \
  "why does bread rise?" "my laptop hangs" "an animal that sees with its ears" \
  "is it wise to put all my money into one firm?"

# Text that nobody wrote for this purpose: the licences of this machine, a paragraph a line.
paragraphs=build/release/licences.txt
texts=()
for text in /usr/share/common-licenses/{GPL-3,MPL-2.0,Artistic,CC0-1.0,BSD,GFDL-1.3}; do
  if [ -r "$text" ]; then texts+=("$text"); fi
done
awk 'BEGIN { RS = "" } { gsub(/[[:space:]]+/, " "); sub(/^ /, ""); if (length > 60) print }' \
  LICENSE "${texts[@]}" >"$paragraphs"

step "Search by meaning: $(wc -l <"$paragraphs") paragraphs of $((1 + ${#texts[@]})) licences"
show "$linnet" search --model "$model" --input "$paragraphs" --top-k 2 \
  "who pays if the program destroys my data?" "am I allowed to charge money for copies?"

printf '\nDone in %d s. The program: %s; more: README.md\n' "$SECONDS" "$linnet" >&2
