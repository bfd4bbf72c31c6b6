"""The site's records as commands and the daemon open them: the store, the block list, the mode."""

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
"""The embedded database, in the state directory."""


def now() -> Millis:
    """Give this machine's clock; the only place that reads it for decisions."""
    return time.time_ns() // 1_000_000


def redis_url(settings: Settings) -> str:
    """Give the address of the Redis in use."""
    if settings.embedded_redis:
        return embedded.url(settings.state_dir)
    return settings.redis.url.get_secret_value()


def database_url(settings: Settings) -> str:
    """Give the address of the database in use."""
    if settings.embedded_database:
        return f"sqlite:///{(settings.state_dir / DATABASE).absolute()}"
    return settings.database.url.get_secret_value()


def open_block_list(settings: Settings) -> "RedisBlockList":
    """Make the block list; nothing is sent yet."""
    # redis-py takes a tenth of a second to load: a command that asks the records alone goes without.
    from siaga112.adapters.redis.block_list import RedisBlockList  # noqa: PLC0415 - as said above
    from siaga112.adapters.redis.connect import connect  # noqa: PLC0415 - as above

    return RedisBlockList(connect(redis_url(settings)), settings.site)


def open_store(settings: Settings) -> "SiteStore":
    """Make the daemon's store; nothing is opened yet."""
    store: SiteStore = _stores().open_site(*_of_site(settings))
    return store


def open_desk(settings: Settings) -> "DecidingStore":
    """Make a command's store; nothing is opened yet, and no database is made."""
    store: DecidingStore = _stores().open_desk(*_of_site(settings))
    return store


def _of_site(settings: Settings) -> tuple[str, Callable[[], "RedisBlockList"], str, Millis, Millis]:
    kept = settings.privacy.keep_calls, settings.privacy.keep_audit
    return database_url(settings), lambda: open_block_list(settings), settings.site, *kept


def _stores() -> Any:
    # SQLAlchemy takes a fifth of a second to load, and 25 MB: neither the screening half nor --help needs it.
    return import_module("siaga112.app.store")


def require_running(settings: Settings) -> None:
    """Check that the daemon runs its private Redis, if it has one.

    Raises:
        UnreachableError: in one line, if not.

    """
    if settings.embedded_redis:
        embedded.require_running(settings.state_dir)


def mode_files(settings: Settings) -> ModeFiles:
    """Make what this machine keeps of the mode."""
    return ModeFiles(settings.state_dir, settings.site)


def held_off(settings: Settings) -> bool:
    """Say whether the switch that needs nobody is there; False where this user may not look."""
    try:
        return mode_files(settings).held_off() is not None
    except OSError:
        return False
