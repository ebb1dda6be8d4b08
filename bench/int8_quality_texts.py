"""1,000 sentences for bench_int8_quality, a line each: the first 500 of SST-2's dev set, and the first sentence of the
first 500 reviews of IMDB's test set.

    python3 bench/int8_quality_texts.py DATA > sentences.txt
"""
import json
import pathlib
import re
import sys


def first_sentence(text: str) -> str:
    text = " ".join(text.replace("<br />", " ").split())
    return re.split(r"(?<=[.!?])\s", text, maxsplit=1)[0]


def main(data: pathlib.Path) -> None:
    dev = (data / "glue/SST-2/dev.tsv").read_text().splitlines()[1:501]
    reviews = (data / "imdb/test.jsonl").read_text().split("\n")[:500]
    for row in dev:
        print(row.split("\t")[1])
    for row in reviews:
        print(first_sentence(json.loads(row)["text"]))


main(pathlib.Path(sys.argv[1]))
