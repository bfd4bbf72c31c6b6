"""Examines the PBX over AMI, once, read-only.

`write = reporting` is enough: `ShowDialPlan` returns the dialplan as loaded, and `Getvar`
evaluates functions: AST_CONFIG reads Asterisk's files, includes resolved.
"""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from panoramisk.message import Message

from siaga112.adapters.ami.inbox import Inbox
from siaga112.adapters.ami.session import AmiAddress, AmiRefusedError, Session
from siaga112.core.model import SECOND, Millis
from siaga112.core.text import whole
from siaga112.doctor.manager import REACH, TRUE
from siaga112.doctor.observations import (
    UNREACHED,
    Context,
    Contexts,
    ManagerUser,
    Member,
    NotSeen,
    PbxFiles,
    PbxInside,
    PbxSeen,
    Source,
    Step,
)
from siaga112.doctor.walk import dials, leads_to
from siaga112.reasons import plainly

SECONDS: Final = 5.0
"""For all questions together."""

CONTEXTS_MAX: Final = 500
SOURCES_MAX: Final = 2_000
"""Sections of pjsip.conf that are queried, all at once: half a millisecond each."""

FREEPBX: Final = "from-pstn"
"""The context of FreePBX's trunks; it includes the centre's custom context first."""

_PORT: Final = 5038

UNKNOWN: Final = 0
"""A device state: possible for a Local channel without a telephone behind it."""

_STATES: Final = {
    name: number
    for number, name in enumerate(
        ("UNKNOWN", "NOT_INUSE", "INUSE", "BUSY", "INVALID", "UNAVAILABLE", "RINGING", "RINGINUSE", "ONHOLD")
    )
}
_SHY: Final = ("chan_misdn", "chan_ooh323", "chan_mgcp", "chan_unistim", "chan_motif")
"""Channel drivers that list no sources over AMI."""

_BEGUN: Final = re.compile(rb"Event: FullyBooted\r\n.*?Uptime: ([0-9]+)\r\nLastReload: ([0-9]+)", re.DOTALL)
_LINES_MAX: Final = 100
_LAST: Final = -1
"""The last of several lines with the same key is in force: `[general](+)` follows `[general]`."""

Row = dict[str, object]


@dataclass(frozen=True, slots=True)
class Sought:
    """What to ask for: a whole dialplan may be tens of thousands of lines."""

    keys: tuple[str, ...]
    """Entries to find in features.conf, [applicationmap]."""
    queues: tuple[str, ...]
    """Queues to find in queues.conf."""
    contexts: tuple[str, ...]
    """The dialplan is read from these contexts on, as far as calls can go."""
    trunks: tuple[str, ...] = ()
    """The configured trunk contexts."""
    sections: Callable[[str], tuple[str, ...] | None] = lambda _: None
    """Returns the sections of pjsip.conf, given Asterisk's folder; None if it is not here."""


