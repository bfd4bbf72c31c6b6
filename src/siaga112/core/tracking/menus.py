"""What keeps a caller in a menu: applications that ask or speak, and extensions that no key leads to.

Everything that reads a dialplan's steps, live or from files, goes by the lists that stand here. They name
what is known to leave a caller where he was. Of an application that they do not name it is not known what
it does with a caller: it may take a message, let him wait for somebody, or bring him to a person.
"""

import re
from typing import Final

ASKING: Final = frozenset({"background", "read", "waitexten"})
"""Dialplan applications that wait for a caller's key: whoever leaves in one of these left the menu.
`Playback` is none of them: it also says "nobody is free" to a caller whom the queue gave up."""

SPEAKING: Final = frozenset({
    "background", "playback",
    "sayalpha", "sayalphacase", "saycountedadj", "saycountednoun", "saydigits", "saymoney", "saynumber",
    "sayordinal", "sayphonetic", "sayunixtime", "datetime",
})  # fmt: skip
"""Applications that tell the caller something."""

STAYING: Final = ASKING | SPEAKING | frozenset({
    "readexten", "waitdigit",
    "playtones", "stopplaytones", "progress",
    "wait", "waituntil", "answer", "hangup",
    "noop", "set", "mset", "verbose", "log", "userevent", "celgenuserevent", "dumpchan", "resetcdr", "nocdr",
    "goto", "gotoif", "gotoiftime",
    "if", "elseif", "else", "endif", "exitif", "while", "endwhile", "exitwhile", "continuewhile",
})  # fmt: skip
"""Applications that ask, speak, reckon or jump, and serve nobody.

A jump is among them since it shows at its end: the channel then stands elsewhere. `Gosub` and `Macro` are
not: what they run may do anything. Nor is what lets a caller wait for somebody (`MusicOnHold`, `Ringing`)
or tells of the PBX's own trouble (`Busy`, `Congestion`).
"""

SERVICES: Final = frozenset({
    "voicemail", "minivmrecord", "record", "dictate", "directory", "disa",
})  # fmt: skip
"""Applications that serve a caller whatever led to them: who left a message did not misuse the line."""

UNREADABLE: Final = ""
"""The application of a step of which it cannot be read what it runs: it is on neither list."""

_NOTHING: Final = ("NoOp", "")
_DEPTH: Final = 4
_CALL: Final = re.compile(r"\s*(\w+)\s*(?:\((.*)\)\s*|\(?\s*)", re.DOTALL)
_KEYS: Final = frozenset("0123456789*#ABCDabcd")
_OUT_OF_MAILBOX: Final = frozenset({"a", "o"})
"""Where `*` and `0` lead out of VoiceMail() (app_voicemail.c)."""


def stays(application: str) -> bool:
    """Say whether it is known that this application serves nobody."""
    return application.lower() in STAYING


def asks(application: str) -> bool:
    """Say whether this application waits for a key."""
    return application.lower() in ASKING


def prompts(application: str, data: str) -> bool:
    """Say whether this asks anew; `WaitExten`, and `Read` without a file, go on with a question."""
    name = application.lower()
    return name == "background" or (name == "read" and data.split(",")[1:2] > [""])


def serves(application: str, *, chosen: bool) -> bool:
    """Say whether this application serves: by a choice whatever tells something, or does more than that."""
    name = application.lower()
    return (name in SPEAKING or not stays(name)) if chosen else name in SERVICES


def chosen(exten: str, called: str) -> bool:
    """Say whether a key may have led to this extension; `called` is the number that the call came in by.

    What asks there may be an announcement that the caller chose to hear, or collect what he chose to
    give: neither is the menu.
    """
    return exten in _OUT_OF_MAILBOX or (bool(exten) and exten != called and _KEYS.issuperset(exten))


def runs(application: str, data: str) -> tuple[str, str]:
    """Give what a step runs, with its data: `ExecIf(1?Background(menu))` runs `Background`, of `menu`.

    Of two that an ExecIf names, one that serves stands for both, whichever the condition chose: a place
    at which something may serve proves nothing. What cannot be read is `UNREADABLE`.
    """
    return _runs(application, data, _DEPTH)


def _runs(application: str, data: str, depth: int) -> tuple[str, str]:
    wrapper = application.lower()
    if wrapper not in {"exec", "tryexec", "execif", "execiftime"}:
        return application, data
    if depth == 0:
        return UNREADABLE, ""
    if wrapper in {"exec", "tryexec"}:
        return _called(data, depth)
    condition, *rest = _split(data, "?")
    branches = _split(rest[0], ":") if len(rest) == 1 else []
    if not 1 <= len(branches) <= 2:  # noqa: PLR2004 - one for yes, one for no
        return UNREADABLE, ""
    named = [_called(branch, depth) if branch.strip() else _NOTHING for branch in branches]
    yes, no = (*named, _NOTHING)[:2]
    serving = next((branch for branch in (yes, no) if not stays(branch[0])), None)
    if serving or wrapper == "execiftime":
        return serving or _NOTHING  # whether it was the time is not told
    # pbx.c, `pbx_checkcondition`: other texts and other numbers are true too; nobody writes them.
    return {"1": yes, "0": no, "": no}.get(condition.strip(), (UNREADABLE, ""))


def _called(text: str, depth: int) -> tuple[str, str]:
    written = _CALL.fullmatch(text)
    return _runs(written[1], written[2] or "", depth - 1) if written else (UNREADABLE, "")


def _split(text: str, at: str) -> list[str]:
    """Split as Asterisk does (app.c, `__ast_app_separate_args`): not in brackets or quotes."""
    parts = [""]
    depth, quoted, escaped = {"(": 0, "[": 0}, False, False
    for sign in text:
        if sign == at and not (quoted or escaped or any(depth.values())):
            parts.append("")
            continue
        parts[-1] += sign
        if escaped:
            escaped = False
            continue
        escaped = sign == "\\"
        if sign == '"':
            quoted = not quoted
        elif sign in depth:
            depth[sign] += 1
        elif sign in ")]":
            opening = "(" if sign == ")" else "["
            depth[opening] = max(0, depth[opening] - 1)
    return parts
