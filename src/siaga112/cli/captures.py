"""`record`, `replay`."""

import asyncio
import contextlib
import secrets
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import typer

from siaga112 import interrupts, intext, logs
from siaga112.app.pbx import record_source
from siaga112.backtest import text as past_text
from siaga112.captures import capture
from siaga112.captures.pseudonym import Pseudonyms
from siaga112.captures.replay import Replay
from siaga112.captures.tape import CaptureFile
from siaga112.cli.options import JsonOption, span
from siaga112.cli.site import settings
from siaga112.core.model import SECOND, Entry
from siaga112.core.rules import Rules
from siaga112.errors import SiagaError
from siaga112.settings.schema import Settings
from siaga112.terminal import printing, rows, tables
from siaga112.terminal.explanation import explanation

END_SECONDS: Final = 5.0
"""After Ctrl-C the capture is complete at once; nobody must wait longer for the network."""

_COLUMNS: Final = (
    "call", "started", "caller", "outcome", "reason", "strike", "wait_seconds", "talk_seconds", "ivr_seconds",
)  # fmt: skip


def record(
    file: Annotated[Path, typer.Argument(help="The file to write.", metavar="FILE")],
    for_: Annotated[
        str | None,
        typer.Option("--for", help="Stop after this time; default: at Ctrl-C.", metavar="DURATION"),
    ] = None,
    pseudonyms: Annotated[
        bool, typer.Option("--pseudonyms", help="Replace callers' numbers and names.")
    ] = False,
) -> None:
    """Capture the PBX's AMI stream, as siaga112 reads it.

    Example: siaga112 record wrong-outcome.ami --for 10m --pseudonyms
    """
    config = settings()
    seconds = None if for_ is None else span(for_, "--for") / SECOND
    logs.silence()
    hide = Pseudonyms(secrets.token_bytes(32)).hide if pseudonyms else None
    written = asyncio.run(_record(config, file, seconds, hide))
    printing.plain(f"{file}: {written} {'message' if written == 1 else 'messages'}")


def _tell(line: str) -> None:
    """Print progress on stderr; stdout is for the result."""
    printing.plain(line, err=True)


async def _record(
    config: Settings, file: Path, seconds: float | None, hide: Callable[[bytes], bytes] | None
) -> int:
    with CaptureFile(file, config.dialplan(), config.classifier_rules(), hide, _tell) as tape:
        recording = asyncio.create_task(record_source(config, tape.take))
        with interrupts.Heeding(recording.cancel, limit=END_SECONDS):
            _tell(f"connecting to the PBX at {config.ami.host}:{config.ami.port}")
            with contextlib.suppress(TimeoutError, asyncio.CancelledError):
                async with asyncio.timeout(seconds):
                    await recording
    return tape.written


def replay(
    files: Annotated[
        list[Path], typer.Argument(help="Captures, as `siaga112 record` writes them.", metavar="FILE…")
    ],
    check: Annotated[
        bool, typer.Option("--check", help="Fail unless each call has the outcome that the capture expects.")
    ] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Show what was seen of each call.")] = False,
    json: JsonOption = False,
) -> None:
    """Run captures through the real pipeline, offline; the same capture always gives the same result.

    Example: siaga112 replay wrong-outcome.ami --explain
    """
    config = settings()
    listed: list[rows.Row] = []
    failed = []
    for file in files:
        header, replayed, entries = _replay(file, config)
        row = rows.explained if explain else rows.call
        listed += [row(entry, config.zone) for entry in entries]
        if explain and not json:
            for entry in entries:
                printing.wrapped(*explanation(rows.explained(entry, config.zone)))
        for kind, count in replayed.malformed.items():
            printing.plain(f"{file}: {count} malformed messages ({kind})", err=True)
        found = {(e.finding.call.id, e.finding.outcome.value, e.finding.reason.value) for e in entries}
        wanted = {(e.call, e.outcome, e.reason) for e in header.expected}
        if check and found != wanted:
            failed.append(f"{file}: expected {sorted(wanted)}, got {sorted(found)}")
    if json:
        printing.as_json(listed)
    elif not explain:
        tables.table(listed, _COLUMNS, "no calls")
    if failed:
        raise SiagaError("; ".join(failed))


def _replay(file: Path, config: Settings) -> tuple[capture.Header, Replay, list[Entry]]:
    try:
        with intext.opened(file, "calls") as (data, _):
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
