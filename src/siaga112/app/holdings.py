"""The kinds of personal data: how long each is kept, by which setting, and how much is in files."""

import contextlib
from collections.abc import Mapping

from siaga112.adapters import forgetting, outbox
from siaga112.core import announcements, snapshot
from siaga112.core.holdings import Ends, Holding, Holdings, Kept, Kind, Numbers
from siaga112.core.model import SECOND
from siaga112.core.retention import REMEMBERED
from siaga112.settings.schema import Settings


def kept(settings: Settings) -> Mapping[Kind, Kept]:
    """Return for each kind how long it is kept, and whether with numbers."""
    privacy = settings.privacy
    numbers = Numbers.HASHED if privacy.caller_key.get_secret_value() else Numbers.FULL
    calls = Kept(Ends.AGE, privacy.keep_calls, "[privacy] keep_calls", numbers)
    strikes = Kept(Ends.AGE, privacy.keep_strikes, "[privacy] keep_strikes", numbers)
    over = strikes._replace(each=False)
    of_call = calls._replace(ends=Ends.CALL, numbers=Numbers.NONE)
    callbacks = Kept(Ends.AGE, privacy.keep_callbacks, "[privacy] keep_callbacks", numbers)
    session = Kept(Ends.AGE, settings.console.session, "[console] session", Numbers.NONE, each=False)
    staff = Kept(Ends.DECISION, numbers=Numbers.NONE)
    decided, delivered, looked = (
        Kept(ends, numbers=numbers) for ends in (Ends.DECISION, Ends.DELIVERY, Ends.LOOK)
    )
    of_record, in_progress = Kept(Ends.RECORD, numbers=numbers), Kept(Ends.CALL, numbers=numbers)
    return {
        Kind.CALLS: calls,
        Kind.HANDOVERS: of_call,
        Kind.MARKS: of_call,
        Kind.CALLERS: over,
        Kind.STRIKES: strikes,
        Kind.WITHDRAWN: of_record,
        Kind.BLOCKS: over,
        Kind.PROPOSALS: over,
        Kind.APPEALS: over,
        Kind.REPORTS: strikes,
        Kind.CALLBACKS: callbacks,
        Kind.ALLOWED: decided,
        Kind.HOLDS: decided,
        Kind.AUDIT: Kept(Ends.AGE, privacy.keep_audit, "[privacy] keep_audit", numbers),
        Kind.EVENTS: Kept(Ends.AGE, announcements.KEPT, numbers=numbers),
        Kind.PARKED: looked,
        Kind.FORGOTTEN: Kept(Ends.AGE, REMEMBERED, numbers=Numbers.NONE),
        Kind.PEOPLE: staff,
        Kind.TOKENS: staff,
        Kind.SESSIONS: session,
        Kind.UNPUBLISHED: delivered,
        Kind.STANDINGS: of_record,
        Kind.SNAPSHOT: Kept(Ends.AGE, snapshot.LIFE, numbers=numbers),
        Kind.IN_PROGRESS: in_progress,
        Kind.OUTBOX: delivered,
        Kind.ASIDE: looked,
        Kind.FILES: looked,
    }


def in_files(settings: Settings) -> Holdings:
    """Count the entries and copies in the state directory, outside the database; skip what cannot be read."""
    found: dict[Kind, Holding] = {}
    state = settings.state_dir
    with contextlib.suppress(OSError):
        found |= outbox.look(state / "outbox.db")
    with contextlib.suppress(OSError):
        times = [path.lstat().st_mtime for path in forgetting.copies(state)]
        found[Kind.FILES] = Holding(len(times), int(min(times) * SECOND) if times else None)
    return found
