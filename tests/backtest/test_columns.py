"""A file is recognised by its lines; a time is parsed in every form that Asterisk writes."""

import csv
from typing import Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from siaga112.backtest.columns import Clock, recognise
from siaga112.backtest.forms import Form, splitter
from siaga112.backtest.history import Source

CEL: Final = (
    '"CHAN_START","1795552527.151383","","0812","","","","112","in","PJSIP/t-1","","","3","",'
    '"1795552527.0","1795552527.0","","","",""'
)
CDR: Final = (
    '"","0812","s","ivr",""""" <0812>","PJSIP/t-0","","BackGround","menu","2026-11-24 20:35:26",'
    '"2026-11-24 20:35:26","2026-11-24 20:35:27",0,0,"ANSWERED","DOCUMENTATION"'
)
CUSTOM: Final = (
    '""""" <0812>","0812","s","ivr","PJSIP/t-0","","BackGround","menu","2026-11-24 20:35:26",'
    '"2026-11-24 20:35:26","2026-11-24 20:35:27","0","0","ANSWERED","DOCUMENTATION","","1795552526.0",""'
)
CEL_TABLE: Final = (
    "id{0}eventtype{0}eventtime{0}cid_name{0}cid_num{0}cid_ani{0}cid_rdnis{0}cid_dnid{0}exten{0}context{0}channame"
    "{0}appname{0}appdata{0}amaflags{0}accountcode{0}uniqueid{0}linkedid{0}peer{0}userdeftype{0}extra"
)
FREEPBX_CDR: Final = (
    "calldate,clid,src,dst,dcontext,channel,dstchannel,lastapp,lastdata,duration,billsec,disposition,amaflags,"
    "accountcode,uniqueid,userfield,did,recordingfile"
)
ADVANCED: Final = (
    "EventType,eventenum,userdeftype,EventTime,Name,Num,ani,rdnis,dnid,Exten,Context,ChanName,AppName,AppData,"
    "AMAFlags,AccountCode,UniqueID,LinkedID,Peer,PeerAccount,UserField,EventExtra"
)

KNOWN: Final = {
    "cel_custom.conf.sample": (CEL, Source.CEL, {"eventtime": 1, "cidnum": 3, "linkedid": 15, "extra": 19}),
    "the older sample, with a literal": (
        CEL.replace(',"1795', ',"My Literal","1795', 1),
        Source.CEL,
        {"eventtime": 2, "cidnum": 4, "linkedid": 16, "extra": 20},
    ),
    "times by dateformat": (
        CEL.replace("1795552527.151383", "2026-11-24 20:35:27"),
        Source.CEL,
        {"exten": 7},
    ),
    "a CEL table with commas": (CEL_TABLE.format(","), Source.CEL, {"cidnum": 4, "extra": 19}),
    "a CEL table with bars": (CEL_TABLE.format("|"), Source.CEL, {"cidnum": 4, "extra": 19}),
    "a CEL table with bars and blanks": (CEL_TABLE.format(" | "), Source.CEL, {"cidnum": 4, "extra": 19}),
    "an advanced mapping's header": (ADVANCED, Source.CEL, {"eventtime": 3, "cidnum": 5, "extra": 21}),
    "cdr_csv": (CDR, Source.CDR, {"src": 1, "dcontext": 3, "disposition": 14}),
    "cdr_csv with loguniqueid": (CDR + ',"1.0"', Source.CDR, {"uniqueid": 16}),
    "cdr_csv with loguserfield": (CDR + ',"1.0","x"', Source.CDR, {"uniqueid": 16, "userfield": 17}),
    "cdr_csv with newcdrcolumns": (CDR + ',"1.0","","","1.0",7', Source.CDR, {"linkedid": 19}),
    "cdr_custom.conf.sample": (CUSTOM + ",7", Source.CDR, {"src": 1, "dcontext": 3, "uniqueid": 16}),
    "an older cdr_custom": (CUSTOM, Source.CDR, {"src": 1, "uniqueid": 16}),
    "FreePBX's cdr table": (FREEPBX_CDR, Source.CDR, {"start": 0, "src": 2, "uniqueid": 14}),
    "queue_log": ("1795552564|1795552555.9|siaga112|NONE|ENTERQUEUE||0812|1", Source.QUEUE_LOG, {}),
    "queue_log with fractions": ("1795552564.5|NONE|NONE|NONE|QUEUESTART|", Source.QUEUE_LOG, {}),
    "a capture": ("Capture: siaga112/1", Source.CAPTURE, {}),
}


@pytest.mark.parametrize(("line", "source", "columns"), KNOWN.values(), ids=list(KNOWN))
def test_each_form_is_recognised(line: str, source: Source, columns: dict[str, int]) -> None:
    """One line in any form of Asterisk's sample configuration identifies the file."""
    layout = recognise([line])
    assert layout is not None
    assert layout.source is source
    assert {name: layout.columns.get(name) for name in columns} == columns


@pytest.mark.parametrize(
    "line",
    [
        "",
        "root:x:0:0:root:/root:/bin/bash",
        "Date,Price,Shares",
        CEL.replace("CHAN_START", "SOMETHING"),
        CEL.replace("1795552527.151383", "yesterday"),
        CEL[:-3],
        CDR.replace("ANSWERED", "GREETED"),
        "event_type,uniqueid",
        "\0\0\0",
        '"',
    ],
)
def test_nothing_else_is(line: str) -> None:
    """Lines in no such form are not recognised."""
    assert recognise([line]) is None


def test_a_bad_first_line_does_not_hide_what_a_file_is() -> None:
    """The first line in a known form decides; damaged lines before it do not."""
    layout = recognise([CEL[40:], CEL])
    assert layout is not None
    assert layout.source is Source.CEL


JAKARTA: Final = ZoneInfo("Asia/Jakarta")
TIMES: Final = {
    "1795552526.804064": 1_795_552_526_804,
    "1795552526": 1_795_552_526_000,
    "1795552526.5": 1_795_552_526_500,
    "2026-11-25 03:35:26": 1_795_552_526_000,
    "2026-11-25 03:35:26.804064": 1_795_552_526_804,
    "2026-11-25T03:35:26": 1_795_552_526_000,
    "2026-11-24 20:35:26+00:00": 1_795_552_526_000,
    "2026-11-24T20:35:26Z": 1_795_552_526_000,
    "": None,
    "never": None,
    "2026-13-24 20:35:26": None,
    "2026-11-24 20:65:26": None,
    "2026-11-24 25:00:00": None,
    "99999999999999": None,
}


@pytest.mark.parametrize(("text", "at"), TIMES.items())
def test_times(text: str, at: int | None) -> None:
    """Epoch seconds are absolute; a time without an offset is in the site's zone."""
    clock = Clock(JAKARTA)
    assert clock.read(text) == at
    assert clock.read(text) == at, "the second time, from memory"


PIECES: Final = st.sampled_from(['"', ",", '","', '""', "a", " ", "\r", "\\", "|", "1"])


@example(pieces=['"', "a", '","', "1", '"'])
@given(pieces=st.lists(PIECES, max_size=9))
def test_a_row_is_split_as_csv_splits_it(pieces: list[str]) -> None:
    """The short cut for rows with quotes around every field gives what the `csv` module gives."""
    line = "".join(pieces)
    assume('\\"' not in line and "\r" not in line[:-1])
    for width in (1, 2, 3):
        split = splitter(Form.CSV, ",", width)
        split('"torn\n')  # this must not affect the next line
        assert split(line + "\n") == next(csv.reader((line + "\n",)), [])
