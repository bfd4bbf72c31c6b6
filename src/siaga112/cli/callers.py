"""`why`, `callbacks`, `subject`, `forget`: one caller, or all who wait."""

import asyncio
import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from siaga112.app.desk import forget_in_files
from siaga112.cli import invocation
from siaga112.cli.options import ByOption, JsonOption, NumberArgument, OutputOption, ReasonOption
from siaga112.cli.site import ask, decide, number, settings, speaker, with_supervisor
from siaga112.core.caller_id import sought
from siaga112.core.model import Caller
from siaga112.errors import Said, SiagaError
from siaga112.terminal import outfile, printing, tables
from siaga112.terminal.evidence import Form
from siaga112.words import Language, Tongue, say

_WAITING: Final = ("caller", "since", "why", "times", "longest_wait_seconds", "taken_by", "tries", "note")


class Format(StrEnum):
    """How a caller's story is written."""

    TEXT = "text"
    HTML = "html"
    PDF = "pdf"


def why(  # noqa: PLR0917 - one parameter an option
    caller: NumberArgument,
    by: ByOption,
    format_: Annotated[
        Format, typer.Option("--format", help="html, pdf: the evidence sheet for the citizen, on one page.")
    ] = Format.TEXT,
    lang: Annotated[
        Language | None,
        typer.Option("--lang", help="In which language (else [console] lang).", show_default=False),
    ] = None,
    output: OutputOption = None,
    json: JsonOption = False,
) -> None:
    """Tell a caller's story: strikes with their calls, blocks, who lifted what, the verdict now.

    Or write the evidence sheet for the citizen who asks: what is decided, by which rule, the calls, how to
    object. It bears the name of --by, and that it was written goes into the audit trail.

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
    for line in lines:
        printing.plain(line)


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
        str | None, typer.Option("--done", help="This caller needs no call-back any more.", metavar="NUMBER")
    ] = None,
    take: Annotated[
        str | None, typer.Option("--take", help="You call this caller back.", metavar="NUMBER")
    ] = None,
    tried: Annotated[
        str | None, typer.Option("--tried", help="You tried to, and nobody answered.", metavar="NUMBER")
    ] = None,
    reason: ReasonOption = "",
    json: JsonOption = False,
) -> None:
    """List the callers whom nobody has spoken with yet: whom we failed first, then who left or was silent.

    A later call that is answered, or a call to the number that is answered, takes a caller off. With --take
    and --tried, --reason is a note for whoever looks next.

    Example: siaga112 callbacks --tried 081234567890 --reason "busy, again at 10"
    """
    if sum(map(bool, (done, take, tried))) > 1:
        raise SiagaError(say("--done, --take and --tried are one decision each: give one of them"))
    if who := done and number(done):
        decide(lambda deeds: deeds.reached(who, reason), by)
        return
    if whom := take and number(take):
        decide(lambda deeds: deeds.take(whom, reason), by)
        return
    if called := tried and number(tried):
        decide(lambda deeds: deeds.tried(called, reason), by)
        return
    waiting = ask(lambda lists: lists.callbacks())
    tables.listing(waiting, _WAITING, say("nobody waits for a call-back"), json=json, t=speaker())


def subject(caller: NumberArgument, by: ByOption) -> None:
    """Print all that is held on a caller, as JSON; that somebody looked goes into the audit trail.

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
    """Erase all that is held on a caller: strikes, blocks, lists; who decided what stays, without the number.

    The calls stay in the ledger without the caller, so that the figures of the past still add up; so do the
    audit trail's lines: who decided what, when and why, of "a caller". In the state directory no file has
    the number any more; what was set aside there as damaged goes with it. Nobody is erased who is kept as
    evidence (`hold`), or whose objection waits.

    Example: siaga112 forget 081234567890 --reason "letter of 3 March"
    """
    who, t = number(caller), speaker()
    if not yes:
        asked = say(
            "Erase all that is held on {who}, also a block in force, and files in the state directory that "
            "were set aside as damaged, whole?"
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
        *([t("the place on the allow list")] if record.allow else []),
    ]
    printing.plain(t("erased: {what}", what=", ".join(erased)))
    calls = t.many("{count} call", "{count} calls", len(held.entries))
    told = t.many(
        "{count} line of the audit trail", "{count} lines of the audit trail", len(held.audit_entries)
    )
    printing.plain(t("kept without the caller: {calls} in the ledger, {lines}", calls=calls, lines=told))
    _forget_in_files(spelled, t)
    printing.plain(t("not erased: the PBX's own CDR and logs, and backups (siaga112 backup) made before"))


def _forget_in_files(spelled: re.Pattern[str], t: Tongue) -> None:
    config = settings()
    again = Said("run it again, as the user of the daemon")
    try:
        swept = asyncio.run(forget_in_files(config, spelled))
    except OSError as error:
        said = say("erased, but not in the files of {folder} ({why}); {again}")
        raise SiagaError(said, folder=config.state_dir, why=str(error), again=again) from error
    if swept.aside or swept.copies:
        aside = t.many("{count} entry set aside", "{count} entries set aside", swept.aside)
        copies = t.many("{count} damaged file", "{count} damaged files", swept.copies)
        told = t("erased in {folder}: {aside}, {copies}", folder=config.state_dir, aside=aside, copies=copies)
        printing.plain(told)
    if not config.embedded_database:
        printing.plain(t("until PostgreSQL has vacuumed its tables the number is in its files: VACUUM"))
    if swept.rewritten:
        printing.plain(t("Redis has written its file anew: nothing of the number is in it"))
    elif config.embedded_redis:
        said = say("erased, but Redis has not written its file anew: the number is in it; {again}")
        raise SiagaError(said, again=again)
    else:
        printing.plain(
            t("until Redis rewrites its append-only file the number is in it: redis-cli BGREWRITEAOF")
        )
