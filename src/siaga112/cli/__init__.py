"""The command line: one module per subject, loaded when one of its commands is used (`commands`)."""

import contextlib
import io
import os
import sys
import tempfile
import traceback
from typing import NoReturn

import typer

import siaga112
from siaga112 import interrupts
from siaga112.cli import invocation, usage
from siaga112.cli.program import app
from siaga112.core.text import printable
from siaga112.errors import SiagaError
from siaga112.reasons import plainly
from siaga112.words import Language, Tongue, tongue


def main() -> NoReturn:
    """Run a command and exit with its code; an error is one line on stderr, never a traceback."""
    interrupts.end_at_once()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that lacks some letters
    code = _run()
    code = _emptied(code) or code
    interrupts.finished()
    sys.exit(code)


def _run() -> int:
    try:
        code = app(prog_name="siaga112", standalone_mode=False)
    except SystemExit as ended:  # a shell asked for completions
        return ended.code if isinstance(ended.code, int) else 0
    except SiagaError as error:
        return _fail(error.told(_speaker()), error.exit_code)
    except Exception as error:  # noqa: BLE001 - the last place that can report it in one line
        return _foreseen(error)
    return code if isinstance(code, int) else 0


def _speaker() -> Tongue:
    """Return the language asked for; otherwise the configured one, if the configuration is loaded already."""
    known = sys.modules.get("siaga112.cli.site")
    try:
        if known:
            spoken: Tongue = known.speaker()
            return spoken
    except SiagaError:  # it is the configuration that cannot be read
        pass
    return tongue(invocation.current().lang or Language.EN)


def _foreseen(error: Exception) -> int:
    """Report the errors that the system and the parsing of the command line can raise."""
    match error:
        case _ if usage.asks_for_help(error):
            return _fail(usage.all_help(error), 2, head="")
        case _ if usage.is_one(error):
            return _fail(usage.told(error, _speaker()), 2)
        case typer.Abort():
            t = _speaker()
            return _fail(t("nothing was done"), 1)
        case OSError():
            where = f"{error.filename}: " if error.filename else ""
            return _fail(f"{where}{_speaker().told(plainly(error)) or error}", 1)
        case _:
            return _fail(_unforeseen(error), 1)


def _unforeseen(error: Exception) -> str:
    """Report a bug in siaga112, and where its details are: in a file that only this user can read."""
    if sys.flags.dev_mode:
        raise error
    last = traceback.extract_tb(error.__traceback__)[-1]
    what = f"{type(error).__name__} in {os.path.basename(last.filename)}, line {last.lineno}"  # noqa: PTH119 - text
    details = "what `python -X dev -m siaga112 …` prints"
    with contextlib.suppress(OSError):  # no room, or no right
        descriptor, details = tempfile.mkstemp(".txt", "siaga112-mistake-")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"siaga112 {siaga112.__version__}, Python {sys.version}\n{sys.argv[1:]}\n")
            file.writelines(traceback.format_exception(error))
    return f"a mistake in siaga112 ({what}: {str(error)[:300]}); please report it with {details}"


def _emptied(code: int) -> int:
    """Flush the output; return an exit code if that fails.

    A closed pipe (`siaga112 calls | head`) is not a failure.
    """
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # otherwise Python would try again, and complain
        if not isinstance(error, BrokenPipeError) and not code:  # otherwise it has been reported
            return _fail(f"the output cannot be written: {plainly(error)}", 1)
    return 0


def _fail(message: str, code: int, head: str = "siaga112: ") -> int:
    try:
        sys.stderr.write(f"{head}{printable(message)}\n" if head else message)
        sys.stderr.flush()
    except (OSError, AttributeError):  # nobody to report to
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    return code
