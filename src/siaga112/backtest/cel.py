"""CEL rows → past calls.

A call is the channel that came in over the trunk. Its rows are kept until some seconds after its end, sorted
by time, and evaluated together. The caller is protected as in the live tracker, by *place as evidence*: a
call left the menu only if the far end hung up, and a row *at the moment of the hang-up* shows an asking
application of the menu running, in a context of the menu, at the same extension at which the call ended.
The hang-up row itself shows evidence to the contrary: `dialstatus` is set once Queue() or Dial() rang any
phone for the caller, and `linkedid` changes once the call was connected with an older one. So a lost row can
make a call `unknown`, never a prank.

One case escapes CEL as it escapes AMI: the dialplan returns from a queue that rang no phone to the menu, and
every row of the queue is lost. The remaining rows are those of a prank.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from siaga112.backtest.history import MOMENT, SHOWN_ASKING, Past, Source, Unproven, judge, too_close
from siaga112.core.caller_id import canonical, kept_raw
from siaga112.core.model import SECOND, Call, CallId, Fact, FactKind, Millis
from siaga112.core.outcome import ClassifierRules
from siaga112.core.rules import Dialplan
from siaga112.core.tracking import menus
from siaga112.core.tracking.arrivals import trunk_of
from siaga112.core.tracking.bridges import Bridges, machine, stem
from siaga112.core.unserved import DIAL_STATUS

SETTLE: Final[Millis] = 10 * SECOND
"""How much rows may be out of order, and how long after its end a call is settled."""

FORGET: Final[Millis] = 86_400 * SECOND
"""A call without an end is given up after this long without a row."""

_TRIES: Final = frozenset({"queue", "dial", "followme", "page", "retrydial"})
"""Applications that try to reach an operator."""

_AGI: Final = frozenset({"agi", "eagi", "deadagi"})

_OUTGOING: Final = "(Outgoing Line)"
"""The application data of channels that Asterisk creates to call somebody."""

_GUARD: Final = "siaga112-blocked"
"""The context of our own dialplan in which a blocked caller is treated."""

MAX_OPEN: Final = 20_000
"""How many calls may be open at once; beyond that, the oldest are given up."""

MAX_ROWS: Final = 500
"""How many rows of one call are kept."""

MAX_DOUBTED: Final = 100_000
"""With more doubted calls than this, the file counts as unsorted."""


class OutOfOrderError(Exception):
    """The rows are not in order of time."""


class CelRow(NamedTuple):
    """One event of one channel; a tuple, since there are millions of them."""

    at: Millis
    event: str
    uid: str
    linkedid: str
    channel: str
    context: str
    exten: str
    app: str
    data: str
    number: str
    peer: str
    extra: str
    line: int = 0


Settled = tuple[str, list[tuple[Any, ...]], bool]
"""A finished call, or anything else with one linkedid: its id, its rows, and whether rows were dropped."""


@dataclass(slots=True)
class _Open:
    """The rows of an unsettled call, or of anything else with one linkedid."""

    rows: list[CelRow] = field(default_factory=list)
    ended: Millis | None = None
    newest: Millis = 0
    cut: bool = False


class CelReader:
    """Takes rows roughly in order of time, and yields the calls that are over.

    `doubted`: calls with rows that came too late (`late` counts these rows), or without an end.
    """

    def __init__(self, dialplan: Dialplan, rules: ClassifierRules) -> None:
        self._dialplan = dialplan
        self._rules = rules
        self._open: dict[str, _Open] = {}
        self._newest: Millis = 0
        self._looked: Millis = 0
        self._over: dict[str, Millis] = {}
        self.led: dict[CallId, CallId] = {}
        self.doubted: set[CallId] = set()
        self.late = 0
        self.others = 0

    def feed(self, row: CelRow) -> Iterable[Settled]:
        """Take one row; return what is settled by now, for `judge`.

        Raises:
            OutOfOrderError: if the rows are not in order of time.

        """
        if row.at < self._newest - SETTLE:
            self.late += 1
            self._doubt(row.uid)
            if not self._goes_on(row):
                self._doubt(row.linkedid)
            return ()
        self._newest = max(self._newest, row.at)
        key = row.uid if row.uid in self._open else row.linkedid
        held = self._open.get(key)
        if held is None:
            if self._goes_on(row):
                return ()
            held = self._open[key] = _Open()
        held.newest = max(held.newest, row.at)
        if len(held.rows) < MAX_ROWS:
            held.rows.append(row)
        else:
            held.cut = True
        if row.uid == key and row.event in {"HANGUP", "CHAN_END"}:
            held.ended = row.at
        if self._newest - self._looked >= SETTLE or len(self._open) > MAX_OPEN:
            return self._close_ended()
        return ()

    def _goes_on(self, row: CelRow) -> bool:
        """Return whether a row is of another channel that continues after the caller's call ended."""
        return row.uid != row.linkedid and row.at >= self._over.get(row.linkedid, row.at + 1)

    def _doubt(self, call: str) -> None:
        self.doubted.add(CallId(call))
        if len(self.doubted) > MAX_DOUBTED:
            raise OutOfOrderError

    def _close_ended(self) -> Iterator[Settled]:
        self._looked = self._newest
        over = [
            key
            for key, held in self._open.items()
            if (held.ended is not None and held.ended <= self._newest - SETTLE)
            or held.newest <= self._newest - FORGET
        ]
        if len(self._open) - len(over) > MAX_OPEN:
            kept = [key for key in self._open if key not in set(over)]
            over += kept[: len(kept) - MAX_OPEN]
        yield from map(self._close, over)

    def close(self) -> Iterator[Settled]:
        """Yield what is left at the end of the file."""
        yield from map(self._close, list(self._open))

    def _close(self, key: str) -> Settled:
        held = self._open.pop(key)
        if held.ended is None:
            self._doubt(key)  # later rows of it must not count as another call
        else:
            self._over[key] = held.ended
            if len(self._over) > MAX_OPEN:
                del self._over[next(iter(self._over))]
        return key, [*map(tuple, held.rows)], held.cut

    def judge(self, settled: Settled) -> Iterator[Past]:
        """Yield the past call, if it came in over our trunk."""
        key, values, cut = settled
        rows = [*map(CelRow._make, values)]
        past = read(CallId(key), rows, self._dialplan, self._rules, cut=cut)
        if past:
            queues = (row for row in rows if _in_queue(row) and row.channel.endswith(";2"))
            self.led.update((CallId(row.uid), past.finding.call.id) for row in queues)
            yield past
        else:
            self.others += 1


