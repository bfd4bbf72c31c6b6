"""What was written wrong on the command line, in one line with the remedy, whatever typer makes of it."""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from enum import Enum
from typing import Any, Final

import typer

from siaga112.cli import invocation

_USAGE: Final = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "UsageError")
_CLICK: Final = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")
"""typer hands on no name for these, and has them from elsewhere since 0.20."""

_CHATTER: Final = re.compile(r"^(Value error, |Invalid value(?: for [^:]*)?: )+|, unable to .*$")
_INPUT: Final = "Input should be "
_SURPLUS: Final = re.compile(r"Got unexpected extra arguments?(?:\(s\))? \((.*)\)")


def is_one(error: Exception) -> bool:
    """Say whether it is about how the command was written."""
    return isinstance(error, _CLICK)


def asks_for_help(error: Exception) -> bool:
    """Say whether the program was started without a command."""
    return type(error).__name__ == "NoArgsIsHelpError"


def all_help(error: Any) -> str:
    """Give the help of the whole program."""
    return f"{error.format_message()}\n"


def told(error: Any) -> str:
    """Say what is wrong and what to write instead."""
    context = getattr(error, "ctx", None)
    if context is None:
        name = invocation.current().command
    else:
        name = "" if context.parent is None else context.command.name
    what = _what(error, context)
    return f"{name}: {what}" if name else what


def _what(error: Any, context: Any) -> str:
    param = getattr(error, "param", None)
    kind = type(error).__name__
    if kind == "MissingParameter" and param is not None:
        choices = _choices(param)
        one_of = f" (one of {', '.join(choices)})" if choices else ""
        return f"{_named(error)}{one_of} is missing{_example(context)}"
    if kind == "NoSuchOption":
        return f"there is no option {error.option_name}; {_instead(error.option_name, error, context)}"
    message = _CHATTER.sub("", " ".join(str(error.message).split())).removesuffix(".")
    message = message.replace(_INPUT, "must be ")
    if isinstance(error, typer.BadParameter):
        choices = _choices(param) if param is not None else []
        if choices and "is not one of" in message:
            given = message.partition(" is not one of")[0].strip("'\"")
            near = get_close_matches(given, choices, 1)
            meant = f'; did you mean "{near[0]}"?' if near else ""
            return f'{_named(error)} cannot be "{given}", only {", ".join(choices)}{meant}'
        named = _named(error)
        return f"{named}: {message}{_help(context)}" if named else f"{message}{_help(context)}"
    if surplus := _SURPLUS.fullmatch(message):
        return f'"{surplus[1]}" is too much{_help(context)}'
    return f"{message[:1].lower()}{message[1:]}{_help(context)}"


def _named(error: Any) -> str:
    """Name the argument or option as it is written."""
    hint = error.param_hint
    if hint is None and error.param is not None:
        param = error.param
        hint = max(param.opts, key=len) if param.param_type_name == "option" else param.metavar or param.name
    return ", ".join(hint) if isinstance(hint, Sequence) and not isinstance(hint, str) else str(hint or "")


def _choices(param: Any) -> list[str]:
    described = getattr(param, "type_descriptor", None) or getattr(param, "type", None)
    found = getattr(described, "choices", None) or ()
    return [str(one.value if isinstance(one, Enum) else one) for one in found]


def _instead(option: str, error: Any, context: Any) -> str:
    known = list(error.possibilities or ())
    if context is not None:
        known += [name for param in context.command.params for name in param.opts if name.startswith("--")]
    near = get_close_matches(option, known, 1, 0.5)
    if near:
        return f"did you mean {near[0]}?"
    return f"there are {', '.join(dict.fromkeys(known))}" if known else _help(context).removeprefix("; ")


def _example(context: Any) -> str:
    """Give the example of the command's help, to be written alike."""
    text = (context.command.help or "") if context is not None else ""
    found = re.search(r"siaga112 .*", text.partition("Example")[2])
    return f"; write it like: {found[0]}" if found else _help(context)


def _help(context: Any) -> str:
    path = context.command_path if context is not None else f"siaga112 {invocation.current().command}".strip()
    return f"; see: {path} -h"


def no_command(name: str, known: Sequence[str]) -> str:
    """Say that there is no such command, and which one was meant."""
    near = get_close_matches(name, known, 2, 0.5)
    if near:
        return f'there is no command "{name}"; did you mean {" or ".join(near)}?'
    return f'there is no command "{name}"; siaga112 -h lists them'
