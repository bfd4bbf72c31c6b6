"""Measure siaga112 beside its peers and the limit, and write benchmarks/README.md.

    python -m benchmarks [--quick] [--check] [SECTION…]

Sections: verdicts, variants, replica, events, whole, announced, costs, commands, growth, pbx; all of these if
none is named. And country, which takes as long as all others and 4 GB of memory.
A section that is measured replaces its figures in recorded.json, from which the page and its charts are made;
with `--quick` it replaces nothing. `--check` measures briefly and compares ratios with the recorded ones.
"""

import argparse
import compileall
import sys
from pathlib import Path
from typing import Final

import siaga112
from benchmarks import build, targets, writing
from benchmarks.book import Book
from benchmarks.sections import APART, GUARDED, SECTIONS, measure

SOURCE: Final = Path(siaga112.__file__).parent


def main() -> int:
    """Measure, print the targets, and write or compare."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--quick", action="store_true", help="a few short rounds, to see that it works")
    parser.add_argument("--check", action="store_true", help="compare the ratios with the recorded ones")
    given = parser.parse_args()
    if unknown := set(given.sections) - SECTIONS.keys():
        parser.error(f"no section {', '.join(sorted(unknown))}; there are: {', '.join(SECTIONS)}")
    quick = given.quick or given.check
    every = [name for name in SECTIONS if name not in APART]
    sections = given.sections or (GUARDED if given.check else every)
    build.peers()
    compileall.compile_dir(SOURCE, quiet=1)  # as pip does; a start must not measure the compiler
    book = Book()
    for name in sections:
        measured = measure(name, quick=quick)
        book.values |= measured.values
        if not quick:
            writing.record(measured)
    if given.check:
        return writing.check(book)
    print(targets.table(book))
    return 0


if __name__ == "__main__":
    sys.exit(main())
