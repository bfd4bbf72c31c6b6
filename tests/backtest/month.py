"""Make up a month of CEL in the proportions of the centre's first month. It is always the same.

    python -m tests.backtest.month month.csv [COPIES]

What is known (the centre's press table, 11 February to 11 March 2019): 53,794 calls, 7,695 answered, 2,882
abandoned; the rest ended in the menu (the table says 44,617, but then its columns add up to 1,400 more than
its total; here it is 43,217). Of all of them 14 were reports.

What is assumed, since nobody published it:

- who calls: 6,000 numbers misuse the line, the n-th of them in proportion to n^-0.8 (so a few do most);
  of the answered calls six in ten come from them, four in ten from 2,500 other numbers, all alike; the 14
  reports come from 14 numbers, of which 2 also misuse the line (a phone that a family shares);
- when: the afternoon and the evening are three times as busy as the night;
- how long: a caller spends 5 to 25 s in the menu, an operator answers after 2 to 14 s and talks for 10
  to 90 s; half of those who abandon drop within 3 s, half leave the queue while a phone rings.

`truth` has the outcome of each call: the rows do not mark a report, because CEL has no marks.
"""

import csv
import io
import sys
from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from heapq import heappop, heappush
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import Final

CALLS: Final = 53_794
ANSWERED: Final = 7_695
ABANDONED: Final = 2_882
REPORTS: Final = 14
DAYS: Final = 28
OFFENDERS: Final = 6_000
OTHERS: Final = 2_500
SHARED: Final = 2
BEGIN: Final = datetime(2019, 2, 11, tzinfo=timezone(timedelta(hours=7))).astimezone(UTC)
HOURS: Final = (1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 2, 1)

CONFIG: Final = """\
[pbx]
trunk_contexts = ["from-trunk"]
ivr_contexts = ["ivr-112"]
queues = ["112"]
"""

Line = tuple[float, str]


@dataclass(frozen=True, slots=True)
class Made:
    """A made-up call."""

    start: float
    kind: str
    number: str
    report: bool