# ── one call ─────────────────────────────────────────────────────────────────────────────────────


def read(
    call: CallId, rows: list[CelRow], dialplan: Dialplan, rules: ClassifierRules, *, cut: bool = False
) -> Past | None:
    """Return what the rows of one call prove; None if it did not come in over our trunk."""
    rows = sorted(rows, key=lambda row: row.at)
    own = [row for row in rows if row.uid == call]
    began = next((row for row in own if row.event == "CHAN_START"), None)
    if began:
        # another channel may have the same uniqueid
        strangers = {row.channel for row in own if row.event == "CHAN_START"} - {began.channel}
        own = [row for row in own if row.channel not in strangers]
    if any(row.data == _OUTGOING for row in own):
        return None
    if not (_comes_in(began, dialplan) if began else _adopted(own, dialplan)):
        return None
    ended = next((row for row in own if row.event == "HANGUP"), None)
    raw = (began or own[0]).number
    facts, unproven = _facts(own, rows, ended, dialplan, rules.early_drop)
    at = (began or own[0]).at
    if began is None:
        facts, unproven = [Fact(at, FactKind.ADOPTED)], Unproven.NO_BEGINNING
    elif ended is None:
        facts.append(Fact(own[-1].at, FactKind.GAP, "no end"))
        unproven = Unproven.NO_END
    elif cut:
        facts.append(Fact(ended.at, FactKind.GAP, "rows"))
        unproven = Unproven.TOO_MANY_ROWS
    first = Fact(at, FactKind.ARRIVED, own[0].context)
    last = Fact(own[-1].at if ended is None else ended.at, FactKind.ENDED)
    caller = canonical(raw, dialplan.numbers)
    told = Call(
        call, kept_raw(raw, dialplan.numbers), caller, identified=caller is not None,
        facts=(first, *sorted(facts, key=lambda fact: fact.at), last),
        trunk=trunk_of((began or own[0]).channel),
    )  # fmt: skip
    return judge(told, rules, Source.CEL, unproven, [(row.at, row.line) for row in rows])


