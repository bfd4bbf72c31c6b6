"""The columns of CEL, CDR and queue_log: the orders in which Asterisk writes them, and their other names.

The orders are those of Asterisk's sample files and tables (`cel_custom`, `cdr_csv`, `cdr_custom`, the tables
of contrib/ast-db-manage), of cdr_mysql's table, and of FreePBX's tables.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from siaga112.backtest.history import Source

CEL_EVENTS: Final = frozenset({
    "CHAN_START", "CHAN_END", "ANSWER", "HANGUP", "APP_START", "APP_END", "BRIDGE_ENTER", "BRIDGE_EXIT",
    "PARK_START", "PARK_END", "BLINDTRANSFER", "ATTENDEDTRANSFER", "PICKUP", "FORWARD", "LINKEDID_END",
    "USER_DEFINED", "LOCAL_OPTIMIZE", "LOCAL_OPTIMIZE_BEGIN", "STREAM_BEGIN", "STREAM_END", "DTMF",
})  # fmt: skip

OLD_EVENTS: Final = {
    # Until Asterisk 11: events of two channels, the other one in `peer`.
    "BRIDGE_START": "BRIDGE_ENTER",
    "BRIDGE_END": "BRIDGE_EXIT",
    # Numbers of the table's column (cel.h), if they never changed.
    "1": "CHAN_START",
    "2": "CHAN_END",
    "3": "HANGUP",
    "4": "ANSWER",
    "5": "APP_START",
    "6": "APP_END",
}
"""Other spellings of event names."""

ANSWERED: Final = "ANSWERED"

DISPOSITIONS: Final = {
    **{name: name for name in (ANSWERED, "NO ANSWER", "BUSY", "FAILED", "CONGESTION", "UNKNOWN", "")},
    # Numbers of the table's column (cdr.h); old versions have others, except for 8.
    "0": "NO ANSWER",
    "1": "NO ANSWER",
    "2": "FAILED",
    "4": "BUSY",
    "8": ANSWERED,
    "16": "CONGESTION",
    # Spellings of some exports.
    "NOANSWER": "NO ANSWER",
    "NO_ANSWER": "NO ANSWER",
}
"""The dispositions of a CDR → their spelling in Asterisk's own CSV."""

UNIQUEID: Final = re.compile(r"(?:.*-)?[0-9]{1,12}\.[0-9]{1,12}")
"""`1795552527.17`, optionally after the system's name: `pbx1-1795552527.17`."""

_CEL: Final = (
    *("eventtype", "eventtime", "cidname", "cidnum", "cidani", "cidrdnis", "ciddnid", "exten", "context"),
    *("channame", "appname", "appdata", "amaflags", "accountcode", "uniqueid", "linkedid", "peer"),
    *("userfield", "userdeftype", "extra"),
)
_CEL_FREEPBX: Final = (
    *("id", "eventtype", "eventtime", "cidname", "cidnum", "cidani", "cidrdnis", "ciddnid", "exten"),
    *("context", "channame", "appname", "appdata", "amaflags", "accountcode", "uniqueid", "linkedid"),
    *("peer", "userdeftype", "extra"),
)
_CEL_TABLE: Final = (
    *("id", "eventtype", "eventtime", "userdeftype", "cidname", "cidnum", "cidani", "cidrdnis", "ciddnid"),
    *("exten", "context", "channame", "appname", "appdata", "amaflags", "accountcode", "peeraccount"),
    *("uniqueid", "linkedid", "userfield", "peer"),
)
_CDR_BODY: Final = (
    *("channel", "dstchannel", "lastapp", "lastdata", "start", "answer", "end", "duration", "billsec"),
    *("disposition", "amaflags"),
)
_CDR_CSV: Final = ("accountcode", "src", "dst", "dcontext", "clid", *_CDR_BODY)
_CDR_CUSTOM: Final = ("clid", "src", "dst", "dcontext", *_CDR_BODY, "accountcode", "uniqueid", "userfield")
_CDR_TABLE: Final = (*_CDR_CSV, "userfield", "uniqueid", "linkedid", "peeraccount", "sequence")
_CDR_MYSQL: Final = (
    *("start", "clid", "src", "dst", "dcontext", "channel", "dstchannel", "lastapp", "lastdata"),
    *("duration", "billsec", "disposition", "amaflags", "accountcode", "uniqueid", "userfield"),
)
_CDR_FREEPBX: Final = (
    *(*_CDR_MYSQL, "did", "recordingfile", "cnum", "cnam", "outboundcnum", "outboundcnam", "dstcnam"),
    *("linkedid", "peeraccount", "sequence"),
)
_QUEUE: Final = ("time", "callid", "queuename", "agent", "event")
_DATA: Final = ("data1", "data2", "data3", "data4", "data5")

