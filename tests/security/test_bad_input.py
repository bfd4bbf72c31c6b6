"""Bad input gets one clear line: the program's exit code, what it prints, its time and its memory.

Each case once gave a traceback, hung, used all memory or was misread.
"""

import ast
import fcntl
import json
import os
import pwd
import re
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from unittest import mock

import pytest

import siaga112
from siaga112 import cli
from siaga112.adapters.redis.connect import connect
from siaga112.adapters.redis.server import EmbeddedRedis
from siaga112.adapters.redis.url import TLS_FILES, masked
from siaga112.app.pbx import ami_address
from siaga112.core import changes as books
from siaga112.core import durations
from siaga112.core.changes import Change
from siaga112.core.codec import load_standing
from siaga112.core.model import AuditEntry
from siaga112.core.record import CallerRecord
from siaga112.core.text import whole
from siaga112.errors import ConfigurationError, SiagaError
from siaga112.settings.schema import Ami, Settings
from siaga112.terminal import outfile, rows
from tests.cli.shell import NOBODY_UID, NUMBER, Shell, live, shell
from tests.fakes.memory import MemoryStore
from tests.fuzz.whole import Store, harmless, program
from tests.lab.stores import PublishedStore, site_store
from tests.samples import CALLER, NOW, RULES, block, entry, prank

__all__ = ["live", "shell"]

SECONDS: Final = 60.0
"""The promise is ten, which the fuzzing checks by processor time; here the machine may be busy."""
MOST_MIB: Final = 200
GOLDEN: Final = Path(__file__).parents[1] / "golden" / "22" / "answered_goes_on.ami"
HEADER: Final = GOLDEN.read_bytes().partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
SOURCE: Final = Path(siaga112.__file__).parent
DEEP: Final = "[" * 60_000
DIGITS: Final = "1" * 5_000
CEL: Final = (
    "eventtype,eventtime,cidnum,exten,context,channame,appname,appdata,uniqueid,linkedid,peer,extra\n"
)


@dataclass(frozen=True)
class Ended:
    """How a command ended, what it printed, and the memory it took."""

    code: int
    out: str
    err: str
    mib: float


def run(home: Path, *words: str, config: str = "", **environ: str) -> Ended:
    """Run a command to its end, within bounds of time and memory."""
    began, own = time.monotonic(), Path(tempfile.mkdtemp(dir=home))
    ours, theirs, path = own / "out", own / "err", own / "siaga112.toml"
    path.write_text(config)
    with ours.open("wb") as out, theirs.open("wb") as err:
        process = subprocess.Popen(  # ends: at its bound of time, below
            [sys.executable, "-m", "siaga112", *words],
            env={"PATH": os.environ["PATH"], "USER": "ratna", "SIAGA112_CONFIG": str(path), **environ},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            cwd=home,
        )
        resource.prlimit(process.pid, resource.RLIMIT_AS, (1 << 30, 1 << 30))
        found, status, used = 0, 0, 0
        while not found:
            used = max(used, resident_at_most(process.pid))
            found, status = os.waitpid(process.pid, os.WNOHANG)
            if not found and time.monotonic() - began > SECONDS:
                process.kill()
                os.waitpid(process.pid, 0)
                raise TimeoutError(f"not ended in {SECONDS:g} s: siaga112 {words}")
            time.sleep(0.01)
    process.returncode = os.waitstatus_to_exitcode(status)
    text = [file.read_text("utf-8", "replace") for file in (ours, theirs)]
    return Ended(process.returncode, text[0], text[1], used / 1024)


def resident_at_most(pid: int) -> int:
    """Return the peak memory of a process in KiB; 0 before its program runs and after its end.

    Not `ru_maxrss`: it includes what this process used when it started the other one.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text("ascii")
        begun = b"siaga112" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return 0
    kept = status.partition("VmHWM:")[2].split()
    return int(kept[0]) if kept and begun else 0


def here(*words: str, config: str = "", **environ: str) -> Ended:
    """Run a command in this process, for cases that concern neither memory nor time."""
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file, harmless():
        file.write(config)
        file.flush()
        with mock.patch.dict(os.environ, {"SIAGA112_CONFIG": file.name, **environ}):
            del os.environ["SIAGA112_STATE_DIR"]
            ended = program(*words)
    return Ended(ended.code, ended.out, ended.err, mib=0)


def refused(ended: Ended, code: int, says: str) -> None:
    """Check that a command ended with this code and one printable line on stderr, which has that text."""
    assert ended.code == code, ended
    line = ended.err.removeprefix("connecting to the PBX at 127.0.0.1:5038\n")
    assert line.startswith("siaga112: "), ended
    assert line.count("\n") == 1, ended
    assert line.rstrip("\n").isprintable(), ended
    assert says in line, ended
    assert "a mistake in siaga112" not in line
    assert ended.out == ""
    assert ended.mib < MOST_MIB, ended


@asynccontextmanager
async def stored(shell: Shell) -> AsyncIterator[PublishedStore]:
    """Open the store of a shell's site."""
    store = site_store(shell.home / "state", "lab")
    yield store
    await store.close()