def _comes_in(row: CelRow, dialplan: Dialplan) -> bool:
    return (
        row.context in dialplan.trunk_contexts
        and row.uid == row.linkedid
        and not row.channel.startswith("Local/")
        and bool(row.exten)
        and (not dialplan.dialled or row.exten in dialplan.dialled)
    )


def _adopted(own: list[CelRow], dialplan: Dialplan) -> bool:
    known = dialplan.trunk_contexts | dialplan.ivr_contexts
    return any(row.context in known and not row.channel.startswith("Local/") for row in own)


def _facts(
    own: list[CelRow], rows: list[CelRow], ended: CelRow | None, dialplan: Dialplan, early_drop: Millis
) -> tuple[list[Fact], Unproven]:
    facts = list(_on_the_way(own, rows, dialplan))
    stay, led = _stay(own, rows)
    extra = _extra(ended.extra) if ended else {}
    if stay:
        came, left = stay
        if ended and left - came < MOMENT and ended.at - left < MOMENT and _far_end(ended, extra):
            return [*facts, Fact(came, FactKind.GAP, "as it left")], Unproven.AS_IT_LEFT
        facts += [Fact(came, FactKind.CONNECTED), Fact(left, FactKind.PARTED)]
    if ended is None:
        return facts, Unproven.NO_END
    kinds = {fact.kind for fact in facts}
    status = extra.get("dialstatus", "")
    if (status or ended.linkedid != ended.uid) and FactKind.RINGING not in kinds:
        facts.append(Fact(ended.at, FactKind.RINGING))
    if led and not stay:
        left_by, unproven = _leaving_behind(rows, led, ended, extra)
    else:
        left_by, unproven = _leaving(own, rows, ended, extra, dialplan)
    if left_by and left_by.kind is FactKind.LEFT_QUEUE and FactKind.QUEUED not in kinds:
        facts.append(Fact(own[0].at, FactKind.QUEUED, left_by.detail))
    if left_by and too_close(own[0].at, left_by, early_drop):
        return facts, Unproven.TOO_CLOSE
    if left_by:
        facts.append(left_by)
    elif status in DIAL_STATUS and FactKind.QUEUED not in kinds and _ran(own, "dial"):
        facts.append(Fact(ended.at, FactKind.GAVE_UP, status))
    return facts, unproven


def _on_the_way(own: list[CelRow], rows: list[CelRow], dialplan: Dialplan) -> Iterator[Fact]:
    menu = next((row for row in own if _asking(row, dialplan)), None)
    if menu:
        yield Fact(menu.at, FactKind.MENU, menu.context)
    queue = next((row for row in own if row.app.lower() == "queue"), None)
    if queue:
        yield Fact(queue.at, FactKind.QUEUED, queue.data.partition(",")[0])
    if not own:
        return
    leg = next((row for row in rows if row.channel != own[0].channel), None)
    tried = next((row for row in own if row.app.lower() in _TRIES - {"queue"}), None)
    if leg:
        yield Fact(leg.at, FactKind.RINGING)
    elif tried:
        ended = next((row for row in own if row.event == "APP_END" and row.app == tried.app), None)
        told = next((row for row in own if row.event == "HANGUP"), None)
        if ended and tried.event == "APP_START" and told and _extra(told.extra).get("dialstatus") == "":
            # It rang no phone, as none is registered: CEL has a dialstatus only if a leg existed.
            yield Fact(ended.at, FactKind.GAVE_UP, "CHANUNAVAIL")
        yield Fact(tried.at, FactKind.RINGING)


