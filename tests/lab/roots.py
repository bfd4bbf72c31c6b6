"""Prefetch the PBXs: `python -m tests.lab.roots 22 16`."""

import sys
from typing import get_args

from tests.lab.unpack import AsteriskRoot, Version, find

__all__ = ["AsteriskRoot", "Version", "find"]


def main() -> int:
    """Unpack the versions named on the command line, or all."""
    wanted = sys.argv[1:] or list(get_args(Version))
    for version in get_args(Version):
        if version in wanted:
            root = find(version, lambda line: print(line, flush=True))
            print(f"Asterisk {version}: {root.command[-1]}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