async def examine(address: AmiAddress, sought: Sought) -> PbxSeen | NotSeen:
    """Log in and examine."""
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
        """Ask all questions."""
        ahead = await self._ahead()
        version = (await self._one("CoreSettings")).get("AsteriskVersion")
        actions = frozenset(await self._one("ListCommands"))
        # The login's event has arrived by now: events and answers keep their order.
        begun = next(filter(None, map(_BEGUN.match, self._told())), None)
        queues = await self._queues()
        return PbxSeen(
            version=str(version or "(version unknown)"),
            ahead=ahead,
            booted=begun is not None,
            queues=queues if queues is None or not version else await self._with_phones(queues),
            inside=await self._inside(sought, actions) if version else None,
            actions=actions,
            up=int(begun[1]) * SECOND if begun else None,
            reloaded=int(begun[2]) * SECOND if begun else None,
        )

    def _told(self) -> Iterable[bytes]:
        return (message for slice_ in self._inbox.slices if isinstance(slice_, list) for message in slice_)

    async def _inside(self, sought: Sought, actions: frozenset[str]) -> PbxInside:
        files = await self._files(sought)
        gosubs = files.member_gosubs.values() if files else ()
        config_dir = await self._value("ASTETCDIR")
        sections = sought.sections(config_dir)
        sources = await self._sources(actions, sections or ())
        forgotten = {
            source.context for source in sources or () if source.trunk and source.context not in sought.trunks
        }
        return PbxInside(
            files=files,
            contexts=await self._contexts(
                [*sought.contexts, *(gosub.partition(",")[0] for gosub in gosubs if gosub)]
            ),
            agi=await self._value("SIAGA_AGI"),
            data_dir=await self._value("ASTDATADIR"),
            confirm=await self._value("SIAGA_CONFIRM"),
            trust=await self._value("SIAGA_TRUST"),
            reach=await self._reach(),
            sources=sources,
            unseen=tuple([name for name in _SHY if await self._value(f"IFMODULE({name}.so)") == "1"]),
            elsewhere=await self._contexts(sorted(forgotten)),
            all_shown=sections is not None,
            config_dir=config_dir,
            freepbx=f"{FREEPBX}-custom" in (await self._context(FREEPBX) or Context({})).includes,
        )

    async def _sources(self, actions: frozenset[str], sections: Iterable[str]) -> tuple[Source, ...] | None:
        """Return the sources of calls with their contexts; None if they cannot all be queried.

        Asterisk lists the endpoints of its start, and those that have had a call since.
        """
        devices = [str(row.get("Device", "")) for row in await self._list("DeviceStateList")]
        devices += [f"PJSIP/{name}" for name in sections]
        names = sorted({name for name in devices if name.startswith("PJSIP/")})
        if await self._value("IFMODULE(func_pjsip_endpoint.so)") != "1" or len(names) > SOURCES_MAX:
            return None
        found = await asyncio.gather(*map(self._pjsip, names))
        if "SIPpeers" in actions:
            found += await self._chan_sip()
        if "IAXpeerlist" in actions:
            found += [
                Source(f"IAX2/{name}", await self._value(f"IAXPEER({name},context)"), trunk=not dynamic)
                for name, dynamic in await self._peers("IAXpeerlist")
            ]
        if "DAHDIShowChannels" in actions:
            found += [
                Source(f"DAHDI/{row.get('DAHDIChannel')}", str(row["Context"]), trunk=True)
                for row in await self._list("DAHDIShowChannels")
                if "Context" in row
            ]
        return tuple(one for one in found if one.context)

    async def _pjsip(self, device: str) -> Source:
        name = device.removeprefix("PJSIP/")

        async def setting(key: str) -> str:
            return await self._value(f"PJSIP_ENDPOINT({name},{key})")

        if not (context := await setting("context")):  # another section, or a removed endpoint
            return Source(device, "", trunk=False)
        fixed = [
            await self._value(f"PJSIP_AOR({aor.strip()},contact)")
            for aor in (await setting("aors")).split(",")
            if aor.strip()
        ]
        trunk = any(fixed) or not await setting("auth") or bool(await setting("outbound_auth"))
        return Source(device, context, trunk=trunk)

    async def _chan_sip(self) -> list[Source]:
        found = [
            Source(f"SIP/{name}", await self._value(f"SIPPEER({name},context)"), trunk=not dynamic)
            for name, dynamic in await self._peers("SIPpeers")
        ]
        if (await self._setting("sip.conf", "general", "allowguest")).lower() not in {
            "no",
            "false",
            "0",
            "off",
        }:
            # Unknown callers come in here; a trunk without a peer of its own is such a guest.
            context = await self._setting("sip.conf", "general", "context")
            found.append(Source("SIP (guests)", context or "default", trunk=bool(context)))
        return found

    async def _peers(self, action: str) -> list[tuple[str, bool]]:
        """Return each peer's name, and whether it registers its address itself."""
        return [
            (str(row["ObjectName"]).partition("/")[0], str(row.get("Dynamic", "")).lower() == "yes")
            for row in await self._list(action)
            if "ObjectName" in row
        ]

    async def _with_phones(self, queues: dict[str, tuple[Member, ...]]) -> dict[str, tuple[Member, ...]]:
        """Resolve Local channels to telephones, since their own state says nothing about them."""
        return {
            queue: tuple([await self._with_phone(member) for member in members])
            for queue, members in queues.items()
        }

    async def _with_phone(self, member: Member) -> Member:
        if member.state is not None:
            return member
        exten, _, context = member.place.removeprefix("Local/").partition("/")[0].partition("@")
        contexts = {context: found} if (found := await self._context(context or "default")) else {}
        states = [
            _STATES.get(await self._value(f"DEVICE_STATE({phone})"), UNKNOWN)
            for phone in dials(contexts, context, exten)
        ]
        return replace(member, state=min(states, key=_reach) if states else None)

    async def _context(self, name: str) -> Context | None:
        return _context(await self._list("ShowDialPlan", Context=name))

    async def _reach(self) -> frozenset[str] | None:
        """Check which are loaded; trying their functions could crash Asterisk."""
        loaded = {name: await self._value(f"IFMODULE({name}.so)") for name in REACH}
        return frozenset(name for name, is_ in loaded.items() if is_ == "1") if all(loaded.values()) else None

    async def _files(self, sought: Sought) -> PbxFiles | None:
        if not await self._setting("manager.conf", "general", "enabled"):  # enabled: we are logged in
            return None
        return PbxFiles(
            user=await self._user(),
            timestamps=await self._setting("manager.conf", "general", "timestampevents"),
            bind_address=await self._setting("manager.conf", "general", "bindaddr"),
            keys={name: await self._setting("features.conf", "applicationmap", name) for name in sought.keys},
            member_gosubs={
                name: await self._setting("queues.conf", name, "membergosub") for name in sought.queues
            },
            port=whole(await self._setting("manager.conf", "general", "port")) or _PORT,
            web_address=await self._web(),
        )

    async def _web(self) -> str:
        on = [
            await self._setting("manager.conf", "general", "webenabled"),
            await self._setting("http.conf", "general", "enabled"),
        ]
        if not all(one.lower() in TRUE for one in on):
            return ""
        return await self._setting("http.conf", "general", "bindaddr") or "0.0.0.0"  # noqa: S104 - the default

    async def _user(self) -> ManagerUser | None:
        mine = ("manager.conf", self._username)
        # This question needs a write class: if the files show none, the user is not in them.
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
        """Return the values of all lines with that key."""
        found: list[str] = []
        while len(found) < _LINES_MAX and (one := await self._setting(file, section, key, len(found))):
            found.append(one)
        return tuple(found)

    async def _contexts(self, roots: Sequence[str]) -> Contexts:
        contexts: dict[str, Context] = {}
        asked = list(dict.fromkeys(roots))
        for name in asked:  # grows while we go
            context = await self._context(name)
            if context and len(contexts) < CONTEXTS_MAX:
                contexts[name] = context
                asked += sorted(leads_to(name, context).difference(asked))
        return contexts

    async def _queues(self) -> dict[str, tuple[Member, ...]] | None:
        rows = await self._list("QueueStatus")
        names = [str(row["Queue"]) for row in rows if row.get("Event") == "QueueParams"]
        members = [(str(row["Queue"]), _member(row)) for row in rows if row.get("Event") == "QueueMember"]
        return {name: tuple(one for queue, one in members if queue == name) for name in names} or None

    async def _ahead(self) -> Millis | None:
        """Compare the clocks, allowing half the round trip."""
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
    """Parse the answer to ShowDialPlan; None if there is no such context."""
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


def _member(row: Row) -> Member:
    place = str(row.get("Location", ""))
    watched = str(row.get("StateInterface", place))
    state = whole(str(row.get("Status", "")))
    return Member(
        place,
        name=str(row.get("Name", place)),
        state=None if watched.startswith("Local/") else state,
        paused=row.get("Paused") == "1",
    )


def _reach(state: int) -> bool:
    return state in UNREACHED


def _classes(text: str) -> frozenset[str]:
    return frozenset(part.strip() for part in text.split(",") if part.strip())
