"""What a person reads when something is wrong: one line, with the remedy."""

import asyncio
import json
import shlex
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import typer

from siaga112 import cli
from siaga112.cli import commands, usage
from siaga112.cli.program import app
from siaga112.reasons import plainly
from tests.cli.shell import Shell, shell
from tests.fakes.manager import Manager
from tests.interrupts.trying import COMMANDS, GOLDEN
from tests.lab.stores import site_store
from tests.lab.test_daemon import running_now as runs

__all__ = ["shell"]

PROGRAM: Any = typer.main.get_command(app)
NAMES = list(commands.COMMANDS)
OFFLINE = {"acl", "run", "check-config", "backtest", "replay", "record", "files", "doctor", "setup", "top"}
"""Commands that need no database, or that report its absence in lines of their own."""
LIBRARIES = ("Errno", "Error", "Exception", "redis.", "Connect call", "Connection closed", "0x", "Traceback")

Said = Callable[..., tuple[int, str]]


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Said:
    """Return a function that runs a command in this process and returns its exit code and stderr."""
    config = tmp_path / "siaga112.toml"
    config.write_text(f'state_dir = "{tmp_path}/state"\n')
    monkeypatch.setenv("SIAGA112_CONFIG", str(config))

    def said(*words: str, **urls: str) -> tuple[int, str]:
        sections = "".join(f'[{section}]\nurl = "{url}"\n' for section, url in urls.items())
        config.write_text(f'state_dir = "{tmp_path}/state"\n{sections}')
        monkeypatch.setattr(sys, "argv", ["siaga112", *words])
        code = cli._run()
        return code, capsys.readouterr().err

    return said


def one_line(said: tuple[int, str], code: int) -> str:
    """Check that a command failed with this code in one line; return the line."""
    assert said[0] == code, said
    assert said[1].startswith("siaga112: ")
    assert said[1].count("\n") == 1, said
    return said[1].rstrip("\n")


def given(param: Any) -> list[str]:
    """Return the words that set a parameter."""
    value = (usage._choices(param) or ["1"])[0]
    return [param.opts[0], value] if param.param_type_name == "option" else [value]


def params_of(name: str) -> list[Any]:
    """Return a command's arguments and options."""
    return list(PROGRAM.get_command(None, name).params)


def needed(name: str) -> list[str]:
    """Return the words that a command requires."""
    return [word for param in params_of(name) if param.required for word in given(param)]


# ── wrong use ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_option_is_one_line_with_those_that_there_are(say: Said, name: str) -> None:
    """An unknown option is one line with the nearest option, or with those that exist."""
    line = one_line(say(name, *needed(name), "--hlep"), 2)
    assert line == f"siaga112: {name}: there is no option --hlep; did you mean --help?"
    line = one_line(say(name, *needed(name), "--qqqqqqqqqq"), 2)
    assert "; there are --" in line or line.endswith(f"; see: siaga112 {name} -h")


@pytest.mark.parametrize(
    ("name", "position"),
    [
        (name, position)
        for name in NAMES
        for position, param in enumerate(params_of(name))
        if usage._choices(param)
    ],
)
def test_a_wrong_choice_is_one_line_with_the_choices(say: Said, name: str, position: int) -> None:
    """A wrong choice is one line with all choices and the nearest one."""
    params = params_of(name)
    wrong = params[position]
    choices = usage._choices(wrong)
    words = [
        word.replace(choices[0], f"{choices[0]}x") if param is wrong else word
        for param in params
        if param.required or param is wrong
        for word in given(param)
    ]
    line = one_line(say(name, *words), 2)
    assert f'cannot be "{choices[0]}x", only {", ".join(choices)}; did you mean "{choices[0]}"?' in line


@pytest.mark.parametrize("name", [name for name in NAMES if needed(name)])
def test_what_is_missing_is_one_line_with_an_example(say: Said, name: str) -> None:
    """A missing word is one line that names it and shows how the command is written."""
    assert f" is missing; write it like: siaga112 {name} " in one_line(say(name), 2)


@pytest.mark.parametrize("name", NAMES)
def test_a_word_too_many_is_one_line(say: Said, name: str) -> None:
    """A surplus word is one line that names it and says where the help is."""
    if any(param.nargs == -1 for param in params_of(name)):
        pytest.skip("takes as many words as one likes")
    places = [
        word
        for param in params_of(name)
        if param.param_type_name == "argument" or param.required
        for word in given(param)
    ]
    line = one_line(say(name, *places, "surplus"), 2)
    assert line == f'siaga112: {name}: "surplus" is too much; see: siaga112 {name} -h'


