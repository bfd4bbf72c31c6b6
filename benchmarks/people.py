"""Made-up callers, written in bulk as the product and as the peers write them."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from sqlalchemy import insert

from benchmarks.load import BLOCKED
from benchmarks.servers import command
from siaga112.adapters.database.connect import connect
from siaga112.adapters.database.migrating import migrate
from siaga112.adapters.database.schema import SITE
from siaga112.adapters.redis.block_list import key
from siaga112.app.records import DATABASE, now
from siaga112.core.codec import dump_standing
from siaga112.core.model import Caller, Level
from siaga112.core.standing import Standing

EPOCH: Final = "bench"
CHUNK: Final = 1_000


def number(place: int) -> str:
    """Return the number of a caller on the list, as the trunk sends it."""
    return f"0{BLOCKED + place}"


def blocked(count: int, first: int = 0, site: str = "bench") -> Iterator[bytes]:
    """Yield the commands that write a complete list of permanently blocked callers."""
    told = dump_standing(Standing(level=Level.PERMANENT, since=now()))
    rows = (Caller(f"+62{BLOCKED + place}") for place in range(first, first + count))
    while some := list(islice(rows, CHUNK)):
        yield b"".join(command("HSET", key(site, who), who, told) for who in some)
    yield command("DEL", f"siaga112:{{{site}}}:changes")
    yield command("XADD", f"siaga112:{{{site}}}:changes", "*", "n", "bench")
    yield command("SET", f"siaga112:{{{site}}}:edition", f"{EPOCH} 0")


def known(state: Path, site: str = "bench") -> None:
    """Create the records that the list belongs to, so that commands take it for complete."""
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    engine = connect(f"sqlite:///{state / DATABASE}")
    migrate(engine)
    with engine.begin() as connection:
        connection.execute(insert(SITE).values(name=site, epoch=EPOCH, published=0))
    engine.dispose()


def plain(count: int) -> Iterator[bytes]:
    """Yield the commands that write the same callers as the peers store them: one string each."""
    places = iter(range(count))
    while some := list(islice(places, CHUNK)):
        yield b"".join(command("SET", f"bench:{number(place)}", "BLOCK") for place in some)
