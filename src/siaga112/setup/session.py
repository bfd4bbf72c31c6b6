"""One run of setup, from the examination to the doctor's result."""

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from siaga112.errors import SiagaError, UsageError
from siaga112.setup import looking, showing
from siaga112.setup.doing import Doer
from siaga112.setup.edits import difference, readable
from siaga112.setup.facts import Facts
from siaga112.setup.journal import Journal
from siaga112.setup.looking import Console
from siaga112.setup.planning import USER, known_secret, plan
from siaga112.setup.questions import Answers, Question, settled, wrong
from siaga112.setup.steps import Plan
from siaga112.words import Tongue, say

DOCTOR_SECONDS: Final = 30.0
LEAST_SECONDS: Final = 0.5

Ask = Callable[[Question], str]


@dataclass(frozen=True, slots=True)
class Options:
    """The options of the command."""

    config: Path
    asterisk_conf: str
    kept: Path
    given: Answers
    service: bool = True


@dataclass(frozen=True, slots=True)
class Planned:
    """The facts, the answers and the plan."""

    facts: Facts
    answers: Answers
    plan: Plan
    secret: str
    asked: int
    """How many questions a person answered."""


def journal(options: Options, *, writing: bool) -> Journal:
    """Open the journal.

    Raises:
        SiagaError: if that is not possible.

    """
    return Journal.locked(options.kept) if writing else Journal(options.kept)


def planned(options: Options, notes: Journal, ask: Ask | None) -> Planned:
    """Examine the PBX, ask what it does not show, and make the plan.

    Raises:
        SiagaError: if the plan has problems, one line each.
        UsageError: if there is a question but `ask` is None.

    """
    console = Console(options.asterisk_conf)
    where = looking.places(options.config)
    facts = looking.look(console, options.asterisk_conf, where, notes.installed, notes.unfinished)
    answers, question = settled(facts, options.given)
    asked = 0
    while question:  # ends: each answer closes a question
        if answers.trunks is not None and (said := wrong(facts, answers)):
            raise SiagaError("; ".join(said))
        if ask is None:
            seen = f" (seen: {', '.join(question.choices[:8])})" if question.choices else ""
            raise UsageError(f"{question.option} is missing: {question.text}{seen}")
        answers, question = settled(facts, question.answered(answers, ask(question)))
        asked += 1
    secret = known_secret(facts) or secrets.token_hex(16)
    made = plan(facts, answers, looking.ours(), secret, service=options.service)
    if made.problems:
        raise SiagaError("\nsiaga112: ".join(made.problems))
    return Planned(facts, answers, made, secret, asked)


def apply(options: Options, notes: Journal, what: Planned, tell: Callable[[str], None]) -> None:
    """Execute the plan.

    Raises:
        SiagaError: if a step fails; the run is then undone.

    """
    Doer(Console(options.asterisk_conf), notes, tell).apply(what.plan, what.facts)


def doctor(options: Options, what: Planned) -> tuple[int, str]:
    """Run the doctor as the daemon's user; return its exit code and its output.

    The files that it opens in the state directory must belong to the daemon; the PBX's group may read the
    PBX's files.
    """
    if options.service and not what.facts.machine.systemd:
        return 0, "systemd does not run here, and so not the daemon: when it does, siaga112 doctor"
    words = ["--config", str(options.config), "doctor"]
    command = [sys.executable, "-m", "siaga112", *words]
    if options.service:
        group = what.facts.pbx.group
        own = ["-u", USER, *(["-g", USER, "-G", group] if group not in {"", "root"} else [])]
        command = [looking.found("runuser") or "runuser", *own, "--", what.facts.machine.program, *words]
    # Programs read the output: do not wrap it.
    whole = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    environ = {**whole, "SIAGA112_AMI__SECRET": what.secret}
    ends = time.monotonic() + DOCTOR_SECONDS
    while True:  # ends: at the deadline, or when the doctor is content
        ran = subprocess.run(  # noqa: S603 - our program
            command,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=DOCTOR_SECONDS,
            check=False,
        )
        if ran.returncode == 0 or time.monotonic() > ends or not options.service:
            return ran.returncode, ran.stdout.decode("utf-8", "replace")
        time.sleep(LEAST_SECONDS)  # let the daemon connect


def next_step(t: Tongue) -> str:
    """Return the text about the next steps."""
    return t(
        say(
            "Nobody is rejected yet (mode observe). Call the number, then: siaga112 calls. In some weeks: "
            "siaga112 blocks, and siaga112 mode enforce. Back to before: siaga112 setup --undo"
        )
    )


def undoing(notes: Journal, options: Options, tell: Callable[[str], None]) -> Iterator[str]:
    """Yield the lines that show what an undo would change, with the edits made since."""
    for one in Doer(Console(options.asterisk_conf), notes, tell).changes():
        if one.edited:
            yield f"edited since, and kept: {one.path}"
            yield from showing.masked(one.path, one.edited).splitlines()
        if one.why:
            yield f"{one.path} {one.why}"
        if one.now != one.then:
            diff = difference(one.path, readable(one.now), readable(one.then))
            yield from showing.masked(one.path, diff).splitlines()


def undo(options: Options, notes: Journal, tell: Callable[[str], None]) -> list[str]:
    """Undo all runs; return what could not be undone, and why.

    Raises:
        SiagaError: if there is nothing to undo, or our lines were edited since; nothing is changed then.

    """
    if not notes.records:
        raise SiagaError(f"there is nothing to undo: no setup has noted anything in {options.kept}")
    return Doer(Console(options.asterisk_conf), notes, tell).undo()
