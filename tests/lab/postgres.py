"""A real PostgreSQL, on a Unix socket in a folder of its own."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Self

import psycopg

from siaga112.adapters.database.connect import connect
from siaga112.adapters.database.migrating import migrate
from tests.lab.redis_servers import home
from tests.waiting import block_until, reap

STARTED_SECONDS: Final = 60.0
USER: Final = "postgres"
"""The user that Debian's package makes for it, since PostgreSQL refuses to run as root."""

_SETTINGS: Final = {
    "listen_addresses": "",
    "max_connections": "200",
    "fsync": "off",  # a test kills processes, never the machine
    "log_destination": "stderr",
}


def _program(name: str) -> str:
    """Return a program of the newest version; Debian has them on no path."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    return str(found[-1]) if found else name


class Postgres:
    """A server with one empty database."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._as_user = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
        if os.geteuid():
            self._as_user = []
        else:
            shutil.chown(folder, USER, USER)
        made = [_program("initdb"), "-D", str(folder / "data"), "-U", USER, "-A", "trust", "-N", "-E", "UTF8"]
        subprocess.run(
            [*self._as_user, *made],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=folder,
            timeout=STARTED_SECONDS,
        )

    @property
    def url(self) -> str:
        """Its address for siaga112."""
        return f"postgresql://{USER}@/{USER}?host={self._folder}"

    def database(self, name: str) -> str:
        """Make another database; return its address."""
        self.ask(f'CREATE DATABASE "{name}"')
        return f"postgresql://{USER}@/{name}?host={self._folder}"

    def ask(self, statement: str) -> list[tuple[object, ...]]:
        """Run a statement as its administrator; return the rows."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def follow(self) -> None:
        """Make it a standby without a primary, so that it accepts no writes from now on."""
        self.stop()
        (self._folder / "data" / "standby.signal").touch()
        self.start()

    def start(self) -> None:
        """Start it; return when it answers."""
        settings = [f"-c{name}={value}" for name, value in _SETTINGS.items()]
        place = ["-D", str(self._folder / "data"), "-k", str(self._folder)]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._as_user, _program("postgres"), *place, *settings], stderr=log, cwd=self._folder
            )
        block_until(self._answers, STARTED_SECONDS, "an answer of PostgreSQL")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to all its processes; each connection has one."""
        assert self._process
        first = self._process.pid
        children = Path(f"/proc/{first}/task/{first}/children").read_text("ascii").split()
        for pid in (first, *map(int, children)):
            with suppress(ProcessLookupError):  # a connection that was closed in between
                os.kill(pid, number)

    @property
    def pid(self) -> int:
        """The id of its first process; 0 if there is none."""
        return self._process.pid if self._process else 0

    def ended(self) -> None:
        """Wait for its end, which something else has caused."""
        assert self._process
        self._process.wait(STARTED_SECONDS)
        self._process = None

    def stop(self) -> None:
        """Stop it at once, with all its child processes."""
        if self._process:
            self.signal(signal.SIGCONT)
            self._process.send_signal(signal.SIGQUIT)  # its immediate shutdown: SIGKILL leaves children
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STARTED_SECONDS)
            reap(self._process)
            self._process = None

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self.stop()

    def _answers(self) -> bool:
        with suppress(psycopg.OperationalError):
            return bool(self.ask("SELECT 1"))
        return False


def with_tables(url: str) -> str:
    """Make our tables in that database; return its address."""
    engine = connect(url)
    migrate(engine)
    engine.dispose()
    return url


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Run a server for as long as the block lasts."""
    with home() as folder, Postgres(folder) as server:
        yield server
