"""`mode`: switch the whole site in the store, and this machine with a file that needs no store."""

from typing import Annotated

import typer

from siaga112.adapters.mode_files import ModeFiles
from siaga112.app.deeds import MEANING
from siaga112.app.records import held_off, mode_files, now
from siaga112.cli import invocation
from siaga112.cli.options import ByOption, put_down
from siaga112.cli.site import ask, decide, settings, speaker, with_supervisor
from siaga112.core.mode import Switch, later
from siaga112.core.model import Millis, Mode
from siaga112.errors import Said, SiagaError, UnreachableError, UsageError
from siaga112.reasons import plainly
from siaga112.service.ports import StoreBrokenError
from siaga112.service.supervisor import OFF_NEEDS_A_REASON
from siaga112.terminal import labels, printing
from siaga112.words import say


def mode(
    by: ByOption,
    to: Annotated[
        Mode | None, typer.Argument(help="Switch to this mode; without it, print the mode.", metavar="MODE")
    ] = None,
    reason: Annotated[
        str,
        typer.Option(
            "--reason", help="Why, for the record; off needs it.", metavar="TEXT", callback=put_down
        ),
    ] = "",
) -> None:
    """Show or switch the mode of the whole site at once: the kill switch.

    \b
    off: every verdict is ALLOW and no strikes are given. It needs a reason.
    observe: strikes and blocks are kept, nobody is rejected.
    enforce: blocked callers are rejected.

    off works on this machine even while Redis and the database are down: it creates the file `off` in the
    state directory, which you can also create by hand. observe and enforce remove it. An off in the
    configuration takes precedence.

    Example: siaga112 mode off --reason "flood in the harbour"
    """  # noqa: D301 - \\b keeps the lines as they are
    if to is None:
        remote = invocation.current().api
        printing.plain((ask(lambda lists: lists.mode()) if remote else _shown()).value)
        return
    if to is Mode.OFF and not reason.strip():
        raise UsageError(OFF_NEEDS_A_REASON)
    if invocation.current().api:
        decide(lambda deeds: deeds.switch(to, reason), by)
        return
    reached = _off(reason, by) if to is Mode.OFF else _on(to, reason, by)
    t = speaker()
    said = t("mode is now {mode}: {meaning}", mode=labels.word(to, t), meaning=t(MEANING[to]))
    printing.wrapped(said + reached)


def _shown() -> Mode:
    """Return the mode in force, as far as this machine can see it."""
    config = settings()
    if config.mode is Mode.OFF or held_off(config):
        return Mode.OFF  # whatever the store says, or if it does not answer
    return with_supervisor(lambda supervisor: supervisor.mode())


def _off(reason: str, by: str) -> str:
    """Switch off this machine first, which needs no store. Return what could not be reached, or ''.

    Raises:
        UnreachableError: if neither this machine nor the site could be switched.

    """
    files = mode_files(settings())
    at, here, trouble = _hold_off(files, reason, by)
    try:
        with_supervisor(lambda supervisor: supervisor.set_mode(Mode.OFF, reason, at), by)
    except (UnreachableError, StoreBrokenError) as error:
        if not here:
            raise
        t = speaker()
        return t(
            ", on this machine ({file}); {why}; other machines of the site do not know yet: the daemon here "
            "tells them when Redis or the database is back",
            file=files.off,
            why=error.said,
        )
    if trouble:
        t = speaker()
        told = t(
            "{file}: {trouble}; the mode is off only in Redis and the database",
            file=files.off,
            trouble=trouble,
        )
        printing.plain(f"siaga112: {told}", err=True)
    return ""


def _hold_off(files: ModeFiles, reason: str, by: str) -> tuple[Millis, bool, str]:
    """Switch this machine off; return when, whether it was done, and why not if it failed."""
    at = now()
    try:
        at = later(at, files.kept(), files.held_off())
        return at, files.hold_off(Switch(Mode.OFF, at, by, reason)), ""
    except OSError as error:
        return at, False, Said("cannot be made ({why}; run as the daemon's user)", why=plainly(error))


def _on(to: Mode, reason: str, by: str) -> str:
    """Switch the site to another mode, then remove the file that keeps this machine off.

    Raises:
        SiagaError: if this machine stays off.

    """
    files = mode_files(settings())
    at = later(now(), files.kept())
    with_supervisor(lambda supervisor: supervisor.set_mode(to, reason, at), by)
    try:
        files.release()
    except OSError as error:
        if held_off(settings()):
            said = say(
                "the site is switched to {mode}, but this machine stays off: {file} is there and cannot be "
                "removed ({why}; run as the daemon's user)"
            )
            raise SiagaError(said, mode=to.value, file=files.off, why=plainly(error)) from error
        t = speaker()
        told = t(
            "{file}: cannot be read ({why}); if it exists, this machine stays off",
            file=files.off,
            why=plainly(error),
        )
        printing.plain(f"siaga112: {told}", err=True)
    return ""
