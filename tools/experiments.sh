#!/usr/bin/env bash
# Real training runs. sst2, mrpc (three seeds), squad2 and imdb fine-tune all-MiniLM-L6-v2 with the
# hyper-parameters of the same runs in PyTorch and score the result with linnet evaluate; gpt2_imdb
# goes on with a small GPT-2 on the texts of IMDB; shakespeare trains one from nothing.
#
#   tools/experiments.sh [--output DIR] [--threads N] [--precision P] [--seed N] [--max-steps N]
#                        NAME...
#
# Results go to DIR/NAME (default build/experiments); a run that was interrupted goes on when it is
# started again. --precision bf16 multiplies in BF16; --seed (1; mrpc has its own three) gives another
# run, which needs a DIR of its own; --max-steps ends every run early: to see that all is in place.
# Needs the release build, the model in models/ (tools/get_minilm.sh) and the data sets in the folder
# that LINNET_DATA names (default ../shared/data); some need python3.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

usage() {
  sed -n '2,13s/^# \{0,1\}//p' "$0" >&2
  exit 2
}

output=build/experiments seed=1 threads=() precision=() steps=() names=()
while [ $# -gt 0 ]; do
  case "$1" in
    --output) output=${2:?"--output needs a directory"}; shift ;;
    --threads) threads=(--threads "${2:?"--threads needs a number"}"); shift ;;
    --precision) precision=(--precision "${2:?"--precision needs fp32 or bf16"}"); shift ;;
    --seed) seed=${2:?"--seed needs a number"}; shift ;;
    --max-steps) steps=(--max-steps "${2:?"--max-steps needs a number"}"); shift ;;
    sst2 | mrpc | squad2 | imdb | gpt2_imdb | shakespeare) names+=("$1") ;;
    *) usage ;;
  esac
  shift
