"""`setup`."""

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from siaga112.cli import invocation
from siaga112.errors import SiagaError, UsageError
from siaga112.settings.loading import source_of
from siaga112.setup import session, showing
from siaga112.setup.journal import FOLDER
from siaga112.setup.looking import ASTERISK_CONF
from siaga112.setup.questions import Answers, Question
from siaga112.terminal import printing
from siaga112.words import Language, Tongue, say, tongue


def _named(values: list[str] | None) -> tuple[str, ...] | None:
    """Read an option that may be repeated; `-` alone means none."""
    if not values:
        return None
    return () if values == ["-"] else tuple(values)


def setup(  # noqa: PLR0917 - one parameter an option
    plan: Annotated[bool, typer.Option("--plan", help="Only show what would be done.")] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Do it without asking.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Restore every file as it was.")] = False,
    site: Annotated[
        str | None, typer.Option("--site", help="A short name of the site.", metavar="NAME")
    ] = None,
    trunk: Annotated[
        list[str] | None,
        typer.Option(
            "--trunk", help="A context in which calls of trunks arrive; may be repeated.", metavar="CONTEXT"
        ),
    ] = None,
    number: Annotated[
        list[str] | None,
        typer.Option(
            "--number", help="A dialled number that is the line's; may be repeated.", metavar="NUMBER"
        ),
    ] = None,
    menu: Annotated[
        list[str] | None,
        typer.Option(
            "--menu", help='A context in which the menu asks; may be repeated; "-": none.', metavar="CONTEXT"
        ),
    ] = None,
    queue: Annotated[
        list[str] | None,
        typer.Option("--queue", help='A queue of the line; may be repeated; "-": none.', metavar="QUEUE"),
    ] = None,
    timezone: Annotated[
        str | None,
        typer.Option("--timezone", help="The site's zone.", show_default="the machine's", metavar="ZONE"),
    ] = None,
    asterisk_conf: Annotated[
        str, typer.Option("--asterisk-conf", help="The PBX's asterisk.conf.", metavar="PATH")
    ] = ASTERISK_CONF,
    no_service: Annotated[
        bool,
        typer.Option(
            "--no-service", help="Leave out the user and the units: the daemon is started in another way."
        ),
    ] = False,
    kept: Annotated[
        Path, typer.Option("--kept", help="Where the original files are kept.", metavar="DIR")
    ] = Path(FOLDER),
    json: Annotated[
        bool, typer.Option("--json", help="Print one object, for configuration management.")
    ] = False,
) -> None:
    """Find the PBX, and set up a running line beside it: shows each change, makes it, takes it back.

    It asks only what it cannot see; without a terminal each answer is an option. Without --plan or --apply it
    asks before it changes anything. It checks each step, and takes all of them back if one fails; a second
    run changes nothing.

    Example: siaga112 setup --plan
    """
    if apply and (plan or undo):
        raise UsageError("--apply goes with neither --plan nor --undo")
    options = session.Options(
        source_of(invocation.current().config),
        asterisk_conf,
        kept,
        Answers(
            site,
            _named(trunk),
            _named(number),
            _named(menu),
            _named(queue),
            timezone,
        ),
        service=not no_service,
    )
    t = tongue(invocation.current().lang or Language.EN)
    if undo:
        _undo(options, t, only_show=plan)
    else:
        _setup(options, t, doing=None if not (plan or apply) else apply, json=json)


def _setup(options: session.Options, t: Tongue, *, doing: bool | None, json: bool) -> None:
    person = sys.stdin.isatty() and sys.stdout.isatty() and not json
    doing = doing if doing is not None or person else False
    notes = session.journal(options, writing=doing is not False)
    try:
        what = session.planned(options, notes, (lambda question: _asked(question, t)) if person else None)
        said = showing.as_json(what.plan, what.facts, what.answers, what.secret)
        if not json:
            printing.plain(
                *showing.found(what.facts, what.answers, t), *showing.text(what.plan, what.secret, t)
            )
        code = 0
        if what.plan.steps and doing is None:
            doing = typer.confirm(t(say("Do this?")), default=False)
        if doing:
            began = time.monotonic()
            session.apply(options, notes, what, _quiet if json else printing.plain)
            code, told = session.doctor(options, what)
            took = time.monotonic() - began
            said |= {"applied": True, "doctor": told.splitlines(), "seconds": round(took, 1)}
            if not json:
                done = t(say("there was nothing to do")) if not what.plan.steps else t(say("done"))
                printing.plain("", *told.splitlines(), "")
                printing.plain(
                    t(
                        say("{done}: {steps} steps in {took} s, questions answered: {asked}"),
                        done=done,
                        steps=len(what.plan.steps),
                        took=f"{took:.1f}",
                        asked=what.asked,
                    ),
                    session.next_step(t),
                )
        elif not json:
            printing.plain(
                "",
                t(say("there is nothing to do"))
                if not what.plan.steps
                else t(say("nothing was changed; to make the changes: --apply")),
            )
        if json:
            printing.as_json(said)
    finally:
        notes.close()
    raise typer.Exit(code)


def _quiet(_: str) -> None:
    """Print nothing: the output is one JSON object."""


def _asked(question: Question, t: Tongue) -> str:
    if question.choices:
        printing.plain(t(say("seen: {names}"), names=", ".join(question.choices[:20])))
    answer: str = typer.prompt(t(question.text), default=question.likely or None)
    return answer


def _undo(options: session.Options, t: Tongue, *, only_show: bool) -> None:
    notes = session.journal(options, writing=not only_show)
    try:
        printing.plain(*session.undoing(notes, options, printing.plain))
        if only_show:
            return
        left = session.undo(options, notes, printing.plain)
    finally:
        notes.close()
    printing.plain(
        t(say("undone; calls, strikes and blocks stay in the state directory, and the user siaga112"))
    )
    if left:
        raise SiagaError("; ".join(left))
