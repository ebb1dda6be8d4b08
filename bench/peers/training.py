"""Measures training: a whole step (forward, backward, clipping, AdamW), its memory, its losses."""

import csv
import json
import random

import engines
import table
from driver import Worker, WorkerFailed
from encoders import note
from prepare import folder_of

REFERENCE = "torch_fp32"
CHECKED = 2  # steps whose losses are compared: the second one sees what the first one changed
LEARNING_RATE = 5e-5
LONGEST = 128  # tokens of a real text
VOCABULARY = "vocab/all-MiniLM-L6-v2/tokenizer.json"  # under the data folder
TEXTS = {"SST-2": "glue/SST-2/train.tsv", "MRPC": "glue/MRPC/msr_paraphrase_train.txt"}


def missing(data):
    """What is not there, or None."""
    return next((str(data / name) for name in (VOCABULARY, *TEXTS.values())
                 if not (data / name).exists()), None)


def _real_rows(data, task):
    """Ids of the task's training texts, pairs as the model sees them."""
    import tokenizers

    tokenizer = tokenizers.Tokenizer.from_file(str(data / VOCABULARY))
    tokenizer.no_padding()
    tokenizer.enable_truncation(LONGEST)
    with open(data / TEXTS[task], encoding="utf-8-sig", newline="") as lines:
        fields = list(csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))[1:]
    texts = [line[1] for line in fields] if task == "SST-2" else [(l[3], l[4]) for l in fields]
    return [encoded.ids for encoded in tokenizer.encode_batch(texts)]


def rows_of(setup, cell, steps):
    """Ids and labels of so many steps, the same for every backend. No labels: a language model."""
    what = table.TRAININGS[cell]
    rng, count = random.Random(cell), what.batch * steps
    if what.lengths in TEXTS:
        rows = _real_rows(setup.data, what.lengths)
        rng.shuffle(rows)
        rows = rows[:count]
    else:
        rows = [[rng.randrange(1000, 30000) for _ in range(what.lengths)] for _ in range(count)]
    if what.model == "language":
        return rows, []
    return rows, [i * i // 3 % 2 for i in range(count)]


def start(setup, model, name, threads):
    backend = table.TRAINERS[name]
    folder = folder_of(setup.cache, model, backend)
    return Worker(engines.command(backend, folder, threads, setup.linnet, "trainer"), threads)


def begin(worker, name, cell, rows, labels, dropout):
    worker.ask("train", ids=rows, labels=labels, batch=table.TRAININGS[cell].batch,
               learning_rate=LEARNING_RATE, dropout=dropout,
               recompute=table.TRAINERS[name].option == "recompute")


def first_losses(worker, name, cell, rows, labels):
    """Losses of the first steps without dropout, whose random numbers every engine has its own."""
    count = table.TRAININGS[cell].batch * CHECKED
    begin(worker, name, cell, rows[:count], labels[:count], dropout=False)
    return worker.ask("steps", count=CHECKED)["losses"]


def reference_losses(setup, model, cell):
    """Of torch in FP32, eager; stored beside the model."""
    rows, labels = rows_of(setup, cell, CHECKED)
    path = setup.cache / model / f"reference-training-{cell}.json"
    if path.exists():
        stored = json.loads(path.read_text())
        if stored["ids"] == rows:
            return stored["losses"]
    worker = start(setup, model, REFERENCE, 2)
    try:
        losses = first_losses(worker, REFERENCE, cell, rows, labels)
    finally:
        worker.close()
    path.write_text(json.dumps({"ids": rows, "losses": losses}))
    return losses


def training(setup, model, cell, threads):
    """Rows {model, threads, cell, backend, difference, rounds, peak_kb} or {…, error}. A round has
    the milliseconds of its steps; `tokens` are those of each round's steps, padding not counted."""
    each = table.TRAININGS[cell].steps
    rows, labels = rows_of(setup, cell, max(each * (setup.rounds + 1), CHECKED))
    wanted = reference_losses(setup, model, cell)
    per_round = each * table.TRAININGS[cell].batch
    tokens = [sum(map(len, rows[i:i + per_round])) for i in range(per_round, len(rows), per_round)]
    workers, results = {}, {}
    try:
        for name in setup.trainers:
            row = {"model": model, "threads": threads, "cell": cell, "backend": name, "rounds": [],
                   "tokens": tokens}
            results[name] = row
            try:
                workers[name] = start(setup, model, name, threads)
                losses = (wanted if name == REFERENCE else
                          first_losses(workers[name], name, cell, rows, labels))
                row["difference"] = check(name, losses, wanted)
                begin(workers[name], name, cell, rows, labels, dropout=True)
            except WorkerFailed as failure:
                row["error"] = str(failure)
        _rounds(setup, each, workers, results)
        for name, row in results.items():
            if "error" not in row:
                row["peak_kb"] = workers[name].ask("about")["peak_kb"]
    finally:
        for worker in workers.values():
            worker.close()
    note(f"{model} {threads} {cell}: " + "  ".join(
        f"{name} {row.get('error') or format(min(map(sum, row['rounds'])) / each, '.4g')}"
        for name, row in results.items()))
    return list(results.values())


def _rounds(setup, each, workers, results):
    for turn in range(-1, setup.rounds):  # the first is not counted
        running = [name for name, row in results.items() if "error" not in row]
        for name in running[turn % len(running):] + running[:turn % len(running)]:
            try:
                ms = workers[name].ask("steps", count=each)["ms"]
            except WorkerFailed as failure:
                results[name]["error"] = str(failure)
                continue
            if turn >= 0:
                results[name]["rounds"].append(ms)


def check(name, losses, wanted):
    """The largest difference of a loss, as a share of it. Throws WorkerFailed."""
    worst = max(abs(a - b) / abs(b) for a, b in zip(losses, wanted, strict=True))
    if not worst <= table.LOSS_TOLERANCE[table.TRAINERS[name].precision]:
        raise WorkerFailed(f"losses differ by {worst:.2g}: {losses}, expected {wanted}")
    return worst