done
[ ${#names[@]} -gt 0 ] || usage

linnet=build/release/tools/linnet
model=models/all-MiniLM-L6-v2
data=${LINNET_DATA:-../shared/data}
for needed in "$linnet" "$model/model.safetensors" "$data"; do
  [ -e "$needed" ] || { echo "experiments: $needed is not there" >&2; exit 1; }
done

# train DIR OPTION...: what all runs have in common.
train() {
  local to=$1
  shift
  "$linnet" train --output-dir "$to" --resume --weight-decay 0.01 --warmup-ratio 0.06 \
    --per-device-train-batch-size 32 --logging-steps 100 --save-total-limit 2 \
    --eval-strategy epoch --save-strategy epoch --seed "$seed" "${threads[@]}" "${precision[@]}" "$@" \
    "${steps[@]}"
}

# fine_tune DIR OPTION...
fine_tune() {
  local to=$1
  shift
  train "$to" --model "$model" --group-by-length "$@"
}

# evaluate DIR TASK FILE OPTION...
evaluate() {
  local from=$1 task=$2 file=$3
  shift 3
  "$linnet" evaluate --model "$from" --task "$task" --file "$file" "${threads[@]}" "$@"
}

sst2() {
  local part
  for part in train dev test; do  # labels with the names of their classes
    sed 's/^0\t/negative\t/; s/^1\t/positive\t/' "$data/glue/SST-2/$part.tsv" \
      > "$output/sst2_$part.tsv"
  done
  fine_tune "$output/sst2" --train-file "$output/sst2_train.tsv" \
    --validation-file "$output/sst2_dev.tsv" --learning-rate 5e-5 --num-train-epochs 2
  for part in dev test; do
    echo "sst2 $part"
    evaluate "$output/sst2" text-classification "$output/sst2_$part.tsv"
  done
  echo "anchor: 789 of 872 right in dev (0.9048), 1661 of 1821 in test (0.9121)"
}

mrpc() {
  local part seed
  for part in train test; do  # the columns are those of a .tsv
    cp "$data/glue/MRPC/msr_paraphrase_$part.txt" "$output/mrpc_$part.tsv"
  done
  for seed in 1 2 3; do
    fine_tune "$output/mrpc$seed" --train-file "$output/mrpc_train.tsv" \
      --validation-file "$output/mrpc_test.tsv" --learning-rate 5e-5 --num-train-epochs 4 \
      --seed "$seed"
    echo "mrpc, seed $seed"
    evaluate "$output/mrpc$seed" text-classification "$output/mrpc_test.tsv"
  done
  echo "anchor: accuracy 0.765, 0.786, 0.797; F1 0.832, 0.848, 0.853"
}

# Of the articles, sorted by title, every fifth is for validation.
split_squad() {
  python3 - "$data/squad/dev-v2.0.json" "$output" <<'PYTHON'
import json
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    whole = json.load(file)
articles = sorted(whole["data"], key=lambda article: article["title"])
parts = {
    "train": [a for i, a in enumerate(articles) if i % 5 != 0],
    "dev": articles[::5],
}
for name, data in parts.items():
    with open(f"{sys.argv[2]}/squad2_{name}.json", "w", encoding="utf-8") as file:
        json.dump({"version": whole["version"], "data": data}, file)
PYTHON
}

squad2() {
  split_squad
  fine_tune "$output/squad2" --task question-answering --train-file "$output/squad2_train.json" \
    --validation-file "$output/squad2_dev.json" --max-seq-length 384 --doc-stride 128 \
    --learning-rate 1e-4 --num-train-epochs 2
  evaluate "$output/squad2" question-answering "$output/squad2_dev.json" --max-seq-len 384 \
    --doc-stride 128
  echo "anchor: exact 55.7, F1 56.7; HasAns 21.8 and 24.0, NoAns 83.8"
}

imdb() {
  fine_tune "$output/imdb" --train-file "$data/imdb/train.jsonl" \
    --validation-file "$data/imdb/test.jsonl" --max-seq-length 256 --learning-rate 5e-5 \
    --num-train-epochs 1
  evaluate "$output/imdb" text-classification "$data/imdb/test.jsonl" --max-length 256
}

# Of both parts of IMDB the first reviews, a line each: 10,000 to train, 1,000 to validate.
imdb_texts() {
  python3 - "$data/imdb" "$output" <<'PYTHON'
import json
import random
import sys

for part, name, count in (("train", "train", 10000), ("test", "valid", 1000)):
    with open(f"{sys.argv[1]}/{part}.jsonl", encoding="utf-8") as file:
        texts = [json.loads(line)["text"] for line in file]
    random.Random(1).shuffle(texts)  # they are sorted by label
    with open(f"{sys.argv[2]}/imdb_{name}.txt", "w", encoding="utf-8") as file:
        for text in texts[:count]:
            print(" ".join(text.replace("<br />", " ").split()), file=file)
PYTHON
}

gpt2_imdb() {
  local gpt2=$data/checkpoints/gpt2-yelp
  imdb_texts
  train "$output/gpt2_imdb" --model "$gpt2" --task language-modeling \
    --train-file "$output/imdb_train.txt" --validation-file "$output/imdb_valid.txt" \
    --learning-rate 5e-4 --num-train-epochs 1
  for model in "$gpt2" "$output/gpt2_imdb"; do
    echo "gpt2_imdb, $model"
    "$linnet" perplexity --model "$model" --input "$output/imdb_valid.txt" "${threads[@]}"
  done
}

# The last tenth of tinyshakespeare is for validation.
shakespeare() {
  local text=$data/tinyshakespeare/input.txt lines
  lines=$(wc -l < "$text")
  head -n $((lines * 9 / 10)) "$text" > "$output/shakespeare_train.txt"
  tail -n +$((lines * 9 / 10 + 1)) "$text" > "$output/shakespeare_valid.txt"
  train "$output/shakespeare" --model "$data/checkpoints/gpt2-yelp" --from-scratch \
    --config-overrides n_embd=256,n_layer=6,n_head=8,n_positions=256,n_ctx=256 \
    --task language-modeling --train-file "$output/shakespeare_train.txt" \
    --validation-file "$output/shakespeare_valid.txt" --learning-rate 1e-3 --num-train-epochs 12
  "$linnet" generate --model "$output/shakespeare" --max-new-tokens 200 \
    --do-sample --temperature 0.8 --seed 1 "${threads[@]}" $'ROMEO:\n'
}

mkdir -p "$output"
for name in "${names[@]}"; do "$name"; done
