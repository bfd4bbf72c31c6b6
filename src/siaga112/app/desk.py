"""The tools for people's work on the records: the supervisor's desk, and erasing a caller from files."""

import re
import time
from dataclasses import dataclass

from siaga112.adapters import forgetting
from siaga112.app.records import DATABASE, held_off, now
from siaga112.core.model import Via
from siaga112.errors import Said, SiagaError
from siaga112.service.ports import Store
from siaga112.service.supervisor import Supervisor
from siaga112.settings.schema import Settings
from siaga112.words import say

_AGAIN = Said("run it again, as the user of the daemon")


def open_supervisor(settings: Settings, store: Store, by: str, via: Via = Via.CLI) -> Supervisor:
    """Return the supervisor's desk for this person, who came in by `via`."""
    rules, mode = settings.policy_rules(), settings.mode
    off = lambda: held_off(settings)  # noqa: E731 - reads well
    return Supervisor(store, rules, mode, now, by, via, off, settings.zone, settings.service_numbers)


@dataclass(frozen=True, slots=True)
class Swept:
    """The result of `forget` in the state directory."""

    aside: int
    """Set-aside entries deleted from the outbox."""
    copies: int
    """Damaged or half-written files removed."""
    rewritten: bool
    """Whether the private Redis rewrote its append-only file."""


async def forget_in_files(settings: Settings, spelled: re.Pattern[str]) -> Swept:
    """Remove a matching number from all our files, after the store has erased it.

    Raises:
        SiagaError: if a file cannot be changed.

    """
    from siaga112.adapters.redis.rewriting import rewrite  # noqa: PLC0415 - loads redis-py, rarely needed

    state, began = settings.state_dir, time.time()
    rewritten = settings.embedded_redis and await rewrite(state)
    try:
        old = forgetting.copies(state, began)
        forgetting.remove(old)
        if settings.embedded_database:
            forgetting.cut_log(state / DATABASE)
        aside = forgetting.forget_aside(state, spelled)
    except OSError as error:
        said = say("erased, but not in the files of {folder} ({why}); {again}")
        raise SiagaError(said, folder=state, why=str(error), again=_AGAIN) from error
    return Swept(aside, len(old), rewritten)


def require_rewritten(settings: Settings, swept: Swept) -> None:
    """Check that no file of the private Redis has the number.

    Raises:
        SiagaError: if one has.

    """
    if settings.embedded_redis and not swept.rewritten:
        said = say("erased, but Redis has not rewritten its file: the number is in it; {again}")
        raise SiagaError(said, again=_AGAIN)
