"""Usage errors: one line that says what is wrong and how to write it, in our words, not typer's."""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from enum import Enum
from typing import Any, Final

import typer

from siaga112.cli import invocation
from siaga112.errors import Said
from siaga112.words import Tongue, say, tongue

_USAGE: Final = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "UsageError")
_CLICK: Final = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")
"""typer exports no name for these, and since 0.20 they come from another package."""

_CHATTER: Final = re.compile(r"^(Value error, |Invalid value(?: for [^:]*)?: )+|, unable to .*$")
_INPUT: Final = "Input should be "
_SAID: Final = (
    (re.compile(r"Option '(?P<what>[^']+)' requires an argument"), say("{what} needs a value")),
    (
        re.compile(r"Option '(?P<what>[^']+)' requires (?P<value>[0-9]+) arguments"),
        say("{what} needs {value} values"),
    ),
    (re.compile(r"Option '(?P<what>[^']+)' does not take a value"), say("{what} takes no value")),
    (re.compile(r"must be less than or equal to (?P<value>\S+)"), say("{what} must be at most {value}")),
    (re.compile(r"must be greater than or equal to (?P<value>\S+)"), say("{what} must be at least {value}")),
    (re.compile(r"must be a valid integer"), say("{what} must be a whole number")),
    (re.compile(r"must be a valid number"), say("{what} must be a number")),
)
"""What the library says, and what we say instead."""

_SURPLUS: Final = re.compile(r"Got unexpected extra arguments?(?:\(s\))? \((.*)\)")


def is_one(error: Exception) -> bool:
    """Return whether the error is about how the command was written."""
    return isinstance(error, _CLICK)


def asks_for_help(error: Exception) -> bool:
    """Return whether the program was started without a command."""
    return type(error).__name__ == "NoArgsIsHelpError"


def all_help(error: Any) -> str:
    """Return the help of the whole program."""
    return f"{error.format_message()}\n"


def told(error: Any, t: Tongue | None = None) -> str:
    """Return what is wrong, and what to write instead."""
    t = t or tongue()
    context = getattr(error, "ctx", None)
    if context is None:
        name = invocation.current().command
    else:
        name = "" if context.parent is None else context.command.name
    what = _what(error, context, t)
    return f"{name}: {what}" if name else what


def _what(error: Any, context: Any, t: Tongue) -> str:  # noqa: PLR0911 - one a kind of mistake
    param = getattr(error, "param", None)
    kind = type(error).__name__
    if kind == "MissingParameter" and param is not None:
        choices = _choices(param)
        one_of = t(" (one of {choices})", choices=", ".join(choices)) if choices else ""
        named = _named(error) + one_of
        return t("{what} is missing", what=named) + _example(context, t)
    if kind == "NoSuchOption":
        name = error.option_name
        return t("there is no option {name}", name=name) + "; " + _instead(name, error, context, t)
    if isinstance(error.message, Said):
        message = t(error.message)
    else:
        message = _CHATTER.sub("", " ".join(str(error.message).split())).removesuffix(".")
        message = message.replace(_INPUT, "must be ")
        for pattern, said in _SAID:
            if found := pattern.fullmatch(message):
                return t(said, **{"what": _named(error), **found.groupdict()}) + _help(context, t)
    if isinstance(error, typer.BadParameter):
        choices = _choices(param) if param is not None else []
        if choices and "is not one of" in message:
            given = message.partition(" is not one of")[0].strip("'\"")
            near = get_close_matches(given, choices, 1)
            meant = "; " + t('did you mean "{near}"?', near=near[0]) if near else ""
            said = say('{what} cannot be "{given}", only {choices}')
            return t(said, what=_named(error), given=given, choices=", ".join(choices)) + meant
        named = _named(error)
        return f"{named}: {message}{_help(context, t)}" if named else f"{message}{_help(context, t)}"
    if surplus := _SURPLUS.fullmatch(message):
        return t('"{given}" is too much', given=surplus[1]) + _help(context, t)
    return f"{message[:1].lower()}{message[1:]}{_help(context, t)}"


def _named(error: Any) -> str:
    """Return the argument or option as it is written."""
    hint = getattr(error, "param_hint", None)
    if hint is None and getattr(error, "param", None) is not None:
        param = error.param
        hint = max(param.opts, key=len) if param.param_type_name == "option" else param.metavar or param.name
    return ", ".join(hint) if isinstance(hint, Sequence) and not isinstance(hint, str) else str(hint or "")


def _choices(param: Any) -> list[str]:
    described = getattr(param, "type_descriptor", None) or getattr(param, "type", None)
    found = getattr(described, "choices", None) or ()
    return [str(one.value if isinstance(one, Enum) else one) for one in found]


def _instead(option: str, error: Any, context: Any, t: Tongue) -> str:
    known = list(error.possibilities or ())
    if context is not None:
        known += [name for param in context.command.params for name in param.opts if name.startswith("--")]
    near = get_close_matches(option, known, 1, 0.5)
    if near:
        return t("did you mean {near}?", near=near[0])
    if known:
        return t("there are {known}", known=", ".join(dict.fromkeys(known)))
    return _help(context, t).removeprefix("; ")


def _example(context: Any, t: Tongue) -> str:
    """Return the example in the command's help."""
    text = (context.command.help or "") if context is not None else ""
    found = re.search(r"siaga112 .*", text.partition("Example")[2])
    return "; " + t("write it like: {example}", example=found[0]) if found else _help(context, t)


def _help(context: Any, t: Tongue) -> str:
    path = context.command_path if context is not None else f"siaga112 {invocation.current().command}".strip()
    return "; " + t("see: {command} -h", command=path)


def no_command(name: str, known: Sequence[str]) -> Said:
    """Return that there is no such command, and which one was probably meant."""
    near = get_close_matches(name, known, 2, 0.5)
    if near:
        first, *more = near
        if more:
            said = say('there is no command "{name}"; did you mean {near} or {other}?')
            return Said(said, name=name, near=first, other=more[0])
        return Said('there is no command "{name}"; did you mean {near}?', name=name, near=first)
    return Said('there is no command "{name}"; siaga112 -h lists them', name=name)
