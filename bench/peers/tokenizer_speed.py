"""Measures tokenizers: megabytes of distinct text a second, every text seen once."""

import json
import pathlib
import sys
import tempfile

import table
from driver import Worker, WorkerFailed

HERE = pathlib.Path(__file__).resolve().parent
TEXTS = "imdb/train.jsonl"  # under the data folder


def missing(data):
    """What is not there, or None."""
    names = [f"vocab/{name}/tokenizer.json" for name in table.VOCABULARIES] + [TEXTS]
    return next((str(data / name) for name in names if not (data / name).exists()), None)


def slices(data, folder, count, texts_each):
    """Files of texts_each texts, one for each round, and their sizes in bytes of UTF-8."""
    result = []
    with open(data / TEXTS, encoding="utf-8") as lines:
        for number in range(count):
            texts = [json.loads(line)["text"] for _, line in zip(range(texts_each), lines)]
            if len(texts) < texts_each:
                sys.exit(f"{data / TEXTS}: fewer than {count * texts_each} texts")
            path = folder / f"{number}.jsonl"
            path.write_text("".join(json.dumps(text, ensure_ascii=False) + "\n" for text in texts),
                            encoding="utf-8")
            result.append((path, sum(len(text.encode()) for text in texts)))
    return result


def command(setup, way, threads, vocabulary):
    directory = str(setup.data / "vocab" / vocabulary)
    if way.engine == "linnet":
        return [str(setup.linnet), "tokenizer", directory, str(threads), way.mode]
    return [sys.executable, str(HERE / "tokenizer_worker.py"), way.engine, directory,
            way.mode]


def throughput(setup, threads, vocabulary):
    """Rows {vocabulary, threads, tokenizer, mb_per_s: one a round} or {…, error}. The first round is
    dropped; a row whose ids are not those of `tokenizers_batch` is an error."""
    rows, workers = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        parts = slices(setup.data, pathlib.Path(folder), setup.rounds + 1, setup.texts)
        try:
            for name, way in table.TOKENIZERS.items():
                if vocabulary not in way.vocabularies or threads not in way.threads:
                    continue
                if way.engine != "linnet" or setup.with_linnet:
                    workers[name] = Worker(command(setup, way, threads, vocabulary), threads)
                    rows[name] = {"vocabulary": vocabulary, "threads": threads, "tokenizer": name,
                                  "mb_per_s": []}
            for number, (path, size) in enumerate(parts):
                replies = _round(workers, rows, path)
                wanted = replies.get("tokenizers_batch", {}).get("digest")
                for name, reply in replies.items():
                    if reply["digest"] != wanted:
                        rows[name]["error"] = "other ids than tokenizers_batch"
                    if number > 0:
                        rows[name]["mb_per_s"].append(size / reply["ms"][0] * 1e-3)
        finally:
            for worker in workers.values():
                worker.close()
    print(f"tokenizers {vocabulary} {threads}: " + "  ".join(
        f"{name} {row.get('error') or round(max(row['mb_per_s']), 1)}"
        for name, row in rows.items()), file=sys.stderr, flush=True)
    return list(rows.values())


def _round(workers, rows, path):
    replies = {}
    for name, worker in workers.items():
        if "error" in rows[name]:
            continue
        try:
            worker.ask("read", file=str(path))
            replies[name] = worker.ask("tokenize")
        except WorkerFailed as failure:
            rows[name]["error"] = str(failure)
    return replies
