"""`hold`, `holds`, `privacy`: records kept as evidence, and what is stored for how long."""

from typing import Annotated, Final

import typer

from siaga112.cli.options import ByOption, JsonOption, NumberArgument, TextOption
from siaga112.cli.site import ask, decide, number, speaker
from siaga112.core.holdings import Ends, Kind, Numbers
from siaga112.errors import UsageError
from siaga112.terminal import labels, printing, tables
from siaga112.terminal.rows import Row
from siaga112.words import Tongue, say

_HOLD: Final = ("caller", "since", "reason", "by")
_HOLDING: Final = ("kind", "count", "oldest", "until", "numbers", "ends", "setting")


def hold(
    caller: NumberArgument,
    reason: TextOption,
    by: ByOption,
    release: Annotated[bool, typer.Option("--release", help="The case is closed: end the hold.")] = False,
) -> None:
    """Keep a caller's records as evidence of an open case: neither age nor `forget` removes them.

    This covers calls, strikes, blocks, call-backs, and the audit trail's lines about them; see `holds`.

    Example: siaga112 hold 081234567890 --reason "police report LP/17/2026, threats"
    """
    if not reason.strip():
        raise UsageError(say("--reason must name the case: nobody can end a hold that nobody can explain"))
    who = number(caller)
    decide(lambda deeds: deeds.release(who, reason) if release else deeds.hold(who, reason), by)


def holds(json: JsonOption = False) -> None:
    """List the callers whose records are kept as evidence, the oldest hold first, with the case.

    Example: siaga112 holds --json
    """
    listed = ask(lambda lists: lists.holds())
    tables.listing(listed, _HOLD, say("no caller is kept as evidence"), json=json, t=speaker())


def privacy(json: JsonOption = False) -> None:
    """Show what is stored, by kind: how many, how old, until when, by which setting, and with numbers or not.

    It prints only counts. A dash marks what could not be read (Redis is down, another user's file).

    Example: siaga112 privacy
    """
    found = ask(lambda lists: lists.privacy())
    if json:
        printing.as_json_list(found)
        return
    t = speaker()
    tables.table([_told(row, t) for row in found], _HOLDING, "", t)


def _told(row: Row, t: Tongue) -> Row:
    """Return a row in words, with days instead of instants."""
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
