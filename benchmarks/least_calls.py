"""The least program that could store ended calls: a blocking socket, our parser, and `sqlite3`.

    python -m benchmarks.least_calls PORT CALLS FOLDER

It has no rules, no event loop, no log and no metrics. Each ended call is one row of an outbox, one of the
ledger and one of the events, in our tables and indexes, and leaves the outbox again; 100 calls in each
transaction.
Prints `ready`, then the seconds from the first byte to the last row, and the seconds of processor time.
"""

import socket
import sqlite3
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from siaga112.adapters.database.connect import connect
from siaga112.adapters.database.versions import bring
from siaga112.app.records import now
from siaga112.core.ami.events import Hangup, Newchannel
from siaga112.core.ami.fast_parser import Reader
from siaga112.core.ami.parser import wanted

ARRIVING: Final = "siaga112-incoming"
"""The context in which the channel of an incoming call begins."""

BATCH: Final = 100
READ: Final = 1 << 18
TEXT: Final = "-" * 400
"""About as long as a call is as text."""

_ASK: Final = b"Action: QueueStatus\r\nActionID: least\r\n\r\n"


class _Ledger:
    """An outbox and a ledger, written with `sqlite3` directly."""

    def __init__(self, folder: Path) -> None:
        engine = connect(f"sqlite:///{folder / 'least.db'}")
        bring(engine)
        engine.dispose()
        self._ledger, self._outbox = (_opened(folder / name) for name in ("least.db", "outbox.db"))
        self._outbox.execute("CREATE TABLE outbox (key INTEGER PRIMARY KEY AUTOINCREMENT, entry TEXT)")
        self._inserts = [_insert(self._ledger, table) for table in ("call", "event")]

    def write(self, ended: Sequence[Hangup]) -> None:
        """Write these calls."""
        self._all(self._outbox, "INSERT INTO outbox (entry) VALUES (?)", [(TEXT,) for _ in ended])
        self._ledger.execute("BEGIN")
        for statement, row in self._inserts:
            self._ledger.executemany(
                statement, [row | {"id": None if "kind" not in row else one.uid} for one in ended]
            )
        self._ledger.execute("COMMIT")
        self._outbox.execute("DELETE FROM outbox")

    @staticmethod
    def _all(database: sqlite3.Connection, statement: str, rows: Sequence[tuple[str]]) -> None:
        database.execute("BEGIN")
        database.executemany(statement, rows)
        database.execute("COMMIT")


def _opened(file: Path) -> sqlite3.Connection:
    database = sqlite3.connect(file, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    return database


def _insert(database: sqlite3.Connection, table: str) -> tuple[str, dict[str, Any]]:
    """Return the statement for a table, and a row that it accepts."""
    columns = database.execute(f"PRAGMA table_info({table})").fetchall()
    row = {name: (TEXT[:12] if kind == "TEXT" else now()) for _, name, kind, *_ in columns}
    names, places = ", ".join(f'"{name}"' for name in row), ", ".join(f":{name}" for name in row)
    return f"INSERT INTO {table} ({names}) VALUES ({places})", row  # noqa: S608 - our own names


def main(port: int, calls: int, folder: Path) -> None:
    """Store this many calls."""
    ledger, reader = _Ledger(folder), Reader()
    with socket.create_connection(("127.0.0.1", port), 60) as pbx:
        pbx.sendall(_ASK)
        print("ready", flush=True)
        began, used, kept, left = 0.0, 0.0, 0, b""
        ended: list[Hangup] = []
        callers: set[str] = set()
        while kept < calls and (data := pbx.recv(READ)):
            *messages, left = (left + data).split(b"\r\n\r\n")
            for message in filter(wanted, messages):
                event = reader.read(message, now())
                began, used = began or time.monotonic(), used or time.process_time()
                if isinstance(event, Newchannel) and event.place.context == ARRIVING:
                    callers.add(event.uid)
                elif isinstance(event, Hangup) and event.uid in callers:
                    callers.remove(event.uid)
                    ended.append(event)
            if len(ended) >= BATCH or kept + len(ended) >= calls:
                ledger.write(ended)
                kept += len(ended)
                ended.clear()
    print(time.monotonic() - began, time.process_time() - used, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
