#!/usr/bin/env python3
"""Measures linnet beside other engines on the same work in one run. README.md of this folder."""

import argparse
import json
import os
import pathlib
import platform
import shlex
import subprocess
import sys
import venv

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
ENCODER_PARTS = {"latency", "cold", "invariance", "sizes"}
PARTS = ["latency", "cold", "invariance", "sizes", "tokenizers", "generation", "training"]


def parse():
    import table

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["install", "prepare", "run", "report"],
                        help="install: the peers; prepare: models and conversions (run does it "
                             "too); run: measure; report: tables of a stored run")
    parser.add_argument("--venv", type=pathlib.Path, default=ROOT / "build/peers-venv")
    parser.add_argument("--cache", type=pathlib.Path, default=ROOT / "build/peers-models",
                        help="models and their conversions")
    parser.add_argument("--linnet", type=pathlib.Path,
                        default=ROOT / "build/release/bench/peers/linnet_worker")
    parser.add_argument("--data", type=pathlib.Path, help="texts for the tokenizers",
                        default=os.environ.get("LINNET_DATA", ROOT.parent / "shared/data"))
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "build/peers.json",
                        help="numbers; the tables are written beside them as .md")
    some = {"type": lambda text: text.split(",")}
    parser.add_argument("--parts", **some, default=PARTS, help=",".join(PARTS))
    parser.add_argument("--models", **some, default=list(table.MODELS))
    parser.add_argument("--cells", **some, default=list(table.CELLS))
    parser.add_argument("--generations", type=lambda text: text.split(";"),
                        default=list(table.GENERATIONS), help=";".join(table.GENERATIONS))
    parser.add_argument("--trainings", **some, default=list(table.TRAININGS),
                        help=",".join(table.TRAININGS))
    parser.add_argument("--threads", type=lambda text: [int(t) for t in text.split(",")],
                        default=[1, 2])
    parser.add_argument("--precisions", **some, default=["fp32"], help="fp32,bf16,int8,int4")
    parser.add_argument("--backends", **some, help="default: all of the precisions; a name is one of both kinds")
    parser.add_argument("--rounds", type=int, default=8, help="visits of each backend to a cell")
    parser.add_argument("--seconds", type=float, default=0.25, help="of a visit, at least one call")
    parser.add_argument("--cold-rounds", type=int, default=5)
    parser.add_argument("--vocabularies", **some, default=table.VOCABULARIES, help="tokenizers: "
                        + ",".join(table.VOCABULARIES))
    parser.add_argument("--texts", type=int, default=2500, help="tokenizers: texts of each round")
    options = parser.parse_args()
    named = options.backends
    options.backends = table.backends_of(options.precisions, table.BACKENDS)
    options.generators = table.backends_of(options.precisions, table.GENERATORS)
    options.trainers = table.backends_of(options.precisions, table.TRAINERS)
    if named:
        options.backends = [n for n in named if n in table.BACKENDS]
        options.generators = [n for n in named if n in table.GENERATORS]
        options.trainers = [n for n in named if n in table.TRAINERS]
    for name, known in [("parts", PARTS), ("models", table.MODELS), ("cells", table.CELLS),
                        ("generations", table.GENERATIONS),
                        ("trainings", table.TRAININGS), ("vocabularies", table.VOCABULARIES),
                        ("backends", table.BACKENDS | table.GENERATORS | table.TRAINERS)]:
        given = named or [] if name == "backends" else getattr(options, name)
        wrong = [value for value in given if value not in known]
        if wrong:
            parser.error(f"--{name}: {wrong[0]} is none of {', '.join(known)}")
    os.environ.setdefault("LINNET_PROGRAM", str(options.linnet.parents[2] / "tools/linnet"))
    options.rows = used(options)
    options.with_linnet = any(b.engine == "linnet" for b in options.rows) or (
        "tokenizers" in options.parts and (not named or "linnet" in " ".join(named)))
    if options.command == "run" and options.with_linnet and not options.linnet.exists():
        parser.error(f"{options.linnet} is not there: build it, or name --backends without linnet")
    return options


def used(options):
    """The backends that the parts need."""
    import table

    rows = []
    if ENCODER_PARTS & set(options.parts):
        rows += [table.BACKENDS[name] for name in options.backends]
    if "generation" in options.parts:
        rows += [table.GENERATORS[name] for name in options.generators]
    if "training" in options.parts:
        rows += [table.TRAINERS[name] for name in options.trainers]
    return rows


