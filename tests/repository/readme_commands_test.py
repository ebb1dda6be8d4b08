#!/usr/bin/env python3
"""Documents that tell the truth pass readme_commands.py; one that does not is found out."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).with_name("readme_commands.py")
FENCE = "```"


class ReadmeCommands(unittest.TestCase):
    def check(self, readme, **others):
        """The exit status for a root with this README.md and these other files."""
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "bin").mkdir()
            program = root / "bin" / "greet"
            program.write_text("#!/bin/sh\necho hello $1\necho noise >&2\n", encoding="utf-8")
            program.chmod(0o755)
            (root / "README.md").write_text(readme, encoding="utf-8")
            for name, text in others.items():
                (root / f"{name}.cpp").write_text(text, encoding="utf-8")
            return subprocess.run([sys.executable, SCRIPT, root, root / "bin"], check=False,
                                  capture_output=True).returncode

    def console(self, *lines):
        return "\n".join(["# Title", FENCE + "console", *lines, FENCE, ""])

    def test_console(self):
        self.assertEqual(self.check(self.console("$ greet you", "hello you")), 0)
        self.assertEqual(self.check(self.console("$ greet \\", "> you", "hello you")), 0)
        self.assertEqual(self.check(self.console("$ greet a", "hello a", "", "$ greet b", "hello b")), 0)
        self.assertEqual(self.check(self.console("$ greet you", "...")), 0)
        self.assertEqual(self.check(self.console("$ greet you", "hello me")), 1)
        self.assertEqual(self.check(self.console("$ greet you", "hello you", "bye")), 1)
        self.assertEqual(self.check(self.console("$ greet you")), 1)
        self.assertEqual(self.check(self.console("$ greet you; false", "hello you")), 1)
        self.assertEqual(self.check(self.console("$ no_such_program")), 1)

    def test_a_model_that_is_not_here(self):
        absent = self.console("$ greet models/no-such-model", "...")
        self.assertEqual(self.check(absent), 77)
        self.assertEqual(self.check(absent + self.console("$ greet you", "hello me")), 1)

    def test_cpp(self):
        block = f"{FENCE}cpp\nint f(int x) {{\n  return x;\n}}\n{FENCE}\n"
        self.assertEqual(self.check(block, a="int f(int x) { return x; }\n"), 0)
        self.assertEqual(self.check(block, a="int f(int x) { return -x; }\n"), 1)

    def test_sh(self):
        self.assertEqual(self.check(f"{FENCE}sh\ncmake --preset release\n{FENCE}\n"), 0)
        self.assertEqual(self.check(f"{FENCE}sh\ntools/no_such_script.sh\n{FENCE}\n"), 1)


if __name__ == "__main__":
    unittest.main()