def _asking(row: CelRow, dialplan: Dialplan) -> bool:
    return row.context in dialplan.ivr_contexts and menus.asks(row.app)


def _ran(own: list[CelRow], application: str) -> bool:
    return any(row.app.lower() == application for row in own)


def _far_end(ended: CelRow, extra: Mapping[str, str]) -> bool:
    return extra.get("hangupsource") == ended.channel


def _leaving(
    own: list[CelRow], rows: list[CelRow], ended: CelRow, extra: Mapping[str, str], dialplan: Dialplan
) -> tuple[Fact | None, Unproven]:
    """Return where the caller was when the far end hung up, if a row of that moment shows it."""
    if not _far_end(ended, extra):
        return None, Unproven.PBX_ENDED
    if ended.context == _GUARD:
        return None, Unproven.SCREENED
    # the extension `h` runs after the end
    at = min([ended.at, *(row.at for row in own if row.exten == "h")])
    last = next((r for r in reversed(own) if r.app and r.at <= at and r.exten != "h"), None)
    running = last if last and at - last.at <= MOMENT else None
    status, queued = extra.get("dialstatus", ""), _ran(own, "queue")
    ringing = any(r.uid != ended.uid and r.event == "HANGUP" and abs(at - r.at) <= MOMENT for r in rows)
    if status or ringing or queued or any(r.app.lower() in _TRIES for r in own):
        in_queue = queued and (ringing or (running is not None and running.app.lower() == "queue"))
        if status not in {"", "CANCEL"} or not (in_queue or ringing) or _tried_before(own, rows, at):
            return None, Unproven.WAITED
        return Fact(at, FactKind.LEFT_QUEUE if in_queue else FactKind.LEFT_RINGING), Unproven.WAITED
    chosen = menus.chosen(ended.exten, own[0].exten)
    if running and _asking(running, dialplan) and _same_place(running, ended) and not chosen:
        shown = running.app.lower() in SHOWN_ASKING and not _by_agi(own, running)
        kind = FactKind.LEFT_MENU if shown else FactKind.LEFT
        return Fact(at, kind, ended.context), Unproven.ELSEWHERE if shown else Unproven.READ_OR_AGI
    in_menu = ended.context in dialplan.ivr_contexts
    arriving = ended.context in dialplan.trunk_contexts and not in_menu
    kind = FactKind.LEFT_ARRIVAL if arriving else FactKind.LEFT
    return Fact(at, kind, ended.context), Unproven.MENU_NOT_SHOWN if in_menu else Unproven.ELSEWHERE


def _tried_before(own: list[CelRow], rows: list[CelRow], at: Millis) -> bool:
    """Return whether an earlier Queue() or Dial() had ended: the PBX may then have given up the caller."""
    tries = [row for row in own if row.event in {"APP_START", "APP_END"} and row.app.lower() in _TRIES]
    if tries:
        starts = sum(row.event == "APP_START" for row in tries)
        return starts > 1 or any(row.event == "APP_END" and at - row.at > MOMENT for row in tries)
    return any(row.uid != own[0].uid and row.event == "HANGUP" and at - row.at > MOMENT for row in rows)


def _same_place(running: CelRow, ended: CelRow) -> bool:
    return running.context == ended.context and ended.exten in {running.exten, "h"}


