"""The least that any Python program does with a file of calls: the limit beside `benchmarks.backtest`.

It reads the lines, splits each with one `csv.reader` (queue_log: at its bars), and counts the rows of each
call. It reads no time, judges no call and runs no policy.

    python -m benchmarks.least_files cel|cdr|queue_log FILE
"""

import csv
import sys
from collections import Counter
from pathlib import Path
from typing import Final

CALL: Final = {"cel": 15, "cdr": 16, "queue_log": 1}
"""The column of the call's id (CEL: the linkedid)."""


def main() -> None:
    """Group the rows of a file by call, and print how many calls have how many rows."""
    form, name = sys.argv[1:]
    place = CALL[form]
    calls: Counter[str] = Counter()
    with Path(name).open(encoding="utf-8", newline="") as lines:
        rows = (line.split("|") for line in lines) if form == "queue_log" else csv.reader(lines)
        calls.update(row[place] for row in rows)
    print(Counter(calls.values()))


if __name__ == "__main__":
    main()
