"""Prints a plan: each file as a unified diff, each command as typed in a shell; or all as JSON."""

import re
import shlex
from collections.abc import Iterator
from typing import Any, Final

from siaga112.setup.edits import difference, readable
from siaga112.setup.facts import Facts
from siaga112.setup.questions import Answers
from siaga112.setup.steps import Command, Plan, Step, Write
from siaga112.words import Tongue, say

MASK: Final = "********"

_SECRET: Final = re.compile(r"^([-+ ]\s*(?:secret|password)\s*=>?\s*).+", re.IGNORECASE | re.MULTILINE)
_LINE: Final = re.compile(r"^([-+ ])(?!-- |\+\+ ).+", re.MULTILINE)


def found(facts: Facts, answers: Answers, t: Tongue) -> Iterator[str]:
    """Yield lines with the facts and the answers."""
    pbx = facts.pbx
    yield f"{pbx.version}{f', FreePBX {pbx.freepbx}' if pbx.freepbx else ''}, {pbx.etc}"
    for trunk in facts.live.trunks:
        yield t(
            say("  trunk {name} ({technology}, by {evidence}): calls arrive in [{context}]"),
            name=trunk.name,
            technology=trunk.technology,
            evidence=trunk.evidence,
            context=trunk.context,
        )
    yield t(say("  calls arrive in: {names}"), names=_listed(answers.trunks))
    yield t(say("  numbers: {names}"), names=_listed(answers.numbers) if answers.numbers else t(say("all")))
    yield t(say("  menus: {names}"), names=_listed(answers.menus))
    for queue in answers.queues or ():
        yield t(say("  queue {name}: {members}"), name=queue, members=_listed(facts.live.queues.get(queue)))


def _listed(names: tuple[str, ...] | None) -> str:
    return ", ".join(names or ()) or "-"


def text(plan: Plan, secret: str, t: Tongue) -> Iterator[str]:
    """Yield a plan as lines for people."""
    for number, step in enumerate(plan.steps, 1):
        yield ""
        yield f"{number}. {t(step.title)}"
        yield from _files(step, secret)
        for command in step.commands:
            yield f"$ {typed(command)}"
    if plan.notes:
        yield ""
    yield from (f"note: {note}" for note in plan.notes)


def _files(step: Step, secret: str) -> Iterator[str]:
    binary = [write for write in step.writes if readable(write.after) is None]
    for write in step.writes:
        if write not in binary:
            yield from shown(write, secret).splitlines()
    if binary:
        folders = sorted({write.path.rpartition("/")[0] for write in binary})
        yield f"{len(binary)} files (sound) in {', '.join(folders)}"


def shown(write: Write, secret: str) -> str:
    """Return the diff of a file, with the secret masked."""
    before, after = readable(write.before), readable(write.after)
    if after is None:
        return f"Binary file {write.path}\n"
    diff = masked(write.path, difference(write.path, before, after))
    return diff.replace(secret, MASK) if secret else diff


def masked(path: str, diff: str) -> str:
    """Return the diff of a file without secrets: ours, and those that stand beside our lines."""
    hidden = _LINE if path.endswith("/AMI__SECRET") else _SECRET
    return hidden.sub(rf"\1{MASK}", diff)


def typed(command: Command) -> str:
    """Return a command as typed in a shell."""
    return shlex.join(command)


def as_json(plan: Plan, facts: Facts, answers: Answers, secret: str) -> dict[str, Any]:
    """Return a plan as an object for programs."""
    return {
        "pbx": {"version": facts.pbx.version, "freepbx": facts.pbx.freepbx or None, "etc": facts.pbx.etc},
        "trunks": [
            {"technology": one.technology, "name": one.name, "context": one.context, "evidence": one.evidence}
            for one in facts.live.trunks
        ],
        "answers": {
            "site": answers.site,
            "trunks": list(answers.trunks or ()),
            "numbers": list(answers.numbers or ()),
            "menus": list(answers.menus or ()),
            "queues": list(answers.queues or ()),
        },
        "changed": bool(plan.steps),
        "steps": [
            {
                "step": step.name,
                "title": step.title,
                "files": [{"path": write.path, "diff": shown(write, secret)} for write in step.writes],
                "commands": [typed(command) for command in step.commands],
            }
            for step in plan.steps
        ],
        "notes": list(plan.notes),
        "problems": list(plan.problems),
    }
