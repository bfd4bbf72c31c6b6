"""Made-up callers and calls, written as the product writes them, in bulk."""

from collections.abc import Iterator
from itertools import islice
from typing import Final

from benchmarks.load import BLOCKED
from benchmarks.servers import command
from siaga112.app.records import now
from siaga112.core.codec import dump_record, dump_standing
from siaga112.core.model import DAY, Caller, CallId, Outcome
from siaga112.core.policy import add_strike
from siaga112.core.record import CallerRecord, Strike
from siaga112.core.regulation import PRESETS
from siaga112.core.standing import standing

CHUNK: Final = 1_000


def number(place: int) -> str:
    """Give a caller on the list as the trunk sends it."""
    return f"0{BLOCKED + place}"


def blocked(count: int, first: int = 0) -> Iterator[bytes]:
    """Write callers who are blocked for good, each with the strikes that led there, and the list of them."""
    caller = Caller("+6281200000000")
    record = CallerRecord(caller)
    at = now()
    rules = PRESETS["permenkominfo-2016"]
    for call in range(12):
        strike = Strike(CallId(f"1795496070.{call}"), at - (12 - call) * DAY, Outcome.IVR_PRANK, "left_menu")
        record = add_strike(record, strike, rules)
    held = standing(record, at, rules)
    document = dump_record(record).replace(caller, "%s")
    told = dump_standing(held)
    one = ("HSET", "siaga112:{bench}:caller:%s", "v", "1", "doc", document, "standing", told)
    rows = (f"+62{BLOCKED + place}" for place in range(first, first + count))
    while some := list(islice(rows, CHUNK)):
        yield b"".join(command(*one[:1], one[1] % who, *one[2:5], document % who, *one[6:]) for who in some)
        scores = (word for who in some for word in (str(held.until or "+inf"), who))
        yield command("ZADD", "siaga112:{bench}:blocks", *scores)


def plain(count: int) -> Iterator[bytes]:
    """Write the same callers as the peers keep them: one string each."""
    places = iter(range(count))
    while some := list(islice(places, CHUNK)):
        yield b"".join(command("SET", f"bench:{number(place)}", "BLOCK") for place in some)
