"""What an examination observes, before it is judged. `None` means "could not be seen"."""

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
    """A dialplan context: its extensions, each with its steps in order, and its includes."""

    extensions: Mapping[str, tuple[Step, ...]]
    includes: tuple[str, ...] = ()


Contexts = Mapping[str, Context]


@dataclass(frozen=True, slots=True)
class ManagerUser:
    """The AMI user in manager.conf and its includes."""

    read: frozenset[str]
    write: frozenset[str]
    write_timeout: str
    filters: tuple[str, ...]
    deny: tuple[str, ...] = ()
    permit: tuple[str, ...] = ()
    acl: str = ""
    """A named list in acl.conf that overrides them."""


@dataclass(frozen=True, slots=True)
class PbxFiles:
    """The content of Asterisk's configuration files, includes resolved."""

    user: ManagerUser | None
    """None if manager.conf does not have it."""
    timestamps: str
    """`timestampevents` of manager.conf."""
    bind_address: str
    """`bindaddr` of manager.conf; '' if it is not set."""
    keys: Mapping[str, str]
    """features.conf, [applicationmap]: the entries whose names we ship."""
    member_gosubs: Mapping[str, str]
    """Queue → its `membergosub` in queues.conf; '' if it has none."""
    port: int = 5038
    """The AMI's clear-text port (`port` in manager.conf), also when TLS is on."""
    web_address: str = ""
    """Where AMI over HTTP answers (`webenabled`, http.conf); '' if it is off."""


@dataclass(frozen=True, slots=True)
class Source:
    """A source of calls into the dialplan: a trunk or a telephone."""

    name: str
    """The prefix of its channels' names, such as PJSIP/telkom."""
    context: str
    trunk: bool
    """Whether it looks like a trunk: no login needed, or we register there, or a fixed address."""


@dataclass(frozen=True, slots=True)
class PbxInside:
    """What the PBX shows an AMI user with `write = reporting`."""

    files: PbxFiles | None
    """None if Asterisk cannot read them to us (func_config is not loaded)."""
    contexts: Contexts
    """As loaded: the contexts of trunks, menus, queues and ours, and all that calls can reach from them."""
    agi: str
    """The global SIAGA_AGI; '' if it is not set."""
    data_dir: str
    """Asterisk's astdatadir, the parent of `sounds`."""
    confirm: str = ""
    """The global SIAGA_CONFIRM; '' if it is not set."""
    trust: str = ""
    """The global SIAGA_TRUST; '' if it is not set."""
    reach: frozenset[str] | None = None
    """Loaded modules that let Getvar reach beyond calls; None if unknown."""
    sources: tuple[Source, ...] | None = None
    """As loaded; None if the PBX does not show them."""
    unseen: tuple[str, ...] = ()
    """Loaded channel drivers that do not list their sources."""
    all_shown: bool = True
    """Whether `sources` includes those added since the PBX started that have had no call."""
    elsewhere: Contexts = field(default_factory=dict)
    """Contexts of sources that look like trunks but are not in the configuration."""
    config_dir: str = ""
    """Asterisk's astetcdir."""
    freepbx: bool = False
    """Whether FreePBX writes its files."""


UNREACHED: Final = frozenset({4, 5})
"""Device states: no such telephone, and not registered or not answering."""


@dataclass(frozen=True, slots=True)
class Member:
    """An operator logged in to a queue."""

    place: str
    """The interface that is dialled."""
    name: str = ""
    state: int | None = 1
    """The telephone's device state (devicestate.h); None if the PBX does not show it."""
    paused: bool = False


@dataclass(frozen=True, slots=True)
class PbxSeen:
    """A PBX that accepted our login."""

    version: str
    ahead: Millis | None
    """How far its clock is ahead of ours."""
    booted: bool
    """Whether FullyBooted came at the login."""
    queues: Mapping[str, tuple[Member, ...]] | None
    """Queue → its members."""
    inside: PbxInside | None
    actions: frozenset[str] = frozenset()
    """The actions that the PBX says the user may use."""
    up: Millis | None = None
    """How long ago it started; None if unknown."""
    reloaded: Millis | None = None
    """How long ago it last reloaded a module, or started."""


