"""One module for each engine; what a module has: README.md, "To add a peer"."""

import importlib
import pathlib
import sys

WORKER = pathlib.Path(__file__).resolve().parent.parent / "worker.py"


def module(name):
    return importlib.import_module(f"engines.{name}_engine")


def command(backend, folder, threads, linnet, kind="encoder"):
    """The command line of a backend's worker, which reads `folder`. `linnet` is the program of
    ours; `kind` is what it does: encoder, generator or trainer."""
    if backend.engine == "linnet":
        return [str(linnet), kind, str(folder), str(threads), backend.precision]
    return [sys.executable, str(WORKER), kind, backend.engine, str(folder), str(threads),
            backend.precision, *([backend.option] if kind == "trainer" else [])]
