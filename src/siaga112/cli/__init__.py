"""The command line. One module per subject; heavy imports wait until a command needs them."""

import sys
from typing import NoReturn

from siaga112.errors import SiagaError


def main() -> NoReturn:
    """Run a command and end with its exit code; an error is one line on stderr, never a traceback."""
    from siaga112.cli.root import app  # noqa: PLC0415 - keeps `import siaga112.cli` cheap

    try:
        app()
    except SiagaError as error:
        _end(str(error), error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        _end_foreseen(error)
        raise
    sys.exit(0)


def _end_foreseen(error: Exception) -> None:
    """End with what the service foresees to go wrong; return for anything else, which is a bug of ours."""
    from siaga112.service.desk import RefusedError  # noqa: PLC0415
    from siaga112.service.ports import StoreBrokenError, StoreDownError  # noqa: PLC0415

    match error:
        case RefusedError():
            _end(str(error), 1)
        case StoreDownError():
            _end(f"{error}; is it running, and [redis] url right?", 4)
        case StoreBrokenError():
            _end(
                f"{error}; is [redis] url the one that siaga112 uses, and may its user read and write there?",
                1,
            )
        case _:
            return


def _end(message: str, code: int) -> NoReturn:
    sys.stderr.write(f"siaga112: {message}\n")
    sys.exit(code)