@dataclass(frozen=True, slots=True)
class NotSeen:
    """A part that could not be examined, with the error it or the network gave."""

    why: str
    refused: bool = False
    """It answered, but rejected us."""


@dataclass(frozen=True, slots=True)
class RedisServerSeen:
    """One Redis server that stores our data."""

    append_only: bool
    last_write_failed: bool
    eviction: str
    memory_limit: int
    """Its maxmemory, else the machine's memory; 0 if both are unknown."""
    used: int = 0
    limited: bool = False
    """Whether `memory_limit` is its maxmemory."""
    follows: bool = False
    """Whether it is a replica and rejects writes."""


@dataclass(frozen=True, slots=True)
class RedisSeen:
    """A Redis that answers; what its ACL did not let us see is None."""

    servers: tuple[RedisServerSeen, ...] | None
    ahead: Millis | None
    lacking: tuple[str, ...] | None
    """Commands that siaga112 needs and the user lacks."""
    excessive: tuple[str, ...] | None
    """Commands that siaga112 never uses and the user has."""
    mode: Mode | None
    older: bool = False
    """Whether there is anything that siaga112 before 0.1.0 kept there."""
    carried: bool = False
    """Whether that was carried over into the database."""


@dataclass(frozen=True, slots=True)
class Growth:
    """The size of the records, and their growth."""

    calls: int
    week: int
    """Of these, the last seven days' calls."""
    age: Millis
    """The age of the oldest call."""
    size: int
    """Bytes on disk."""
    standings: int
    """Callers with a standing, which verdicts need."""
    new_standings: int
    """Callers whose first strike was in the last seven days."""


@dataclass(frozen=True, slots=True)
class RoomSeen:
    """A file system."""

    free: int
    """Bytes for users other than root."""
    files: int | None
    """Free inodes; None if unlimited."""


@dataclass(frozen=True, slots=True)
class TrunksSeen:
    """How many numbers misused the line over several trunks in the last 7 days, and which trunks."""

    numbers: int
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DatabaseSeen:
    """A database that answers."""

    version: str
    """The schema's version; '' if there are no tables."""
    known: bool
    """Whether it is this program's version."""
    read_only: bool
    """Whether it is a standby and rejects writes."""
    unsafe: tuple[str, ...]
    """Server settings that can lose acknowledged writes."""
    server: str = ""
    """The server's name and version."""
    old: bool = False
    """Whether it is older than we need."""
    newer: bool = False
    """Whether a later program made the tables."""
    only_reads: bool = False
    """Whether it is configured read-only."""
    lacking: tuple[str, ...] = ()
    """Privileges we need and the user lacks, such as `INSERT on call`."""
    people: bool = False
    """Whether any console user exists."""
    mode: Mode | None = None
    """The mode a person has switched the site to, from the records."""
    growth: Growth | None = None
    """None if it could not be counted in time."""
    trunks: TrunksSeen | None = None
    """None if the tables are another version's."""


@dataclass(frozen=True, slots=True)
class AgiSeen:
    """The verdict the dialplan would get for a caller who withholds the number."""

    variables: Mapping[str, str]
    took: Millis
    stranger: str = ""
    """The user of this machine who holds the port, if it is neither siaga112's, root nor who asks."""


