"""Which channels are calls that arrive, and which the PBX makes itself.

The state in which a channel begins is not enough. One that begins *ringing* (pjsip, IAX2, DAHDI) arrives.
But chan_sip, and DAHDI with overlap dialling, create an arriving channel as they create one that calls
out, and let it ring a moment later. Such a channel is kept as a candidate, and becomes a call, from its
beginning on, by something that only an arriving one does: it rings, it is screened, it asks in a menu,
it joins a queue, it dials. A channel that somebody dials is none: `Dial`, a queue, an originated call
and a call-back all announce that (DialBegin names it as the destination) before it runs any dialplan.
docs/decisions/arriving-by-deed.md has what each channel driver does.
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
"""How many channels that ended, or are no calls of ours, are remembered: no late event begins one anew."""

CANDIDATES_KEPT: Final = 4_096
"""How many channels wait to be told apart; beyond that the oldest is forgotten (its end was never told)."""

CONTEXTS_KEPT: Final = 2
"""How many contexts are named in `Screened.unfollowed`."""

OTHER: Final = "other"
"""The calls of all further contexts."""


def trunk_of(channel: str) -> str:
    """Name the trunk that a channel belongs to: its driver and the trunk's name there, like `PJSIP/telkom`.

    What the PBX numbers channels by is left out, and the number that DAHDI puts into its channels' names; its
    analogue lines are one trunk. '' for what is none.
    """
    driver, _, rest = channel.partition("/")
    if driver == "DAHDI":
        span = rest.partition("/")[0]
        return f"{driver}/{span}" if span[:1] == "i" and whole(span[1:]) is not None else driver
    name = rest.rpartition("-")[0]
    return f"{driver}/{name}" if name and driver != "Local" else ""


class Screened:
    """How many channels the dialplan was seen to screen, followed as a call or not.

    `unfollowed` counts by the context in which it arrived each that is no call of ours because that context
    is not among the trunks': it was judged, and is in no ledger.
    """

    def __init__(self) -> None:
        self.calls = 0
        self.unfollowed: Counter[str] = Counter()

    def follow_not(self, context: str) -> None:
        """Count one that is not followed."""
        known = context in self.unfollowed or len(self.unfollowed) < CONTEXTS_KEPT
        self.unfollowed[context if known else OTHER] += 1


class Arrivals:
    """Tells arriving channels from all others, until each is followed as a call or known to be none."""

    def __init__(self, rules: InForce) -> None:
        self._rules = rules
        self._candidates: dict[str, TrackedCall] = {}
        self._done: dict[str, str | None] = {}
        self.screened: Final = Screened()

    def __len__(self) -> int:
        return len(self._candidates)

    def __contains__(self, uid: object) -> bool:
        """Say whether a channel may yet turn out to be a call."""
        return uid in self._candidates

    def created(self, event: Newchannel) -> TrackedCall | None:
        """Take a new channel; give the call if it is one already."""
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
        """Give the call that a channel is, now that it did what only an arriving one does."""
        return self._candidates.pop(uid, None)

    def dialled(self, leg: str) -> None:
        """Take it that somebody dials this channel: it is no call, whatever dialplan it runs."""
        self._candidates.pop(leg, None)
        self._remember(leg, "")

    def ended(self, uid: str) -> None:
        """Remember that a call is over, or is not to be followed."""
        self._candidates.pop(uid, None)
        self._remember(uid, None)

    def gone(self, uid: str) -> None:
        """Take it that a channel ended that was no call, or of which nothing was seen."""
        if self._candidates.pop(uid, None):
            self._remember(uid, None)

    def forget(self, uid: str) -> None:
        """Begin anew with a uniqueid that is another channel's now."""
        self._candidates.pop(uid, None)
        self._done.pop(uid, None)

    def candidates(self) -> Iterable[TrackedCall]:
        """Give the channels that may yet prove to be calls."""
        return self._candidates.values()

    def unsure(self) -> None:
        """Forget all candidates: that one was dialled may have been among the events that were lost."""
        self._candidates.clear()

    def is_known(self, uid: str) -> bool:
        """Say whether this channel is over, or known to be no call."""
        return uid in self._done

    def stranger_screened(self, uid: str) -> None:
        """Take it that the dialplan screens a channel that is no call of ours; each counts once."""
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
            # A leg that the PBX itself makes may have no extension to run.
            and place.exten != ""
            and not channel.startswith("Local/")
            and (not dialled or place.exten in dialled)
        )

    def _remember(self, uid: str, context: str | None) -> None:
        """Remember a channel: where it came in if it is to be told should it be screened, else '' or None."""
        self._done[uid] = context
        if len(self._done) > DONE_KEPT:
            del self._done[next(iter(self._done))]
