"""`record`, `replay`."""

import asyncio
import contextlib
import secrets
import signal
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from siaga112.cli import rows, show
from siaga112.cli.root import JsonOption, app, settings
from siaga112.core import durations
from siaga112.errors import SiagaError

if TYPE_CHECKING:
    from siaga112.core.capture import Header
    from siaga112.core.events import Event, Malformed
    from siaga112.core.model import Entry
    from siaga112.core.pseudonym import Pseudonyms
    from siaga112.core.replay import Replay
    from siaga112.settings import Settings

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
    from siaga112.core.pseudonym import Pseudonyms  # noqa: PLC0415

    config = settings()
    try:
        seconds = None if span is None else durations.parse(span) / 1000
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--for") from error
    logs.configure()
    written = asyncio.run(
        _record(config, file, seconds, Pseudonyms(secrets.token_bytes(32)) if pseudonyms else None)
    )
    typer.echo(f"{file}: {written} messages")


async def _record(
    config: "Settings", file: Path, seconds: float | None, pseudonyms: "Pseudonyms | None"
) -> int:
    from siaga112.app import record_source  # noqa: PLC0415
    from siaga112.core import capture  # noqa: PLC0415
    from siaga112.core.events import Interrupted, QueuesSeen, Resumed  # noqa: PLC0415

    try:
        out = file.open("xb")
    except OSError as error:
        raise SiagaError(f"{file}: cannot be written ({error.strerror}); name a new file") from error
    written = 0

    def tape(message: bytes, event: "Event | Malformed | None") -> None:
        nonlocal written
        match event:
            case Interrupted():
                message = capture.write_interrupted(event.at, event.cause)
            case Resumed():
                message = capture.write_resumed(event.at, event.channels)
            case QueuesSeen():
                message = capture.write_queues(event)
            case _:
                message += capture.MESSAGE_END
        out.write(pseudonyms.hide(message) if pseudonyms else message)
        out.flush()
        written += 1

    header = capture.Header("", config.dialplan(), config.classifier_rules())
    with out:
        out.write(capture.write_header(header))
        recording = asyncio.create_task(record_source(config, tape))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, recording.cancel)
        with contextlib.suppress(TimeoutError, asyncio.CancelledError):
            async with asyncio.timeout(seconds):
                await recording
    return written


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
            typer.echo(f"{file}: {count} malformed messages ({kind})", err=True)
        found = {(e.finding.call.id, e.finding.outcome.value, e.finding.reason.value) for e in entries}
        wanted = {(e.call, e.outcome, e.reason) for e in header.expected}
        if check and found != wanted:
            failed.append(f"{file}: expected {sorted(wanted)}, got {sorted(found)}")
    if json:
        show.as_json(listed)
    elif not explain:
        show.table(listed, _COLUMNS, "no calls")
    if failed:
        raise SiagaError("; ".join(failed))


def _replay(file: Path, config: "Settings") -> "tuple[Header, Replay, list[Entry]]":
    from siaga112.core import capture  # noqa: PLC0415
    from siaga112.core.replay import Replay  # noqa: PLC0415

    try:
        first, *rest = capture.messages(file.read_bytes())
        header = capture.read_header(first)
        events = [capture.read(message) for message in rest]
    except OSError as error:
        raise SiagaError(f"{file}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise SiagaError(f"{file}: {error}") from error
    there, here = header.dialplan.numbers, config.number_plan()
    numbers = replace(here, region=there.region, area_code=there.area_code)
    replayed = Replay(replace(header.dialplan, numbers=numbers), header.rules, config.policy_rules())
    return header, replayed, list(replayed.run(events))
