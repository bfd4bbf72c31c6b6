"""A plan's steps, as values: what is written, what is run, what must then be so, and how it is undone."""

from dataclasses import dataclass, field

Command = tuple[str, ...]
"""A program with its arguments; `asterisk` is the PBX's console."""


@dataclass(frozen=True, slots=True)
class Write:
    """A file's new content, and what is there now (None: nothing)."""

    path: str
    after: bytes
    before: bytes | None
    mode: int = 0o644
    """Of a new file; one that is there keeps its own, and its owner."""
    group: str = ""
    """Of a new file; '' for that of who writes."""
    folder: int = 0o755
    """The mode of a folder that is made for it."""


@dataclass(frozen=True, slots=True)
class Says:
    """A command's output has a text in it."""

    command: Command
    text: str


@dataclass(frozen=True, slots=True)
class Dialplan:
    """The dialplan is as it was, but for extensions that ask first, and for contexts of ours."""

    asking: tuple[tuple[str, str], ...] = ()
    loaded: tuple[str, ...] = ()
    calls: tuple[tuple[str, str], ...] = ()
    """Trunks' contexts with the numbers that are dialled there: such a call comes to the question."""


@dataclass(frozen=True, slots=True)
class Queues:
    """The queues, with their members, are those that were there."""


@dataclass(frozen=True, slots=True)
class Login:
    """The PBX lets our AMI user in."""

    host: str
    port: int
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Listens:
    """Somebody listens there."""

    host: str
    port: int


Check = Says | Dialplan | Queues | Login | Listens


@dataclass(frozen=True, slots=True)
class Step:
    """Something that is done as a whole: files, then commands, then checks."""

    name: str
    title: str
    writes: tuple[Write, ...] = ()
    commands: tuple[Command, ...] = ()
    checks: tuple[Check, ...] = ()
    undo_first: tuple[Command, ...] = ()
    """What is run before the files are brought back."""
    undo_then: tuple[Command, ...] = ()
    """What is run after that."""
    calm: tuple[tuple[str, str], ...] = ()
    """Extensions (`*`: all of the context) in which no call should be when this changes."""
    calm_undo: tuple[tuple[str, str], ...] = ()
    """Extensions in which no call may be when this is undone."""
    seconds: float = 45.0
    """How long a command of it may take."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done, in order; what stands against it; and what to know."""

    steps: tuple[Step, ...]
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def console(command: str) -> Command:
    """Give a command for the PBX's console."""
    return ("asterisk", "-rx", command)
