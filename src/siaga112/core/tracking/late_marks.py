"""Late marks: the last call that each operator's phone answered, to be marked after it has ended."""

from collections import Counter
from dataclasses import replace
from typing import Final

from siaga112.core.model import HOUR, Call, CallId, Fact, FactKind, Mark, Millis
from siaga112.core.names import same_phone

KEPT: Final[Millis] = HOUR
"""How long after its end a call can be marked from the phone that answered it, in milliseconds."""

PHONES_KEPT: Final = 1_000
"""Maximum number of phones remembered. Above it the phone whose last answer is oldest is dropped."""


class LateMarks:
    """The last call that each phone answered."""

    def __init__(self) -> None:
        self._last: dict[str, CallId] = {}
        self._phones: Counter[CallId] = Counter()
        """For each call, the number of phones that answered it last."""
        self._over: dict[CallId, Call] = {}

    def answered(self, phone: str, call: CallId) -> None:
        """Record that a phone answered this call."""
        if phone in self._last:
            self._forget(phone)
        self._last[phone] = call
        self._phones[call] += 1
        if len(self._last) > PHONES_KEPT:
            self._forget(next(iter(self._last)))

    def ended(self, call: Call) -> None:
        """Keep an ended call if it is the last call of any phone."""
        if call.id in self._phones:
            self._over[call.id] = call

    def last_of(self, phone: str) -> CallId:
        """Return the id of the last call that a phone answered; '' if none is known."""
        return self._last.get(phone, CallId(""))

    def mark(self, phone: str, mark: Mark, at: Millis) -> Call | None:
        """Mark the last call that a phone answered, after its end; return the marked call.

        Return None if there is no such call, if it ended more than `KEPT` ago, if its caller had hung up when
        the phone was picked up, or if the event is a repeat.
        """
        call = self._over.get(self.last_of(phone))
        if call is None or not 0 <= at - call.ended <= KEPT:
            return None
        spoke = [fact.detail for fact in call.facts if fact.kind is FactKind.CONNECTED]
        if not spoke:
            return None
        by = next((who for who in spoke if same_phone(who.partition(" ")[0], phone)), phone)
        pressed = Fact(at, FactKind.MARKED, f"{mark} {by}")
        if call.facts[-1] == pressed:
            return None  # a repeat of the same event
        marked = replace(call, facts=(*call.facts, pressed))
        self._over[call.id] = marked
        return marked

    def unsure(self) -> None:
        """Forget the calls that have ended: their phones may have answered others since, unseen."""
        for phone in [phone for phone, call in self._last.items() if call in self._over]:
            self._forget(phone)

    def _forget(self, phone: str) -> None:
        call = self._last.pop(phone)
        self._phones[call] -= 1
        if not self._phones[call]:
            del self._phones[call]
            self._over.pop(call, None)
