"""The event streams that several tests use: the tables of `test_calls`, and the captures of real calls."""

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
# If a dialplan returns from the queue to the menu and all events of the queue are lost, the rest is exactly
# the stream of a real prank. Only a gap that the adapter declares then protects the caller. (Our own dialplan
# never returns to the menu.)
ONE_WAY = {name: events(table) for name, (table, _) in CALLS.items() if "left the menu" not in name}

# What speaks for these callers ended before they hung up in the menu: a key, a choice, our own slow answer.
# If all its events are lost (a key has three, a choice two), the rest is the stream of a real prank, and only
# a declared gap protects the caller.
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
            continue  # a `dialled` capture needs its own dialplan; for "back in menu", see ONE_WAY
        trunk |= header.dialplan.trunk_contexts
        ivr |= header.dialplan.ivr_contexts
        streams[f"{path.parent.name}/{path.stem}"] = stream
    return Dialplan(frozenset(trunk), frozenset(ivr), hangup_contexts=frozenset({"app-blackhole"})), streams


def renamed(stream: list[Event], name: str, later: Millis = 0) -> list[Event]:
    """Return the same call with uniqueids of its own, shifted by `later`."""
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
