"""The command line: a module per subject, loaded when a command of it is used (`commands`)."""

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
    """Run a command and end with its exit code; an error is one line on stderr, never a traceback."""
    interrupts.end_at_once()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that has not every letter
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
    except Exception as error:  # noqa: BLE001 - the last place where it can be told in one line
        return _foreseen(error)
    return code if isinstance(code, int) else 0


def _speaker() -> Tongue:
    """Give who speaks the language asked for; else the configuration's, if that is known already."""
    known = sys.modules.get("siaga112.cli.site")
    try:
        if known:
            spoken: Tongue = known.speaker()
            return spoken
    except SiagaError:  # it is the configuration that cannot be read
        pass
    return tongue(invocation.current().lang or Language.EN)


def _foreseen(error: Exception) -> int:
    """Tell what the system and the reading of the command line foresee to go wrong."""
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
    """Tell of a mistake of ours, and where the details are: in a file for this user alone."""
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
    """Write out what is left of the output; give an exit code if that fails.

    A reader that has enough (`siaga112 calls | head`) is no failure.
    """
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python would try again, and complain
        if not isinstance(error, BrokenPipeError) and not code:  # else told already
            return _fail(f"the output cannot be written: {plainly(error)}", 1)
    return 0


def _fail(message: str, code: int, head: str = "siaga112: ") -> int:
    try:
        sys.stderr.write(f"{head}{printable(message)}\n" if head else message)
        sys.stderr.flush()
    except (OSError, AttributeError):  # nobody to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    return code
