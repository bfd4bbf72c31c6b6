"""CDR rows → past calls.

CDR shows where each part of a call ended (`dcontext`, `lastapp`) and the other channel (`dstchannel`), but
not who hung up. A call left the menu if its *only* row ended in one of the menu's asking applications, in a
context of the menu, without another channel, and if that row begins in the second in which the channel did
(the uniqueid has it). The last condition detects lost rows: a later row begins later, unless the called party
refused within that second. `dst` is the extension; if it is that of a key, the menu had taken a key.

The other channel may be a Local channel; then the rows of its other half show who is behind it.
"""

import re
from collections.abc import Callable, Iterator
from functools import reduce
from itertools import groupby
from operator import itemgetter
from typing import Final, NamedTuple

from siaga112.backtest.history import SHOWN_ASKING, Past, Source, Unproven, judge, too_close
from siaga112.backtest.spool import MemorySpool, Spool
from siaga112.core.caller_id import NumberPlan, canonical, kept_raw
from siaga112.core.model import SECOND, Call, CallId, Fact, FactKind, Finding, Millis
from siaga112.core.outcome import ClassifierRules
from siaga112.core.rules import Dialplan
from siaga112.core.text import whole
from siaga112.core.tracking.arrivals import trunk_of
from siaga112.core.tracking.bridges import stem
from siaga112.core.tracking.menus import ASKING

_CALLING: Final = frozenset({"queue", "dial", "followme", "retrydial"})

_KEYS: Final = re.compile(r"[0-9*#]+")
_DIALLED_DIGITS: Final = 3
"""In a trunk context, an extension with at least this many digits is a dialled number, not a key."""

MAX_SHAPES: Final = 10_000
"""Of how many kinds of calls the outcome is kept, for the next one of the kind."""

_DEEP: Final = 8
"""How many Local channels in a chain are followed."""


class CdrRow(NamedTuple):
    """One record: a part of a call, with at most one other channel. A tuple, since there are millions."""

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
    exten: str = ""


class _Seen(NamedTuple):
    """The rows of one call combined; their order does not matter."""

    start: Millis
    end: Millis
    channel: str
    source: str
    rows: int
    connected: Millis | None
    led: tuple[tuple[str, str, Millis, bool], ...]
    parted: Millis
    waited: bool
    menu: str
    chosen: bool
    read: bool