def _by_agi(own: list[CelRow], running: CelRow) -> bool:
    """Return whether an AGI ran at this extension: it may have executed the application and continued."""
    return any(
        row.app.lower() in _AGI and (row.context, row.exten) == (running.context, running.exten)
        for row in own
    )


def _in_queue(row: CelRow) -> bool:
    return row.app.lower() == "queue"


def _leaving_behind(
    rows: list[CelRow], led: set[str], ended: CelRow, extra: Mapping[str, str]
) -> tuple[Fact | None, Unproven]:
    """Return where a caller led on by a Local channel was when the far end hung up."""
    if not _far_end(ended, extra):
        return None, Unproven.PBX_ENDED
    waits = [row for row in rows if _in_queue(row) and stem(row.channel) in led]
    gave_up = any(row.event == "APP_END" and ended.at - row.at > MOMENT for row in waits)
    if not waits or gave_up:
        return None, Unproven.LED_ON
    return Fact(ended.at, FactKind.LEFT_QUEUE, waits[0].data.partition(",")[0]), Unproven.LED_ON


def _stay(own: list[CelRow], rows: list[CelRow]) -> tuple[tuple[Millis, Millis] | None, set[str]]:
    """Return the begin and end of the caller's first stay in a bridge with somebody, and the Local channels.

    Bridges are followed through Local channels, as live (`core/tracking/bridges`): what answers behind one
    may be a menu, or a queue in which nobody answers.
    """
    me = own[0].channel if own else ""
    bridges = Bridges(me.__eq__)
    for row in rows:
        if row.channel.endswith(";2") and (_in_queue(row) or _in_vain(row)):
            bridges.lead_on(row.channel)
    mine, led = "", set[str]()
    for row in rows:
        if row.event == "BRIDGE_EXIT":
            if row.channel == me and mine and any(map(_is_real, row.peer.split(","))):
                return (_entered(own, mine), row.at), led
            bridges.leave(row.channel, _bridge(row))
        elif row.event == "BRIDGE_ENTER" and "holding" not in row.extra and _person(row.channel):
            bridge = _bridge(row)
            if row.channel == me:
                mine = bridge
            with_somebody = _enter(bridges, row, bridge)
            led |= {stem(name) for name in bridges.pipes(me)}
            if me in with_somebody:
                exits = (r for r in own if r.event == "BRIDGE_EXIT" and r.at >= row.at and _bridge(r) == mine)
                return (row.at, next(exits, own[-1]).at), led
    return None, led


def _enter(bridges: Bridges, row: CelRow, bridge: str) -> set[str]:
    """Record that a channel enters a bridge, with the others in `peer`; return the channels now connected."""
    bridges.leave(row.channel)
    connected = bridges.enter(row.channel, bridge, row.channel)
    if row.app == "AppQueue":
        connected |= bridges.vouch(row.channel)
    for peer in filter(_person, row.peer.split(",")):
        if peer not in bridges:
            connected |= bridges.enter(peer, bridge, peer)
        if _in_queue(row):
            connected |= bridges.vouch(peer)
    return connected


def _entered(own: list[CelRow], bridge: str) -> Millis:
    entered = (row.at for row in own if row.event == "BRIDGE_ENTER" and _bridge(row) == bridge)
    return next(entered)


def _in_vain(row: CelRow) -> bool:
    """Return whether a row is the end of a channel that rang somebody without an answer."""
    return row.event == "HANGUP" and _extra(row.extra).get("dialstatus", "") not in {"", "ANSWER"}


def _is_real(channel: str) -> bool:
    return _person(channel) and not stem(channel)


def _bridge(row: CelRow) -> str:
    return _extra(row.extra).get("bridge_id", "")


def _person(channel: str) -> bool:
    return bool(channel) and not machine(channel)


def _extra(text: str) -> dict[str, str]:
    """Parse the JSON object that Asterisk writes: flat, with texts and numbers as values."""
    try:
        value = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    return {key: str(inner) for key, inner in value.items()} if isinstance(value, dict) else {}
