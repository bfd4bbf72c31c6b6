"""What the program promises for any command line, environment and file: its work, or one clear line.

It runs in this process with a store in memory; what it would write to a file is dropped.
"""

import io
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, BinaryIO, Final
from unittest import mock

import typer

from siaga112 import cli
from siaga112.adapters.database.connect import connect
from siaga112.adapters.database.records import DatabaseRecords
from siaga112.adapters.database.versions import bring
from siaga112.cli.program import app
from siaga112.core.changes import Change, replacement
from siaga112.core.record import CallerRecord
from siaga112.errors import ConfigurationError, SiagaError
from siaga112.settings import loading
from siaga112.settings.explained import explain
from tests.fakes.memory import MemoryStore
from tests.samples import CALLER, NOW, OTHER, RULES, answered, block, entry, prank

CODES: Final = frozenset({0, 1, 2, 3, 4})
BETWEEN: Final = b"\0"
"""Separates words, or a file and environment variables: none of them can contain it."""


class Store(MemoryStore):
    """A store with something of each kind in it."""

    unreadable: Final[dict[str, str]] = {}
    late: Final[dict[str, str]] = {}

    def __init__(self) -> None:
        super().__init__()
        record = CallerRecord(CALLER, blocks=(block(NOW, None),))
        for call in (prank(1), answered(2), prank(3, NOW, OTHER)):
            self.put(Change(entry=entry(call)))
        self.put(Change(replacement(CallerRecord(record.caller), record, 0, NOW, RULES)))

    @property
    def records(self) -> Any:
        """The records of people and programs, which only a real database keeps."""
        return _records()

    async def close(self) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


class _Now:
    store: MemoryStore | None

    @classmethod
    def opened(cls, _: object) -> MemoryStore:
        """Give the store of this run; most words never come to one, and making it takes a millisecond."""
        cls.store = cls.store or Store()
        return cls.store


async def _nothing(*_: Any, **__: Any) -> Any:
    return 0


@contextmanager
def _nowhere(*_: Any, **__: Any) -> Iterator[BinaryIO]:
    yield io.BytesIO()


def _not_here(*_: Any, **__: Any) -> Any:
    raise SiagaError("not here")


@cache
def _home() -> Path:
    return Path(tempfile.mkdtemp(prefix="s112-fuzz-"))


@cache
def _records() -> DatabaseRecords:
    engine = connect(f"sqlite:///{_home() / 'people.db'}")
    bring(engine)
    return DatabaseRecords(engine, "lab")


async def _counted(*_: object, **__: object) -> dict[str, int]:
    return dict.fromkeys(("call", "caller", "block", "audit"), 0)


@contextmanager
def harmless() -> Iterator[None]:
    """Let commands write no file, open no connection and not wait; build the command line only once."""
    with ExitStack() as stack:
        for name, what in {
            "siaga112.cli.app": partial(typer.main.get_command(app).main, windows_expand_args=False),
            "siaga112.cli.site.open_desk": _Now.opened,
            "siaga112.app.upkeep.migrate": lambda _: (None, "0001"),
            "siaga112.app.upkeep.back_up": _counted,
            "siaga112.app.upkeep.restore": _counted,
            "siaga112.app.upkeep.rebuild": _not_here,
            "siaga112.adapters.redis.rewriting.rewrite": _nothing,
            "siaga112.terminal.outfile.replacing": _nowhere,
            "siaga112.shipped.copying.Copy.write": lambda _: None,
            "siaga112.cli.captures._record": _nothing,
            "siaga112.app.daemon.Daemon.run": _nothing,
            "siaga112.logs.configure": lambda: None,
            "siaga112.logs.silence": lambda: None,
            "resource.setrlimit": lambda *_: None,
            "siaga112.top.live.once": _not_here,
            "siaga112.top.live.watch": _nothing,
            "siaga112.cli.doctor.examine": _not_here,
            "siaga112.doctor.watch.watch": _nothing,
            "typer.completion.install": _not_here,
            "siaga112.adapters.mode_files.ModeFiles.hold_off": lambda *_: False,
            "siaga112.adapters.mode_files.ModeFiles.release": lambda *_: False,
            "siaga112.infile.PATIENCE_SECONDS": 0.01,
        }.items():
            stack.enter_context(mock.patch(name, what))
        home = {"SIAGA112_CONFIG": os.devnull, "SIAGA112_STATE_DIR": str(_home())}
        stack.enter_context(mock.patch.dict(os.environ, home))
        yield


