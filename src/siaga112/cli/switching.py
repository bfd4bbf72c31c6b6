"""What `mode` does: the whole site by the store, and this machine by a file that needs nobody."""

from siaga112.adapters.mode_files import ModeFiles
from siaga112.app import held_off, mode_files, now
from siaga112.cli.root import at_desk, settings
from siaga112.core.mode import Switch, later
from siaga112.core.model import Millis, Mode
from siaga112.errors import SiagaError, UnreachableError
from siaga112.reasons import plainly
from siaga112.service.ports import StoreBrokenError
from siaga112.terminal import tables


def shown() -> Mode:
    """Give the mode in force, as far as it is seen from here."""
    config = settings()
    if config.mode is Mode.OFF or held_off(config):
        return Mode.OFF  # whatever the store says, and whether it answers
    return at_desk(lambda desk: desk.mode())


def off(reason: str, by: str) -> str:
    """Switch off: this machine first, which waits for nobody. Say what could not be reached, '' for nothing.

    Raises:
        UnreachableError: if neither this machine nor the site could be switched.

    """
    files = mode_files(settings())
    at, here, trouble = _hold_off(files, reason, by)
    try:
        at_desk(lambda desk: desk.set_mode(Mode.OFF, reason, at), by)
    except (UnreachableError, StoreBrokenError) as error:
        if not here:
            raise
        return (
            f", on this machine ({files.off}); {error}; other machines of the site do not know yet: "
            "the daemon here tells them when Redis is back"
        )
    if trouble:
        tables.plain(f"siaga112: {files.off}: {trouble}; so off holds by what Redis says alone", err=True)
    return ""


def _hold_off(files: ModeFiles, reason: str, by: str) -> tuple[Millis, bool, str]:
    """Switch this machine off; give when, whether that was done, and why not if there was something to do."""
    at = now()
    try:
        at = later(at, files.kept(), files.held_off())
        return at, files.hold_off(Switch(Mode.OFF, at, by, reason)), ""
    except OSError as error:
        return at, False, f"cannot be made ({plainly(error)}; run as the daemon's user)"


def on(to: Mode, reason: str, by: str) -> str:
    """Switch to another mode: the site first, and then what holds this machine off is taken away.

    Raises:
        SiagaError: if this machine stays off.

    """
    files = mode_files(settings())
    at = later(now(), files.kept())
    at_desk(lambda desk: desk.set_mode(to, reason, at), by)
    try:
        files.release()
    except OSError as error:
        if held_off(settings()):
            raise SiagaError(
                f"the site is switched to {to.value}, but this machine stays off: {files.off} is there and "
                f"cannot be removed ({plainly(error)}; run as the daemon's user)"
            ) from error
        tables.plain(
            f"siaga112: {files.off}: cannot be looked at ({plainly(error)}); if it is there, off holds on "
            "this machine",
            err=True,
        )
    return ""
