"""The last answered call of each operator's phone, so that it can be marked when it is over."""

from dataclasses import replace
from typing import Final

from siaga112.core.model import HOUR, Call, CallId, Fact, FactKind, Mark, Millis
from siaga112.core.names import same_phone

KEPT: Final[Millis] = HOUR
"""How long after its end a call can be marked from the phone that answered it."""

PHONES_KEPT: Final = 1_000
"""How many phones are remembered; beyond that the one that has answered nothing for longest is forgotten."""


class LateMarks:
    """Which call a phone answered last, and that call as it was seen."""

    def __init__(self) -> None:
        self._last: dict[str, CallId] = {}
        self._over: dict[CallId, Call] = {}

    def answered(self, phone: str, call: CallId) -> None:
        """Note that a phone is connected with a caller."""
        self._last.pop(phone, None)
        self._last[phone] = call
        if len(self._last) > PHONES_KEPT:
            self._forget(next(iter(self._last)))

    def ended(self, call: Call) -> None:
        """Keep a call that is over, if it is the last of any phone; forget those that were before it."""
        last = set(self._last.values())
        for known in [known for known in self._over if known not in last]:
            del self._over[known]
        if call.id in last:
            self._over[call.id] = call

    def last_of(self, phone: str) -> CallId:
        """Give the call that a phone answered last; '' where none is known."""
        return self._last.get(phone, CallId(""))

    def mark(self, phone: str, mark: Mark, at: Millis) -> Call | None:
        """Mark that call, which is over; give it as it is now.

        None where there is none, or it is too old, or has that very mark.
        """
        call = self._over.get(self.last_of(phone))
        if call is None or not 0 <= at - call.ended <= KEPT:
            return None
        spoke = [fact.detail for fact in call.facts if fact.kind is FactKind.CONNECTED]
        by = next((who for who in spoke if same_phone(who.partition(" ")[0], phone)), phone)
        pressed = Fact(at, FactKind.MARKED, f"{mark} {by}")
        if call.facts[-1] == pressed:
            return None  # the same event once more
        marked = replace(call, facts=(*call.facts, pressed))
        self._over[call.id] = marked
        return marked

    def _forget(self, phone: str) -> None:
        call = self._last.pop(phone)
        if call not in self._last.values():
            self._over.pop(call, None)
