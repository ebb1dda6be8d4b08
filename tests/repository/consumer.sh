#!/usr/bin/env bash
# consumer.sh SOURCE BUILD COMPILER: another project uses linnet, once as an installed and then moved
# package, once as a folder of its own tree. In both, its code must compile under its own flags
# alone: nothing of ours may leak into them.
set -euo pipefail
source=$1 build=$2 compiler=$3

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

no_flags_of_ours() {  # no_flags_of_ours BUILD: looks at how main.cpp was compiled
  local flags
  flags=$(sed -n 's/.*"command": \(.*main\.cpp.*\)/\1/p' "$1/compile_commands.json")
  [ -n "$flags" ] || { echo "main.cpp is not in the compilation database"; exit 1; }
  if grep -E -- '-ffp-contract|-Wconversion|-Werror|-mavx|-fvisibility' <<<"$flags"; then
    echo "our flags leak to those who link to us"
    exit 1
  fi
}

use() {  # use NAME CMAKE_OPTION…
  local name=$1
  shift
  echo "== $name"
  cmake -S "$source/tests/repository/consumer" -B "$work/$name" -G Ninja \
    -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_EXPORT_COMPILE_COMMANDS=ON "$@"
  cmake --build "$work/$name" --parallel "$(nproc)" | tail -3
  no_flags_of_ours "$work/$name"
  # Without arguments it asks for them; with a model that is not there it says so.
  if "$work/$name/consumer"; then exit 1; fi
  if "$work/$name/consumer" /no/model a b 2>"$work/errors"; then exit 1; fi
  grep -q '^error: .*/no/model' "$work/errors" || { cat "$work/errors"; exit 1; }
  local model=${LINNET_MINILM:-$source/models/all-MiniLM-L6-v2} near far
  if [ -e "$model/model.safetensors" ]; then
    near=$("$work/$name/consumer" "$model" "a cat sleeps on the sofa" "the kitten naps on the couch")
    far=$("$work/$name/consumer" "$model" "a cat sleeps on the sofa" "the bank raised its rates")
    echo "near $near, far $far"
    awk -v near="$near" -v far="$far" 'BEGIN { exit !(near > 0.5 && far < 0.2 && near <= 1) }'
  else
    echo "not here: $model"
  fi
}

DESTDIR=$work/staged cmake --install "$build" --prefix /opt/linnet >/dev/null
mv "$work/staged/opt/linnet" "$work/moved"
if grep -rnF -e "$source" -e "$build" -e /usr/ "$work/moved" --include='*.cmake'; then
  echo "the installed package names folders of the machine that built it"
  exit 1
fi
if [ -x "$work/moved/bin/linnet" ]; then
  "$work/moved/bin/linnet" --version >/dev/null
  # The default model moved with the program.
  "$work/moved/bin/linnet" classify "what a lovely film" | grep -q '"label": "positive"'
fi

use package -DCMAKE_PREFIX_PATH="$work/moved"
if cmake -S "$source/tests/repository/consumer" -B "$work/none" -G Ninja \
  -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_PREFIX_PATH="$work/moved" \
  -DCOMPONENT=no_such_component >/dev/null 2>"$work/errors"; then
  echo "a component that does not exist was found"
  exit 1
fi
grep -q 'linnet has no component "no_such_component"' "$work/errors" || {
  cat "$work/errors"
  exit 1
}
use folder -DLINNET_SOURCE="$source"
