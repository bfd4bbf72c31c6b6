"""The golden captures, and how one is replayed."""

from pathlib import Path
from typing import Final

from siaga112.captures import capture
from siaga112.captures.replay import Replay
from siaga112.core.model import Entry
from siaga112.core.regulation import PolicyRules
from siaga112.core.rules import Rules

GOLDEN: Final = Path(__file__).resolve().parents[2] / "golden"


def captures() -> list[Path]:
    """Return the paths of all golden captures, sorted."""
    return sorted(GOLDEN.glob("*/*.ami"))


def replayed(data: bytes) -> tuple[Replay, list[Entry]]:
    """Replay a capture; return the replay and the calls it settles."""
    first, *rest = capture.messages(data)
    header = capture.read_header(first)
    replay = Replay(Rules(header.dialplan, header.rules, PolicyRules()))
    return replay, list(replay.run(capture.read(message) for message in rest))