def calls(seed: int = 112) -> list[Made]:
    """Return the month's calls in order of time."""
    random = Random(seed)
    menu = CALLS - ANSWERED - ABANDONED
    kinds = (
        ["answered"] * ANSWERED + ["early"] * (ABANDONED // 2) + ["left_queue"] * (ABANDONED - ABANDONED // 2)
    )
    kinds += ["menu"] * menu
    _shuffle(kinds, random)
    reports = {at for at, kind in enumerate(kinds) if kind == "answered"}
    chosen = sorted(reports)
    _shuffle(chosen, random)
    genuine = {at: n for n, at in enumerate(chosen[:REPORTS])}
    weights = list(accumulate((n + 1) ** -0.8 for n in range(OFFENDERS)))
    hours = list(accumulate(HOURS))

    def number(at: int, kind: str) -> str:
        if at in genuine:
            n = genuine[at]
            return _offender(20 + n) if n < SHARED else f"08139{n:07d}"
        if kind == "answered" and random.random() >= 0.6:
            return f"08129{int(random.random() * OTHERS):07d}"
        return _offender(bisect(weights, random.random() * weights[-1]))

    def moment() -> float:
        day = int(random.random() * DAYS)
        hour = bisect(hours, random.random() * hours[-1])
        return BEGIN.timestamp() + day * 86_400 + hour * 3_600 + random.random() * 3_600

    made = [Made(moment(), kind, number(at, kind), at in genuine) for at, kind in enumerate(kinds)]
    return sorted(made, key=lambda call: call.start)


def _shuffle(items: list[str] | list[int], random: Random) -> None:
    for n in range(len(items) - 1, 0, -1):
        other = int(random.random() * (n + 1))
        items[n], items[other] = items[other], items[n]  # type: ignore[assignment] # both are the same kind


def _offender(n: int) -> str:
    return f"08121{n:07d}"


def rows(copies: int = 1) -> Iterator[str]:
    """Yield the CEL rows of `copies` months as lines, in order of time."""
    random = Random(1)
    waiting: list[tuple[float, int, str]] = []
    order = channel = 0
    month = calls()
    for copy in range(copies):
        for call in month:
            start = call.start + copy * DAYS * 86_400
            while waiting and waiting[0][0] <= start:
                yield heappop(waiting)[2]
            for at, line in _call(call, start, channel, random):
                order += 1
                heappush(waiting, (at, order, line))
            channel += 2
    while waiting:
        yield heappop(waiting)[2]


def _call(call: Made, start: float, channel: int, random: Random) -> Iterator[Line]:
    uid, name = f"{int(start)}.{channel}", f"PJSIP/trunk-{channel:08x}"
    row = _Writer(call.number, uid, uid, name)
    yield row(start, "CHAN_START", "112", "from-trunk")
    if call.kind == "early":
        gone = start + 0.5 + random.random() * 2
        yield from row.hang_up(gone, "112", "from-trunk")
        return
    now = start + 0.1
    yield row(now, "ANSWER", "s", "ivr-112", "Answer")
    yield row(now + 0.01, "APP_START", "s", "ivr-112", "BackGround", "custom/menu")
    now += 4 + random.random() * 4
    if call.kind == "menu":
        if random.random() < 0.5:
            yield row(now, "APP_END", "s", "ivr-112", "BackGround", "custom/menu")
            now += 0.001
            yield row(now, "APP_START", "s", "ivr-112", "WaitExten", "15")
            now += 1 + random.random() * 14
            yield row(now, "APP_END", "s", "ivr-112", "WaitExten", "15")
        else:
            yield row(now, "APP_END", "s", "ivr-112", "BackGround", "custom/menu")
        yield from row.hang_up(now, "s", "ivr-112")
        return
    yield row(now, "APP_END", "s", "ivr-112", "BackGround", "custom/menu")
    yield row(now, "APP_START", "112", "queues", "Queue", "112,t")
    operator = f"PJSIP/operator{channel % 3 + 1}-{channel + 1:08x}"
    leg = _Writer("112", f"{int(now)}.{channel + 1}", uid, operator)
    yield leg(now, "CHAN_START", "", "operators")
    if call.kind == "left_queue":
        now += 3 + random.random() * 25
        yield row(now, "APP_END", "112", "queues", "Queue", "112,t")
        yield from leg.hang_up(now, "", "operators", source=name)
        yield from row.hang_up(now + 0.001, "112", "queues", status="CANCEL")
        return
    now += 2 + random.random() * 12
    yield leg(now, "ANSWER", "", "operators", "AppQueue", "(Outgoing Line)")
    bridge = f'{{"bridge_id":"{uid}","bridge_technology":"simple_bridge"}}'
    yield leg(now, "BRIDGE_ENTER", "", "operators", "AppQueue", "(Outgoing Line)", extra=bridge)
    yield row(now + 0.001, "BRIDGE_ENTER", "112", "queues", "Queue", "112,t", operator, bridge)
    now += 10 + random.random() * 80
    yield row(now, "BRIDGE_EXIT", "112", "queues", "Queue", "112,t", operator, bridge)
    yield leg(now, "BRIDGE_EXIT", "", "operators", "AppQueue", "(Outgoing Line)", extra=bridge)
    yield from leg.hang_up(now, "", "operators", source=name)
    yield row(now, "APP_END", "112", "queues", "Queue", "112,t")
    yield from row.hang_up(now + 0.001, "112", "queues", status="ANSWER")


def cdr(copies: int = 1) -> Iterator[str]:
    """Yield the months as CDR, one row per call: the columns of cdr_csv with loguniqueid, times in UTC."""
    for call, start, channel in _months(copies):
        served = call.kind in {"answered", "left_queue"}
        context, app, data = (
            ("queues", "Queue", "112,t") if served else ("ivr-112", "BackGround", "custom/menu")
        )
        other = f"PJSIP/operator{channel % 3 + 1}-{channel + 1:08x}" if served else ""
        answered = "NO ANSWER" if call.kind == "left_queue" else "ANSWERED"
        began, ended = _utc(start), _utc(start + (1 if call.kind == "early" else 12))
        yield (
            f'"","{call.number}","s","{context}","""x"" <{call.number}>",'
            f'"PJSIP/trunk-{channel:08x}","{other}",'
            f'"{app}","{data}","{began}","{began}","{ended}",12,12,"{answered}","DOCUMENTATION",'
            f'"{int(start)}.{channel}"\n'
        )


def queue_log(copies: int = 1) -> Iterator[str]:
    """Yield the months as queue_log."""
    for call, start, channel in _months(copies):
        if call.kind not in {"answered", "left_queue"}:
            continue
        at, uid = int(start), f"{int(start)}.{channel}"
        yield f"{at + 6}|{uid}|112|NONE|ENTERQUEUE||{call.number}|1\n"
        if call.kind == "answered":
            yield f"{at + 9}|{uid}|112|PJSIP/operator1|CONNECT|3|{at}.{channel + 1}|3\n"
            yield f"{at + 40}|{uid}|112|PJSIP/operator1|COMPLETECALLER|3|31|1\n"
        else:
            yield f"{at + 9}|{uid}|112|NONE|ABANDON|1|1|3\n"


def _months(copies: int) -> Iterator[tuple[Made, float, int]]:
    month = calls()
    for copy in range(copies):
        for n, call in enumerate(month):
            yield call, call.start + copy * DAYS * 86_400, 2 * (copy * len(month) + n)


def _utc(at: float) -> str:
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%d %H:%M:%S")


@dataclass(frozen=True, slots=True)
class _Writer:
    """Writes the rows of one channel, in the columns of cel_custom.conf.sample."""

    number: str
    uid: str
    linkedid: str
    channel: str

    def __call__(  # noqa: PLR0917 - the fields of a row
        self, at: float, event: str, exten: str, context: str, app: str = "", data: str = "",
        peer: str = "", extra: str = "",
    ) -> Line:  # fmt: skip
        text = io.StringIO()
        csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerow((
            *(event, f"{at:.6f}", "", self.number, self.number, "", "112", exten, context, self.channel),
            *(app, data, "3", "", self.uid, self.linkedid, peer, "", "", extra),
        ))  # fmt: skip
        return at, text.getvalue()

    def hang_up(
        self, at: float, exten: str, context: str, *, source: str = "", status: str = ""
    ) -> Iterator[Line]:
        """Write the end; `source` is the side that hung up, by default the channel itself."""
        extra = f'{{"hangupcause":16,"hangupsource":"{source or self.channel}","dialstatus":"{status}"}}'
        yield self(at, "HANGUP", exten, context, extra=extra)
        yield self(at, "CHAN_END", exten, context)
        if self.uid == self.linkedid:
            yield self(at, "LINKEDID_END", exten, context)


if __name__ == "__main__":
    with Path(sys.argv[1]).open("w", encoding="utf-8") as written:
        written.writelines(rows(int(sys.argv[2]) if len(sys.argv) > 2 else 1))
