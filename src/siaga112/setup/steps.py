"""The steps of a plan, as values: the files, the commands, the checks afterwards, and the undo."""

from dataclasses import dataclass, field

Command = tuple[str, ...]
"""A program with its arguments; `asterisk` stands for the PBX's console."""


@dataclass(frozen=True, slots=True)
class Write:
    """A file's new content, and the present one (None: no file)."""

    path: str
    after: bytes
    before: bytes | None
    mode: int = 0o644
    """The mode of a new file; an existing one keeps its mode and owner."""
    group: str = ""
    """The group of a new file; '' for the writer's."""
    folder: int = 0o755
    """The mode of the file's folder, if it is created."""


@dataclass(frozen=True, slots=True)
class Says:
    """The output of a command contains a text."""

    command: Command
    text: str


@dataclass(frozen=True, slots=True)
class Dialplan:
    """The dialplan is unchanged, except that some extensions ask first and our contexts are loaded."""

    asking: tuple[tuple[str, str], ...] = ()
    loaded: tuple[str, ...] = ()
    calls: tuple[tuple[str, str], ...] = ()
    """Trunk contexts with the numbers dialled there; such a call reaches the line that asks."""


@dataclass(frozen=True, slots=True)
class Queues:
    """All queues still exist."""


@dataclass(frozen=True, slots=True)
class Login:
    """Our AMI user can log in to the PBX."""

    host: str
    port: int
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Listens:
    """A TCP port accepts connections."""

    host: str
    port: int


Check = Says | Dialplan | Queues | Login | Listens


@dataclass(frozen=True, slots=True)
class Step:
    """A unit of work: files, then commands, then checks."""

    name: str
    title: str
    writes: tuple[Write, ...] = ()
    commands: tuple[Command, ...] = ()
    checks: tuple[Check, ...] = ()
    undo_first: tuple[Command, ...] = ()
    """Commands that an undo runs before it restores the files."""
    undo_then: tuple[Command, ...] = ()
    """Commands that an undo runs afterwards."""
    calm: tuple[tuple[str, str], ...] = ()
    """Extensions (`*`: the whole context) that should be free of calls during the change."""
    calm_undo: tuple[tuple[str, str], ...] = ()
    """The same for the undo; if empty, `calm` applies."""
    seconds: float = 45.0
    """The timeout of each command."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps in order; the problems that rule the plan out; and notes for the reader."""

    steps: tuple[Step, ...]
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def console(command: str) -> Command:
    """Return a command of the PBX's console."""
    return ("asterisk", "-rx", command)
