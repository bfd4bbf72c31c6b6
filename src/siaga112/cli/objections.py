"""`appeal`, `appeals`: objections of callers, and their decisions."""

from typing import Annotated, Final

import typer

from siaga112.cli.options import (
    ByOption,
    JsonOption,
    NumberArgument,
    ReasonOption,
    SeenOption,
    TextOption,
    instants,
)
from siaga112.cli.site import ask, decide, number, speaker
from siaga112.errors import UsageError
from siaga112.terminal import tables
from siaga112.words import say

_COLUMNS: Final = ("caller", "due", "reason", "suspends", "since", "by")


def appeal(caller: NumberArgument, reason: ReasonOption, by: ByOption) -> None:
    """Record a caller's objection to a block or a strike: a case with a deadline, until somebody decides.

    `unblock` grants it; `confirm` and `appeals --reject` reject it. --reason: what the caller says.

    Example: siaga112 appeal 081234567890 --reason "the SIM was bought last week, letter of 3 March"
    """
    who = number(caller)
    decide(lambda deeds: deeds.appeal(who, reason), by)


def appeals(
    by: ByOption,
    reject: Annotated[
        str | None,
        typer.Option("--reject", help="Reject this caller's objection.", metavar="NUMBER"),
    ] = None,
    reason: TextOption = "",
    seen: SeenOption = None,
    json: JsonOption = False,
) -> None:
    """List the objections that wait for a decision, the most urgent first; or reject one.

    Example: siaga112 appeals --reject 081234567890 --reason "seven pranks, three witnesses"
    """
    if reject is not None:
        if not reason.strip():
            raise UsageError(say("--reject needs --reason: the citizen must be told why"))
        who, shown = number(reject), instants(seen, "--seen")
        decide(lambda deeds: deeds.reject(who, reason, seen=shown), by)
        return
    waiting = ask(lambda lists: lists.appeals())
    none = say("no objection waits for a decision")
    tables.listing(waiting, _COLUMNS, none, json=json, t=speaker())