class CdrReader:
    """Takes rows in any order, and yields the calls at the end of the file.

    `spool` makes the store of the rows until then; by default it is in memory.
    """

    def __init__(
        self, dialplan: Dialplan, rules: ClassifierRules, spool: Callable[[], Spool] = MemorySpool
    ) -> None:
        self._dialplan = dialplan
        self._rules = rules
        self._rows = spool()
        self._aside = spool()
        self._behind: dict[str, list[tuple[str, str, str, bool]]] = {}
        self._phones: set[str] = set()
        self._judged: dict[tuple[object, ...], Past] = {}
        self.led: dict[CallId, CallId] = {}
        self.others = 0

    def feed(self, row: CdrRow) -> None:
        """Store one row."""
        app = row.app.lower()
        if app == "queue" and row.other:
            self._phones.add(_endpoint(row.other))
        if row.channel.endswith(";2") and (half := stem(row.channel)):
            self._behind.setdefault(half, []).append((row.uid, app, row.other, row.answered))
        self._rows.add(row.uid or f"{row.channel} {row.start}", row)

    def _seen(self, row: CdrRow) -> _Seen:
        with_other = bool(row.other)
        led = stem(row.other)
        app = row.app.lower()
        asking = app in ASKING and row.context in self._dialplan.ivr_contexts
        return _Seen(
            start=row.start,
            end=row.end,
            channel=row.channel,
            source=row.source,
            rows=1,
            connected=row.start if with_other and not led and row.answered and app in _CALLING else None,
            led=((led, app, row.start, row.answered),) if led and app in _CALLING else (),
            parted=row.end,
            waited=with_other or app in _CALLING,
            menu=row.context if asking and row.answered and not with_other else "",
            chosen=asking and self._is_key(row),
            read=asking and app not in SHOWN_ASKING,
        )

    def _is_key(self, row: CdrRow) -> bool:
        """Return whether a row in the menu has the extension of a key."""
        if not _KEYS.fullmatch(row.exten) or row.exten in self._dialplan.dialled:
            return False
        return row.context not in self._dialplan.trunk_contexts or len(row.exten) < _DIALLED_DIGITS

    def close(self) -> Iterator[Past]:
        """Yield the calls that came over our trunks, or ended in our menu or queue."""
        ours: set[str] = set()
        for key, group in self._rows.groups():
            rows = [*map(CdrRow._make, group)]
            channel = min([row.channel for row in rows])
            endpoint = _endpoint(channel)
            if endpoint not in ours and self._known(channel, rows):
                ours.add(endpoint)
            if endpoint in ours:
                yield self._past(key, rows)
            else:
                # a later call may show that the endpoint is one of our trunks
                for values in group:
                    self._aside.add(endpoint, (key, *values))
        for endpoint, group in self._aside.groups():
            for key, call in groupby(group, itemgetter(0)):
                rows = [CdrRow._make(values[1:]) for values in call]
                if endpoint in ours:
                    yield self._past(key, rows)
                else:
                    self.others += 1

    def _known(self, channel: str, rows: list[CdrRow]) -> bool:
        _, context, queue = max(map(_where, rows))
        inside = context in self._dialplan.trunk_contexts or context in self._dialplan.ivr_contexts
        if context not in self._dialplan.trunk_contexts and _endpoint(channel) in self._phones:
            return False  # an operator who consults another queue or tries the menu
        return not channel.startswith("Local/") and (inside or queue in self._dialplan.queues)

    def _connected(self, seen: _Seen) -> Millis | None:
        """Return when a call was connected with somebody, directly or over Local channels."""
        through = (
            at for led, app, at, answered in seen.led if answered and self._is_somebody(led, app == "queue")
        )
        at = min(through, default=None)
        return at if seen.connected is None or (at is not None and at < seen.connected) else seen.connected

    def _is_somebody(self, led: str, by_queue: bool, deep: int = 0) -> bool:  # noqa: FBT001 - unpacked
        """Return whether somebody is behind a Local channel; a queue proves it, unless that half waits."""
        rows = self._behind.get(led, ())
        if any(answered and other and not stem(other) for _, _, other, answered in rows):
            return True
        further = ((stem(other), app == "queue") for _, app, other, answered in rows if answered and other)
        if deep < _DEEP and any(self._is_somebody(*one, deep + 1) for one in further):
            return True
        return by_queue and not any(app == "queue" for _, app, *_ in rows)

    def _leads(self, uid: str, seen: _Seen) -> None:
        """Record the channels that waited in a queue on behalf of this call."""
        stems = [led for led, *_ in seen.led]
        for led in stems:
            for channel, app, other, _ in self._behind.get(led, ()):
                if app == "queue":
                    self.led[CallId(channel)] = CallId(uid)
                if stem(other) and stem(other) not in stems:
                    stems.append(stem(other))

    def _past(self, uid: str, rows: list[CdrRow]) -> Past:
        """Judge a call; one of a single row like an earlier one, if only caller, trunk and moment differ."""
        row = rows[0]
        if len(rows) > 1 or stem(row.other):
            return self._judge(uid, reduce(_together, map(self._seen, rows)), rows)
        shape = (
            *(row.end - row.start, row.start % SECOND, row.context, row.app, row.data, row.exten),
            *(bool(row.other), row.answered, "." in uid, _whole(uid, row.start)),
        )
        like = self._judged.get(shape)
        if like is not None:
            return _moved(like, uid, row, self._dialplan.numbers)
        past = self._judge(uid, self._seen(row), rows)
        if len(self._judged) < MAX_SHAPES:
            self._judged[shape] = past
        return past

    def _judge(self, uid: str, seen: _Seen, rows: list[CdrRow]) -> Past:
        self._leads(uid, seen)
        numbers = self._dialplan.numbers
        caller = canonical(seen.source, numbers)
        facts = [Fact(seen.start, FactKind.ARRIVED)]
        unproven = Unproven.CDR_NOT_WHERE
        connected = self._connected(seen)
        if connected is not None:
            facts += [Fact(connected, FactKind.CONNECTED), Fact(seen.parted, FactKind.PARTED)]
        elif seen.waited:
            facts.append(Fact(seen.start, FactKind.RINGING))
            unproven = Unproven.WAITED
        elif seen.menu and seen.chosen:
            unproven = Unproven.KEY_TAKEN
        elif seen.menu and seen.read:
            unproven = Unproven.READ_OR_AGI
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
            facts=(*facts, Fact(seen.end, FactKind.ENDED)), trunk=trunk_of(seen.channel),
        )  # fmt: skip
        moments = [(at, row.line) for row in rows for at in (row.start, row.end)]
        # no talk time: a row begins when the phone starts to ring
        return judge(call, self._rules, Source.CDR, unproven, moments, timed=False)


def _together(one: _Seen, other: _Seen) -> _Seen:
    connected = [at for at in (one.connected, other.connected) if at is not None]
    return _Seen(
        start=min(one.start, other.start),
        end=max(one.end, other.end),
        channel=min(one.channel, other.channel),
        source=min(one.source, other.source) or max(one.source, other.source),
        rows=one.rows + other.rows,
        connected=min(connected, default=None),
        led=tuple(sorted({*one.led, *other.led})),
        parted=max(one.parted, other.parted),
        waited=one.waited or other.waited,
        menu=min(one.menu, other.menu),
        chosen=one.chosen or other.chosen,
        read=one.read or other.read,
    )


def _where(row: CdrRow) -> tuple[Millis, str, str]:
    """Return when a row ended, in which context, and in which queue."""
    return row.end, row.context, row.data.partition(",")[0] if row.app.lower() == "queue" else ""


def _moved(past: Past, uid: str, row: CdrRow, numbers: NumberPlan) -> Past:
    """Return the call of a row that differs from that of `past` only in its moment, caller and trunk."""
    found, caller = past.finding, canonical(row.source, numbers)
    facts = (Fact(row.start, FactKind.ARRIVED), Fact(row.end, FactKind.ENDED))
    call = Call(CallId(uid), "", caller, caller is not None, facts, trunk_of(row.channel))
    # Not `replace`: it takes three times as long, and there may be a million calls.
    finding = Finding(call, found.outcome, found.reason, (), found.stages, found.queue, found.verdict)
    return Past(finding, past.source, past.unproven, lines=(row.line,) if past.lines else ())


def _endpoint(channel: str) -> str:
    """Return `PJSIP/trunk` for `PJSIP/trunk-0000001a`."""
    return channel.rpartition("-")[0] or channel


def _whole(uid: str, start: Millis) -> bool:
    """Return whether a row begins in its channel's first second: `1795552526.7` or `pbx1-1795552526.7`."""
    epoch = uid.rpartition("-")[2].partition(".")[0]
    return whole(epoch) == start // SECOND
