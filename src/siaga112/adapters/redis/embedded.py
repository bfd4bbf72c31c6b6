"""The private Redis as a command sees it: where it is, and whether it runs."""

from pathlib import Path

from siaga112.errors import UnreachableError
from siaga112.words import say


def socket_path(state_dir: Path) -> Path:
    """Say where the private Redis listens."""
    return state_dir.absolute() / "redis" / "redis.sock"


def url(state_dir: Path) -> str:
    """Give the address of the private Redis."""
    return f"unix://{socket_path(state_dir)}"


def require_running(state_dir: Path) -> None:
    """Check that somebody runs the private Redis.

    Raises:
        UnreachableError: in one line, if the daemon is not up.

    """
    try:
        running = socket_path(state_dir).exists()
    except PermissionError as error:
        raise UnreachableError(
            say(
                "the embedded Redis in {folder} is for the user of the daemon alone; run this command as "
                "that user (sudo -u siaga112 …)"
            ),
            folder=state_dir,
        ) from error
    if not running:
        raise UnreachableError(
            say(
                "the embedded Redis in {folder} is not running; start it with: siaga112 run (or set "
                "state_dir or [redis] url to the ones that the daemon uses)"
            ),
            folder=state_dir,
        )
