"""What people do to the records: the supervisor's desk, and erasing what files have of a caller."""

import re
import time
from dataclasses import dataclass

from siaga112.adapters import forgetting
from siaga112.app.records import DATABASE, held_off, now
from siaga112.core.model import Via
from siaga112.service.ports import Store
from siaga112.service.supervisor import Supervisor
from siaga112.settings.schema import Settings


def open_supervisor(settings: Settings, store: Store, by: str, via: Via = Via.CLI) -> Supervisor:
    """Make the supervisor's desk, at which this person acts, who came by that door."""
    rules, mode = settings.policy_rules(), settings.mode
    off = lambda: held_off(settings)  # noqa: E731 - as it reads
    return Supervisor(store, rules, mode, now, by, via, off, settings.zone, settings.service_numbers)


@dataclass(frozen=True, slots=True)
class Swept:
    """What `forget` did in the state directory."""

    aside: int
    """Entries of the outbox that had been set aside."""
    copies: int
    """Damaged or half-written files."""
    rewritten: bool
    """Whether the private Redis has written its file anew."""


async def forget_in_files(settings: Settings, spelled: re.Pattern[str]) -> Swept:
    """Bring it about that no file of ours has a number, so spelled, that is erased from the store already.

    Raises:
        OSError: if a file cannot be changed.

    """
    from siaga112.adapters.redis.rewriting import rewrite  # noqa: PLC0415 - loads redis-py, which few need

    state, began = settings.state_dir, time.time()
    rewritten = settings.embedded_redis and await rewrite(state)
    old = forgetting.copies(state, began)
    forgetting.remove(old)
    if settings.embedded_database:
        forgetting.cut_log(state / DATABASE)
    aside = forgetting.forget_aside(state, spelled)
    return Swept(aside, len(old), rewritten)