# ── configuration files and the environment ──────────────────────────────────────────────────────

CONFIGS: Final = {
    "a zone that is a folder": ('timezone = "Asia"', 'no such time zone: "Asia"'),
    "a zone of 300 letters": (f'timezone = "{"a" * 300}"', "no such time zone"),
    "deep TOML": (f"x = {DEEP}", "not valid TOML: nested too deep"),
    "a number of 5,000 digits": (f"[agi]\nport = {DIGITS}", "not valid TOML"),
    "NUL in a path": (
        'state_dir = "a\\u0000b"',
        "state_dir: contains an invisible character (U+0000)",
    ),
    "NUL in another": ('[pbx]\nqueue_log = "\\u0000"', "pbx.queue_log: contains an"),
    "an escape in a host": ('[ami]\nhost = "\\u001b[2J"', "ami.host: contains an"),
    "a line end in a secret": ('[ami]\nsecret = "x\\r\\nAction: Logoff"', "ami.secret: contains an"),
    "a bidi mark in a shift": ('[shifts]\n"a\\u202eb" = "07:00"', "shifts: contains an"),
    "port 0": ("[ami]\nport = 0", "ami.port: "),
    "port 0 of ours": ("[agi]\nport = 0", "agi.port: "),
    "no window": ('[policy]\nwindow = "0s"', "policy.window: must be longer than 0"),
    "no block": ('[policy]\ntemporary = ["1d", "0h"]', "policy.temporary.1: must be longer than 0"),
    "no memory": ('[policy]\nmemory = "0d"', "policy.memory: must be longer than 0"),
    "no promise": ('[service_level]\nanswer_within = "0s"', "answer_within: must be longer than 0"),
    "nothing kept": ('[privacy]\nkeep_calls = "0d"', "keep_calls: must be longer than 0"),
    "a threshold that is true": (
        "[policy]\nthreshold = true",
        "policy.threshold: must not be true or false",
    ),
    "thresholds that are": ("[policy]\nthreshold = [true]", "policy.threshold: must not be true or false"),
    "a weight that is": ("[policy]\ncounted = { prank = true }", "policy.counted: must not be true or false"),
    "a share that is": ("[service_level]\ntarget = true", "service_level.target: must not be true or false"),
    "a queue without a name": ('[pbx]\nqueues = [""]', "pbx.queues.0: "),
    "nobody": ('[ami]\nusername = ""', "ami.username: "),
    "nowhere": ('state_dir = ""', "state_dir: must not be empty"),
    "no host": ('[ami]\nhost = ""', "ami.host: must not be empty"),
}


@pytest.mark.parametrize("config", CONFIGS)
def test_a_configuration_that_means_nothing_is_one_line(config: str) -> None:
    """A meaningless value in the configuration is one line with what is wrong, and the exit code is 3."""
    text, says = CONFIGS[config]
    refused(here("check-config", config=text), 3, says)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("POLICY__THRESHOLD", DEEP),
        ("POLICY__THRESHOLD", "[" * 900 + "]" * 900),
        ("POLICY__THRESHOLD", f"[{DIGITS}]"),
        ("AGI__PORT", DIGITS),
        ("AGI__PORT", "²"),
        ("AMI__SECRET", "\x1b]0;x\x07"),
        ("__".join("A" * 900), "1"),
    ],
    ids=["deep", "deep and closed", "digits in a list", "digits", "not a digit", "escapes", "deep name"],
)
def test_an_environment_that_means_nothing_is_one_line(name: str, value: str) -> None:
    """A meaningless variable is one printable line, which says that the environment is at fault."""
    refused(here("check-config", **{f"SIAGA112_{name}": value}), 3, "in the environment: ")