def program(*words: str, store: MemoryStore | None = None) -> Ended:
    """Run a command in this process, inside `harmless`.

    Raises:
        AssertionError: if it breaks its promise.

    """
    out, err = io.StringIO(), io.StringIO()
    _Now.store = store
    with (
        mock.patch.object(sys, "argv", ["siaga112", *words]),
        mock.patch.object(sys, "stdin", io.StringIO()),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        ended = Ended(cli._run(), out.getvalue(), err.getvalue())
    assert ended.code in CODES, ended
    assert "a mistake in siaga112" not in ended.err, ended.err
    assert "Traceback" not in ended.err, ended.err
    assert ended.err or not ended.code, "it fails without a word"
    for text in (ended.err, ended.out.replace("\r\n", "\n")):
        assert all(line.isprintable() for line in text.split("\n")), text
    return ended


class _File:
    """A file in memory that can be opened by its name."""

    def __init__(self) -> None:
        self._descriptor = os.memfd_create("fuzz")
        self.path = Path(f"/proc/self/fd/{self._descriptor}")

    def holds(self, data: bytes) -> Path:
        """Replace the content; return the path."""
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, data, 0)
        return self.path


@cache
def _file() -> _File:
    return _File()


def words(data: bytes) -> None:
    """Any words are a command that does its work, or fails with a message."""
    program(*(os.fsdecode(word) for word in data.split(BETWEEN)))


def configured(data: bytes) -> None:
    """Any file and environment are settings that can be shown and used, or raise ConfigurationError."""
    text, *variables = data.split(BETWEEN)
    environ = dict(_variable(one) for one in variables)
    try:
        config = loading.load(_file().holds(text), environ)
    except ConfigurationError:
        return
    told, doubts = explain(config)
    assert all(line.isprintable() for line in [*told.split("\n"), *doubts])
    config.dialplan()
    config.policy_rules()
    config.shift_plan()


def _variable(text: bytes) -> tuple[str, str]:
    name, _, value = os.fsdecode(text).partition("=")
    return f"{loading.ENV_PREFIX}{name}", value


def read_calls(data: bytes) -> None:
    """Any file is read as past calls, or is refused in one line."""
    ended = program("backtest", str(_file().holds(data)), "--calls", "--json")
    assert not ended.code or ended.err.count("\n") == 1, ended


def read_list(data: bytes) -> None:
    """Any file is read as another system's list, or is refused in one line."""
    wanted = ("block", "--for", "24h") if len(data) % 3 else ("allow",)
    applied = ("--apply", "--yes") if len(data) % 2 else ("--json",)
    ended = program("import", str(_file().holds(data)), "--reason", "x", "--as", *wanted, *applied)
    assert not ended.code or ended.err.count("\n") == 1, ended


def replayed(data: bytes) -> None:
    """Any file is replayed as a capture, or is refused with a message."""
    ended = program("replay", str(_file().holds(data)), "--explain")
    assert not ended.code or ended.err.startswith("siaga112: "), ended


def published(data: bytes) -> None:
    """Any file is checked as published figures, or is refused in one line."""
    how = ("--format", "json") if len(data) % 2 else ("--lang", "id")
    ended = program("report", "--check", str(_file().holds(data)), *how)
    assert not ended.code or ended.err.count("\n") == 1, ended
