"""The command line. One module per subject; heavy imports wait until a command needs them."""

import os
import sys
import traceback
from typing import NoReturn

from siaga112 import interrupts
from siaga112.errors import SiagaError
from siaga112.reasons import plainly


def main() -> NoReturn:
    """Run a command and end with its exit code; an error is one line on stderr, never a traceback."""
    interrupts.end_at_once()
    code = _run()
    code = _emptied() or code
    interrupts.finished()
    sys.exit(code)


def _run() -> int:
    from siaga112.cli.root import app  # noqa: PLC0415 - keeps `import siaga112.cli` cheap

    try:
        code = app(prog_name="siaga112", standalone_mode=False)
    except SystemExit as ended:  # a shell asked for completions
        return ended.code if isinstance(ended.code, int) else 0
    except SiagaError as error:
        return _fail(str(error), error.exit_code)
    except Exception as error:  # noqa: BLE001 - the last place where it can be told in one line
        return _foreseen(error)
    return code if isinstance(code, int) else 0


def _foreseen(error: Exception) -> int:
    """Tell what the service, the system and the reading of the command line foresee to go wrong."""
    import typer  # noqa: PLC0415 - loaded by now

    from siaga112.cli import usage  # noqa: PLC0415
    from siaga112.service.ports import StoreBrokenError, StoreDownError  # noqa: PLC0415
    from siaga112.service.supervisor import RefusedError  # noqa: PLC0415

    line, code = "", 1
    match error:
        case _ if usage.asks_for_help(error):
            line, code = usage.all_help(error), 2
        case _ if usage.is_one(error):
            line, code = usage.told(error), 2
        case typer.Abort():
            line = "nothing was done"
        case RefusedError():
            line = str(error)
        case StoreDownError():
            line, code = f"{error}; is it running, and [redis] url right?", 4
        case StoreBrokenError():
            line = (
                f"{error}; is [redis] url the one that siaga112 uses, and may its user read and write there?"
            )
        case OSError():
            where = f"{error.filename}: " if error.filename else ""
            line = f"{where}{plainly(error) or error}"
        case _:
            line = _unforeseen(error)
    return _fail(line, code)


def _unforeseen(error: Exception) -> str:
    """Tell of a mistake of ours; the whole of it to those who ask for it, as developers do."""
    if sys.flags.dev_mode:
        raise error
    last = traceback.extract_tb(error.__traceback__)[-1]
    what = f"{type(error).__name__} in {os.path.basename(last.filename)}, line {last.lineno}"  # noqa: PTH119
    return (
        f"a mistake in siaga112 ({what}: {' '.join(str(error).split())}); "
        "please report it with what `python -X dev -m siaga112 …` prints"
    )


def _emptied() -> int:
    """Write out what is left of the output; give an exit code if that fails.

    A reader that has enough (`siaga112 calls | head`) is no failure.
    """
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python would try again, and complain
        if not isinstance(error, BrokenPipeError):
            return _fail(f"the output cannot be written: {plainly(error)}", 1)
    return 0


def _fail(message: str, code: int) -> int:
    try:
        sys.stderr.write(message if message.endswith("\n") else f"siaga112: {message}\n")
        sys.stderr.flush()
    except (OSError, AttributeError):  # nobody to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    return code
