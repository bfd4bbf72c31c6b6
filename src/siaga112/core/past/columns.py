"""Which file is this: recognised by its first lines, never by its name.

Without a header line the column orders are those of the sample files that Asterisk ships: `cel_custom`
(with or without the literal that older samples put second), `cdr_csv` (with or without `loguniqueid`,
`loguserfield` and `newcdrcolumns`) and `cdr_custom`. With a header line any order will do; its names are
those of Asterisk's fields or of the tables `cel` and `cdr` in a database.
"""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from siaga112.core.capture import FORM
from siaga112.core.model import SECOND, Millis
from siaga112.core.past.history import Source

CEL_EVENTS: Final = frozenset({
    "CHAN_START", "CHAN_END", "ANSWER", "HANGUP", "APP_START", "APP_END", "BRIDGE_ENTER", "BRIDGE_EXIT",
    "PARK_START", "PARK_END", "BLINDTRANSFER", "ATTENDEDTRANSFER", "PICKUP", "FORWARD", "LINKEDID_END",
    "USER_DEFINED", "LOCAL_OPTIMIZE", "LOCAL_OPTIMIZE_BEGIN", "STREAM_BEGIN", "STREAM_END", "DTMF",
})  # fmt: skip

_DISPOSITIONS: Final = frozenset({"ANSWERED", "NO ANSWER", "BUSY", "FAILED", "CONGESTION"})

_CEL: Final = (
    *("eventtype", "eventtime", "cidname", "cidnum", "cidani", "cidrdnis", "ciddnid", "exten", "context"),
    *("channame", "appname", "appdata", "amaflags", "accountcode", "uniqueid", "linkedid", "peer"),
    *("userfield", "userdeftype", "extra"),
)
_CDR_BODY: Final = (
    *("channel", "dstchannel", "lastapp", "lastdata", "start", "answer", "end", "duration", "billsec"),
    *("disposition", "amaflags"),
)
_CDR_CSV: Final = ("accountcode", "src", "dst", "dcontext", "clid", *_CDR_BODY)
_CDR_CUSTOM: Final = ("clid", "src", "dst", "dcontext", *_CDR_BODY, "accountcode", "uniqueid", "userfield")

_ORDERS: Final[Sequence[tuple[Source, tuple[str, ...]]]] = (
    (Source.CEL, _CEL),
    (Source.CEL, (_CEL[0], "literal", *_CEL[1:])),
    (Source.CDR, _CDR_CSV),
    (Source.CDR, (*_CDR_CSV, "uniqueid")),
    (Source.CDR, (*_CDR_CSV, "uniqueid", "userfield")),
    (Source.CDR, (*_CDR_CSV, "uniqueid", "peeraccount", "linkedid", "sequence")),
    (Source.CDR, (*_CDR_CSV, "uniqueid", "userfield", "peeraccount", "linkedid", "sequence")),
    (Source.CDR, _CDR_CUSTOM),
    (Source.CDR, (*_CDR_CUSTOM, "sequence")),
)

_OTHER_NAMES: Final = {
    "num": "cidnum",
    "callerid(num)": "cidnum",
    "name": "cidname",
    "channel(exten)": "exten",
    "channel(context)": "context",
    "channel(channame)": "channame",
    "channel(appname)": "appname",
    "channel(appdata)": "appdata",
    "channel(uniqueid)": "uniqueid",
    "channel(linkedid)": "linkedid",
    "eventextra": "extra",
    "bridgepeer": "peer",
    "calldate": "start",
}
_NEEDED: Final = {
    Source.CEL: frozenset({"eventtype", "eventtime", "cidnum", "exten", "context", "channame", "uniqueid",
                           "linkedid"}),
    Source.CDR: frozenset({"start", "src", "dcontext", "channel", "dstchannel", "lastapp", "lastdata",
                           "disposition"}),
}  # fmt: skip

_QUEUE_LOG: Final = re.compile(r"[0-9]{9,11}(\.[0-9]+)?\|[^|]*\|[^|]*\|[^|]*\|[A-Z]+(\||$)")
_EPOCH: Final = re.compile(r"[0-9]{9,11}(\.[0-9]{1,6})?")
_LOCAL: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}.*")

