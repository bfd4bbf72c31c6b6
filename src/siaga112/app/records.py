"""The site's records as commands open them: the store, the supervisor, the mode, the state directory."""

import time
from dataclasses import dataclass

from siaga112.adapters import forgetting
from siaga112.adapters.mode_files import ModeFiles
from siaga112.adapters.redis import embedded
from siaga112.adapters.redis.connect import connect
from siaga112.adapters.redis.store import RedisStore
from siaga112.core.caller_id import spelling
from siaga112.core.model import Caller, Millis
from siaga112.service.supervisor import Supervisor
from siaga112.settings.schema import Settings


def now() -> Millis:
    """Give this machine's clock; the only place that reads it for decisions."""
    return time.time_ns() // 1_000_000


def redis_url(settings: Settings) -> str:
    """Give the address of the Redis in use."""
    if settings.embedded_redis:
        return embedded.url(settings.state_dir)
    return settings.redis.url.get_secret_value()


def open_store(settings: Settings) -> RedisStore:
    """Make the store; nothing is sent yet."""
    privacy = settings.privacy
    return RedisStore(connect(redis_url(settings)), settings.site, privacy.keep_calls, privacy.keep_audit)


def open_supervisor(settings: Settings, store: RedisStore, by: str) -> Supervisor:
    """Make the supervisor's desk."""
    return Supervisor(store, settings.policy_rules(), settings.mode, now, by, lambda: held_off(settings))


def mode_files(settings: Settings) -> ModeFiles:
    """Make what this machine keeps of the mode."""
    return ModeFiles(settings.state_dir, settings.site)


def held_off(settings: Settings) -> bool:
    """Say whether the switch that needs nobody is there; False where this user may not look."""
    try:
        return mode_files(settings).held_off() is not None
    except OSError:
        return False


@dataclass(frozen=True, slots=True)
class Swept:
    """What `forget` did in the state directory."""

    aside: int
    """Entries of the outbox that had been set aside."""
    copies: int
    """Damaged or half-written files."""
    rewritten: bool
    """Whether the private Redis has written its file anew."""


async def forget_in_files(settings: Settings, caller: Caller) -> Swept:
    """Bring it about that no file of ours has the caller, who is erased from the store already.

    Raises:
        OSError: if a file cannot be changed.

    """
    state, began = settings.state_dir, time.time()
    rewritten = settings.embedded_redis and await embedded.rewrite(state)
    old = forgetting.copies(state, began)
    forgetting.remove(old)
    aside = forgetting.forget_aside(state, spelling(caller, settings.number_plan()))
    return Swept(aside, len(old), rewritten)
