"""The wall: the live line in parts, each sent to browsers when it changes."""

from typing import Any, Final

from siaga112.console.identity import Visitor
from siaga112.console.rendering import fragment
from siaga112.console.site import Console
from siaga112.core.access import Permission
from siaga112.core.model import Mark, Millis, OperatorState, Outcome, Stage
from siaga112.core.record import CallerRecord
from siaga112.service.ports import CallFilter

PARTS: Final = ("mode", "calls", "queues", "operators", "today", "waits")
CALLS_KNOWN: Final = 200
"""A caller's calls are counted up to this for the card."""


class Wall:
    """Renders the parts, once for all visitors who see the same."""

    def __init__(self) -> None:
        self._version = -1
        self._written: dict[tuple[str, bool, bool], dict[str, str]] = {}

    def parts(self, site: Console, visitor: Visitor) -> dict[str, str]:
        """Return each part as a visitor sees it."""
        if self._version != site.live.version:
            self._version = site.live.version
            self._written.clear()
        key = visitor.lang.value, visitor.may(Permission.SHIFT), visitor.may(Permission.CALLS)
        if key not in self._written:
            values = seen(site)
            self._written[key] = {
                name: fragment("wall_parts.html.j2", site, visitor, live=True, part=name, **values)
                for name in PARTS
            }
        return self._written[key]


def seen(site: Console) -> dict[str, Any]:
    """Return the template values of the wall."""
    live = site.live
    service = site.settings.service_level
    return {
        "feed": live,
        "snapshot": live.snapshot,
        "today": live.today,
        "waiting": live.waiting,
        "target": service.target,
        "within": service.answer_within,
        "Stage": Stage,
        "Outcome": Outcome,
        "Mark": Mark,
        "OperatorState": OperatorState,
    }


def operator_name(site: Console, visitor: Visitor) -> str:
    """Return a person's name in the ledger (`[operators]`), ignoring the login's capitalisation."""
    people = site.settings.names().operators.values()
    return next((name for name in people if name.casefold() == visitor.name.casefold()), visitor.name)


async def mine(site: Console, visitor: Visitor) -> str:
    """Render the operator's current call, else the last one, with what is known of the caller."""
    name = operator_name(site, visitor)
    calls = site.live.snapshot.calls if site.live.snapshot else ()
    now = next((one for one in calls if one.operator.casefold() == name.casefold()), None)
    last = None
    if now is None:
        until = site.desk(visitor).clock() + 1
        page = await site.store.page(CallFilter(site.shift_began(), until, operator=name), 1)
        last = page.calls[0] if page.calls else None
    caller = now.caller if now else last.caller if last else None
    record = await site.store.load(caller) if caller else None
    known = await calls_of(site, visitor, record) if record else 0
    lists = {"kinds": site.settings.kinds, "districts": site.settings.districts, "agencies": agencies(site)}
    given = site.marks.get(now.call) if now else None
    values = {"now": now, "last": last, "caller": caller, "record": record, "known": known, "given": given}
    return fragment("mine.html.j2", site, visitor, live=True, Mark=Mark, most=CALLS_KNOWN, **values, **lists)


async def calls_of(site: Console, visitor: Visitor, record: CallerRecord) -> int:
    """Count a caller's calls, up to `CALLS_KNOWN`."""
    since: Millis = 0
    which = CallFilter(since, site.desk(visitor).clock() + 1, caller=record.caller)
    return len((await site.store.page(which, CALLS_KNOWN)).calls)


def agencies(site: Console) -> list[str]:
    """Name the agencies, each once."""
    return [*dict.fromkeys(site.settings.agencies.values())]
