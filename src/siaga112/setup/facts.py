"""What `looking` finds, before any decision. Paths are those on this machine."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from siaga112.core.text import digits
from siaga112.doctor.observations import Contexts


@dataclass(frozen=True, slots=True)
class Trunk:
    """A source of calls: an endpoint that is another machine, judged by `evidence`, not by its name."""

    technology: str
    name: str
    context: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Pbx:
    """The Asterisk on this machine."""

    version: str
    conf: str
    """The path of asterisk.conf."""
    etc: str
    """The configuration folder, without a trailing slash."""
    data: str
    """`astdatadir`, the parent of `sounds`."""
    group: str
    """The group that Asterisk runs as."""
    freepbx: str = ""
    """FreePBX's version, `?` if unknown; '' for an Asterisk without FreePBX."""

    @property
    def major(self) -> int:
        """The major version; 0 if unknown."""
        first = self.version.removeprefix("Asterisk ").partition(".")[0].removeprefix("certified/")
        return int(first) if digits(first) else 0


@dataclass(frozen=True, slots=True)
class Live:
    """What the PBX has loaded and runs with."""

    contexts: Contexts
    """The whole dialplan."""
    registrars: Mapping[str, str]
    """Context → the module that made it: `pbx_config` for extensions.conf."""
    globals: Mapping[str, str]
    queues: Mapping[str, tuple[str, ...]]
    """Queue → its members, as the console shows them."""
    modules: frozenset[str]
    trunks: tuple[Trunk, ...]
    keys: str = ""
    """The output of `features show`."""


@dataclass(frozen=True, slots=True)
class Machine:
    """This machine apart from the PBX."""

    hostname: str
    timezone: str
    """The clock's time zone; '' if unknown."""
    program: str
    """Our own program's path."""
    systemd: bool
    """Whether systemd runs here."""
    redis: bool
    """Whether `redis-server` is installed."""
    user: bool
    """Whether the daemon's user exists."""


@dataclass(frozen=True, slots=True)
class Places:
    """The paths of siaga112's own files, installed or not."""

    config: str
    credentials: str
    units: str
    sysusers: str

    @property
    def secret(self) -> str:
        """The file with the AMI user's secret."""
        return f"{self.credentials}/AMI__SECRET"


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that was found."""

    pbx: Pbx
    live: Live
    machine: Machine
    places: Places
    files: Mapping[str, str]
    """The texts of Asterisk's relevant configuration files, by path."""
    there: Mapping[str, bytes]
    """The present contents of the paths at which we install files; a missing file has no entry."""
    config: Mapping[str, object] | None = None
    """siaga112's configuration, parsed; None if it does not exist or is a package's example."""
    installed: Mapping[str, str] = field(default_factory=dict)
    """Path → SHA-256 of the content that an earlier setup wrote."""
    unfinished: frozenset[str] = frozenset()
    """Steps that an earlier setup began and did not finish."""
    unreadable: tuple[str, ...] = ()
    """Asterisk's files that this user may not read."""
    enabled: bool = False
    """Whether the units are enabled and running."""
    older: bool = False
    """Whether Redis has data of siaga112 before 0.1.0 that was not migrated yet."""
    sealed: bool = False
    """Whether the address of Redis or of the database is a credential, which only units receive."""
