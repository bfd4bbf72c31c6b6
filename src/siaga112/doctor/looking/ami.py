"""What the PBX tells over AMI, asked once. Asks only; nothing on the PBX is changed.

`write = reporting` is enough for it all: `ShowDialPlan` gives the dialplan as it is loaded, and `Getvar`
evaluates functions: AST_CONFIG reads Asterisk's files with all that they include.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from panoramisk.message import Message

from siaga112.adapters.ami.inbox import Inbox
from siaga112.adapters.ami.session import AmiAddress, AmiRefusedError, Session
from siaga112.core.model import SECOND, Millis
from siaga112.core.text import whole
from siaga112.doctor.manager import REACH
from siaga112.doctor.observations import (
    Context,
    Contexts,
    ManagerUser,
    NotSeen,
    PbxFiles,
    PbxInside,
    PbxSeen,
    Step,
)
from siaga112.doctor.walk import leads_to
from siaga112.reasons import plainly

SECONDS: Final = 5.0
"""For all questions together."""

CONTEXTS_MAX: Final = 500
_LINES_MAX: Final = 100
_LAST: Final = -1
"""Of several lines with the same key the last is in force: `[general](+)` stands below `[general]`."""

Row = dict[str, object]


@dataclass(frozen=True, slots=True)
class Sought:
    """What to ask for: the whole of a dialplan may be tens of thousands of lines."""

    keys: tuple[str, ...]
    """To look for in features.conf, [applicationmap]."""
    queues: tuple[str, ...]
    """To look for in queues.conf."""
    contexts: tuple[str, ...]
    """From which on the dialplan is looked at, as far as calls may go."""


async def examine(address: AmiAddress, sought: Sought) -> PbxSeen | NotSeen:
    """Log in and ask."""
    try:
        async with asyncio.timeout(SECONDS), _opened(address) as questions:
            return await questions.all(sought)
    except AmiRefusedError as error:
        return NotSeen(str(error), refused=True)
    except TimeoutError:
        return NotSeen(f"no answer within {SECONDS:g} s")
    except OSError as error:
        return NotSeen(plainly(error))


@contextlib.asynccontextmanager
async def _opened(address: AmiAddress) -> "AsyncIterator[_Questions]":
    inbox = Inbox()
    session = Session(inbox, address)
    try:
        await session.open()
        yield _Questions(session, inbox, address.username)
    finally:
        session.close()


class _Questions:
    """An open session."""

    def __init__(self, session: Session, inbox: Inbox, username: str) -> None:
        self._session = session
        self._inbox = inbox
        self._username = username

    async def all(self, sought: Sought) -> PbxSeen:
        """Ask everything."""
        ahead = await self._ahead()
        version = (await self._one("CoreSettings")).get("AsteriskVersion")
        queues = await self._queues()
        return PbxSeen(
            version=str(version or "(version not told)"),
            ahead=ahead,
            # The login's event is there by now: events and answers come in the order of their making.
            booted=any(
                message.startswith(b"Event: FullyBooted\r\n")
                for slice_ in self._inbox.slices
                if isinstance(slice_, list)
                for message in slice_
            ),
            queues=queues,
            inside=await self._inside(sought) if version else None,
            actions=frozenset(await self._one("ListCommands")),
        )

    async def _inside(self, sought: Sought) -> PbxInside:
        files = await self._files(sought)
        gosubs = files.member_gosubs.values() if files else ()
        return PbxInside(
            files=files,
            contexts=await self._contexts(
                [*sought.contexts, *(gosub.partition(",")[0] for gosub in gosubs if gosub)]
            ),
            agi=await self._value("SIAGA_AGI"),
            data_dir=await self._value("ASTDATADIR"),
            confirm=await self._value("SIAGA_CONFIRM"),
            reach=await self._reach(),
        )

    async def _reach(self) -> frozenset[str] | None:
        """Look which are loaded; to try their functions would be to end Asterisk."""
        loaded = {name: await self._value(f"IFMODULE({name}.so)") for name in REACH}
        return frozenset(name for name, is_ in loaded.items() if is_ == "1") if all(loaded.values()) else None

    async def _files(self, sought: Sought) -> PbxFiles | None:
        if not await self._setting("manager.conf", "general", "enabled"):  # it is set, or we were not here
            return None
        return PbxFiles(
            user=await self._user(),
            timestamps=await self._setting("manager.conf", "general", "timestampevents"),
            bind_address=await self._setting("manager.conf", "general", "bindaddr"),
            keys={name: await self._setting("features.conf", "applicationmap", name) for name in sought.keys},
            member_gosubs={
                name: await self._setting("queues.conf", name, "membergosub") for name in sought.queues
            },
        )

    async def _user(self) -> ManagerUser | None:
        mine = ("manager.conf", self._username)
        # Whoever may ask this has a write class: if the files do not say so, the user is not in them.
        if not (write := _classes(await self._setting(*mine, "write"))):
            return None
        return ManagerUser(
            read=_classes(await self._setting(*mine, "read")),
            write=write,
            write_timeout=await self._setting(*mine, "writetimeout"),
            filters=await self._every(*mine, "eventfilter"),
            deny=await self._every(*mine, "deny"),
            permit=await self._every(*mine, "permit"),
            acl=await self._setting(*mine, "acl"),
        )

    async def _every(self, file: str, section: str, key: str) -> tuple[str, ...]:
        """Give the values of all lines with that key."""
        found: list[str] = []
        while len(found) < _LINES_MAX and (one := await self._setting(file, section, key, len(found))):
            found.append(one)
        return tuple(found)

    async def _contexts(self, roots: Sequence[str]) -> Contexts:
        contexts: dict[str, Context] = {}
        asked = list(dict.fromkeys(roots))
        for name in asked:  # grows while we go
            context = _context(await self._list("ShowDialPlan", Context=name))
            if context and len(contexts) < CONTEXTS_MAX:
                contexts[name] = context
                asked += sorted(leads_to(name, context).difference(asked))
        return contexts

    async def _queues(self) -> dict[str, tuple[str, ...]] | None:
        rows = await self._list("QueueStatus")
        names = [str(row["Queue"]) for row in rows if row.get("Event") == "QueueParams"]
        members = [
            (str(row["Queue"]), str(row.get("Location", "")))
            for row in rows
            if row.get("Event") == "QueueMember"
        ]
        return {name: tuple(place for queue, place in members if queue == name) for name in names} or None

    async def _ahead(self) -> Millis | None:
        """Compare the clocks, for which half the way there and back is allowed."""
        asked = time.time()
        text = str((await self._one("Ping")).get("Timestamp", ""))
        with contextlib.suppress(ValueError):
            return round((float(text) - (asked + time.time()) / 2) * SECOND)
        return None

    async def _setting(self, file: str, section: str, key: str, number: int = _LAST) -> str:
        return await self._value(f"AST_CONFIG({file},{section},{key},{number})")

    async def _value(self, expression: str) -> str:
        answer = await self._one("Getvar", Variable=expression)
        return str(answer.get("Value", ""))

    async def _one(self, action: str, **headers: str) -> Row:
        answer = await self._session.send_action({"Action": action, **headers})
        return dict(answer.items()) if isinstance(answer, Message) else {}

    async def _list(self, action: str, **headers: str) -> list[Row]:
        answer = await self._session.send_action({"Action": action, **headers})
        return [] if isinstance(answer, Message) else [dict(row.items()) for row in answer]


def _context(rows: Iterable[Row]) -> Context | None:
    """Read the answer to ShowDialPlan; None if there is no such context."""
    extensions: dict[str, list[Step]] = {}
    includes: list[str] = []
    for row in rows:
        text = {name: str(value) for name, value in row.items()}
        if "IncludeContext" in text:
            includes.append(text["IncludeContext"])
        elif (priority := whole(text.get("Priority", ""))) is not None:  # not a hint
            step = Step(
                priority,
                text.get("ExtensionLabel", ""),
                text.get("Application", ""),
                text.get("AppData", ""),
            )
            extensions.setdefault(text["Extension"], []).append(step)
    in_order = {
        exten: tuple(sorted(steps, key=lambda one: one.priority)) for exten, steps in extensions.items()
    }
    return Context(in_order, tuple(includes)) if extensions or includes else None


def _classes(text: str) -> frozenset[str]:
    return frozenset(part.strip() for part in text.split(",") if part.strip())