# ── what is no file ──────────────────────────────────────────────────────────────────────────────

READERS: Final = {
    "configuration": ("--config", "{}", "check-config"),
    "compared": ("backtest", str(GOLDEN), "--compare", "{}", "{}"),
    "replayed": ("replay", "{}"),
    "calls": ("backtest", "{}"),
    "published": ("report", "--check", "{}"),
    "list": ("import", "{}", "--as", "block", "--permanent", "--reason", "x"),
}


def no_file(kind: str, folder: Path) -> str:
    """Create something that is no readable file; return its name."""
    path = folder / kind
    match kind:
        case "fifo":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "long":
            return "n" * 256
        case "huge":
            with path.open("wb") as file:
                file.truncate(1 << 40)
        case _:
            return f"/dev/{kind}"
    return str(path)


@pytest.mark.parametrize("kind", ["zero", "full", "fifo", "folder", "long", "huge"])
def test_what_is_no_file_is_one_line(kind: str, tmp_path: Path) -> None:
    """A device, an idle pipe, a folder, a name too long and a file of a terabyte give one line each."""
    name = no_file(kind, tmp_path)
    with ThreadPoolExecutor(2) as processors:
        words = [[word.format(name) for word in READERS[reader]] for reader in READERS]
        for reader, ended in zip(
            READERS, processors.map(lambda one: run(tmp_path, *one), words), strict=True
        ):
            refused(ended, 3 if reader in {"configuration", "compared"} else 1, f"{name}: ")


