"""The seeds (the corpus, and real messages of each kind), and how inputs are made from them."""

import gzip
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from random import Random
from typing import Final

from siaga112.core import codec
from siaga112.core.model import Reached
from siaga112.core.standing import NOBODY
from tests.core.streams import GOLDEN
from tests.interrupts.trying import COMMANDS
from tests.lab.agi_client import request
from tests.samples import CALLER, NOW, SNAPSHOT, answered, entry, prank

CORPUS: Final = Path(__file__).with_name("corpus")

WORDS: Final = {
    "agi": b"agi_|agi_uniqueid: |agi_callerid: |agi_arg_1: |agi_callingpres: |agi_network_script: |"
    b"agi_arg_2: |agi_request: |: |\n|\n\n|200 result=1\n|510 Invalid\n|520-Invalid\n"
    b"|520 End of proper usage.\n|HANGUP\n|0812|32|\x00|\x1b|\xc3\xa9|\xff",
    "ami": b"Event: |Privilege: |Timestamp: |Uniqueid: |Linkedid: |Channel: |ChanVariable: |ActionID: 1|"
    b"Response: Success|CallerIDNum: |Context: |UserEvent: SiagaMark|Mark: prank|Call: |: |\r\n|\r\n\r\n|"
    b"\r|\n|Hangup|Shutdown|FullyBooted|Uptime: |1795469529.870053|-1|+1|1_0|\xd9\xa3|\xc2\xb2|\x00|"
    b"\x1b|\xff|EventList: Complete|Message: ",
    "captures": b"Siaga112: |Timestamp: |Queue-Seen: |Member-Seen: |Member-Name: |Member-Reason: |"
    b"Member-Since: |Waiting-Seen: |Channel-Seen: |Resumed|Interrupted|Queues|"
    b"Capture: siaga112/1|Early-Drop: |Expect: |Region: |\r\n|\r\n\r\n| |-|0|\xc2\xb2",
    "queue_logs": b"1795463311|NONE|MANAGER|ENTERQUEUE|CONNECT|ABANDON|"
    b"SYSCOMPAT|EXITEMPTY|\n|.|\xc2\xb2|\xd9\xa3|-|\r",
    "words": b"--config|--json|--reason|--by|--for|--permanent|--since|--until|--from|--to|--number|"
    b"--call|--explain|"
    b"--format|--lang|--output|--check|--policy|--sweep|--compare|--handling|--top|--reveal|"
    b"--yes|--done|--numbers|"
    b"--outcome|--note|--diff|--dry-run|--only|--once|--interval|--help|/dev/zero|/dev/null|/|"
    b"..|24h|36525d|99999999d|"
    b"0001-01-01|9999-12-31T23:59:59-14:00|2000-01-01|2099-12-31|threshold=3..9|081211111111|"
    b"+6281211111111|1.0|"
    b"-1|1e999|\xc2\xb2|\xd9\xa3|\x1b[2J|\xe2\x80\xae|\xed\xa0\x80|\xff|\r\n|\t|=|=1+1|[|"
    b"1111111111111111111111",
    "configured": b"[ami]|[pbx]|[agi]|[redis]|[classifier]|[policy]|[service_level]|[shifts]|[metrics]|"
    b"[privacy]|\n|"
    b' = | = true|= 0| = ""|"0s"|"24h"|"36525d"|[[|]]|[[[[[[[[[[[[[[[[|{|}|"""|\\u0000|'
    b"\\U0010ffff|\\ud800|nan|1e999|"
    b"0x|1_0|1979-05-27T07:32:00Z|07:32:00|\xc2\xb2|\xe2\x80\xae|\x1b|\x00AMI__PORT=|"
    b"\x00POLICY__THRESHOLD=|\x00SITE=|\x00A__B=|"
    b"timezone|state_dir|site|mode|host|port|threshold|window|temporary|counted|never_block|"
    b"redis://|redis+sentinel://|"
    b"unix://|embedded|%3A|%00|sentinel_password=|Asia|../../etc/passwd|08*|+62254200000-+62254200099",
    "calls": b',|;|\t|"|""|\n|\r\n|2026-11-27 08:00:00|1795741200.1|1795741200|9999-12-31 23:59:59|'
    b"0001-01-01 00:00:00|-1|"
    b"CHAN_START|BRIDGE_ENTER|ANSWER|HANGUP|CHAN_END|LINKEDID_END|ENTERQUEUE|CONNECT|ABANDON|"
    b"COMPLETECALLER|Queue|"
    b'siaga112-incoming|siaga112-ivr|siaga112|PJSIP/t-1|Local/1@q-1;2|{"bridge_id":"x"}|'
    b"[[[[[[[[|NULL|\\N|+---+|\xff\xfe|"
    b"\x1f\x8b|BZh|\xfd7zXZ\x00|\x00|\xc2\xb2|\xd9\xa3|1111111111111111111111|1e9|ANSWERED|NO ANSWER",
    "lists": b',|;|\t|"|""|\n|\r\n|[|]|{|}|:|null|number|description|caller|level|until|reason|'
    b"/blacklist/|/AMPUSER/| : |"
    b"permanent|temporary|call_block_number|call_block_country_code|scope|value|duration|-1h|3h59m|1e9|Ip|Phone|"
    b"0812|+62812|2026-12-31|9999-12-31T23:59:59-14:00|0001-01-01|=1+1|\xc2\xb2|\xd9\xa3|\xef\xbb\xbf|"
    b"\xff\xfe|\x00|\x1b[2J|\xe2\x80\xae|\x1f\x8b|[[[[[[[[",
    "published": b',|;|\n|"|from|to|total|answered|abandoned|unserved|ivr_prank|blocked|unknown|2019-02-11|'
    b"0001-01-01|"
    b"9999-12-31|2099-12-31|35,486|1.000.000|111111111111111111111111|-1|\xc2\xb2|"
    b"\xef\xbb\xbf|\xff|\x00|\x1b",
    "stored": b'{|}|[|]|,|:|"|null|true|1|1e999|NaN|-1|"at"|"facts"|"caller"|"strikes"|"blocks"|'
    b'"withdrawn"|\\ud800|0.5',
}
"""The words of each language, separated by `|`."""


