"""What an examination finds, before anybody judges it. `None` is "could not be seen"."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from siaga112.core.model import DAY, Millis, Mode
from siaga112.doctor.places import PLAIN, Places
from siaga112.settings.running import Changed


@dataclass(frozen=True, slots=True)
class Step:
    """One priority of an extension."""

    priority: int
    label: str
    application: str
    data: str

    def __str__(self) -> str:
        return f"{self.application}({self.data})"


@dataclass(frozen=True, slots=True)
class Context:
    """A context of a dialplan: its extensions, each with its steps in order, and what it includes."""

    extensions: Mapping[str, tuple[Step, ...]]
    includes: tuple[str, ...] = ()


Contexts = Mapping[str, Context]


@dataclass(frozen=True, slots=True)
class ManagerUser:
    """The AMI user, as manager.conf and what it includes have it."""

    read: frozenset[str]
    write: frozenset[str]
    write_timeout: str
    filters: tuple[str, ...]
    deny: tuple[str, ...] = ()
    permit: tuple[str, ...] = ()
    acl: str = ""
    """A named list of acl.conf that decides in their place."""


@dataclass(frozen=True, slots=True)
class PbxFiles:
    """What Asterisk's configuration files say, with all that they include."""

    user: ManagerUser | None
    """None if manager.conf does not have it."""
    timestamps: str
    """`timestampevents` of manager.conf."""
    bind_address: str
    """`bindaddr` of manager.conf; '' if it is not set."""
    keys: Mapping[str, str]
    """Of features.conf, [applicationmap]: the names that we ship, with what they are there."""
    member_gosubs: Mapping[str, str]
    """Queue → its `membergosub` in queues.conf; '' if it has none."""
    port: int = 5038
    """Where the AMI is in clear (`port` of manager.conf), also beside TLS."""
    web_address: str = ""
    """Where the AMI answers over HTTP too (`webenabled`, http.conf); '' if it does not."""


@dataclass(frozen=True, slots=True)
class Source:
    """Something from which calls come into the dialplan: a trunk or a telephone."""

    name: str
    """As a channel's name begins: PJSIP/telkom."""
    context: str
    trunk: bool
    """Whether it looks like a trunk: it need not log in, or we log in there, or it has a fixed address."""


@dataclass(frozen=True, slots=True)
class PbxInside:
    """What an AMI user is shown who has `write = reporting`."""

    files: PbxFiles | None
    """None if Asterisk does not read them to us (its func_config is not loaded)."""
    contexts: Contexts
    """As loaded: the trunks', the menus', the queues' and ours, and all into which a call may go then."""
    agi: str
    """The global SIAGA_AGI; '' if it is not set."""
    data_dir: str
    """Asterisk's astdatadir, in which `sounds` is."""
    confirm: str = ""
    """The global SIAGA_CONFIRM; '' if it is not set."""
    trust: str = ""
    """The global SIAGA_TRUST; '' if it is not set."""
    reach: frozenset[str] | None = None
    """Modules that are loaded and let Getvar reach beyond the calls; None if it does not tell."""
    sources: tuple[Source, ...] | None = None
    """As loaded; None if the PBX does not show them."""
    unseen: tuple[str, ...] = ()
    """Channel drivers that are loaded and do not show theirs."""
    all_shown: bool = True
    """Whether those are among them that were added since the PBX began, and have had no call."""
    elsewhere: Contexts = field(default_factory=dict)
    """The contexts of the sources that look like trunks and that the configuration does not name."""
    config_dir: str = ""
    """Asterisk's astetcdir."""
    freepbx: bool = False
    """Whether FreePBX writes its files."""


UNREACHED: Final = frozenset({4, 5})
"""Of device states: no such telephone, and one that is not registered or does not answer."""


@dataclass(frozen=True, slots=True)
class Member:
    """An operator who is logged in to a queue."""

    place: str
    """The interface that is dialled."""
    name: str = ""
    state: int | None = 1
    """Of the telephone, by Asterisk's numbers (devicestate.h); None if the PBX does not show it."""
    paused: bool = False


@dataclass(frozen=True, slots=True)
class PbxSeen:
    """A PBX that let us in."""

    version: str
    ahead: Millis | None
    """How far its clock is ahead of ours."""
    booted: bool
    """Whether FullyBooted came at the login."""
    queues: Mapping[str, tuple[Member, ...]] | None
    """Queue → its members."""
    inside: PbxInside | None
    actions: frozenset[str] = frozenset()
    """What the user may ask for, by the PBX's own word."""
    up: Millis | None = None
    """How long ago it began; None if it does not tell."""
    reloaded: Millis | None = None
    """How long ago it last read a module's configuration anew, or began."""


