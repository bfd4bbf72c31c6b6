"""How the command behaves in a shell: pipes, terminals, mistakes, help, completion."""

import importlib
import inspect
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

import siaga112
from siaga112.cli.commands import COMMANDS
from siaga112.cli.program import app

PROGRAM = str(Path(sys.executable).with_name("siaga112"))
GOLDEN = str(Path(__file__).parents[1] / "golden" / "22" / "answered_goes_on.ami")
runner = CliRunner()
ESCAPE = "\x1b["


def run(*arguments: str, stdout: int = subprocess.PIPE, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("SIAGA112_")}
    return subprocess.run(
        [PROGRAM, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        env={**env, **environ},
        timeout=60,
    )


@contextmanager
def a_reader_that_left() -> Iterator[int]:
    """Yield the writing end of a pipe that nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        yield writing
    finally:
        os.close(writing)


@pytest.mark.parametrize(
    "arguments",
    [("--help",), ("--version",), ("block", "--help"), ("check-config",), ("replay", "--json", "GOLDEN")],
    ids=" ".join,
)
def test_a_reader_that_has_enough_is_no_error(arguments: tuple[str, ...]) -> None:
    """A command whose reader has closed the pipe exits with 0 and prints no error."""
    given = [GOLDEN if argument == "GOLDEN" else argument for argument in arguments]
    with a_reader_that_left() as writing:
        ended = run(*given, stdout=writing, SIAGA112_AMI__SECRET="any")
    assert (ended.returncode, ended.stderr) == (0, "")


def on_a_terminal(*arguments: str) -> str:
    """Run the command on a terminal; return what it shows."""
    ours, its = pty.openpty()
    with subprocess.Popen(  # ends: by itself, or at its test's limit
        [PROGRAM, *arguments],
        stdin=its,
        stdout=its,
        stderr=its,
        env={**os.environ, "TERM": "xterm"},
    ) as process:
        os.close(its)
        shown = b""
        try:
            while part := os.read(ours, 65_536):
                shown += part
        except OSError:  # EIO: the other side has closed the terminal
            pass
        process.wait(60)
    os.close(ours)
    return shown.decode()


def test_styles_are_for_terminals_alone() -> None:
    """A table's head is bold on a terminal, and plain in a pipe."""
    assert ESCAPE + "1m" in on_a_terminal("replay", GOLDEN)
    assert ESCAPE not in run("replay", GOLDEN).stdout


def test_a_mistyped_command_names_the_nearest() -> None:
    """`siaga112 bloks` ends with 2 and asks whether `blocks` was meant."""
    ended = run("bloks")
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert "did you mean blocks" in ended.stderr


def test_a_mistyped_option_names_the_nearest() -> None:
    """`siaga112 calls --sinse` ends with 2 and names `--since`."""
    ended = run("calls", "--sinse", "24h")
    assert ended.returncode == 2
    assert "--since" in ended.stderr


def test_every_command_has_an_example_that_can_be_copied() -> None:
    """The help of each command has a whole example of it, on one line."""
    for name in COMMANDS:
        text = runner.invoke(app, [name, "--help"]).stdout
        example = re.search(r"^  Example:\n    (siaga112 .*)$", text, re.MULTILINE)
        assert example, text
        assert name in example[1].split()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_can_be_had_for_each_shell(shell: str) -> None:
    """bash, zsh and fish each get a completion script that calls our program."""
    ended = run(_SIAGA112_COMPLETE=f"source_{shell}")
    assert ended.returncode == 0
    assert f"_SIAGA112_COMPLETE=complete_{shell}" in ended.stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("siaga112 mark 1.0 pr", "prank"),
        ("siaga112 mode e", "enforce"),
        ("siaga112 run --only tr", "track"),
        ("siaga112 report --format h", "html"),
    ],
)
def test_completion_completes_a_choice(words: str, expected: str) -> None:
    """TAB completes a value that must be one of a few words."""
    ended = run(_SIAGA112_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=str(words.count(" ")))
    assert ended.stdout.split() == [expected]


def test_the_list_of_commands_tells_each_whole() -> None:
    """`--help` lists each command with the whole first line of its own help."""
    listed = " ".join(runner.invoke(app, ["--help"]).stdout.split())
    for name, command in COMMANDS.items():
        function = getattr(importlib.import_module(f"siaga112.cli.{command.module}"), command.function)
        assert (inspect.getdoc(function) or "").split("\n")[0] == command.summary
        assert f" {name} {command.summary}" in listed


def test_completion_completes_a_command() -> None:
    """Bash's TAB after `siaga112 unb` gives `unblock`."""
    ended = run(_SIAGA112_COMPLETE="complete_bash", COMP_WORDS="siaga112 unb", COMP_CWORD="1")
    assert ended.stdout.split() == ["unblock"]


def test_the_version_is_the_packages() -> None:
    """`--version` names the program and its version."""
    assert run("--version").stdout == f"siaga112 {siaga112.__version__}\n"