class Flaw(StrEnum):
    """A fault of a certificate."""

    UNREADABLE = "unreadable"
    KEY = "key"
    """The key does not match."""
    EXPIRED = "expired"
    EARLY = "early"
    """Not valid yet."""
    NAME = "name"
    """Issued for another name."""
    STALE = "stale"
    """The console started before the file was replaced."""
    OPEN = "open"
    """The key is readable by everybody."""
    UNSEEN = "unseen"
    """Its server cannot be reached from here."""
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class CertificateSeen:
    """A certificate, with its fault, if any, and the detail."""

    flaw: Flaw | None
    detail: str
    """Its names, its file, or OpenSSL's message."""
    left: Millis = 0
    """The time until it expires."""


@dataclass(frozen=True, slots=True)
class ConsoleSeen:
    """The console's port."""

    why: str
    """Why nobody answers; '' if somebody does."""
    ours: bool
    """Whether what answers is a console."""
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
    """What the metrics say about screened calls."""

    started: float
    """When the process started, in seconds since the epoch."""
    asked: int
    """About how many calls the dialplan has asked about since then."""
    seen: int
    """How many screened calls the PBX's events have shown since then."""
    unfollowed: Mapping[str, int]
    """How many of these came in a context that is not a trunk's, by context."""


@dataclass(frozen=True, slots=True)
class HostSeen:
    """Files and folders, as seen by the user who runs the doctor."""

    state_dir: str
    """What is wrong with it; '' for nothing."""
    state_dir_open: bool
    """Whether unrelated users of the machine may read it."""
    readable_secret: bool
    """Whether the configuration file contains a secret and is readable by everybody."""
    queue_log: str
    """Why it cannot be read; '' if it can, or if none is configured."""
    missing_prompts: Mapping[str, tuple[str, ...]] | None
    """Language → the prompts that Asterisk would not find; None if its sounds are not on this machine."""
    damaged: tuple[str, ...] = ()
    """Files of the state directory that were unreadable at a start and were set aside."""
    running: Mapping[str, Changed] = field(default_factory=dict)
    """For each daemon running here, by half: the settings changed since it started."""
    ami_bound: tuple[str, ...] | None = None
    """On which addresses of this machine somebody listens at the AMI's port; None if the PBX is elsewhere."""
    edited: Mapping[str, Millis] | None = None
    """How long ago Asterisk's files and their includes were edited; None if they are not here."""
    room: RoomSeen | None = None
    """The state directory's file system."""
    synchronised: bool | None = None
    """Whether this machine's clock is synchronised; None if unknown."""
    open_secrets: tuple[str, ...] = ()
    """Other files that contain a secret and are readable by everybody."""
    queue_log_age: Millis | None = None
    """How long ago the queue_log was written; None if unknown."""


@dataclass(frozen=True, slots=True)
class Shipped:
    """What the files we ship say."""

    contexts: Contexts
    filters: tuple[str, ...]
    keys: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Wanted:
    """The configuration, as far as it can be checked."""

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
    """The address, passwords masked."""
    embedded: bool
    database: str
    """The address, password masked; '' for the file in the state directory."""
    state_dir: str
    mode: Mode
    spoken: bool = False
    """Whether marks are spoken to the operator (`[operators] confirm`)."""
    held: Mode | None = None
    """`off`, if the file `off` is in the state directory."""
    places: Places = PLAIN
    """Where each line belongs on this PBX: FreePBX generates some files itself."""
    ami_port: int = 5038
    console: str = "127.0.0.1:8112"
    """Where the console listens."""
    console_address: str = ""
    """The address that browsers use."""
    console_tls: bool = False
    console_proxied: bool = False
    """Whether a trusted proxy stands in front, which then does TLS."""
    screen_metrics: str = ""
    """The screening half's own metrics address, if it runs apart; '' if it is the same."""
    keep_calls: Millis = 400 * DAY
    """The retention of the ledger."""
    unattested: float = 1.0
    """The weight of a call whose number nobody vouches for."""
    trunk_burst: Millis = 0
    """Calls of one number this close together over several trunks do not count."""


@dataclass(frozen=True, slots=True)
class Examined:
    """All observations."""

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
    """The screening half, where it runs apart."""