@dataclass(frozen=True, slots=True)
class NotSeen:
    """Something that did not let itself be examined, and what it or the network said."""

    why: str
    refused: bool = False
    """It answered, but did not let us in."""


@dataclass(frozen=True, slots=True)
class RedisServerSeen:
    """One server that holds our data."""

    append_only: bool
    last_write_failed: bool
    eviction: str
    memory_limit: int
    """Its maxmemory, or else the machine's memory; 0 if it tells neither."""
    used: int = 0
    limited: bool = False
    """Whether that is its maxmemory."""
    follows: bool = False
    """Whether it only copies another, and takes no writes."""


@dataclass(frozen=True, slots=True)
class RedisSeen:
    """A Redis that answers; what its rights did not let us see is None."""

    servers: tuple[RedisServerSeen, ...] | None
    ahead: Millis | None
    lacking: tuple[str, ...] | None
    """What siaga112 does and the user may not."""
    excessive: tuple[str, ...] | None
    """What siaga112 never does and the user may."""
    mode: Mode | None
    older: bool = False
    """Whether there is anything that siaga112 before 0.1.0 kept there."""
    carried: bool = False
    """Whether that was carried over into the database."""


@dataclass(frozen=True, slots=True)
class Growth:
    """How much is in the records, and how fast it becomes more."""

    calls: int
    week: int
    """Of them, those of the last seven days."""
    age: Millis
    """How long ago the first of them came."""
    size: int
    """Bytes of all, as they lie there."""
    standings: int
    """Callers of whom verdicts must know."""
    new_standings: int
    """Callers with whom the last seven days' strikes are the first."""


@dataclass(frozen=True, slots=True)
class RoomSeen:
    """A file system."""

    free: int
    """Bytes for users other than root."""
    files: int | None
    """How many more files there may be; None if it has no bound."""


@dataclass(frozen=True, slots=True)
class TrunksSeen:
    """How many numbers misused the line over several trunks in the last 7 days, and over which."""

    numbers: int
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DatabaseSeen:
    """A database that answers."""

    version: str
    """Of the tables; '' if there are none."""
    known: bool
    """Whether that is this program's."""
    read_only: bool
    """Whether it follows another, and takes no writes."""
    unsafe: tuple[str, ...]
    """Settings of the server by which what it acknowledged can be lost."""
    server: str = ""
    """What it is, with its version."""
    old: bool = False
    """Whether that is older than what we need."""
    only_reads: bool = False
    """Whether its setting is to take no writes."""
    lacking: tuple[str, ...] = ()
    """What we do and the user may not, as `INSERT on call`."""
    people: bool = False
    """Whether somebody may use the console."""
    mode: Mode | None = None
    """What somebody has switched the site to, as the records have it."""
    growth: Growth | None = None
    """None where it cannot be reckoned in time."""
    trunks: TrunksSeen | None = None
    """None if the tables are not this program's."""


@dataclass(frozen=True, slots=True)
class AgiSeen:
    """What the dialplan would have got for a caller who withholds the number."""

    variables: Mapping[str, str]
    took: Millis
    stranger: str = ""
    """The user of this machine who holds the port, if it is neither siaga112's, root nor who asks."""


class Flaw(StrEnum):
    """What is wrong with a certificate."""

    UNREADABLE = "unreadable"
    KEY = "key"
    """Its key is another's."""
    EXPIRED = "expired"
    EARLY = "early"
    """Its days have not begun."""
    NAME = "name"
    """It is for another name."""
    STALE = "stale"
    """The console began before it was there."""
    OPEN = "open"
    """Everybody may read its key."""
    UNSEEN = "unseen"
    """Who shows it is not to be reached from here."""
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class CertificateSeen:
    """A certificate: what is wrong with it, if anything, and in what words."""

    flaw: Flaw | None
    detail: str
    """Its names, or the file, or what OpenSSL says."""
    left: Millis = 0
    """How long it is valid still."""


@dataclass(frozen=True, slots=True)
class ConsoleSeen:
    """The console's port."""

    why: str
    """Why nobody answers; '' if somebody does."""
    ours: bool
    """Whether it is a console that answers."""
    stranger: str = ""
    """The user of this machine who holds the port, if it is neither siaga112's, root nor who asks."""
    certificate: CertificateSeen | None = None
    """None where there is none."""