def install(folder):
    """Makes the virtual environment with the pinned peers, or completes it."""
    if not (folder / "bin/python").exists():
        venv.create(folder, with_pip=True)
    native = {"CMAKE_ARGS": "-DGGML_NATIVE=ON"}  # of llama.cpp, which is built from its source
    subprocess.run([folder / "bin/python", "-m", "pip", "install", "--disable-pip-version-check",
                    "-r", HERE / "requirements.txt"], check=True, env={**native, **os.environ})


def enter(folder):
    """Goes on with the Python of the virtual environment."""
    if pathlib.Path(sys.prefix).resolve() == folder.resolve():
        return
    python = folder / "bin/python"
    if not python.exists():
        sys.exit(f"{python} is not there: run `{sys.argv[0]} install` first")
    os.execv(python, [str(python), *sys.argv])


def machine():
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo")
                if line.startswith("model name")), platform.processor())
    commit = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"],
                            capture_output=True, text=True, check=False).stdout.strip()
    return {"cpu": cpu, "cores": len(os.sched_getaffinity(0)), "kernel": platform.release(),
            "page_bytes": os.sysconf("SC_PAGE_SIZE"), "commit": commit}


def versions(options):
    import importlib.metadata

    import engines

    packages = {p for backend in options.rows for p in engines.module(backend.engine).PACKAGES}
    if "tokenizers" in options.parts:
        packages |= {"tokenizers", "tiktoken"}
    return {"Python": platform.python_version(),
            **{p: importlib.metadata.version(p) for p in sorted(packages)}}


def trained(options):
    """What is trained: pairs of a model and a cell."""
    import table
    import training

    if missing := training.missing(options.data):
        print(f"no training with real lengths: {missing} is not there", file=sys.stderr)
        options.trainings = [cell for cell in options.trainings if cell not in training.TEXTS]
    return [(model, cell) for cell in options.trainings
            for model in table.TRAINED[table.TRAININGS[cell].model]
            if model in options.models or model in table.LANGUAGE_MODELS]


def prepare_all(options):
    import prepare
    import table
    import training

    # torch in FP32 is the reference of every row.
    if ENCODER_PARTS & set(options.parts):
        for model in options.models:
            for backend in ["torch_fp32", *options.backends]:
                prepare.prepare(options.cache, model, table.BACKENDS[backend])
    if "training" in options.parts:
        for model, cell in trained(options):
            prepare.prepare(options.cache, model, table.TRAINERS[training.REFERENCE])
            training.reference_losses(options, model, cell)
    if "generation" in options.parts:
        for model in table.LANGUAGE_MODELS:
            for backend in ["torch_fp32", *options.generators]:
                prepare.prepare(options.cache, model, table.GENERATORS[backend])


def measure(options):
    import encoders
    import generators
    import table
    import tokenizer_speed
    import training

    data = {"schema": "linnet-peers-1",
            "command": shlex.join(["bench/peers/peers.py", *sys.argv[1:]]), "machine": machine(),
            "versions": versions(options), "probes": []}
    if missing := tokenizer_speed.missing(options.data):
        if "tokenizers" in options.parts:
            print(f"no tokenizers part: {missing} is not there", file=sys.stderr)
            options.parts = [part for part in options.parts if part != "tokenizers"]

    def part(name, work):
        if name not in options.parts:
            return
        if options.with_linnet:
            data["probes"].append(json.loads(subprocess.run(
                [options.linnet, "machine"], capture_output=True, check=True).stdout))
        data.setdefault(name, []).extend(work())
        write(options.output, data)

    for model in options.models:
        for threads in options.threads:
            part("latency", lambda: encoders.latency(options, model, threads))
        part("cold", lambda: encoders.cold_start(options, model, max(options.threads)))
        part("invariance", lambda: encoders.invariance(options, model))
        part("sizes", lambda: encoders.sizes(options, model))
    for model in table.LANGUAGE_MODELS:
        for threads in options.threads:
            part("generation", lambda: generators.generation(options, model, threads))
    for model, cell in trained(options):
        part("training", lambda: training.training(options, model, cell, max(options.threads)))
    for vocabulary in options.vocabularies:
        for threads in options.threads:
            part("tokenizers", lambda: tokenizer_speed.throughput(options, threads, vocabulary))
    return data


def write(path, data):
    import report

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=1) + "\n")
    path.with_suffix(".md").write_text(report.render(data))


def main():
    options = parse()
    if options.command == "install":
        install(options.venv)
        return
    if options.command == "report":
        import report

        print(report.render(json.loads(options.output.read_text())))
        return
    enter(options.venv)
    prepare_all(options)
    if options.command == "run":
        import report

        print(report.render(measure(options)))
        print(f"written: {options.output} and .md beside it", file=sys.stderr)


if __name__ == "__main__":
    main()