def words(name: str) -> list[bytes]:
    """Return the words of a contract's language."""
    return [word for word in WORDS[_ALIKE.get(name, name)].split(b"|") if word] + [b"|"]


_ALIKE: Final = {"wire": "ami", "replayed": "captures"}
"""Contracts that use the words of another one."""


@cache
def seeds(name: str) -> tuple[bytes, ...]:
    """Return whole inputs in that language: the corpus, then real ones."""
    language = "ami" if name == "wire" else name
    found = sorted((CORPUS / language).glob("*"))
    return (*(path.read_bytes() for path in found), *_real(language))


def _real(language: str) -> Iterator[bytes]:
    match language:
        case "agi":
            asked = request("081200000001")
            yield asked
            yield asked + b"200 result=1\n" * 3
            yield asked.rstrip() + b"0" * 900
            yield asked.rstrip() + b"0" * 900 + b"\n\n"
            yield asked + b"520-Invalid command syntax.\n520 End of proper usage.\nHANGUP\n"
        case "ami":
            yield from _one_of_each_kind()
            step = next(message for message in _one_of_each_kind() if message.startswith(b"Event: Newexten"))
            for change in (b"ExecIf\r\nAppData: 1?Background(m)", b"Goto\r\nAppData: ivr,s,1"):
                yield _REST.sub(b"Application: " + change, step)
            yield step + b"\r\nChanVariable: a=b" * 2
            yield step + b"".join(b"\r\nX%d: " % number for number in range(128))
            yield step + b"\r\nX: " + b"x" * 1_024
            yield b"Queue: q\r\nLocation: Local/1@o/n\r\nStatus: 1\r\nPaused: 1"
            yield b"Response: Success\r\nActionID: 1\r\nPing: Pong\r\n\r\n"
            yield (
                b"Response: Success\r\nActionID: 2\r\nEventList: start\r\nMessage: Queue status\r\n\r\n"
                b"Event: QueueEntry\r\nActionID: 2\r\nQueue: q\r\nUniqueid: 1.1\r\nWait: 3\r\n\r\n"
                b"Event: QueueStatusComplete\r\nActionID: 2\r\nEventList: Complete\r\n\r\n"
            )
        case "words":
            for command in COMMANDS.values():
                given = shlex.split(command.format(golden="tests/golden", new="new", call="1.0"))
                yield "\0".join(given).encode()
            yield from (b"\0".join(line.split()) for line in _LINES.splitlines())
        case "configured":
            text = (GOLDEN.parents[1] / "config" / "siaga112.toml").read_bytes()
            yield from (b"[" + part for part in re.sub(rb"(?m)^# (?=\w+ = )|#.*", b"", text).split(b"\n["))
            yield b'timezone = "Asia/Jakarta"\nmode = "off"\0AMI__PORT=5039\0POLICY__THRESHOLD=[5, 10]'
        case "calls":
            for name, size in (
                ("cel.csv", 3_000),
                ("cdr.csv", 2_000),
                ("queue_log", 1_000),
                ("calls.ami", 2_000),
            ):
                yield (GOLDEN / "backtest" / "22" / name).read_bytes()[:size]
            yield gzip.compress((GOLDEN / "backtest" / "22" / "queue_log").read_bytes()[:1_000], mtime=0)
        case "lists":
            yield from (path.read_bytes() for path in sorted((GOLDEN / "lists").iterdir()))
            yield gzip.compress((GOLDEN / "lists" / "freepbx.txt").read_bytes(), mtime=0)
        case "published":
            yield b"from,to,total,answered,ivr_prank\n2019-02-11,2019-02-28,35486,4840,29484\n"
            yield b"from; to; total\n2019-03-01; 2019-03-11; 18.308\n"
        case "captures" | "replayed":
            yield (GOLDEN / "22/queue_left_ringing.ami").read_bytes()[:900]
            yield (
                b"Siaga112: Queues\r\nTimestamp: 17.000\r\nQueue-Seen: q\r\nMember-Seen: q busy Local/1\r\n"
                b"Member-Name: x\r\nMember-Reason: y\r\nMember-Since: 17\r\n"
                b"Waiting-Seen: q 1.1 17\r\n\r\n"
                b"Siaga112: Interrupted\r\nTimestamp: 17.000\r\nCause: lost\r\n\r\n"
                b"Siaga112: Resumed\r\nTimestamp: 17.000\r"
                b"\nChannel-Seen: 1.1 1.1 PJSIP/t from-pstn - 1 Queue 0812\r\n\r\n"
            )
        case "queue_logs":
            yield (
                b"1795463311|1795463310.0|siaga112|NONE|ENTERQUEUE||081200000001|1\n"
                b"1795463315|1795463310.0|siaga112|Local/101|CONNECT|4|1795463311.1|3\n"
                b"1795463325|1795463310.0|siaga112|Local/101|COMPLETECALLER|4|10|1\n"
            )
            yield b"17|1.0|q|NONE|ABANDON|1|1|9\n17|NONE|NONE|NONE|QUEUESTART|\n"
            yield b"17|1.0|q|NONE|EXITWITHTIMEOUT|1|1|60\n"
        case _:
            yield codec.dump_entry(entry(prank(1))).encode()
            yield codec.dump_entry(entry(answered(2, caller=None))).encode()
            yield codec.dump_item(Reached(NOW, CALLER)).encode()
            yield codec.dump_standing(NOBODY).encode()
            yield codec.dump_snapshot(SNAPSHOT).encode()
            yield b'[17,"supervisor","block","+628","1d","threats"]'
            yield b'[1,"temporary",17,18]'
            yield _RECORD


