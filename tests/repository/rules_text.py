"""Rules about text: length, words, paths, layout of the tree."""

import re

from tree import ROOMS

MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 60
TOP_LEVEL_FILES = {"CMakeLists.txt", "CMakePresets.json", "README.md", "LICENSE"}


def file_length(files):
    """A file has at most 500 lines."""
    for f in files:
        counted = f.is_code or f.is_build or f.is_script or f.suffix == ".md"
        if counted and len(f.lines) > MAX_FILE_LINES:
            yield f.path, len(f.lines), f"{len(f.lines)} lines, at most {MAX_FILE_LINES}"


def function_length(files):
    """A function at namespace level has at most 60 lines, from its first to its closing brace."""
    start = re.compile(r"^(?!namespace|struct|class|enum|union|extern|#|//|\}|\)|using|static_assert)\S")
    for f in files:
        if not f.is_code:
            continue
        begin = None
        for number, line in f.code_lines():
            if line.startswith("}"):
                if begin and number - begin + 1 > MAX_FUNCTION_LINES:
                    yield f.path, begin, f"function of {number - begin + 1} lines, at most {MAX_FUNCTION_LINES}"
                begin = None
            elif "{" in line and "(" not in line and not line.startswith("{") and start.match(line):
                begin = None  # an object and its initializer
            elif begin is None and start.match(line) and not line.rstrip().endswith(";"):
                begin = number
            elif begin and line.rstrip().endswith(";") and re.match(r"^\S", line):
                begin = None


def unfinished(files):
    """No notes to oneself, nothing switched off."""
    words = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]) + r")\b")
    for f in files:
        for number, line in enumerate(f.lines, 1):
            if words.search(line):
                yield f.path, number, "unfinished work belongs elsewhere: " + line.strip()
            if f.is_code and re.search(r"^\s*#\s*if\s+0\b|\bDISABLED_", line):
                yield f.path, number, "switched-off code"
            if f.is_code and re.match(
                    r"\s*//\s*(if|for|while|return|const|auto|int|float|std::|#include)\b.*[;{>]$", line):
                yield f.path, number, "commented-out code"


def names_of_others(files):
    """The project speaks of itself alone: no host of a package registry, no path of one machine,
    no numbers of our tracker."""
    patterns = [
        (r"pypi[.]org|pythonhosted[.]org|deb[.]debian[.]org|pkg[.]dev\b|registry[.]npmjs|"
         r"proxy[.]golang|crates[.]io", "host of a package registry"),
        (r"(?<![\w.$}*])/(work|root|home|Users|tmp)/", "path of one machine"),
        (r"(?P<before>\S+\s+|\S*?)[Ii]ssue #?\d", "number of our tracker"),
    ]
    for f in files:
        for number, line in enumerate(f.lines, 1):
            for pattern, what in patterns:
                for match in re.finditer(pattern, line):
                    if re.search(r"\w/\w", match.groupdict().get("before", "")):
                        continue  # of another project: owner/name before it
                    yield f.path, number, f"{what}: {line.strip()}"


def whitespace(files):
    """No tabs, trailing blanks or carriage returns; a file ends with one newline."""
    for f in files:
        if not (f.is_code or f.is_build or f.is_script or f.suffix == ".md") or not f.text:
            continue
        for number, line in enumerate(f.text.split("\n"), 1):
            if line != line.rstrip() or "\t" in line:
                yield f.path, number, "tab, trailing blank or carriage return"
        if not f.text.endswith("\n") or f.text.endswith("\n\n"):
            yield f.path, len(f.lines), "a file ends with one newline"


def top_level(files):
    """The top level holds the rooms, four files and dot-files."""
    for f in files:
        top = f.path.split("/")[0]
        if top.startswith(".") or top in ROOMS or f.path in TOP_LEVEL_FILES:
            continue
        yield f.path, 1, "not a room, and none of " + ", ".join(sorted(TOP_LEVEL_FILES))


def built(files):
    """Every source file is named in a CMakeLists.txt."""
    lists = "\n".join(f.text for f in files if f.name == "CMakeLists.txt")
    named = set(re.findall(r"[\w.-]+\.cpp", lists))
    chosen = re.findall(r"([\w.-]*)\$\{\w+\}([\w.-]*\.cpp)", lists)  # part of the name is an option
    for f in files:
        if f.suffix != ".cpp" or f.name in named:
            continue
        if not any(f.name.startswith(a) and f.name.endswith(b) for a, b in chosen):
            yield f.path, 1, "in no CMakeLists.txt: nothing builds it"


RULES = [file_length, function_length, unfinished, names_of_others, whitespace, top_level, built]
