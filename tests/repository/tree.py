"""The files of the repository, as the rules look at them."""

import pathlib
import re
import shutil
import subprocess

CODE = {".h", ".cpp"}
BUILD = {".cmake"}
SCRIPTS = {".py", ".sh"}
LIBRARIES = ("kernels", "weights", "tokenizer", "engine")
ROOMS = LIBRARIES + ("tools", "tests", "bench")


class File:
    """One text file: its path from the root (with forward slashes) and its lines."""

    def __init__(self, path, text):
        self.path = path
        self.text = text
        self.lines = text.splitlines()
        self.suffix = pathlib.PurePosixPath(path).suffix
        self.name = pathlib.PurePosixPath(path).name
        self.room = path.split("/")[0] if "/" in path else ""

    @property
    def is_code(self):
        return self.suffix in CODE

    @property
    def is_build(self):
        return self.suffix in BUILD or self.name in ("CMakeLists.txt", "CMakePresets.json")

    @property
    def is_script(self):
        return self.suffix in SCRIPTS or self.text.startswith("#!")

    def code_lines(self):
        """(number, line) with comments and the contents of string literals blanked out."""
        blanked = re.sub(_TOKENS, _blank, self.text)
        return list(enumerate(blanked.splitlines(), 1))


_TOKENS = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(?P<tag>\w*)\(.*?\)(?P=tag)"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'',
    re.DOTALL,
)


def _blank(match):
    text = match.group(0)
    newlines = "\n" * text.count("\n")
    if text.startswith("/"):
        return newlines
    line_start = match.string.rfind("\n", 0, match.start()) + 1
    if match.string[line_start:match.start()].lstrip().startswith("#include"):
        return text  # the name of a header is no string
    return '""' + newlines


def _is_data(name):
    """Files that somebody, or a program, else wrote: no rule is about them."""
    return name.startswith("tests/fuzz/corpus/") or re.match(r"weights/default/(?!README\.md$)", name)


def files(root):
    """Every text file that is tracked, or new and not ignored; without git, every one outside
    the ignored folders."""
    root = pathlib.Path(root)
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, capture_output=True, check=False) if shutil.which("git") else None
    if listing and listing.returncode == 0:
        names = sorted(set(listing.stdout.decode().split("\0")) - {""})
    else:
        names = sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file())
        names = [n for n in names if not re.match(r"(build[^/]*|models|\.git|\.venv)(/|$)", n)]
    found = []
    for name in names:
        path = root / name
        if not path.is_file() or path.is_symlink() or _is_data(name):
            continue
        try:
            found.append(File(name, path.read_text(encoding="utf-8")))
        except UnicodeDecodeError:
            continue  # binary
    return found
