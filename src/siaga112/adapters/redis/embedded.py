"""The private Redis as a command sees it: its address, and whether it runs."""

from pathlib import Path

from siaga112.errors import UnreachableError
from siaga112.words import say


def socket_path(state_dir: Path) -> Path:
    """Return the path of the private Redis's socket."""
    return state_dir.absolute() / "redis" / "redis.sock"


def url(state_dir: Path) -> str:
    """Return the address of the private Redis."""
    return f"unix://{socket_path(state_dir)}"


def require_running(state_dir: Path) -> None:
    """Require the private Redis to be running.

    Raises:
        UnreachableError: in one line, if the daemon is not running.

    """
    try:
        running = socket_path(state_dir).exists()
    except PermissionError as error:
        raise UnreachableError(
            say(
                "only the daemon's user may use the embedded Redis in {folder}; run this command as "
                "that user (sudo -u siaga112 …)"
            ),
            folder=state_dir,
        ) from error
    if not running:
        raise UnreachableError(
            say(
                "the embedded Redis in {folder} is not running; start it with: siaga112 run (or set "
                "state_dir or [redis] url as for the daemon)"
            ),
            folder=state_dir,
        )
