"""Typed AMI events, under Asterisk's own names, and a few internal events.

`parser` builds them from messages. A message that Asterisk would not write in that form is `Malformed`.
"""

from typing import Final

from siaga112.core.ami.defects import Defect
from siaga112.core.model import Mark, Millis, OperatorState
from siaga112.core.values import value


@value
class Malformed:
    """A message that does not have the form that Asterisk writes."""

    defect: Defect


@value
class DialplanPosition:
    """A channel's place in the dialplan."""

    context: str
    exten: str
    priority: str


NOWHERE: Final = DialplanPosition("", "", "")


@value
class Newchannel:
    """A channel was created (Newchannel). `rings`: it is incoming; otherwise the PBX may have created it."""

    at: Millis
    uid: str
    channel: str
    place: DialplanPosition
    number: str
    rings: bool


@value
class Newstate:
    """A channel now rings (Newstate), so it is incoming. A dialled channel never gets this state."""

    at: Millis
    uid: str


@value
class Newexten:
    """A channel executes a dialplan application (Newexten).

    `application` is what an `ExecIf` executes, not the `ExecIf` itself (see `menus.runs`). `leads_to` is the
    context that a `Goto` names. `prompts`: it plays a prompt and asks for a key.
    """

    at: Millis
    uid: str
    place: DialplanPosition
    application: str
    leads_to: str = ""
    prompts: bool = False


@value
class VarSet:
    """A channel variable was set (VarSet)."""

    at: Millis
    uid: str
    name: str
    value: str
    channel: str = ""


@value
class QueueCallerJoin:
    """A caller joined a queue (QueueCallerJoin)."""

    at: Millis
    uid: str
    place: DialplanPosition
    queue: str
    channel: str = ""


@value
class DialBegin:
    """The PBX dials a leg for a channel at `place` (DialBegin). `uid` is '' for an originated call.

    `numbers`: candidates for the dialled number, the most likely first. `channel` and `leg_channel`: the
    names of the two channels.
    """

    at: Millis
    uid: str
    place: DialplanPosition
    leg: str
    numbers: tuple[str, ...] = ()
    channel: str = ""
    leg_channel: str = ""


@value
class AgentConnect:
    """A queue member took the call (AgentConnect): its interface, and its name in the queue."""

    at: Millis
    uid: str
    leg: str
    queue: str
    interface: str = ""
    member: str = ""


@value
class Dtmf:
    """Somebody pressed a key on a channel's telephone (DTMFBegin, DTMFEnd). The digit is not read."""

    at: Millis
    uid: str


@value
class BlindTransfer:
    """A blind transfer of a channel to an extension (BlindTransfer)."""

    at: Millis
    uid: str
    target: str


@value
class AttendedTransfer:
    """An attended transfer of a channel (AttendedTransfer). `talking`: the target had answered.

    A phone may transfer either of its two calls to the other, so the caller may be the target: `other` is the
    target's channel, `asked` the number of `uid`.
    """

    at: Millis
    uid: str
    target: str
    talking: bool
    other: str = ""
    asked: str = ""


@value
class BridgeEnter:
    """A channel entered a bridge (BridgeEnter). `two_way` is False for holding, parking and the like.

    `machine`: the channel is an announcer, a recorder or a stream to a program, judged by its name.
    """

    at: Millis
    uid: str
    bridge: str
    two_way: bool
    machine: bool = False
    channel: str = ""


@value
class BridgeLeave:
    """A channel left a bridge (BridgeLeave)."""

    at: Millis
    uid: str
    bridge: str


@value
class HangupRequest:
    """The far end of a channel hung up (HangupRequest). A dialplan `Hangup()` does not cause this event."""

    at: Millis
    uid: str
    place: DialplanPosition


@value
class Hangup:
    """A channel ended (Hangup), with its Q.850 cause."""

    at: Millis
    uid: str
    place: DialplanPosition
    cause: str


@value
class SiagaMark:
    """An operator's mark (UserEvent SiagaMark), from a key during the call or a number dialled after it.

    `uid`: the caller's channel from the header Call, '' after the call. `leg` and `channel`: uniqueid and
    name of the operator's channel.
    """

    at: Millis
    uid: str
    mark: Mark
    leg: str = ""
    channel: str = ""


@value
class FullyBooted:
    """Asterisk is ready for this AMI session (FullyBooted). `uptime`, in seconds, reveals a restart."""

    at: Millis
    uptime: int


@value
class Shutdown:
    """Asterisk is about to stop (Shutdown)."""

    at: Millis


@value
class CoreShowChannel:
    """A channel that exists now (CoreShowChannel), as listed after a reconnect."""

    uid: str
    linkedid: str
    channel: str
    place: DialplanPosition
    application: str
    number: str


@value
class Interrupted:
    """Events were lost: the connection broke, or the reader could not keep up. An internal event."""

    at: Millis
    cause: str


@value
class ClockOffset:
    """The PBX's clock is `ahead` of ours, in milliseconds; 0: it is right again. An internal event."""

    at: Millis
    ahead: Millis


@value
class Resumed:
    """Tracking resumes after an interruption: these channels exist now. An internal event."""

    at: Millis
    channels: tuple[CoreShowChannel, ...]


@value
class QueueMember:
    """A queue member as it is now (QueueMember). `state` is None if its phone is not available.

    `name`: the member name, '' if it is the interface. `reason`: why it is paused, '' if unknown. `since`:
    when it was paused, 0 if unknown.
    """

    queue: str
    interface: str
    state: OperatorState | None
    name: str = ""
    reason: str = ""
    since: Millis = 0


@value
class QueueEntry:
    """A caller who waits in a queue (QueueEntry), and since when."""

    queue: str
    uid: str
    since: Millis


@value
class QueueStatus:
    """The queues as they are now (QueueStatus), polled at the start and every few seconds.

    `queues`: the names of all queues of the PBX, including those without a member.
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
