"""Edits the text of files that are not ours; each function returns the whole new text. Pure.

Every other line stays the same, byte for byte.
"""

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Final

from siaga112.core.text import digits
from siaga112.setup.conf import Conf, Header, Written, lines_of, written

GUARD_CALL: Final = "ExecIf(${DIALPLAN_EXISTS(siaga112-screen,s,1)}?Gosub(siaga112-screen,s,1))"
"""The line that asks; it does nothing if our dialplan file is removed."""

_NUMBERED: Final = re.compile(r"(,|^\s*same\s*=>?\s*)([0-9]+)(?=\s*[,(])")


class UnplaceableError(Exception):
    """A line cannot be inserted where it is needed; the message says why."""


def appended(text: str, lines: Sequence[str]) -> str:
    """Append lines to a text."""
    end = _ending(text)
    if text and not text.endswith("\n"):
        text += end
    return text + "".join(f"{line}{end}" for line in lines)


def below(text: str, header: Header, lines: Sequence[str]) -> str:
    """Insert lines directly below the head of a section."""
    all_, end = lines_of(text), _ending(text)
    if not all_[header.number - 1].endswith("\n"):
        all_[header.number - 1] += end
    all_[header.number : header.number] = [f"{line}{end}" for line in lines]
    return "".join(all_)


def guarded(conf: Conf, texts: Mapping[str, str], context: str, exten: str) -> dict[str, str]:
    """Insert the line that asks before an extension's first priority; return the changed texts by path.

    Raises:
        UnplaceableError: if the extension is not written in a form that can be edited line by line.

    """
    steps = [
        one
        for one in written(conf)
        if one.line.section == context and one.exten.partition("/")[0] == exten and one.priority != "hint"
    ]
    firsts = [one for one in steps if one.priority == "1"]
    if not firsts:
        raise UnplaceableError(f"no file has priority 1 of {exten} in [{context}]")
    changed: dict[str, list[str]] = {}
    for one in steps:
        lines = changed.setdefault(one.line.file, lines_of(texts[one.line.file]))
        at = one.line.number - 1
        if one in firsts:
            lines[at] = _asking_first(lines[at], one)
        elif digits(one.priority):
            lines[at] = _renumbered(lines[at], one)
    return {path: "".join(lines) for path, lines in changed.items()}


def _asking_first(line: str, one: Written) -> str:
    end = "\r\n" if line.endswith("\r\n") else "\n"
    label = f"({one.label})" if one.label else ""
    rest = line[line.index(one.application) :] if one.application else end
    spaced = rest if rest.endswith("\n") else f"{rest}{end}"
    return f"exten => {one.exten},1,{GUARD_CALL}{end} same => n{label},{spaced}"


def _renumbered(line: str, one: Written) -> str:
    found = _NUMBERED.search(line)
    if found is None or int(found[2]) != int(one.priority):
        raise UnplaceableError(f"{one.line.file}:{one.line.number} is not understood")
    return f"{line[: found.start(2)]}{int(found[2]) + 1}{line[found.end(2) :]}"


def onward(exten: str, contexts: Sequence[str], last: str, before: Sequence[str] = ()) -> list[str]:
    """Return an extension that asks and then goes to the first of `contexts` that has it, else to `last`."""
    there = "${DIALPLAN_EXISTS(%s,${EXTEN},1)}"
    return [
        f"exten => {exten},1,{GUARD_CALL}",
        *(f" same => n,{line}" for line in before),
        *(f" same => n,GotoIf({there % name}?{name},${{EXTEN}},1)" for name in contexts),
        f" same => n,Goto({last},${{EXTEN}},1)",
    ]


def _ending(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def taken_back(before: str, after: str, now: str) -> str | None:
    """Revert the change from `before` to `after` in a text edited since; None if our lines were too."""
    old, ours, theirs = map(lines_of, (before, after, now))
    # Maps line numbers of `after` to those of `now`.
    place: dict[int, int] = {}
    for block in difflib.SequenceMatcher(None, ours, theirs, autojunk=False).get_matching_blocks():
        place |= {block.a + step: block.b + step for step in range(block.size)}
    changes = [
        change
        for change in difflib.SequenceMatcher(None, ours, old, autojunk=False).get_opcodes()
        if change[0] != "equal"
    ]
    made = list(theirs)
    for _, first, last, start, stop in reversed(changes):
        spots = [place.get(number, -1) for number in range(first, last)]
        if not spots or -1 in spots or spots != list(range(spots[0], spots[0] + len(spots))):
            return None
        made[spots[0] : spots[-1] + 1] = old[start:stop]
    return "".join(made)


def readable(content: bytes | None) -> str | None:
    """Return a content for people, whatever its encoding; None for no file, and for sound."""
    return None if content is None or b"\0" in content else content.decode("utf-8", "backslashreplace")


def difference(path: str, before: str | None, after: str | None) -> str:
    """Return a unified diff; None is a missing file."""
    old, new = (lines_of(text or "") for text in (before, after))
    lines = difflib.unified_diff(
        old, new, path if before is not None else "/dev/null", path if after is not None else "/dev/null"
    )
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )
