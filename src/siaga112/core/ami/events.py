"""What the manager interface tells, as typed events: Asterisk's under its own names, and a few of ours.

`parser` makes them of messages. What is not of the form that Asterisk writes is `Malformed`.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from siaga112.core.model import Mark, Millis, OperatorState


class Defect(StrEnum):
    """What is wrong with a message; a closed set, since it is a metric label."""

    NOT_A_HEADER = "not_a_header"
    ORDER = "order"
    DUPLICATE = "duplicate"
    INCOMPLETE = "incomplete"
    VALUE = "value"
    TOO_LONG = "too_long"


@dataclass(frozen=True, slots=True)
class Malformed:
    """A message that is not of the form Asterisk writes."""

    defect: Defect


@dataclass(frozen=True, slots=True)
class DialplanPosition:
    """Where in the dialplan a channel stands."""

    context: str
    exten: str
    priority: str


NOWHERE: Final = DialplanPosition("", "", "")


@dataclass(frozen=True, slots=True)
class Newchannel:
    """A channel appears (Newchannel). One that begins ringing arrives; any other may be made by the PBX."""

    at: Millis
    uid: str
    channel: str
    place: DialplanPosition
    number: str
    rings: bool


@dataclass(frozen=True, slots=True)
class Newstate:
    """A channel that began otherwise rings now (Newstate): it arrives. One that is called never does."""

    at: Millis
    uid: str


@dataclass(frozen=True, slots=True)
class Newexten:
    """A channel executes one dialplan application (Newexten).

    `leads_to` is the context that a `Goto` names; what an `ExecIf` executes stands for the `ExecIf`
    (see `menus.runs`). `prompts`: it asks for a key, and says so first.
    """

    at: Millis
    uid: str
    place: DialplanPosition
    application: str
    leads_to: str = ""
    prompts: bool = False


@dataclass(frozen=True, slots=True)
class VarSet:
    """A channel variable gets a value (VarSet)."""

    at: Millis
    uid: str
    name: str
    value: str
    channel: str = ""


@dataclass(frozen=True, slots=True)
class QueueCallerJoin:
    """A caller enters a queue (QueueCallerJoin)."""

    at: Millis
    uid: str
    place: DialplanPosition
    queue: str
    channel: str = ""


@dataclass(frozen=True, slots=True)
class DialBegin:
    """A leg is being rung for a channel that stands at `place` (DialBegin); for none, by a click.

    `numbers` is what may be the number that was dialled, the likeliest first; `channel` and
    `leg_channel` are the names of the two channels.
    """

    at: Millis
    uid: str
    place: DialplanPosition
    leg: str
    numbers: tuple[str, ...] = ()
    channel: str = ""
    leg_channel: str = ""


@dataclass(frozen=True, slots=True)
class AgentConnect:
    """A queue member took the call (AgentConnect): its interface, and its name in the queue."""

    at: Millis
    uid: str
    leg: str
    queue: str
    interface: str = ""
    member: str = ""


@dataclass(frozen=True, slots=True)
class Dtmf:
    """A key is pressed on a channel's telephone (DTMFBegin, DTMFEnd). Which one is not read."""

    at: Millis
    uid: str


@dataclass(frozen=True, slots=True)
class BlindTransfer:
    """Somebody sends a channel on to an extension, without having asked there (BlindTransfer)."""

    at: Millis
    uid: str
    target: str


@dataclass(frozen=True, slots=True)
class AttendedTransfer:
    """Somebody connects a channel with whom he has called before (AttendedTransfer).

    `talking`: whoever was called had answered.
    """

    at: Millis
    uid: str
    target: str
    talking: bool


@dataclass(frozen=True, slots=True)
class BridgeEnter:
    """A channel enters a bridge; `two_way` is False for holding, parking and the like.

    `machine`: by its name the channel is an announcer, a recorder, or a stream to a program.
    """

    at: Millis
    uid: str
    bridge: str
    two_way: bool
    machine: bool = False
    channel: str = ""


@dataclass(frozen=True, slots=True)
class BridgeLeave:
    """A channel leaves a bridge."""

    at: Millis
    uid: str
    bridge: str


@dataclass(frozen=True, slots=True)
class HangupRequest:
    """The far end of a channel hung up (HangupRequest); a dialplan `Hangup()` produces none."""

    at: Millis
    uid: str
    place: DialplanPosition


@dataclass(frozen=True, slots=True)
class Hangup:
    """A channel ends (Hangup), with its Q.850 cause."""

    at: Millis
    uid: str
    place: DialplanPosition
    cause: str


@dataclass(frozen=True, slots=True)
class SiagaMark:
    """An operator's mark (UserEvent SiagaMark), by a key during the call or by a number dialled after it.

    `uid` is the caller's channel, from the header Call: '' after the call. `leg` and `channel` are the
    operator's.
    """

    at: Millis
    uid: str
    mark: Mark
    leg: str = ""
    channel: str = ""


@dataclass(frozen=True, slots=True)
class FullyBooted:
    """Asterisk is ready for this session (FullyBooted); `uptime` in seconds tells of a restart."""

    at: Millis
    uptime: int


@dataclass(frozen=True, slots=True)
class Shutdown:
    """Asterisk is about to go (Shutdown)."""

    at: Millis


@dataclass(frozen=True, slots=True)
class CoreShowChannel:
    """A channel that exists now (CoreShowChannel), as asked for after a reconnect."""

    uid: str
    linkedid: str
    channel: str
    place: DialplanPosition
    application: str
    number: str


@dataclass(frozen=True, slots=True)
class Interrupted:
    """Events were lost (ours: the connection, or the reader could not keep up)."""

    at: Millis
    cause: str


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """The PBX's clock is off from here on (ours), so far `ahead` of our own; 0: it is right again."""

    at: Millis
    ahead: Millis


@dataclass(frozen=True, slots=True)
class Resumed:
    """Following again: these channels exist now."""

    at: Millis
    channels: tuple[CoreShowChannel, ...]


@dataclass(frozen=True, slots=True)
class QueueMember:
    """A queue's member as it is now (QueueMember); `state` None: not logged in, or its phone is away.

    `name`: what the queue calls it, '' where that is the interface. `reason`: why it is paused, '' where
    none is given. `since`: when it was paused, 0 where that is not known.
    """

    queue: str
    interface: str
    state: OperatorState | None
    name: str = ""
    reason: str = ""
    since: Millis = 0


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """A caller who waits in a queue now (QueueEntry), and since when."""

    queue: str
    uid: str
    since: Millis


@dataclass(frozen=True, slots=True)
class QueueStatus:
    """The queues as they are now (QueueStatus), as asked for at the beginning and every few seconds.

    `queues` are those that the PBX has, also without a member.
    """

    at: Millis
    queues: tuple[str, ...]
    members: tuple[QueueMember, ...]
    waiting: tuple[QueueEntry, ...]


Event = (
    Newchannel
    | Newstate
    | Newexten
    | VarSet
    | QueueCallerJoin
    | DialBegin
    | AgentConnect
    | Dtmf
    | BlindTransfer
    | AttendedTransfer
    | BridgeEnter
    | BridgeLeave
    | HangupRequest
    | Hangup
    | SiagaMark
    | FullyBooted
    | Shutdown
    | Interrupted
    | ClockOffset
    | Resumed
    | QueueStatus
)