@pytest.mark.parametrize("reader", ["configuration", "replayed", "calls"])
def test_a_pipe_that_somebody_writes_to_is_read(reader: str, tmp_path: Path) -> None:
    """A pipe with a writer is read like a file, as in `siaga112 replay <(ssh pbx cat capture.ami)`."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    content = 'site = "piped"\n' if reader == "configuration" else GOLDEN.read_bytes().decode()
    (tmp_path / "content").write_bytes(content.encode())
    with subprocess.Popen(
        ["sh", "-c", f"cat {tmp_path}/content > {pipe}"]
    ) as writing:  # ends: once it is read
        ended = run(tmp_path, *(word.format(pipe) for word in READERS[reader]))
        assert writing.wait(10) == 0
    assert ended.code == 0, ended
    assert {"configuration": "piped", "replayed": "answered", "calls": "1 answered"}[reader] in ended.out


@pytest.mark.parametrize("what", ["credential", "file of ours"])
def test_a_pipe_in_place_of_a_file_holds_nobody_up(what: str, tmp_path: Path) -> None:
    """A pipe in place of a credential or certificate is refused; where we write a file, it is left alone."""
    if what == "credential":
        os.mkfifo(tmp_path / "SIAGA112_AMI__SECRET")
        ended = run(tmp_path, "check-config", CREDENTIALS_DIRECTORY=str(tmp_path))
        refused(ended, 3, "a credential cannot be read (is a pipe that nobody writes to)")
        return
    os.mkfifo(tmp_path / "report.csv")
    with pytest.raises(OSError, match="No such device"), outfile.replacing(tmp_path / "report.csv"):
        pass
    os.mkfifo(tmp_path / "ca.pem")
    with pytest.raises(ConfigurationError, match=r"tls_ca: .* is a pipe that nobody writes to"):
        ami_address(Settings(ami=Ami(tls=True, tls_ca=str(tmp_path / "ca.pem"))))
    for option in TLS_FILES:
        with pytest.raises(ConfigurationError, match=rf"\[redis\] url: {option}: .* not a regular file"):
            connect(f"rediss://127.0.0.1:1/0?{option}={tmp_path}/ca.pem")
    os.mkfifo(tmp_path / "extensions_siaga112.conf")
    ended = run(tmp_path, "files", "asterisk", "--to", str(tmp_path))
    assert (ended.code, ended.err) == (0, ""), ended
    assert (tmp_path / "extensions_siaga112.conf.new").is_file()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
async def test_a_file_without_right_is_one_line(shell: Shell) -> None:
    """For a file that the user may not read, the one line says so and names the file."""
    closed, read = shell.home / "closed", shell.home / "read.ami"
    for file in (closed, read):
        file.write_bytes(GOLDEN.read_bytes())
    closed.chmod(0o600)
    shell.home.chmod(0o755)
    shell.user = NOBODY_UID
    for reader in READERS:
        words = [word.format(closed).replace(str(GOLDEN), str(read)) for word in READERS[reader]]
        ended = await shell(*words)
        line = ended.failed(ended.code)
        assert str(closed) in line
        assert "cannot be read" in line or "is not readable" in line


# ── the contents of files ────────────────────────────────────────────────────────────────────────


def cel(extra: str) -> str:
    """Return a CEL file whose rows have this `extra`."""
    event = '{},2026-11-27 08:00:0{},0812,s,siaga112-incoming,PJSIP/t-1,,,1795741200.1,1795741200.1,,"{}"\n'
    names = ("CHAN_START", "ANSWER", "BRIDGE_ENTER", "HANGUP", "CHAN_END", "LINKEDID_END")
    return CEL + "".join(event.format(name, nth, extra) for nth, name in enumerate(names))


def test_deep_json_in_a_row_of_cel_is_no_extra(tmp_path: Path) -> None:
    """An `extra` that cannot be parsed counts as empty, and the calls of the file are read."""
    (tmp_path / "cel.csv").write_text(cel(DEEP[:16_000]))
    ended = run(tmp_path, "backtest", "cel.csv", "--calls")
    assert (ended.code, ended.err) == (0, ""), ended
    assert "1795741200.1" in ended.out


@pytest.mark.parametrize("reader", ["replayed", "calls"])
@pytest.mark.parametrize("message", ["Event: Newchannel\r\n", "Siaga112: Resumed\r\nTimestamp: 1.000\r\n"])
def test_a_message_of_50_mb_is_one_line(reader: str, message: str, tmp_path: Path) -> None:
    """A message of 50 MB is one line, within the bounds of time and memory."""
    big = tmp_path / "big.ami"
    big.write_bytes(HEADER + message.encode() + b"Channel-Seen: y\r\n" * 3_000_000)
    ended = run(tmp_path, *(word.format(big) for word in READERS[reader]))
    refused(ended, 1, "a message is longer than any of Asterisk's")


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31", "1999-12-31", "2100-01-01"])
def test_a_day_at_an_end_of_time_is_one_line(day: str, tmp_path: Path) -> None:
    """A day before 2000 or after 2099, or a report on more than ten years, is refused in one line."""
    figures = tmp_path / "published.csv"
    figures.write_text(f"from,to,total\n2019-01-01,{day},5\n")
    refused(here("report", "--check", str(figures)), 1, "outside 2000 to 2099")
    for words in (
        ("report", "--to", day),
        ("report", "--from", f"{day}T23:59:59-14:00"),
        ("calls", "--since", f"{day}T23:59:59-14:00"),
        ("audit", "--since", f"{day}T00:00+14:00"),
        ("export", "--from", day),
    ):
        refused(here(*words), 2, "outside 2000 to 2099")
    refused(here("report", "--from", "2000-01-01"), 2, "longer than 10 years")


@pytest.mark.redis
async def test_a_century_of_calls_is_read_from_2000_on(live: Shell) -> None:
    """`calls --since` may go further back than 2000, and lists the calls that there are."""
    assert CALLER in (await live("calls", "--since", "36525d")).done()


@pytest.mark.parametrize("text", ["²", "٣", "１", "1_0", "+1", "", DIGITS])
def test_a_digit_is_one_of_ten(text: str, tmp_path: Path) -> None:
    """Only text of the digits 0 to 9 is a number, although Python's `int` takes more."""
    assert whole(text) is None
    with pytest.raises(ValueError, match=r".*"):
        int(text) if text == DIGITS else durations.parse(f"{text}h")
    refused(run(tmp_path, "backtest", str(GOLDEN), "--sweep", f"threshold={text}..9"), 2, "--sweep: ")


def test_no_digit_is_read_elsewhere() -> None:
    """Only `core.text` and one reader of bytes call `isdigit`, which accepts `²`, where `int` fails."""
    asking = re.compile(r"\.is(digit|decimal|numeric)\(|\\d")
    found = {
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*.py")
        if asking.search(path.read_text("utf-8"))
    }
    assert found == {"core/text.py", "captures/pseudonym.py"}  # the latter asks bytes, which are ASCII


# ── what a terminal or a spreadsheet shows ───────────────────────────────────────────────────────

