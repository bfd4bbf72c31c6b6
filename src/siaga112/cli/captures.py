"""`record`, `replay`."""

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, BinaryIO, Final, Self

import typer

from siaga112 import interrupts
from siaga112.cli.root import JsonOption, app, settings
from siaga112.core import durations
from siaga112.errors import SiagaError
from siaga112.reasons import plainly
from siaga112.terminal import outfile, rows, tables

if TYPE_CHECKING:
    from siaga112.captures.capture import Header
    from siaga112.captures.replay import Replay
    from siaga112.core.ami.events import Event, Malformed
    from siaga112.core.model import Entry
    from siaga112.settings.schema import Settings

END_SECONDS: Final = 5.0
"""After Ctrl-C the capture is whole at once; what the network still does must not keep anybody waiting."""

_COLUMNS = (
    "call",
    "started",
    "caller",
    "outcome",
    "reason",
    "ivr_seconds",
    "wait_seconds",
    "talk_seconds",
    "strike",
)


@app.command()
def record(
    file: Annotated[Path, typer.Argument(help="Where to write the capture.", metavar="FILE")],
    span: Annotated[
        str | None, typer.Option("--for", help="Stop after this time; else at Ctrl-C.", metavar="DURATION")
    ] = None,
    pseudonyms: Annotated[
        bool, typer.Option("--pseudonyms", help="Replace callers' numbers and names.")
    ] = False,
) -> None:
    """Capture the PBX's AMI stream: what siaga112 itself reads of it.

    Example: siaga112 record wrong-outcome.ami --for 10m --pseudonyms
    """
    from siaga112 import logs  # noqa: PLC0415
    from siaga112.captures.pseudonym import Pseudonyms  # noqa: PLC0415

    config = settings()
    try:
        seconds = None if span is None else durations.parse(span) / 1000
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--for") from error
    logs.silence()
    hide = Pseudonyms(secrets.token_bytes(32)).hide if pseudonyms else None
    written = asyncio.run(_record(config, file, seconds, hide))
    tables.plain(f"{file}: {written} {'message' if written == 1 else 'messages'}")


async def _record(
    config: "Settings", file: Path, seconds: float | None, hide: Callable[[bytes], bytes] | None
) -> int:
    from siaga112.app import record_source  # noqa: PLC0415

    with _Tape(file, config, hide) as tape:
        recording = asyncio.create_task(record_source(config, tape.take))
        with interrupts.Heeding(recording.cancel, limit=END_SECONDS):
            tell(f"connecting to the PBX at {config.ami.host}:{config.ami.port}")
            with contextlib.suppress(TimeoutError, asyncio.CancelledError):
                async with asyncio.timeout(seconds):
                    await recording
    return tape.written


def tell(line: str) -> None:
    """Tell how far it is; on stderr, for stdout is the result's."""
    tables.plain(line, err=True)


class _Tape:
    """The file that a capture goes to; takes what is heard of the PBX, and tells of what matters in it."""

    def __init__(self, file: Path, config: "Settings", hide: Callable[[bytes], bytes] | None) -> None:
        self.written = 0
        self._file = file
        self._config = config
        self._hide = hide
        self._out: BinaryIO

    def __enter__(self) -> Self:
        from siaga112.captures import capture  # noqa: PLC0415

        header = capture.Header("", self._config.dialplan(), self._config.classifier_rules())
        with self._writing():
            self._out = outfile.created(self._file)
            self._out.write(capture.write_header(header))
            self._out.flush()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):  # told already
            self._out.close()
        if error is not None and not self.written:
            self._file.unlink(missing_ok=True)  # so that the same command can be given again

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except FileExistsError as error:
            raise SiagaError(f"{self._file}: is there already; name a new file") from error
        except OSError as error:
            raise SiagaError(f"{self._file}: cannot be written ({plainly(error)})") from error

    def take(self, message: bytes, event: "Event | Malformed | None") -> None:
        """Write a message, or what takes its place."""
        from siaga112.captures import capture  # noqa: PLC0415
        from siaga112.core.ami.events import Interrupted, QueuesSeen, Resumed  # noqa: PLC0415

        match event:
            case Interrupted():
                message = capture.write_interrupted(event.at, event.cause)
                tell("the connection to the PBX is lost; trying again")
            case Resumed():
                message = capture.write_resumed(event.at, event.channels)
                tell(f"recording to {self._file}; Ctrl-C ends it")
            case QueuesSeen():
                message = capture.write_queues(event)
            case _:
                message += capture.MESSAGE_END
        with self._writing():
            self._out.write(self._hide(message) if self._hide else message)
            self._out.flush()
        self.written += 1


@app.command()
def replay(
    files: Annotated[
        list[Path], typer.Argument(help="Captures, as `siaga112 record` writes them.", metavar="FILE…")
    ],
    check: Annotated[
        bool, typer.Option("--check", help="Fail unless each call is as the capture expects.")
    ] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Show what was seen of each call.")] = False,
    json: JsonOption = False,
) -> None:
    """Run captures through the real pipeline, offline; a capture always gives the same.

    Example: siaga112 replay wrong-outcome.ami --explain
    """
    from siaga112.cli.ledger import explain_entry  # noqa: PLC0415

    config = settings()
    listed: list[rows.Row] = []
    failed = []
    for file in files:
        header, replayed, entries = _replay(file, config)
        row = rows.explained if explain else rows.call
        listed += [row(entry, config.zone) for entry in entries]
        if explain and not json:
            for entry in entries:
                explain_entry(entry, config.zone)
        for kind, count in replayed.malformed.items():
            tables.plain(f"{file}: {count} malformed messages ({kind})", err=True)
        found = {(e.finding.call.id, e.finding.outcome.value, e.finding.reason.value) for e in entries}
        wanted = {(e.call, e.outcome, e.reason) for e in header.expected}
        if check and found != wanted:
            failed.append(f"{file}: expected {sorted(wanted)}, got {sorted(found)}")
    if json:
        tables.as_json(listed)
    elif not explain:
        tables.table(listed, _COLUMNS, "no calls")
    if failed:
        raise SiagaError("; ".join(failed))


def _replay(file: Path, config: "Settings") -> "tuple[Header, Replay, list[Entry]]":
    from siaga112.backtest import text as past_text  # noqa: PLC0415
    from siaga112.captures import capture  # noqa: PLC0415
    from siaga112.captures.replay import Replay  # noqa: PLC0415
    from siaga112.core.rules import Rules  # noqa: PLC0415

    try:
        with past_text.opened(file) as (data, _):
            stream = past_text.messages(file, data, lambda _, __: None)
            header = capture.read_header(next(stream, b""))
            there, here = header.dialplan.numbers, config.number_plan()
            numbers = replace(here, region=there.region, area_code=there.area_code)
            dialplan = replace(header.dialplan, numbers=numbers)
            replayed = Replay(Rules(dialplan, header.rules, config.policy_rules()))
            return header, replayed, list(replayed.run(map(capture.read, stream)))
    except OSError as error:
        raise SiagaError(f"{file}: cannot be read ({error.strerror or error})") from error
    except ValueError as error:
        raise SiagaError(f"{file}: {error}") from error
