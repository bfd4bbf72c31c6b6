"""Examines a database, once, read-only; it never creates one."""

import asyncio
import time
from importlib import import_module

from siaga112.core.model import SECOND, Mode
from siaga112.doctor.observations import DatabaseSeen, Growth, NotSeen, TrunksSeen
from siaga112.service.ports import StoreBrokenError, StoreDownError

SECONDS = 6.0
"""For all questions together."""


async def examine(url: str, site: str) -> DatabaseSeen | NotSeen:
    """Examine it."""
    try:
        async with asyncio.timeout(SECONDS):
            return await asyncio.to_thread(_ask, url, site)
    except TimeoutError:
        return NotSeen(f"no answer within {SECONDS:g} s")
    except StoreDownError as error:
        return NotSeen(str(error).removeprefix("database: "))
    except StoreBrokenError as error:
        return NotSeen(str(error).removeprefix("database: "), refused=True)


def _ask(url: str, site: str) -> DatabaseSeen:
    looking = import_module("siaga112.adapters.database.looking")  # importing SQLAlchemy takes 0.2 s
    told = looking.look(url, site, round(time.time() * SECOND))
    growth = told.growth and Growth(*told.growth)
    return DatabaseSeen(
        told.version,
        told.known,
        told.read_only,
        told.unsafe,
        server=told.server,
        old=told.old,
        newer=told.newer,
        only_reads=told.only_reads,
        lacking=told.lacking,
        people=told.people,
        mode=Mode(told.mode) if told.mode in set(Mode) else None,
        growth=growth,
        trunks=TrunksSeen(*told.trunks) if told.trunks else None,
    )