@pytest.mark.parametrize("name", NAMES)
def test_an_option_without_its_value_is_one_line(say: Said, name: str) -> None:
    """An option without its value is one line that says what it needs."""
    for param in params_of(name):
        if param.param_type_name == "option" and not getattr(param, "is_flag", False):
            line = one_line(say(name, param.opts[0]), 2)
            assert line.startswith(f"siaga112: {name}: {param.opts[0]} needs ")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("bloks", 'there is no command "bloks"; did you mean blocks or block?'),
        ("xyzzy", 'there is no command "xyzzy"; siaga112 -h lists them'),
        ("--confg x blocks", "there is no option --confg; did you mean --config?"),
        ("report --top 99", "report: --top must be at most 12; see: siaga112 report -h"),
        ("report --top many", "report: --top must be a whole number; see: siaga112 report -h"),
        ("blocks --json=3", "blocks: --json takes no value; see: siaga112 blocks -h"),
        ("calls --last 0", "calls: --last must be at least 1; see: siaga112 calls -h"),
        ("block 08123 --for 1h --permanent --reason x", "say how long: either --for DURATION or --permanent"),
    ],
)
def test_other_wrong_uses_are_one_line(say: Said, words: str, says: str) -> None:
    """Other wrong uses are one line that says what is wrong and what to write."""
    assert says in one_line(say(*words.split()), 2)


# ── what is not reached ──────────────────────────────────────────────────────────────────────────


def words_of(name: str, folder: Path) -> list[str]:
    """Return a complete command line."""
    return shlex.split(COMMANDS[name].format(golden=GOLDEN, new=folder / "new", call="1.0"))


@pytest.mark.parametrize("name", [name for name in NAMES if name not in {*OFFLINE, "migrate"}])
def test_without_the_database_every_command_says_where_it_looked(
    say: Said, name: str, tmp_path: Path
) -> None:
    """Without the database a command ends with 4 and one line: the place, the reason and the remedy."""
    words = words_of(name, tmp_path)
    line = one_line(say(*words), 4)
    assert f"there is no {tmp_path}/state/siaga112.db; the daemon creates it" in line
    url = "postgresql://siaga112:hunter2@127.0.0.1:1/siaga112"
    line = one_line(say(*words, database=url), 4)
    assert "the database at postgresql://siaga112:***@127.0.0.1:1/siaga112: " in line
    assert "is it running, and is [database] url correct?" in line