_LINES: Final = b"""calls --since 3d --outcome ivr_prank --json
calls --call 1.0 --explain
report --from 2019-02-11 --to 2019-03-11 --format csv --top 3
report --format json --lang id
export --from 2026-11-01 --numbers full
block 081222222222 --for 24h --reason threats --by ratna
why 081211111111 --json
mark 081211111111 genuine --note fire
callbacks --done 081211111111
files asterisk --diff
backtest /dev/null --sweep threshold=3..9 --policy serang-2019
--config /dev/null check-config
top --once --json"""

_REST: Final = re.compile(rb"Application: .*", re.DOTALL)

_RECORD: Final = (
    b""
    b'{"caller":"+628","strikes":[["1.0",17,"ivr_prank","left_menu"]],"blocks":[{"level":"temporary","since":17,'
    b""
    b'"until":18,"origin":"automatic","reason":"r","by":"b","calls":["1.0"],"lifted":[17,"s","r",true],"step":1}],'
    b""
    b'"proposals":[{"at":17,"cause":"policy","span":1,"step":1,"reason":"r","calls":["1.0"],"confirmed":false,'
    b'"decided":null}],"reports":[["1.0",17]],"missed":[["1.0",17,5]],"reached":17,"allow":[17,"s","r"],'
    b'"withdrawn":["2.0"]}'
)


def _one_of_each_kind() -> Iterator[bytes]:
    kinds: dict[bytes, bytes] = {}
    for path in sorted((GOLDEN / "22").glob("*.ami")):
        for message in path.read_bytes().split(b"\r\n\r\n"):
            if message.startswith(b"Event: "):
                kinds.setdefault(message.partition(b"\r\n")[0], message)
    yield from kinds.values()
    yield b"Event: FullyBooted\r\nPrivilege: system,all\r\nUptime: 60\r\nStatus: Fully Booted"
    yield b"Event: Shutdown\r\nPrivilege: system,all\r\nShutdown: Cleanly\r\nRestart: False"


def inputs(name: str, count: int, seed: int) -> Iterator[bytes]:
    """Yield the seeds, then `count` inputs made from them; the same ones for the same `seed`."""
    begun, chance, known = seeds(name), Random(seed), words(name)
    yield from begun
    for _ in range(count):
        data = bytearray(chance.choice(begun))
        for _ in range(chance.randint(1, 5)):
            _change(data, chance, known, begun)
        yield bytes(data)


def _change(data: bytearray, chance: Random, known: list[bytes], begun: tuple[bytes, ...]) -> None:
    at = chance.randint(0, len(data))
    to = min(len(data), at + chance.choice((1, 4, 40)))
    match chance.randrange(6):
        case 0:
            data[at:to] = b""
        case 1:
            data[at:at] = chance.choice(known)
        case 2:
            data[at:to] = chance.choice(known)
        case 3:
            data[at:at] = data[at:to] * chance.choice((1, 2, 30))
        case 4:
            data[at:at] = chance.randbytes(chance.randint(1, 3))
        case _:
            other = chance.choice(begun)
            data[at:] = other[chance.randint(0, len(other)) :]
