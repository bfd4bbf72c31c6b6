"""From an ended call to its row of the ledger: one function, for the live line and for replay."""

from collections.abc import Callable
from dataclasses import replace

from siaga112.core.model import Call, Entry, Mode, Spared
from siaga112.core.names import named
from siaga112.core.outcome import classify
from siaga112.core.policy import misuse_of
from siaga112.core.rules import Rules


def entry_of(call: Call, rules: Rules, mode: Mode | None, surge: Callable[[], str]) -> Entry:
    """Classify a call; return its row of the ledger, with whether it costs a strike.

    `mode` is None while it is unknown: it may be off, so there is no strike. `surge` returns why there is a
    surge, '' if there is none.
    """
    finding = named(classify(call, rules.classifier), rules.names)
    entry = Entry(finding, strike=misuse_of(finding, rules.policy) is not None)
    if entry.strike and (mode is None or mode is Mode.OFF):
        return replace(entry, strike=False, spared=Spared.MODE_OFF if mode else Spared.STARTING)
    if entry.strike and not call.timed:
        return replace(entry, strike=False, spared=Spared.CLOCK)
    if entry.strike and not call.alone:
        return replace(entry, strike=False, spared=Spared.OVERLAP)
    if entry.strike and surge():
        return replace(entry, strike=False, spared=Spared.SURGE)
    return entry