SAMPLE_LINES: Final = 50
"""How many lines of a file are looked at to recognise it."""

EXPECTED: Final = (
    "expected Asterisk's queue_log, CEL or CDR as CSV (in the order of its sample configuration, or with a "
    "header line), or a capture of siaga112"
)


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file is to be read: what it is, and where its columns are."""

    source: Source
    columns: Mapping[str, int]
    delimiter: str = ","
    header: bool = False
    width: int = 0


def recognise(lines: Sequence[str]) -> Layout | None:
    """Say what a file is by its first lines; None if it is nothing that tells of calls."""
    filled = [line for line in lines if line.strip()]
    if not filled:
        return None
    if filled[0].startswith(f"Capture: {FORM}"):
        return Layout(Source.CAPTURE, {})
    found = _by_header(filled[0]) or next(filter(None, map(_by_order, filled)), None)
    if found:
        return found
    return Layout(Source.QUEUE_LOG, {}) if any(map(_QUEUE_LOG.match, filled)) else None


def _by_header(line: str) -> Layout | None:
    for delimiter in (",", "|", ";", "\t"):
        fields = _split(line, delimiter)
        names = [_name(field) for field in fields]
        for source, needed in _NEEDED.items():
            if needed <= set(names):
                columns = {name: names.index(name) for name in names}
                return Layout(source, columns, delimiter, header=True, width=len(fields))
    return None


def _name(field: str) -> str:
    plain = field.strip().strip('"`').lower().replace("_", "").replace(" ", "")
    return _OTHER_NAMES.get(plain, plain)


def _by_order(line: str) -> Layout | None:
    fields = _split(line, ",")
    for source, order in _ORDERS:
        if len(order) != len(fields):
            continue
        columns = {name: place for place, name in enumerate(order)}
        row = {name: fields[place] for name, place in columns.items()}
        if source is Source.CEL:
            fits = row["eventtype"] in CEL_EVENTS and _is_time(row["eventtime"])
        else:
            fits = row["disposition"] in _DISPOSITIONS and _is_time(row["start"])
        if fits:
            return Layout(source, columns, width=len(fields))
    return None


def _split(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return []


def _is_time(text: str) -> bool:
    return bool(_EPOCH.fullmatch(text) or _LOCAL.fullmatch(text))


class Clock:
    """Reads the times of a file: seconds since the epoch, or local ones, which are in the site's zone."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._hours: dict[str, Millis] = {}

    def read(self, text: str) -> Millis | None:
        """Read a time; None if it is none."""
        if _EPOCH.fullmatch(text):
            seconds, _, fraction = text.partition(".")
            return int(seconds) * SECOND + int(fraction[:3].ljust(3, "0"))
        if not _LOCAL.fullmatch(text):
            return None
        plain = len(text) == 19 or (text[19:20] == "." and text[20:].isdigit())  # noqa: PLR2004 - to the second
        if not plain:
            return self._whole(text)
        hour = self._hours.get(text[:13])
        if hour is None:
            hour = self._whole(f"{text[:13]}:00:00")
            if hour is None:
                return None
            if len(self._hours) > 10_000:  # noqa: PLR2004 - more than a year of hours
                self._hours.clear()
            self._hours[text[:13]] = hour
        minute, second = int(text[14:16]), int(text[17:19])
        if minute > 59 or second > 60:  # noqa: PLR2004 - as clocks have it
            return None
        return hour + (minute * 60 + second) * SECOND + int(text[20:23].ljust(3, "0"))

    def _whole(self, text: str) -> Millis | None:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=self._zone)
        try:
            return round(moment.timestamp() * SECOND)
        except (OverflowError, ValueError):
            return None


@lru_cache(maxsize=4_096)
def _day(hour: int, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(hour * 900, zone).date().isoformat()


def day(at: Millis, zone: ZoneInfo) -> str:
    """Give the date on which an instant falls, in the site's zone (which is off by quarters of an hour)."""
    return _day(at // (900 * SECOND), zone)
