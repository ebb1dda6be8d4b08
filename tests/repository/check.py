#!/usr/bin/env python3
"""check.py ROOT [RULE…]: holds the repository against its own rules; without RULE, all of them."""

import sys

import rules_code
import rules_text
import tree

RULES = {rule.__name__: rule for rule in rules_text.RULES + rules_code.RULES}


def main():
    root, names = sys.argv[1], sys.argv[2:] or list(RULES)
    files = tree.files(root)
    if not files:
        sys.exit(f"{root}: no files")
    found = 0
    for name in names:
        for path, number, what in RULES[name](files):
            found += 1
            print(f"{path}:{number}: {name}: {what}")
    print(f"{len(files)} files, {len(names)} rules, {found} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
