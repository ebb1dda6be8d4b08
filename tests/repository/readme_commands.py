#!/usr/bin/env python3
"""readme_commands.py ROOT BIN_DIR: the documents tell the truth.

In every README.md, a block fenced as `console` holds commands ("$ " before them, "> " before the
lines that continue one) and what they print. They run in a folder that looks like the root, with
the checkpoints of the shared data beside the root's own models, and with BIN_DIR first in PATH; a
block with a model that is not here does not run. Standard output must be the text of the block,
where a line "..." stands for any number of lines. A block fenced as `cpp` must be part of a file that CI compiles. Commands in
`sh` blocks are not run here; a script they name must exist.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

import tree

SKIPPED = 77


def blocks(text):
    """(line number, kind, lines) of every fenced block."""
    found, opened = [], None
    for number, line in enumerate(text.splitlines(), 1):
        fence = re.match(r"```(\w*)\s*$", line)
        if fence and opened is None:
            opened = (number, fence.group(1), [])
        elif fence:
            found.append(opened)
            opened = None
        elif opened is not None:
            opened[2].append(line)
    return found


def commands(lines):
    """[command, expected lines] in a console block."""
    parts = []
    for line in lines:
        if line.startswith("$ "):
            parts.append([line[2:], []])
        elif line.startswith("> ") and parts and not parts[-1][1]:
            parts[-1][0] += "\n" + line[2:]
        elif parts:
            parts[-1][1].append(line)
    return parts


def matches(expected, actual):
    """Whether the lines agree; "..." stands for any number of them."""
    if not expected:
        return not actual
    if expected[0] == "...":
        return any(matches(expected[1:], actual[i:]) for i in range(len(actual) + 1))
    return bool(actual) and expected[0] == actual[0] and matches(expected[1:], actual[1:])


def run(command, folder, path):
    result = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", command], cwd=folder, text=True, timeout=300,
        stdin=subprocess.DEVNULL, capture_output=True, check=False,
        env={**os.environ, "PATH": f"{path}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"})
    return result.returncode, result.stdout.rstrip("\n").splitlines(), result.stderr


def check_console(where, lines, folder, path):
    for command, expected in commands(lines):
        while expected and not expected[-1]:
            expected.pop()
        status, actual, errors = run(command, folder, path)
        if status != 0 or not matches(expected, actual):
            yield f"{where}: $ {command}\nexit status {status}; printed:\n" + \
                "\n".join(actual) + f"\n{errors}expected:\n" + "\n".join(expected)


def check_sh(where, lines, root):
    for line in lines:
        for script in re.findall(r"(?<![\w/.])(?:tools|tests|bench|\.ci)/[\w./-]+", line):
            if not (root / script).exists():
                yield f"{where}: there is no {script}"


def link_models(root, folder):
    """The models that blocks may name, under `folder`/models."""
    data = pathlib.Path(os.environ.get("LINNET_DATA", root / "../shared/data"))
    (folder / "models").mkdir()
    for place in (root / "models", data / "checkpoints"):
        for entry in place.iterdir() if place.is_dir() else ():
            if not (folder / "models" / entry.name).exists():
                os.symlink(entry.resolve(), folder / "models" / entry.name)


def main():
    root, path = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    files = tree.files(root)
    sources = [re.sub(r"\s+", " ", f.text) for f in files if f.is_code]
    problems, ran, absent = [], 0, set()
    with tempfile.TemporaryDirectory() as folder:
        for entry in root.iterdir():
            if entry.name != "models":
                os.symlink(entry, pathlib.Path(folder) / entry.name)
        link_models(root, pathlib.Path(folder))
        for f in files:
            if f.name != "README.md":
                continue
            for number, kind, lines in blocks(f.text):
                where = f"{f.path}:{number}"
                if kind == "console":
                    missing = {name for name in re.findall(r"models/[\w.-]*\w", "\n".join(lines))
                               if not (pathlib.Path(folder) / name).exists()}
                    absent |= missing
                    if missing:
                        continue
                    ran += len(commands(lines))
                    problems += check_console(where, lines, folder, path)
                elif kind == "sh":
                    problems += check_sh(where, lines, root)
                elif kind == "cpp":
                    text = re.sub(r"\s+", " ", "\n".join(lines)).strip()
                    if not any(text in source for source in sources):
                        problems.append(f"{where}: this code is in no file that is compiled")
    print("\n\n".join(problems))
    print(f"{ran} commands run, {len(problems)} problems")
    for name in sorted(absent):
        print(f"not here: {name} (tools/get_minilm.sh fetches all-MiniLM-L6-v2)")
    if problems:
        return 1
    return SKIPPED if absent else 0


if __name__ == "__main__":
    sys.exit(main())
