"""`hold`, `holds`, `privacy`: what is kept as evidence, and how much is held of whom how long."""

from typing import Annotated, Final

import typer

from siaga112.cli.options import ByOption, JsonOption, NumberArgument, ReasonOption
from siaga112.cli.site import ask, decide, number, speaker
from siaga112.core.holdings import Ends, Kind, Numbers
from siaga112.errors import UsageError
from siaga112.terminal import labels, printing, tables
from siaga112.terminal.rows import Row
from siaga112.words import Tongue, say

_HOLD: Final = ("caller", "since", "by", "reason")
_HOLDING: Final = ("kind", "count", "oldest", "until", "ends", "setting", "numbers")


def hold(
    caller: NumberArgument,
    reason: ReasonOption,
    by: ByOption,
    release: Annotated[
        bool, typer.Option("--release", help="The case is closed: keep it no longer than all else.")
    ] = False,
) -> None:
    """Keep what is held on a caller as evidence of an open case: neither age nor `forget` takes it away.

    The calls, strikes and blocks, call-backs, and the audit trail's lines about them. `holds` lists for whom.

    Example: siaga112 hold 081234567890 --reason "police report LP/17/2026, threats"
    """
    if not reason.strip():
        raise UsageError(say("--reason says of which case: nobody can end a hold that nobody can explain"))
    who = number(caller)
    decide(lambda deeds: deeds.release(who, reason) if release else deeds.hold(who, reason), by)


def holds(json: JsonOption = False) -> None:
    """List the callers that are kept as evidence, the oldest hold first: since when, by whom, of which case.

    Example: siaga112 holds --json
    """
    listed = ask(lambda lists: lists.holds())
    tables.listing(listed, _HOLD, say("nobody is kept as evidence"), json=json, t=speaker())


def privacy(json: JsonOption = False) -> None:
    """Say what is held, by kind: how many, how old, until when and by which setting, with numbers or hashed.

    Counts alone: it names nobody. What could not be looked at (Redis away, another user's file) has a dash.

    Example: siaga112 privacy
    """
    found = ask(lambda lists: lists.privacy())
    if json:
        printing.as_json_list(found)
        return
    t = speaker()
    tables.table([_told(row, t) for row in found], _HOLDING, "", t)


def _told(row: Row, t: Tongue) -> Row:
    """Say a row in words, with days in place of instants."""
    setting, kept = row["setting"], row["kept"]
    return row | {
        "kind": labels.of(Kind(str(row["kind"])), t),
        "count": None if row["count"] is None else f"{row['count']:,}",
        "oldest": _day(row["oldest"]),
        "until": _day(row["until"]),
        "ends": labels.of(Ends(str(row["ends"])), t),
        "setting": f"{setting} = {kept}" if setting else kept,
        "numbers": labels.of(Numbers(str(row["numbers"])), t),
    }


def _day(instant: object) -> str | None:
    return None if instant is None else str(instant)[:10]
