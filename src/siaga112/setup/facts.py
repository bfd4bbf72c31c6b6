"""What `looking` finds, before anything is decided. Paths are as they are on this machine."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from siaga112.core.text import digits
from siaga112.doctor.observations import Contexts


@dataclass(frozen=True, slots=True)
class Trunk:
    """Where calls come in: an endpoint that another machine is, by `evidence`; not by its name."""

    technology: str
    name: str
    context: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Pbx:
    """The Asterisk of this machine."""

    version: str
    conf: str
    """The path of asterisk.conf."""
    etc: str
    """Its configuration's folder, without a slash at the end."""
    data: str
    """`astdatadir`, in which `sounds` is."""
    group: str
    """The group that it runs as."""
    freepbx: str = ""
    """FreePBX's version, `?` where it is not told; '' for an Asterisk without it."""

    @property
    def major(self) -> int:
        """The first number of the version; 0 if it has none."""
        first = self.version.removeprefix("Asterisk ").partition(".")[0].removeprefix("certified/")
        return int(first) if digits(first) else 0


@dataclass(frozen=True, slots=True)
class Live:
    """What the PBX has loaded."""

    contexts: Contexts
    """All of the dialplan."""
    registrars: Mapping[str, str]
    """Context → what made it: `pbx_config` is extensions.conf."""
    globals: Mapping[str, str]
    queues: Mapping[str, tuple[str, ...]]
    """Queue → its members, as the console shows them."""
    modules: frozenset[str]
    trunks: tuple[Trunk, ...]
    keys: str = ""
    """What `features show` prints."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What is not the PBX's."""

    hostname: str
    timezone: str
    """Of the clock; '' if it is not told."""
    program: str
    """Our own program's path."""
    systemd: bool
    """Whether systemd runs here."""
    redis: bool
    """Whether a `redis-server` is to be found."""
    user: bool
    """Whether the daemon's user exists."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where siaga112's own things are, or are to be."""

    config: str
    credentials: str
    units: str
    sysusers: str

    @property
    def secret(self) -> str:
        """The file that has the AMI user's secret."""
        return f"{self.credentials}/AMI__SECRET"


@dataclass(frozen=True, slots=True)
class Facts:
    """All that was found."""

    pbx: Pbx
    live: Live
    machine: Machine
    places: Places
    files: Mapping[str, str]
    """Asterisk's configuration files that matter here, by their path."""
    there: Mapping[str, bytes]
    """What is where files of ours go, by the path; nothing for what is absent."""
    config: Mapping[str, object] | None = None
    """What siaga112's configuration says, if it is there."""
    installed: Mapping[str, str] = field(default_factory=dict)
    """Path → SHA-256 of what an earlier setup wrote there."""
    unfinished: frozenset[str] = frozenset()
    """Steps that an earlier setup began, and did not end."""
    unreadable: tuple[str, ...] = ()
    """Asterisk's files that are not for this user to read."""
    enabled: bool = False
    """Whether the units are enabled and run."""
    older: bool = False
    """Whether Redis has what siaga112 before 0.1.0 kept there, and nobody has carried it over."""
    sealed: bool = False
    """Whether the address of Redis, or of the database, is a credential that only units are given."""