@dataclass(frozen=True, slots=True)
class DaemonSeen:
    """The daemon's `/readyz`: each part and whether it is ready."""

    parts: Mapping[str, bool]


@dataclass(frozen=True, slots=True)
class FollowedSeen:
    """What the metrics say of the calls that were screened."""

    started: float
    """When the process began, in seconds."""
    asked: int
    """About how many calls the dialplan has asked since then."""
    seen: int
    """How many the PBX's events have shown as screened since then."""
    unfollowed: Mapping[str, int]
    """How many of these came in a context that is no trunk's, by its name."""


@dataclass(frozen=True, slots=True)
class HostSeen:
    """Files and folders, as the user sees them who runs the doctor."""

    state_dir: str
    """What is wrong with it; '' for nothing."""
    state_dir_open: bool
    """Whether users of the machine who have nothing to do with it may look in."""
    readable_secret: bool
    """Whether the configuration file holds a secret and everybody may read it."""
    queue_log: str
    """Why it cannot be read; '' if it can, or if none is named."""
    missing_prompts: Mapping[str, tuple[str, ...]] | None
    """Language → the prompts that Asterisk would not find; None if its sounds are not on this machine."""
    damaged: tuple[str, ...] = ()
    """Files of the state directory that could not be read at a start, and were set aside."""
    running: Mapping[str, Changed] = field(default_factory=dict)
    """Of each daemon that runs here, by its half: what the configuration says otherwise by now."""
    ami_bound: tuple[str, ...] | None = None
    """On which addresses of this machine somebody listens at the AMI's port; None if the PBX is elsewhere."""
    edited: Mapping[str, Millis] | None = None
    """How long ago Asterisk's files were edited, with all that they include; None if they are not here."""
    room: RoomSeen | None = None
    """Of the file system of the state directory."""
    synchronised: bool | None = None
    """Whether this machine's clock is kept by another; None if nobody here tells."""
    open_secrets: tuple[str, ...] = ()
    """Further files that hold a secret and that everybody may read."""
    queue_log_age: Millis | None = None
    """How long ago the queue_log was written; None if it cannot be seen."""


@dataclass(frozen=True, slots=True)
class Shipped:
    """What our own files say."""

    contexts: Contexts
    filters: tuple[str, ...]
    keys: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the configuration says, as far as it can be checked."""

    config: str
    ami: str
    ami_host: str
    username: str
    secret: str = field(repr=False)
    trunk_contexts: tuple[str, ...]
    numbers: tuple[str, ...]
    ivr_contexts: tuple[str, ...]
    queues: tuple[str, ...]
    queue_log: str
    agi_host: str
    agi_port: int
    deadline: Millis
    metrics: str
    redis: str
    """The address, its passwords masked."""
    embedded: bool
    database: str
    """The address, its password masked; '' for the file in the state directory."""
    state_dir: str
    mode: Mode
    spoken: bool = False
    """Whether marks are to be spoken to the operator (`[operators] confirm`)."""
    held: Mode | None = None
    """`off`, if the switch that needs nobody is in the state directory."""
    places: Places = PLAIN
    """Where on this PBX what is to be put: FreePBX writes some files itself."""
    ami_port: int = 5038
    console: str = "127.0.0.1:8112"
    """Where the console listens."""
    console_address: str = ""
    """What browsers have."""
    console_tls: bool = False
    console_proxied: bool = False
    """Whether a proxy's word is taken, which then does TLS."""
    screen_metrics: str = ""
    """Where the screening half shows its own, if it runs apart; '' where that is no other port."""
    keep_calls: Millis = 400 * DAY
    """How long the ledger goes back at most."""
    unattested: float = 1.0
    """As how much a call counts whose number nobody vouches for."""
    trunk_burst: Millis = 0
    """So close together calls of one number over several trunks count for nothing."""


@dataclass(frozen=True, slots=True)
class Examined:
    """All that was found."""

    wanted: Wanted
    shipped: Shipped
    pbx: PbxSeen | NotSeen
    redis: RedisSeen | NotSeen
    database: DatabaseSeen | NotSeen
    agi: AgiSeen | NotSeen
    daemon: DaemonSeen | NotSeen
    followed: FollowedSeen | NotSeen
    host: HostSeen
    console: ConsoleSeen | NotSeen = NotSeen("not asked")
    screening: DaemonSeen | NotSeen = NotSeen("not asked")
    """The half that is asked, where it runs apart."""
