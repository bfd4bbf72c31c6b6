"""Whose TCP connection is it? So that what a PBX tells of a connection is taken for nobody else's."""

import re
from contextlib import suppress
from pathlib import Path
from typing import Final

_ESTABLISHED: Final = "01"


def ports_towards(port: int, pid: int) -> set[int]:
    """Give the ports at which a process has connections to that port of ours; none if it has none yet.

    What proc(5) says: the sockets among its descriptors, by their numbers in /proc/net/tcp.
    """
    sockets = set()
    with suppress(OSError):  # it has ended
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):  # it was closed meanwhile
                if found := re.fullmatch(r"socket:\[(\d+)\]", str(link.readlink())):
                    sockets.add(found[1])
    rows = (line.split() for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:])
    return {
        _port(row[1])
        for row in rows
        if row[3] == _ESTABLISHED and row[9] in sockets and _port(row[2]) == port
    }


def _port(address: str) -> int:
    return int(address.rpartition(":")[2], 16)
