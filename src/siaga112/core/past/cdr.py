"""CDR rows → past calls.

CDR tells little: where each part of a call ended (`dcontext`, `lastapp`), whom it was connected with
(`dstchannel`), not who hung up. A call left the menu if its *only* row ended in one of the menu's asking
applications, in a context of the menu, with nobody else on the line; and if that row begins when the
channel did (its uniqueid says in which second): a later row of a call whose first ones are lost begins
later, unless whoever was called refused within that second.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import reduce
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import Final

from siaga112.core.caller_id import canonical, kept_raw
from siaga112.core.calls import Dialplan
from siaga112.core.menus import ASKING
from siaga112.core.model import SECOND, Call, CallId, Fact, FactKind, Millis
from siaga112.core.outcome import ClassifierRules
from siaga112.core.past.history import Past, Source, Unproven, judge, too_close
from siaga112.core.past.spool import MemorySpool, Spool

_CALLING: Final = frozenset({"queue", "dial"})


@dataclass(frozen=True, slots=True)
class Row:
    """One record: a stretch of a call, alone or with one other."""

    start: Millis
    end: Millis
    uid: str
    channel: str
    other: str
    source: str
    context: str
    app: str
    data: str
    answered: bool
    line: int = 0


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the rows of one call say together, in whatever order they come."""

    start: Millis
    end: Millis
    channel: str
    source: str
    rows: int
    connected: Millis | None
    parted: Millis
    waited: bool
    menu: str
    last: tuple[Millis, str, str]


_VALUES: Final = attrgetter(*Row.__slots__)


class CdrReader:
    """Takes rows in any order; gives the calls at the end of the file.

    `spool` makes what puts the rows aside until then: in memory, if nothing else is given.
    """

    def __init__(
        self, dialplan: Dialplan, rules: ClassifierRules, spool: Callable[[], Spool] = MemorySpool
    ) -> None:
        self._dialplan = dialplan
        self._rules = rules
        self._rows = spool()
        self._aside = spool()
        self.others = 0

    def feed(self, row: Row) -> None:
        """Take one row."""
        self._rows.add(row.uid or f"{row.channel} {row.start}", _VALUES(row))

    def _seen(self, row: Row) -> _Seen:
        with_other = bool(row.other)
        app = row.app.lower()
        asking = app in ASKING and row.context in self._dialplan.ivr_contexts
        return _Seen(
            start=row.start,
            end=row.end,
            channel=row.channel,
            source=row.source,
            rows=1,
            connected=row.start if with_other and row.answered and app in _CALLING else None,
            parted=row.end,
            waited=with_other or app in _CALLING,
            menu=row.context if asking and row.answered and not with_other else "",
            last=(row.end, row.context, row.data.partition(",")[0] if app == "queue" else ""),
        )

    def close(self) -> Iterator[Past]:
        """Give the calls: those that a trunk of ours brought in, or that ended in our menu or queue."""
        ours: set[str] = set()
        for key, group in self._rows.groups():
            rows = [Row(*values) for values in group]
            seen = reduce(_together, map(self._seen, rows))
            endpoint = _endpoint(seen.channel)
            if self._known(seen):
                ours.add(endpoint)
            if endpoint in ours:
                yield self._judge(key, seen, rows)
            else:
                # Whether its endpoint is a trunk of ours, a later call may tell.
                for values in group:
                    self._aside.add(endpoint, (key, *values))
        for endpoint, group in self._aside.groups():
            for key, call in groupby(group, itemgetter(0)):
                rows = [Row(*values[1:]) for values in call]
                if endpoint in ours:
                    yield self._judge(key, reduce(_together, map(self._seen, rows)), rows)
                else:
                    self.others += 1

    def _known(self, seen: _Seen) -> bool:
        context, queue = seen.last[1:]
        inside = context in self._dialplan.trunk_contexts | self._dialplan.ivr_contexts
        return not seen.channel.startswith("Local/") and (inside or queue in self._dialplan.queues)

    def _judge(self, uid: str, seen: _Seen, rows: list[Row]) -> Past:
        numbers = self._dialplan.numbers
        caller = canonical(seen.source, numbers)
        facts = [Fact(seen.start, FactKind.ARRIVED)]
        unproven = Unproven.CDR_NOT_WHERE
        if seen.connected is not None:
            facts += [Fact(seen.connected, FactKind.CONNECTED), Fact(seen.parted, FactKind.PARTED)]
        elif seen.waited:
            facts.append(Fact(seen.start, FactKind.RINGING))
            unproven = Unproven.WAITED
        elif seen.menu and "." not in uid:
            unproven = Unproven.NO_UNIQUEID
        elif seen.menu and (seen.rows > 1 or not _whole(uid, seen.start)):
            unproven = Unproven.CDR_IN_PARTS
        elif seen.menu:
            left = Fact(seen.end, FactKind.LEFT_MENU, seen.menu)
            if too_close(seen.start, left, self._rules.early_drop):
                unproven = Unproven.TOO_CLOSE
            else:
                facts.append(left)
        call = Call(
            CallId(uid), kept_raw(seen.source, numbers), caller, identified=caller is not None,
            facts=(*facts, Fact(seen.end, FactKind.ENDED)),
        )  # fmt: skip
        moments = [(at, row.line) for row in rows for at in (row.start, row.end)]
        past = judge(call, self._rules, Source.CDR, unproven, moments)
        # How long they talked is not told: a row begins when the phone is rung.
        stages = replace(past.finding.stages, talk=None)
        return replace(past, finding=replace(past.finding, stages=stages))


def _together(one: _Seen, other: _Seen) -> _Seen:
    connected = [at for at in (one.connected, other.connected) if at is not None]
    return _Seen(
        start=min(one.start, other.start),
        end=max(one.end, other.end),
        channel=min(one.channel, other.channel),
        source=min(one.source, other.source) or max(one.source, other.source),
        rows=one.rows + other.rows,
        connected=min(connected, default=None),
        parted=max(one.parted, other.parted),
        waited=one.waited or other.waited,
        menu=min(one.menu, other.menu),
        last=max(one.last, other.last),
    )


def _endpoint(channel: str) -> str:
    """Give `PJSIP/trunk` of `PJSIP/trunk-0000001a`."""
    return channel.rpartition("-")[0] or channel


def _whole(uid: str, start: Millis) -> bool:
    """Say whether a row begins when its channel did: `1795552526.7`, or `pbx1-1795552526.7`."""
    epoch = uid.rpartition("-")[2].partition(".")[0]
    return epoch.isdigit() and int(epoch) == start // SECOND
