"""Finds the process of a TCP connection, so that a PBX's events are not taken for another's."""

import re
from contextlib import suppress
from pathlib import Path
from typing import Final

_ESTABLISHED: Final = "01"


def ports_towards(port: int, pid: int) -> set[int]:
    """Return the ports from which a process is connected to that port of this machine; none if it is not.

    The sockets among its descriptors are looked up by number in /proc/net/tcp (proc(5)).
    """
    sockets = set()
    with suppress(OSError):  # the process has ended
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