ORDERS: Final[Sequence[tuple[Source, tuple[str, ...]]]] = (
    (Source.CEL, _CEL),
    (Source.CEL, (_CEL[0], "literal", *_CEL[1:])),
    (Source.CEL, _CEL_FREEPBX),
    (Source.CEL, _CEL_TABLE),
    (Source.CEL, (*_CEL_TABLE, "extra")),
    (Source.CDR, _CDR_CSV),
    (Source.CDR, (*_CDR_CSV, "uniqueid")),
    (Source.CDR, (*_CDR_CSV, "uniqueid", "userfield")),
    (Source.CDR, (*_CDR_CSV, "uniqueid", "peeraccount", "linkedid", "sequence")),
    (Source.CDR, (*_CDR_CSV, "uniqueid", "userfield", "peeraccount", "linkedid", "sequence")),
    (Source.CDR, _CDR_TABLE),
    (Source.CDR, ("id", *_CDR_TABLE)),
    (Source.CDR, _CDR_CUSTOM),
    (Source.CDR, (*_CDR_CUSTOM, "sequence")),
    (Source.CDR, _CDR_MYSQL),
    (Source.CDR, ("id", *_CDR_MYSQL)),
    (Source.CDR, _CDR_FREEPBX),
    (Source.QUEUE_LOG, (*_QUEUE, *_DATA)),
    (Source.QUEUE_LOG, (*_QUEUE, "data", *_DATA)),
    (Source.QUEUE_LOG, ("id", *_QUEUE, *_DATA)),
    (Source.QUEUE_LOG, ("id", *_QUEUE, "data")),
    (Source.QUEUE_LOG, ("id", *_QUEUE, "data", *_DATA)),
)

_OTHER_NAMES: Final[Mapping[Source, Mapping[str, str]]] = {
    Source.CEL: {
        "num": "cidnum",
        "name": "cidname",
        "callerid(num)": "cidnum",
        "callerid(name)": "cidname",
        "calleridnum": "cidnum",
        "calleridname": "cidname",
        "eventname": "eventtype",
        "channel": "channame",
        "channelname": "channame",
        "application": "appname",
        "applicationdata": "appdata",
        "extension": "exten",
        "eventextra": "extra",
        "bridgepeer": "peer",
    },
    Source.CDR: {
        "calldate": "start",
        "starttime": "start",
        "answertime": "answer",
        "endtime": "end",
        "source": "src",
        "destination": "dst",
        "destinationcontext": "dcontext",
        "callerid": "clid",
        "channame": "channel",
        "destinationchannel": "dstchannel",
        "lastapplication": "lastapp",
        "billableseconds": "billsec",
    },
    Source.QUEUE_LOG: {
        "queue": "queuename",
        "qname": "queuename",
        "uniqueid": "callid",
        "eventtime": "time",
        "eventtype": "event",
    },
}

NEEDED: Final[Mapping[Source, Sequence[frozenset[str]]]] = {
    Source.CEL: [
        *map(
            frozenset,
            (
                *(("eventtype",), ("eventtime",), ("cidnum",), ("exten",), ("context",), ("channame",)),
                *(("uniqueid",), ("linkedid",)),
            ),
        )
    ],
    Source.CDR: [
        *map(
            frozenset,
            (
                *(("start",), ("src",), ("dcontext",), ("channel",), ("dstchannel",), ("lastapp",)),
                *(("lastdata",), ("disposition",), ("duration", "end")),
            ),
        )
    ],
    Source.QUEUE_LOG: [
        *map(
            frozenset,
            (("time",), ("callid",), ("queuename",), ("event",), ("data1", "data"), ("data2", "data")),
        )
    ],
}
"""The columns that a file with a header line must have; one of each set is enough."""


def column(field: str, source: Source) -> str:
    """Return our name of a column in a header line; case, quotes and the table's name do not matter."""
    plain = field.strip().strip('"`[]').lower()
    if plain.startswith("channel("):
        plain = plain[len("channel(") : -1]
    if "(" not in plain:
        plain = plain.rpartition(".")[2].strip('"`[]')
    plain = plain.replace("_", "").replace(" ", "")
    return _OTHER_NAMES[source].get(plain, plain)
