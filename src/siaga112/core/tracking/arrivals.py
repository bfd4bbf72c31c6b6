"""Arrivals: tell incoming calls from channels that the PBX creates itself.

The state in which a channel is created is not enough. A channel created *ringing* (pjsip, IAX2, DAHDI) is
incoming. But chan_sip, and DAHDI with overlap dialling, create incoming and outgoing channels in the same
state, and an incoming one rings a moment later. Such a channel is a candidate. It becomes a call, with its
original start time, when it does something that only an incoming channel does: it rings, is screened, asks
in a menu, joins a queue or dials. A dialled channel is not a call: for `Dial`, a queue, an originated call
and a call-back, DialBegin names it as the destination before it runs any dialplan.
docs/decisions/arriving-by-deed.md describes each channel driver.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Final

from siaga112.core.ami.events import DialplanPosition, Newchannel
from siaga112.core.model import CallId, Fact, FactKind
from siaga112.core.rules import InForce
from siaga112.core.text import whole
from siaga112.core.tracking.tracked_call import TrackedCall

DONE_KEPT: Final = 4_096
"""Maximum number of ended or foreign channels remembered, so that a late event does not start a new call."""

CANDIDATES_KEPT: Final = 4_096
"""Maximum number of candidates. Above it the oldest is dropped: AMI never reported its end."""

CONTEXTS_KEPT: Final = 2
"""Maximum number of contexts named in `Screened.unfollowed`."""

OTHER: Final = "other"
"""The key in `Screened.unfollowed` for all further contexts."""


def trunk_of(channel: str) -> str:
    """Return the trunk of a channel as driver and trunk name, like `PJSIP/telkom`; '' if it has none.

    The channel's sequence number is left out, and so is the phone number that DAHDI puts into its channel
    names. All analogue DAHDI lines are one trunk.
    """
    driver, _, rest = channel.partition("/")
    if driver == "DAHDI":
        span = rest.partition("/")[0]
        return f"{driver}/{span}" if span[:1] == "i" and whole(span[1:]) is not None else driver
    name = rest.rpartition("-")[0]
    return f"{driver}/{name}" if name and driver != "Local" else ""


class Screened:
    """Counts the channels that the dialplan screened, tracked as a call or not.

    `unfollowed` counts, by context, screened channels that are not tracked because their context is not a
    configured trunk context: they got a verdict but are in no ledger.
    """

    def __init__(self) -> None:
        self.calls = 0
        self.unfollowed: Counter[str] = Counter()

    def follow_not(self, context: str) -> None:
        """Count a screened channel that is not tracked."""
        known = context in self.unfollowed or len(self.unfollowed) < CONTEXTS_KEPT
        self.unfollowed[context if known else OTHER] += 1


class Arrivals:
    """Holds each new channel until it is known to be a call or not."""

    def __init__(self, rules: InForce) -> None:
        self._rules = rules
        self._candidates: dict[str, TrackedCall] = {}
        self._done: dict[str, str | None] = {}
        self.screened: Final = Screened()

    def __len__(self) -> int:
        return len(self._candidates)

    def __contains__(self, uid: object) -> bool:
        """Return whether a channel may still turn out to be a call."""
        return uid in self._candidates

    def created(self, event: Newchannel) -> TrackedCall | None:
        """Take a new channel; return its call if it is already known to be one."""
        self.forget(event.uid)
        context = event.place.context
        if not self._comes_in(event.channel, event.place):
            named = context in self._rules.now.dialplan.trunk_contexts or event.channel.startswith("Local/")
            self._remember(event.uid, "" if named else context)
            return None
        arrived = Fact(event.at, FactKind.ARRIVED, context)
        call = TrackedCall(
            CallId(event.uid), event.channel, event.number, [arrived], called=event.place.exten
        )
        if event.rings:
            return call
        self._candidates[event.uid] = call
        if len(self._candidates) > CANDIDATES_KEPT:
            del self._candidates[next(iter(self._candidates))]
        return None

    def proven(self, uid: str) -> TrackedCall | None:
        """Return the candidate's call, because it did something that only an incoming channel does."""
        return self._candidates.pop(uid, None)

    def dialled(self, leg: str) -> None:
        """Record that this channel was dialled: it is not a call, whatever dialplan it runs."""
        self._candidates.pop(leg, None)
        self._remember(leg, "")

    def ended(self, uid: str) -> None:
        """Remember that a call has ended or must not be tracked."""
        self._candidates.pop(uid, None)
        self._remember(uid, None)

    def gone(self, uid: str) -> None:
        """Record the end of a channel that was not tracked as a call."""
        if self._candidates.pop(uid, None):
            self._remember(uid, None)

    def forget(self, uid: str) -> None:
        """Forget a uniqueid that a new channel now uses."""
        self._candidates.pop(uid, None)
        self._done.pop(uid, None)

    def candidates(self) -> Iterable[TrackedCall]:
        """Return the channels that may still prove to be calls."""
        return self._candidates.values()

    def unsure(self) -> None:
        """Forget all candidates: the lost events may include the DialBegin of any of them."""
        self._candidates.clear()

    def is_known(self, uid: str) -> bool:
        """Return whether this channel has ended or is known not to be a call."""
        return uid in self._done

    def stranger_screened(self, uid: str) -> None:
        """Count, once per channel, that the dialplan screened a channel that is not a tracked call."""
        context = self._done.get(uid)
        if context is None:
            return
        self._done[uid] = None
        self.screened.calls += 1
        if context:
            self.screened.follow_not(context)

    def _comes_in(self, channel: str, place: DialplanPosition) -> bool:
        dialled = self._rules.now.dialplan.dialled
        return (
            place.context in self._rules.now.dialplan.trunk_contexts
            # A leg that the PBX creates may have no extension to run.
            and place.exten != ""
            and not channel.startswith("Local/")
            and (not dialled or place.exten in dialled)
        )

    def _remember(self, uid: str, context: str | None) -> None:
        """Remember a channel that is not a call.

        `context`: the context to count under if the channel is screened; '' to count it without a context;
        None not to count it.
        """
        self._done[uid] = context
        if len(self._done) > DONE_KEPT:
            del self._done[next(iter(self._done))]
