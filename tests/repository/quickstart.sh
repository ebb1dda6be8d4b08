#!/usr/bin/env bash
# quickstart.sh SOURCE: tools/quickstart.sh in a copy of the tree without anything built, from
# another working directory, twice: it ends with the right answer, and the second time it builds
# nothing. The model is linked, not fetched; skips (exit 77) without it.
set -euo pipefail
source=$1
model=$source/models/all-MiniLM-L6-v2

if [ ! -e "$model/model.safetensors" ]; then
  echo "not here: $model (tools/get_minilm.sh fetches it)"
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

tar -C "$source" --exclude='./build*' --exclude=./models --exclude=./.git -cf - . | tar -C "$work" -xf -
mkdir "$work/models"
ln -s "$(readlink -f "$model")" "$work/models/all-MiniLM-L6-v2"

cd "$work"/tests
for round in first second; do
  "$work/tools/quickstart.sh" >"$work/out" 2>"$work/log" </dev/null || {
    tail -40 "$work/log"
    exit 1
  }
  if ! grep -q 'Yeast eats the sugar' "$work/out"; then
    echo "$round run: the answer about bread is not among the results:"
    cat "$work/out"
    exit 1
  fi
done
if grep -E '^\[[0-9]+/[0-9]+\] (Building|Linking)' "$work/log"; then  # the commit is looked up each time
  echo "the second run built something"
  exit 1
fi
tail -1 "$work/log"
