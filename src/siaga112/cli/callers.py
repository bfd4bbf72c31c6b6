"""`why`, `callbacks`, `subject`, `forget`: one caller, or all who wait for a call-back."""

import asyncio
import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from siaga112.app.desk import forget_in_files, require_rewritten
from siaga112.cli import invocation
from siaga112.cli.options import ByOption, JsonOption, NumberArgument, OutputOption, ReasonOption, TextOption
from siaga112.cli.site import ask, decide, number, settings, speaker, with_supervisor
from siaga112.core.caller_id import sought
from siaga112.core.model import Caller
from siaga112.errors import SiagaError
from siaga112.terminal import outfile, printing, tables
from siaga112.terminal.evidence import Form
from siaga112.words import Language, Tongue, say

_WAITING: Final = ("caller", "since", "why", "note", "times", "taken_by", "tries", "longest_wait_seconds")

LAST: Final = 10
"""The number of happenings that `why` prints without --all."""


class Format(StrEnum):
    """How a caller's story is written."""

    TEXT = "text"
    HTML = "html"
    PDF = "pdf"


def why(  # noqa: PLR0917 - one parameter an option
    caller: NumberArgument,
    by: ByOption,
    format_: Annotated[
        Format, typer.Option("--format", help="html, pdf: the one-page evidence sheet for the citizen.")
    ] = Format.TEXT,
    lang: Annotated[
        Language | None,
        typer.Option("--lang", help="The language (default: [console] lang).", show_default=False),
    ] = None,
    output: OutputOption = None,
    all_: Annotated[
        bool, typer.Option("--all", help="Print everything that happened, not only the last ten.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Show a caller's verdict now, and what it rests on: strikes with their calls, blocks, who lifted what.

    It lists the last ten things that happened, or all with --all; --json always has all.

    With --format html or pdf it writes the evidence sheet for a citizen who asks: what was decided, by which
    rule, the calls, how to object. The sheet has the name given with --by; the audit trail notes it.

    Example: siaga112 why 081234567890

    Example: siaga112 why 081234567890 --format pdf --lang id --output sheet.pdf
    """
    who, run = number(caller), invocation.current()
    run.lang = lang or run.lang
    if format_ is not Format.TEXT:
        if json:
            raise typer.BadParameter("--json is a format by itself", param_hint="--format")
        _write(who, by, Form(format_.value), run.lang, output)
        return
    if output:
        raise typer.BadParameter("goes with --format html or pdf", param_hint="--output")
    row, lines = ask(lambda lists: lists.why(who))
    if json:
        printing.as_json([row])
        return
    head, happened = lines, list[str]()
    if "" in lines:
        head, happened = lines[: lines.index("")], lines[lines.index("") + 1 :]
    earlier = 0 if all_ else max(0, len(happened) - LAST)
    printing.wrapped(*head)
    if happened:
        printing.plain("")
    if earlier:
        t = speaker()
        printing.wrapped("  " + t.many("{count} earlier (--all)", "{count} earlier (--all)", earlier))
    printing.wrapped(*happened[earlier:])


def _write(who: Caller, by: str, form: Form, lang: Language | None, output: Path | None) -> None:
    def made() -> bytes:
        return ask(lambda lists: lists.sheet(who, form, lang), by)

    if output is None and form is Form.HTML:
        printing.exactly(made().decode())
        return
    with outfile.binary(output) as file:
        file.write(made())


def callbacks(  # noqa: PLR0917 - one parameter an option
    by: ByOption,
    done: Annotated[
        str | None, typer.Option("--done", help="This caller no longer needs a call-back.", metavar="NUMBER")
    ] = None,
    take: Annotated[
        str | None, typer.Option("--take", help="You are going to call this caller back.", metavar="NUMBER")
    ] = None,
    tried: Annotated[
        str | None, typer.Option("--tried", help="You called back, and nobody answered.", metavar="NUMBER")
    ] = None,
    reason: TextOption = "",
    json: JsonOption = False,
) -> None:
    """List the callers nobody has spoken with yet: first those we failed, then those who left or were silent.

    An answered call, from the caller or to the caller, takes the caller off the list. With --take and
    --tried, --reason is a note for the next person who looks.

    Example: siaga112 callbacks --tried 081234567890 --reason "busy, again at 10"
    """
    given = [one for one in (done, take, tried) if one is not None]
    if len(given) > 1:
        raise SiagaError(say("--done, --take and --tried exclude each other: use one of them"))
    if given:
        who = number(given[0])
        if done is not None:
            decide(lambda deeds: deeds.reached(who, reason), by)
        elif take is not None:
            decide(lambda deeds: deeds.take(who, reason), by)
        else:
            decide(lambda deeds: deeds.tried(who, reason), by)
        return
    waiting = ask(lambda lists: lists.callbacks())
    tables.listing(waiting, _WAITING, say("nobody waits for a call-back"), json=json, t=speaker())


def subject(caller: NumberArgument, by: ByOption) -> None:
    """Print everything stored on a caller, as JSON; the audit trail notes the request.

    Example: siaga112 subject 081234567890
    """
    who = number(caller)
    printing.as_json(ask(lambda lists: lists.subject(who), by))


def forget(
    caller: NumberArgument,
    reason: ReasonOption,
    by: ByOption,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Erase everything stored on a caller; who decided what is kept, without the number.

    It removes strikes, blocks and list entries. The calls stay in the ledger without the caller, so that past
    figures still add up; so do the audit trail's lines: who decided what, when and why, about "a caller". No
    file in the state directory has the number any more; files set aside there as damaged are deleted. A
    caller whose records are kept as evidence (`hold`), or whose objection is open, cannot be erased.

    Example: siaga112 forget 081234567890 --reason "letter of 3 March"
    """
    who, t = number(caller), speaker()
    if not yes:
        asked = say(
            "Erase everything stored about {who}, even a block in force, and delete all files that were set "
            "aside as damaged in the state directory?"
        )
        typer.confirm(t(asked, who=who), abort=True)
    spelled = sought(caller, settings().number_plan())
    held = with_supervisor(lambda supervisor: supervisor.forget(who, reason, spelled), by)
    record = held.record
    dropped = record.dropped
    erased = [
        t.many("{count} strike", "{count} strikes", len(record.strikes) + dropped.strikes),
        t.many("{count} block", "{count} blocks", len(record.blocks) + dropped.blocks),
        t.many("{count} proposal", "{count} proposals", len(record.proposals) + dropped.proposals),
        t.many("{count} call-back", "{count} call-backs", len(record.missed) + dropped.missed),
        t.many("{count} objection", "{count} objections", len(record.appeals) + dropped.appeals),
        *([t("the allow-list entry")] if record.allow else []),
    ]
    printing.wrapped(t("erased: {what}", what=", ".join(erased)))
    calls = t.many("{count} call", "{count} calls", len(held.entries))
    told = t.many(
        "{count} line of the audit trail", "{count} lines of the audit trail", len(held.audit_entries)
    )
    printing.wrapped(t("kept without the caller: {calls} in the ledger, {lines}", calls=calls, lines=told))
    _forget_in_files(spelled, t)
    printing.wrapped(t("not erased: the PBX's own CDR and logs, and backups (siaga112 backup) made before"))


def _forget_in_files(spelled: re.Pattern[str], t: Tongue) -> None:
    config = settings()
    swept = asyncio.run(forget_in_files(config, spelled))
    if swept.aside or swept.copies:
        aside = t.many("{count} entry set aside", "{count} entries set aside", swept.aside)
        copies = t.many("{count} damaged file", "{count} damaged files", swept.copies)
        told = t("erased in {folder}: {aside}, {copies}", folder=config.state_dir, aside=aside, copies=copies)
        printing.wrapped(told)
    if not config.embedded_database:
        printing.wrapped(t("until PostgreSQL has vacuumed its tables the number is in its files: VACUUM"))
    require_rewritten(config, swept)
    if swept.rewritten:
        printing.wrapped(t("Redis has rewritten its file: the number is not in it"))
    else:
        printing.wrapped(
            t("until Redis rewrites its append-only file the number is in it: redis-cli BGREWRITEAOF")
        )
