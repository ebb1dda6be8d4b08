#!/usr/bin/env python3
"""peers_test.py FOLDER: the program in FOLDER (bench/peers) with workers that only pretend."""

import json
import pathlib
import sys
import tempfile
import time
import types
import unittest

FOLDER = sys.argv.pop(1)
sys.path.insert(0, FOLDER)

import driver  # noqa: E402
import encoders  # noqa: E402
import engines  # noqa: E402
import generation_report  # noqa: E402
import generators  # noqa: E402
import prepare  # noqa: E402
import report  # noqa: E402
import table  # noqa: E402
import tokenizer_speed  # noqa: E402

# A worker whose logits are a function of each row, off by the argument, and whose calls take
# exactly as long as it says.
FAKE = """
import json, sys
error, ms = float(sys.argv[1]), float(sys.argv[2])
for line in sys.stdin:
    r = json.loads(line)
    if r["op"] == "batch":
        reply = {"logits": [[sum(row) * 1e-6, -1 + error] for row in r["ids"]]}
    elif r["op"] == "run":
        reply = {"ms": [ms, 2 * ms]}
    elif r["op"] == "generate":
        reply = {"ms": [10 + ms * (r["tokens"] - 1)],
                 "tokens": [[sum(row) % 7 + int(error * 10)] * r["tokens"] for row in r["ids"]]}
    elif r["op"] == "about":
        reply = {"peak_kb": 1000}
    elif r["op"] == "read":
        reply = {"texts": len(open(r["file"]).readlines())}
    elif r["op"] == "tokenize":
        reply = {"ms": [ms], "digest": str(error)}
    elif r["op"] == "end":
        sys.exit("these are the last words")
    else:
        reply = {"error": "unknown " + r["op"]}
    print(json.dumps(reply), flush=True)
"""


def fake(error=0.0, ms=1.0):
    return [sys.executable, "-c", FAKE, str(error), str(ms)]


class Driver(unittest.TestCase):
    def setUp(self):
        self.worker = driver.Worker(fake(), 1)
        self.addCleanup(self.worker.close)

    def state(self):
        with open(f"/proc/{self.worker.process.pid}/stat", encoding="ascii") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0]

    def test_worker_is_stopped_between_requests(self):
        for _ in range(3):
            self.worker.ask("about")
            end = time.monotonic() + 10
            while self.state() != "T" and time.monotonic() < end:
                time.sleep(0.001)
            self.assertEqual(self.state(), "T")

    def test_errors_are_passed_on(self):
        with self.assertRaisesRegex(driver.WorkerFailed, "unknown dance"):
            self.worker.ask("dance")
        self.assertEqual(self.worker.ask("about")["peak_kb"], 1000)

    def test_a_reply_that_is_no_json(self):
        worker = driver.Worker([sys.executable, "-c", "input(); print('nan'.join('{}'))"], 1)
        self.addCleanup(worker.close)
        with self.assertRaisesRegex(driver.WorkerFailed, "no JSON: b'{nan}"):
            worker.ask("about")

    def test_last_words_of_a_worker_that_ends(self):
        with self.assertRaisesRegex(driver.WorkerFailed, "status 1: these are the last words"):
            self.worker.ask("end")


