"""Menus: which dialplan applications keep a caller in the menu, and which extensions a key leads to.

Everything that reads dialplan steps, live or from files, uses the lists in this module. They name the
applications that are known to leave the caller in the menu. Any other application may do anything: take a
message, let the caller wait for somebody, or connect the caller to a person.
"""

import re
from typing import Final

ASKING: Final = frozenset({"background", "read", "waitexten"})
"""Applications that wait for a key. A caller who hangs up in one of them left the menu.

`Playback` is not one of them: it also plays "nobody is free" to a caller after the queue gave up.
"""

SPEAKING: Final = frozenset({
    "background", "playback",
    "sayalpha", "sayalphacase", "saycountedadj", "saycountednoun", "saydigits", "saymoney", "saynumber",
    "sayordinal", "sayphonetic", "sayunixtime", "datetime",
})  # fmt: skip
"""Applications that play something to the caller."""

STAYING: Final = ASKING | SPEAKING | frozenset({
    "readexten", "waitdigit",
    "playtones", "stopplaytones", "progress",
    "wait", "waituntil", "answer", "hangup",
    "noop", "set", "mset", "verbose", "log", "userevent", "celgenuserevent", "dumpchan", "resetcdr", "nocdr",
    "goto", "gotoif", "gotoiftime",
    "if", "elseif", "else", "endif", "exitif", "while", "endwhile", "exitwhile", "continuewhile",
})  # fmt: skip
"""Applications that ask, play, compute or jump, and so do not serve the caller.

A jump is safe to list: the next step shows where it led. `Gosub` and `Macro` are not listed, because they
may run anything. Applications that let a caller wait for somebody (`MusicOnHold`, `Ringing`) or signal a
failure of the PBX (`Busy`, `Congestion`) are not listed either.
"""

SERVICES: Final = frozenset({
    "voicemail", "minivmrecord", "record", "dictate", "directory", "disa",
})  # fmt: skip
"""Applications that always serve the caller: a caller who left a message did not misuse the line."""

UNREADABLE: Final = ""
"""Stands for the application of a step that could not be parsed. It is in none of the lists."""

_NOTHING: Final = ("NoOp", "")
_DEPTH: Final = 4
_CALL: Final = re.compile(r"\s*(\w+)\s*(?:\((.*)\)\s*|\(?\s*)", re.DOTALL)
_KEYS: Final = frozenset("0123456789*#ABCDabcd")
_OUT_OF_MAILBOX: Final = frozenset({"a", "o"})
"""The extensions to which `*` and `0` lead out of VoiceMail() (app_voicemail.c)."""


def stays(application: str) -> bool:
    """Return whether this application is known to keep the caller in the menu."""
    return application.lower() in STAYING


def asks(application: str) -> bool:
    """Return whether this application waits for a key."""
    return application.lower() in ASKING


def prompts(application: str, data: str) -> bool:
    """Return whether this step plays a new prompt. `WaitExten`, and `Read` without a file, do not."""
    name = application.lower()
    return name == "background" or (name == "read" and data.split(",")[1:2] > [""])


def serves(application: str, *, chosen: bool) -> bool:
    """Return whether this application serves the caller.

    After a choice (`chosen`), any application serves that plays something or is not known to keep the
    caller in the menu. Without a choice, only `SERVICES` do.
    """
    name = application.lower()
    return (name in SPEAKING or not stays(name)) if chosen else name in SERVICES


def chosen(exten: str, called: str) -> bool:
    """Return whether a key may have led to this extension. `called` is the number the caller dialled.

    A prompt at such an extension is not the menu: the caller may have chosen to hear an announcement or to
    enter something.
    """
    return exten in _OUT_OF_MAILBOX or (bool(exten) and exten != called and _KEYS.issuperset(exten))


def runs(application: str, data: str) -> tuple[str, str]:
    """Return the application that a step runs, and its data.

    `ExecIf(1?Background(menu))` runs `Background` with `menu`. If an ExecIf names two applications and one
    of them serves, that one is returned whatever the condition says: a place where something may serve
    proves nothing. The application is `UNREADABLE` if the step cannot be parsed.
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
    if not 1 <= len(branches) <= 2:  # noqa: PLR2004 - one for true, one for false
        return UNREADABLE, ""
    named = [_called(branch, depth) if branch.strip() else _NOTHING for branch in branches]
    yes, no = (*named, _NOTHING)[:2]
    serving = next((branch for branch in (yes, no) if not stays(branch[0])), None)
    if serving or wrapper == "execiftime":
        return serving or _NOTHING  # AMI does not report whether the time condition was true
    # pbx.c, `pbx_checkcondition`: other texts and numbers are true too, but nobody writes them.
    return {"1": yes, "0": no, "": no}.get(condition.strip(), (UNREADABLE, ""))


def _called(text: str, depth: int) -> tuple[str, str]:
    written = _CALL.fullmatch(text)
    return _runs(written[1], written[2] or "", depth - 1) if written else (UNREADABLE, "")


def _split(text: str, at: str) -> list[str]:
    """Split as Asterisk does (app.c, `__ast_app_separate_args`): never inside brackets or quotes."""
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
