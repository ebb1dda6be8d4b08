#!/usr/bin/env python3
"""program_check.py PROGRAM: a small program that links to what the design allows, nothing else."""

import pathlib
import re
import subprocess
import sys
import tempfile

# What a run of the program may load. libpthread and libdl are parts of libc on some systems.
ALLOWED = {"linux-vdso", "ld-linux-x86-64", "libc", "libm", "libpthread", "libdl", "libstdc++",
           "libgcc_s", "libutf8proc"}
MAX_STRIPPED_BYTES = 5_000_000


def main():
    program = pathlib.Path(sys.argv[1])
    listing = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    loaded = {pathlib.Path(line.split()[0]).name.split(".so")[0] for line in listing.splitlines()}
    print("loads:", " ".join(sorted(loaded)))
    problems = [f"loads {name}, which is not allowed" for name in sorted(loaded - ALLOWED)]
    if "libc" not in loaded:
        problems.append("ldd listed no libc: its output was not understood")

    headers = subprocess.run(["readelf", "--wide", "--dynamic", "--program-headers", program],
                             capture_output=True, text=True, check=True).stdout
    if re.search(r"\((RPATH|RUNPATH)\)", headers):
        problems.append("has a run path: it would not travel")
    if re.search(r"GNU_STACK.*RWE", headers):
        problems.append("has an executable stack")

    with tempfile.TemporaryDirectory() as folder:
        stripped = pathlib.Path(folder) / "stripped"
        subprocess.run(["strip", "-o", stripped, program], check=True)
        size = stripped.stat().st_size
    print(f"stripped: {size} bytes")
    if size >= MAX_STRIPPED_BYTES:
        problems.append(f"{size} bytes when stripped, the limit is {MAX_STRIPPED_BYTES}")

    for problem in problems:
        print(f"{program.name} {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