class Measured(unittest.TestCase):
    """Runs the parts with fake workers: {backend: (error of the logits, milliseconds)}."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.cache = pathlib.Path(folder.name)
        (self.cache / "minilm").mkdir()
        original = engines.command
        self.addCleanup(lambda: setattr(engines, "command", original))
        encoders.note = lambda text: None

    def latency(self, workers, cells=("1x16",)):
        names = {id(table.BACKENDS[name]): name for name in table.BACKENDS}
        engines.command = lambda backend, *_: fake(*workers[names[id(backend)]])
        setup = types.SimpleNamespace(cache=self.cache, linnet=None, backends=list(workers),
                                      cells=list(cells), rounds=3, seconds=0)
        return encoders.latency(setup, "minilm", 1)

    def test_rounds_and_memory(self):
        rows = self.latency({"linnet_fp32": (0, 2.0), "torch_fp32": (0, 3.0)})
        self.assertEqual([row["rounds"] for row in rows], [[[2.0, 4.0]] * 3, [[3.0, 6.0]] * 3])
        self.assertEqual([row["peak_kb"] for row in rows], [1000, 1000])
        self.assertEqual([row["difference"] for row in rows], [0, 0])

    def test_wrong_logits_are_not_timed(self):
        rows = self.latency({"linnet_fp32": (0, 2.0), "torch_fp32": (0, 3.0),
                             "ov_fp32": (1e-3, 1.0), "ov_bf16": (1e-3, 1.0)})
        self.assertEqual(["error" in row for row in rows], [False, False, True, False])
        self.assertEqual(rows[2]["rounds"], [])
        text = report.render({"machine": dict.fromkeys(
            ["cpu", "cores", "kernel", "page_bytes", "commit"]), "versions": {}, "command": "",
            "probes": [], "latency": rows})
        self.assertIn("| `ov_fp32` | - |", text)
        self.assertIn("`ov_fp32` 1x16: logits differ by 0.001", text)
        self.assertIn("| **fastest** | **1.50** |", text)

    def test_not_a_number_is_wrong(self):
        rows = self.latency({"torch_fp32": (0, 3.0), "ov_fp32": (float("nan"), 1.0)})
        self.assertEqual(["error" in row for row in rows], [False, True])

    def test_reference_is_one_row_at_a_time_and_stored(self):
        self.latency({"torch_fp32": (0, 3.0)}, ["32ragged"])
        stored = json.loads((self.cache / "minilm/reference-32ragged.json").read_text())
        self.assertEqual([len(row) for row in stored["ids"]], table.RAGGED)
        self.assertEqual(len(stored["logits"]), 32)


class Report(unittest.TestCase):
    def row(self, backend, cell, rounds):
        return {"model": "bert", "threads": 2, "cell": cell, "backend": backend, "rounds": rounds,
                "difference": 0, "cosine": 1, "peak_kb": 5000}

    def test_quantiles(self):
        self.assertEqual([report.quantile([4, 1, 3, 2], q) for q in (0, .25, .5, 1)], [1, 2, 3, 4])
        self.assertEqual(report.quantile([7], .25), 7)

    def test_summary_takes_the_fastest_peer_of_each_cell(self):
        rows = [self.row("linnet_fp32", "1x16", [[2, 2.5], [4]]),
                self.row("ov_fp32", "1x16", [[3, 7], [8]]), self.row("ct2_fp32", "1x16", [[5], [5]]),
                self.row("ov_bf16", "1x16", [[1], [1]]),
                self.row("linnet_fp32", "1x128", [[10]]), self.row("ov_fp32", "1x128", [[9]]),
                self.row("linnet_fp32", "32ragged", [[10]]), self.row("ov_fp32", "32ragged", [[30]]),
                self.row("ct2_fp32", "32ragged", [[16]]), self.row("ort_fp32", "32ragged", [[25]])]
        cells = report._cell_ratios(report.Latency(rows), "linnet_fp32")
        self.assertEqual(cells, {
            "full length, geomean": [1.5, 0.9], "full length, worst cell": [1.5, 0.9],
            "1x16, geomean": [1.5], "ragged against CTranslate2, worst": [1.6],
            "ragged against the fastest other, worst": [2.5],
            "against dynamic INT8, geomean": [], "cosine, worst": [1, 1, 1]})
        self.assertEqual(report.paired(rows[1], rows[0]), 2.0)
        cold = {"cold start, worst", "peak memory at 1x16, worst"}
        for goals in table.GOALS.values():
            self.assertLessEqual(set(goals), set(cells) | cold)

    def test_cold_ratios_take_the_worst_model(self):
        rows = [{"model": m, "backend": b, "threads": 2, "seconds": s, "peak_kb": [k]}
                for m, b, s, k in [("bert", "linnet_fp32", [.2, .1], 100),
                                   ("bert", "ct2_fp32", [.5, .4], 150),
                                   ("bert", "ov_fp32", [.9], 130),
                                   ("minilm", "linnet_fp32", [.1], 50),
                                   ("minilm", "ov_fp32", [.3], 100)]]
        ratios = report._cold_ratios(rows, "linnet_fp32")
        self.assertEqual({k: [round(x, 6) for x in sorted(v)] for k, v in ratios.items()},
                         {"cold start, worst": [3, 4], "peak memory at 1x16, worst": [1.3, 2]})


class Generators(unittest.TestCase):
    """Language models with fake workers: 10 ms for the first token, then as much as is said."""

    def rows(self, workers):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        cache = pathlib.Path(folder.name)
        (cache / "gpt2").mkdir()
        names = {id(table.GENERATORS[name]): name for name in table.GENERATORS}
        for module, name, stand_in in [
                (engines, "command", lambda backend, *_: fake(*workers[names[id(backend)]])),
                (generators, "probe", lambda *_: 50.0), (generators, "note", lambda _: None)]:
            self.addCleanup(setattr, module, name, getattr(module, name))
            setattr(module, name, stand_in)
        setup = types.SimpleNamespace(cache=cache, linnet=None, generators=list(workers), rounds=2,
                                      generations=["prefill 128", "decode, batch 1"])
        return {row["backend"]: row for row in generators.generation(setup, "gpt2", 1)}

    def test_a_step_is_without_the_first_token(self):
        row = self.rows({"torch_fp32": (0, 2.0)})["torch_fp32"]
        self.assertEqual(row["cells"], {"prefill 128": [[10, None]] * 2,
                                        "decode, batch 1": [[10, 2]] * 2})
        self.assertEqual((row["same_tokens"], row["peak_kb"]), (1, 1000))

    def test_other_answers_are_no_row(self):
        rows = self.rows({"torch_fp32": (0, 1.0), "linnet_fp32": (0.1, 1.0), "ov_bf16": (0.1, 1.0)})
        self.assertRegex(rows["linnet_fp32"]["error"], "logits differ by")
        self.assertEqual(rows["linnet_fp32"]["cells"], {})
        self.assertEqual(rows["ov_bf16"]["same_tokens"], 0)  # shown beside its times

    def test_report(self):
        rows = self.rows({"torch_fp32": (0, 20.0), "linnet_fp32": (0, 10.0), "ct2_fp32": (0.5, 1.0)})
        text = generation_report.render(list(rows.values()))
        self.assertIn("| `linnet_fp32` | decode, batch 1 | 2.00 | 1.05 |", text)
        # 494.6 MB in 10 ms, of 50 GB/s that are read linearly.
        self.assertIn("| `linnet_fp32` | share of linear reads | 0.99 | 0.9 |", text)
        self.assertIn("| `linnet_fp32` | 10.0 ms | 100.0 | 99% | 1 |", text)
        self.assertIn("`ct2_fp32`: logits differ by", text)

    def test_prompts_of_a_turn_are_its_own(self):
        self.assertEqual(generators.prompts_of("decode, batch 4", 1),
                         generators.prompts_of("decode, batch 4", 1))
        one, two = (generators.prompts_of("decode, batch 4", turn)[0] for turn in (1, 2))
        self.assertEqual([len(row) for row in one], [16] * 4)
        self.assertNotIn(one[0], two)


class Tokenizers(unittest.TestCase):
    def test_other_ids_are_an_error_and_texts_are_distinct(self):
        with tempfile.TemporaryDirectory() as name:
            data = pathlib.Path(name)
            (data / "imdb").mkdir()
            (data / tokenizer_speed.TEXTS).write_text(
                "".join(json.dumps({"text": f"text {i}"}) + "\n" for i in range(8)))
            parts = tokenizer_speed.slices(data, data, 4, 2)
            self.assertEqual(len({path.read_text() for path, _ in parts}), 4)
            self.assertEqual([size for _, size in parts], [12] * 4)
            tokenizer_speed.command = lambda setup, way, *_: fake(float(way.mode == "ids"), 2.0)
            setup = types.SimpleNamespace(data=data, rounds=3, texts=2, with_linnet=True)
            rows = {row["tokenizer"]: row for row in tokenizer_speed.throughput(setup, 1, "gpt2")}
        self.assertEqual(rows["linnet_ids"]["error"], "other ids than tokenizers_batch")
        self.assertEqual(rows["tokenizers_batch"]["mb_per_s"], [0.006] * 3)


class Table(unittest.TestCase):
    def test_rows_fit_together(self):
        self.assertEqual((len(table.RAGGED), sum(table.RAGGED)), (32, 806))
        self.assertEqual((min(table.RAGGED), max(table.RAGGED)), (8, 66))
        for name, backend in [*table.BACKENDS.items(), *table.GENERATORS.items()]:
            self.assertIn(backend.precision, table.TOLERANCE, name)
            if backend.engine == "linnet":
                continue
            module = engines.module(backend.engine)
            self.assertTrue(module.PACKAGES, name)
            pinned = (pathlib.Path(FOLDER) / "requirements.txt").read_text()
            for package in module.PACKAGES + getattr(module, "CONVERTER_PACKAGES", []):
                self.assertIn(f"\n{package}==", pinned)
            if backend.files != "none":
                self.assertTrue(hasattr(module, "convert_" + backend.files), name)

    def test_a_folder_is_complete_or_absent(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name) / "model"

            def half(partial):
                (partial / "a").touch()
                raise OSError("disk full")

            with self.assertRaises(OSError):
                prepare.complete(folder, half)
            self.assertFalse(folder.exists())
            prepare.complete(folder, lambda partial: (partial / "b").touch())
            self.assertEqual([f.name for f in folder.iterdir()], ["b"])


if __name__ == "__main__":
    unittest.main()
