"""Open a site's records, for commands and the daemon: the store, the block list, the mode."""

import time
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from siaga112.adapters.mode_files import ModeFiles
from siaga112.adapters.redis import embedded
from siaga112.core.model import Millis
from siaga112.settings.schema import Settings

if TYPE_CHECKING:
    from siaga112.adapters.redis.block_list import RedisBlockList
    from siaga112.app.store import DecidingStore, SiteStore

DATABASE: Final = "siaga112.db"
"""The file of the embedded database, in the state directory."""


def now() -> Millis:
    """Return the time of this machine's clock; no other code reads it for decisions."""
    return time.time_ns() // 1_000_000


def redis_url(settings: Settings) -> str:
    """Return the address of the Redis in use."""
    if settings.embedded_redis:
        return embedded.url(settings.state_dir)
    return settings.redis.url.get_secret_value()


def database_url(settings: Settings) -> str:
    """Return the address of the database in use."""
    if settings.embedded_database:
        return f"sqlite:///{(settings.state_dir / DATABASE).absolute()}"
    return settings.database.url.get_secret_value()


def open_block_list(settings: Settings) -> "RedisBlockList":
    """Create the block list, without connecting."""
    # Loading redis-py takes a tenth of a second; a command that only needs the records avoids it.
    from siaga112.adapters.redis.block_list import RedisBlockList  # noqa: PLC0415 - see above
    from siaga112.adapters.redis.connect import connect  # noqa: PLC0415 - as above

    return RedisBlockList(connect(redis_url(settings)), settings.site)


def open_store(settings: Settings) -> "SiteStore":
    """Create the daemon's store, without connecting."""
    store: SiteStore = _stores().open_site(*_of_site(settings))
    return store


def open_desk(settings: Settings) -> "DecidingStore":
    """Create a command's store, without connecting; it never creates a database."""
    store: DecidingStore = _stores().open_desk(*_of_site(settings))
    return store


def _of_site(settings: Settings) -> tuple[str, Callable[[], "RedisBlockList"], str, Millis, Millis]:
    kept = settings.privacy.keep_calls, settings.privacy.keep_audit
    return database_url(settings), lambda: open_block_list(settings), settings.site, *kept


def _stores() -> Any:
    # Loading SQLAlchemy takes a fifth of a second and 25 MB, which the screening half and --help do not need.
    return import_module("siaga112.app.store")


def require_running(settings: Settings) -> None:
    """Require the private Redis to be running, if there is one.

    Raises:
        UnreachableError: in one line, if it is not.

    """
    if settings.embedded_redis:
        embedded.require_running(settings.state_dir)


def mode_files(settings: Settings) -> ModeFiles:
    """Return the files in which this machine keeps the mode."""
    return ModeFiles(settings.state_dir, settings.site)


def held_off(settings: Settings) -> bool:
    """Return whether the `off` file exists; False if this user may not look."""
    try:
        return mode_files(settings).held_off() is not None
    except OSError:
        return False
