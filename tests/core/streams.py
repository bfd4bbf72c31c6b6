"""All event streams of the tests: the tables of `test_calls`, and the captures of real calls."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Final

from siaga112.captures import capture
from siaga112.core.ami.events import CoreShowChannel, Event, Malformed, QueueStatus, Resumed
from siaga112.core.model import Millis
from siaga112.core.rules import Dialplan
from tests.core.table import events
from tests.core.test_calls import CALLS

GOLDEN: Final = Path(__file__).resolve().parents[1] / "golden"
# If a dialplan returns from the queue to the menu, and all events of the queue are lost, the rest is exactly
# the stream of a real prank: nothing distinguishes them. Then only the gaps that the adapter declares protect
# the caller (our own dialplan never returns).
ONE_WAY = {name: events(table) for name, (table, _) in CALLS.items() if "left the menu" not in name}

# Evidence for the caller that ended before the hang-up in the menu: a key, a choice, our own slow answer. If
# all its events are lost, the rest is the stream of a real prank, too. Then a declared gap protects the
# caller; a key has three events, a choice two.
BY_DEED = frozenset({
    "pressed a key, and left while the PBX still collected",
    "pressed a key while a question without a prompt went on",
    "pressed a key before the first prompt, which may have taken it, and left",
    "chose an announcement, came back to the menu, and left",
    "chose an announcement, came back, and the PBX ended the call",
    "left a message after a wrong key, came back to the menu, and left",
    "waited for our own answer, and dropped right after it",
    *(
        f"{version}/{name}"
        for version in ("22", "16")
        for name in (
            "menu_left_with_key_down",
            "menu_left_at_once_after_our_silence",
            "freepbx_waitexten_left_choosing",
            "freepbx_read_left_choosing",
            "freepbx_read_digits_left_choosing",
            "freepbx_announcement_returned",
        )
    ),
})  # fmt: skip

CAPTURES: Final = sorted(GOLDEN.glob("*/*.ami"))


def read(path: Path) -> tuple[capture.Header, list[Event]]:
    """Read a capture of real calls."""
    first, *rest = capture.messages(path.read_bytes())
    stream = [event for message in rest if (event := capture.read(message)) is not None]
    assert not any(isinstance(event, Malformed) for event in stream), path
    return capture.read_header(first), [event for event in stream if not isinstance(event, Malformed)]


@cache
def everything() -> tuple[Dialplan, dict[str, list[Event]]]:
    """Return every stream by name, and one dialplan with all their contexts."""
    streams = dict(ONE_WAY)
    trunk, ivr = {"siaga112-incoming"}, {"siaga112-ivr"}
    for path in CAPTURES:
        header, stream = read(path)
        if header.dialplan.dialled or "back_in_menu" in path.stem:
            continue  # the first depends on its own dialplan; the second: see ONE_WAY
        trunk |= header.dialplan.trunk_contexts
        ivr |= header.dialplan.ivr_contexts
        streams[f"{path.parent.name}/{path.stem}"] = stream
    return Dialplan(frozenset(trunk), frozenset(ivr), hangup_contexts=frozenset({"app-blackhole"})), streams


def renamed(stream: list[Event], name: str, later: Millis = 0) -> list[Event]:
    """Return the same call with its own uniqueids, later by `later`."""
    return [_renamed(event, name, later) for event in stream]


def _renamed(event: Event, name: str, later: Millis) -> Event:
    changes: dict[str, Any] = {
        key: f"{name}-{getattr(event, key)}" for key in ("uid", "leg", "bridge") if hasattr(event, key)
    }
    if isinstance(event, Resumed):
        changes["channels"] = tuple(_seen(channel, name) for channel in event.channels)
    if isinstance(event, QueueStatus):
        changes["waiting"] = tuple(replace(seen, uid=f"{name}-{seen.uid}") for seen in event.waiting)
    return replace(event, at=event.at + later, **changes)


def _seen(channel: CoreShowChannel, name: str) -> CoreShowChannel:
    return replace(channel, uid=f"{name}-{channel.uid}", linkedid=f"{name}-{channel.linkedid}")