HOSTILE: Final = "owned\x1b]0;x\x07\x1b[2J\x9b31m\u202e\u2066\r\ntrue\x00\u2028\ud800"
TELLING: Final = (
    *("why", "why --json", "unblock", "subject", "blocks", "blocks --json", "audit", "audit --json"),
    *("calls --since 24h --explain", "calls --since 24h --json"),
)


def spoilt() -> MemoryStore:
    """Return a store whose records contain text that would control a terminal."""
    store = Store()
    held = replace(block(NOW, None), reason=HOSTILE, by=HOSTILE)
    store.put(
        Change(books.replacement(CallerRecord(CALLER), CallerRecord(CALLER, blocks=(held,)), 1, NOW, RULES))
    )
    odd = entry(prank(5))
    facts = tuple(replace(fact, detail=HOSTILE) for fact in odd.finding.call.facts)
    call = replace(odd.finding.call, raw_caller=HOSTILE, facts=facts)
    audit_entry = AuditEntry(NOW, HOSTILE, "mark", CALLER, HOSTILE, HOSTILE)
    store.put(
        Change(
            entry=replace(odd, finding=replace(odd.finding, call=call, deciding=(), queue=HOSTILE)),
            audit_entry=audit_entry,
        )
    )
    return store


@pytest.mark.parametrize("words", TELLING)
def test_no_terminal_is_told_what_to_do(words: str) -> None:
    """Whatever a reason, a name or a call contains, no escape, bidi mark or extra line is printed."""
    name, *options = words.split()
    if name in {"why", "subject", "unblock"}:
        options = [NUMBER, *options]
    if name == "unblock":
        options += ["--reason", f"{HOSTILE}\n now", "--by", "x\ny"]
    with harmless():
        ended = program(name, *options, store=spoilt())  # `program` checks each printed line
    assert (ended.code, ended.err) == (0, "")
    assert "owned" in ended.out
    assert not [line for line in ended.out.split("\n") if line.startswith("true")]


def test_a_reason_is_one_line_of_a_sensible_length() -> None:
    """A reason or name is put on one line, and refused if it has more than 500 characters."""
    store = Store()
    with harmless():
        given = ("--reason", "first\r\n  second\tthird\x1b[2J", "--by", "a\nb")
        assert program("allow", NUMBER, *given, store=store).code == 0
        (row,) = json.loads(program("allowed", "--json", store=store).out)
    assert (row["reason"], row["by"]) == (
        "first second third\N{REPLACEMENT CHARACTER}[2J",
        f"a b (login {pwd.getpwuid(os.getuid()).pw_name})",
    )
    for option in ("--reason", "--by"):
        words = {"--reason": "x", option: "y" * 501}
        told = here("allow", NUMBER, *(word for pair in words.items() for word in pair))
        refused(told, 2, f"{option}: longer than 500 characters")


def test_no_command_prints_but_by_the_one_place() -> None:
    """All commands print through the module that cleans text, except the version and `top`."""
    found = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if called in {"print", "typer.echo", "sys.stdout.write", "click.echo"}:
                found.add(str(path.relative_to(SOURCE)))
    assert found == {"terminal/printing.py", "cli/program.py", "cli/top.py"}


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("  =1+1", "  '=1+1"),
        ("x;=1+1", "x;'=1+1"),
        ("x; @SUM(1)", "x; '@SUM(1)"),
        ("x\t-1+1", "x -1+1"),
        ("＝1+1", "'＝1+1"),
        ("a\r\n=1+1", "a\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}=1+1"),
        ("+6281234567890", "+6281234567890"),
        ("+62812****890", "+62812****890"),
        ("+²", "'+²"),
        ("0812-3456", "0812-3456"),
        ("a=b", "a=b"),
    ],
)
def test_no_cell_is_a_formula(text: str, cell: str) -> None:
    """No cell is a formula, not even after what a spreadsheet of another country takes for a separator."""
    assert rows.cell(text) == cell
    assert rows.cell(rows.cell(text)) == rows.cell(text)


def test_every_csv_goes_through_the_guard() -> None:
    """Each module that writes CSV uses `rows.cell`, and has only one place that writes rows."""
    writing = [path for path in SOURCE.rglob("*.py") if "csv.DictWriter(" in path.read_text("utf-8")]
    assert {path.name for path in writing} == {"sheets.py", "data.py"}
    for path in writing:
        assert "rows.cell(" in path.read_text("utf-8")
        assert path.read_text("utf-8").count(".writerow") == 1