@contextmanager
def server(answer: bytes | None) -> Iterator[int]:
    """Listen, and send each client this answer; None: send nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        held = []

        def serve() -> None:
            while True:  # ends: with the socket, which is shut down below
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                if answer is None:
                    held.append(connection)
                    continue
                with connection:
                    if answer:
                        connection.recv(65_536)
                        connection.sendall(answer)

        serving = threading.Thread(target=serve)
        serving.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
    serving.join(10)
    assert not serving.is_alive()
    for connection in held:
        connection.close()


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (None, "no answer"),
        (b"", "the other side closed the connection"),
        (b"-NOAUTH Authentication required.\r\n", "it rejects our user or password"),
        (b"-LOADING Redis is loading the dataset in memory\r\n", "it is still reading its files"),
        (b"-MASTERDOWN Link with MASTER is down\r\n", "its master is down"),
        (b"-NOPERM no permissions to run the 'get' command\r\n", "its user may not do that"),
        (b"-WRONGTYPE Operation against a key\r\n", "one of our keys has a value of another type"),
    ],
    ids=["silent", "closes", "no login", "loading", "no master", "no right", "other type"],
)
def test_what_redis_does_wrong_is_told_in_our_words(
    say: Said, tmp_path: Path, answer: bytes | None, says: str
) -> None:
    """If Redis misbehaves, a decision stands, and one line says why verdicts do not use it yet."""

    async def made() -> None:
        store = site_store(tmp_path / "state", "siaga112")
        await store.tallies()
        await store.close()

    asyncio.run(made())
    with server(answer) as port:
        words = ("block", "081234567890", "--permanent", "--reason", "threats")
        line = one_line(say(*words, redis=f"redis://u:hunter2@127.0.0.1:{port}"), 0)
    assert line.startswith("siaga112: verdicts do not use it yet; the daemon publishes it (")
    assert says in line
    assert not [word for word in LIBRARIES if word in line]
    assert "hunter2" not in line


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ConnectionRefusedError(111, "Connect call failed"), "connection refused"),
        (socket.gaierror(-2, "Name or service not known"), "no such host name"),
        (asyncio.IncompleteReadError(b"", 4), "the other side closed the connection"),
        (TimeoutError(), "no answer"),
        (OSError("Multiple exceptions"), ""),
        (ValueError(), ""),
    ],
)
def test_what_the_system_says_is_told_in_a_few_words(error: BaseException, says: str) -> None:
    """An error of the system is shown in a few words, also if a driver has wrapped it."""
    wrapped = RuntimeError("Error 111 connecting")
    wrapped.__cause__ = error
    assert plainly(error) == plainly(wrapped) == says


@pytest.mark.redis
@pytest.mark.parametrize("fault", ["nobody", "silent", "refused"])
async def test_a_pbx_that_lets_nobody_in_ends_record_in_one_line(shell: Shell, fault: str) -> None:
    """If the PBX does not let it in, `record` ends with one line and leaves no file for the next try."""
    manager = Manager()
    await manager.start()
    if fault == "silent":
        manager.mute = {"Login"}
    manager.refused = {"Login": "Authentication failed"} if fault == "refused" else {}
    if fault == "nobody":
        await manager.stop()
    shell.write(ami=f'port = {manager.port}\nsecret = "s3cret"')
    file = shell.home / "x.ami"
    ended = await shell("record", str(file))
    begun, line = ended.err.splitlines()
    why = {"nobody": "connection refused", "silent": "no answer", "refused": "Authentication failed"}[fault]
    assert begun == f"connecting to the PBX at 127.0.0.1:{manager.port}"
    assert line.startswith(f"siaga112: the PBX at 127.0.0.1:{manager.port}: {why}; ")
    assert ended.code == (1 if fault == "refused" else 4)
    assert not file.exists()
    await manager.stop()


@pytest.mark.redis
async def test_record_tells_in_lines_for_people(shell: Shell) -> None:
    """`record` prints what it does, a lost PBX and the result as lines for people, not as a log."""
    manager = Manager()
    await manager.start()
    shell.write(ami=f'port = {manager.port}\nsecret = "s3cret"')
    file = shell.home / "x.ami"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "siaga112", "record", str(file)),
        env=shell.environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    assert process.stdout is not None
    async with asyncio.timeout(60):
        lines = [await process.stderr.readline() for _ in range(2)]
        (await manager.session()).drop()
        lines += [await process.stderr.readline() for _ in range(2)]
        process.send_signal(signal.SIGINT)
        rest, out = await process.stderr.read(), await process.stdout.read()
        assert await process.wait() == 0
    await manager.stop()
    assert [line.decode() for line in lines] == [
        f"connecting to the PBX at 127.0.0.1:{manager.port}\n",
        f"recording to {file}; Ctrl-C ends it\n",
        "the connection to the PBX is lost; trying again\n",
        f"recording to {file}; Ctrl-C ends it\n",
    ]
    assert rest == b""
    assert out.decode().startswith(f"{file}: ")
    assert out.endswith(b" messages\n")


@pytest.mark.redis
async def test_a_disk_that_is_full_ends_record_in_one_line(shell: Shell) -> None:
    """A full disk ends `record` with one line; it is not taken for a lost PBX and retried."""
    manager = Manager()
    await manager.start()
    shell.write(ami=f'port = {manager.port}\nsecret = "s3cret"')
    limited = f"ulimit -f 0; exec {sys.executable} -m siaga112 record {shell.home}/x.ami"
    process = await asyncio.create_subprocess_exec(
        *("/bin/sh", "-c", f"trap '' XFSZ; {limited}"),
        env=shell.environ,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        _, err = await process.communicate()
    await manager.stop()
    assert err.decode().splitlines()[-1].startswith(f"siaga112: {shell.home}/x.ami: cannot be written (")
    assert process.returncode == 1


SLOW_REDIS = """#!{python}
import signal
signal.pause()
"""
"""A redis-server that never answers, like one that reads a large file."""


@pytest.mark.redis
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
async def test_run_that_waits_for_its_redis_ends_at_once(shell: Shell, number: signal.Signals) -> None:
    """A signal during the start ends the daemon in order, with the redis-server that it started."""
    program = shell.home / "redis-server"
    program.write_text(SLOW_REDIS.format(python=sys.executable))
    program.chmod(0o755)
    shell.environ["PATH"] = f"{shell.home}:{shell.environ['PATH']}"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "siaga112", "run", "--only", "screen"),
        env=shell.environ,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    async with asyncio.timeout(60):
        started = json.loads(await process.stderr.readline())
        assert started["event"] == "redis_started"
        assert runs(started["pid"])
        process.send_signal(number)
        err = await process.stderr.read()
        assert await process.wait() == 0
    assert b'"event": "stopped"' in err
    assert err.count(b"\n") == 1
    assert not runs(started["pid"])