@pytest.mark.parametrize(
    "url",
    [
        "redis://u:p%40%3Ahunter2@h",
        "redis://u%3Ahunter2@h",
        "redis://%3ahunter2@h",
        "redis+sentinel://h/m?sentinel%5Fpassword=hunter2&ssl=true",
        "redis+sentinel://h/m?ssl=true&%73entinel_password=hunter2",
        "unix://u%3Ahunter2@/run/r.sock?db=1",
    ],
)
def test_a_password_in_percents_is_not_shown(url: str) -> None:
    """`check-config` masks the password in an address, however it is percent-encoded."""
    shown = here("check-config", config=f'[redis]\nurl = "{url}"\n')
    assert shown.code == 0
    assert "hunter2" not in shown.out
    assert "***" in shown.out
    assert masked(masked(url)) == masked(url)


@pytest.mark.parametrize(
    "text", ['[false,"temporary",-1,0]', '[false,"temporary",5,-5]', '[0,"temporary",5,0]']
)
def test_a_standing_that_ends_before_time_began_is_none(text: str) -> None:
    """A standing with a negative time cannot be read, so that it is no block until the year 10889."""
    with pytest.raises(ValueError, match="not a"):
        load_standing(text)


@pytest.mark.redis
async def test_one_bad_line_of_the_audit_trail_breaks_nobodys_story(live: Shell) -> None:
    """A bad line of the audit trail is left out and named, and commands show the rest."""
    async with stored(live) as store:
        await store.write([Change(audit_entry=AuditEntry(NOW, "ratna", "allow", CALLER))])
        file = str(store.records._engine.url.database)
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        for n, at in enumerate((NOW + 0.5, NOW + 0.25, NOW + 0.125)):
            database.execute(
                "INSERT INTO audit (site, digest, at, by, action, subject, detail, reason, via) "
                "SELECT site, ?, ?, by, action, subject, detail, reason, via FROM audit LIMIT 1",
                (f"odd {n}", at),
            )
    for words in (("why", NUMBER), ("subject", NUMBER), ("audit",)):
        ended = await live(*words)
        assert ended.code == 0, ended
        assert all(line.isprintable() for line in (ended.out + ended.err).split("\n"))
        assert "a line of the audit trail" in ended.err


# ── unexpected errors ────────────────────────────────────────────────────────────────────────────


def test_what_nobody_foresaw_is_one_line_with_the_details_in_a_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """An unexpected error is one line that names a private file with the traceback, or how to get it."""

    def fails(_: Path | None) -> None:
        raise RuntimeError("\x1b[2J first\nsecond")

    monkeypatch.setattr("siaga112.cli.configuration.load", fails)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["siaga112", "check-config"])
    assert cli._run() == 1
    line = capsys.readouterr().err.removesuffix("\n")
    assert line.isprintable()
    said = re.search(r"a mistake in siaga112 \(RuntimeError in .*\); please report it with (\S+)$", line)
    assert said
    details = Path(said[1])
    assert details.stat().st_mode & 0o777 == 0o600
    assert "Traceback" in details.read_text("utf-8")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    assert cli._run() == 1
    assert capsys.readouterr().err.endswith("with what `python -X dev -m siaga112 …` prints\n")


@pytest.mark.parametrize("words", [("check-config",), ("-h",), ("block", "-h")])
def test_an_output_that_takes_nothing_is_one_line(words: tuple[str, ...]) -> None:
    """If the output cannot be written, as with `> /dev/full`, the command says so in one line."""
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "siaga112", *words],
            env={"PATH": os.environ["PATH"], "SIAGA112_CONFIG": "/dev/null", "SIAGA112_AMI__SECRET": "x"},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1), ended
    assert "the disk is full" in ended.stderr


@pytest.mark.redis
async def test_a_redis_that_another_daemon_keeps_is_named(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If another daemon holds the embedded Redis, the error of the second one names its process."""
    monkeypatch.setattr("siaga112.adapters.redis.server.START_SECONDS", 0.2)
    home = shell.home / "state" / "redis"
    home.mkdir(parents=True)
    with (home / "redis.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(SiagaError) as raised:
            await EmbeddedRedis(shell.home / "state").start()
    said = str(raised.value)
    assert said.startswith(f"another siaga112 (process {os.getpid()}) keeps the embedded Redis in {home}, ")
    assert "did not come up" not in said
