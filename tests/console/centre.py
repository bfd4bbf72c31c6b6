"""A running console with real records and a real block list, some calls, a user per role and a token."""

import asyncio
import contextlib
import re
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import aiohttp

from siaga112.adapters import passwords
from siaga112.adapters.database.connect import connect
from siaga112.adapters.database.versions import bring
from siaga112.app import upkeep
from siaga112.app.access import digest, new_token
from siaga112.app.records import now
from siaga112.console import serving
from siaga112.console.site import Console
from siaga112.core.access import Person, Role, Token
from siaga112.core.model import AuditEntry, Caller
from siaga112.core.record import CallerRecord
from siaga112.core.snapshot import Snapshot
from siaga112.settings.schema import Settings
from tests.console.calls import fill
from tests.lab import ports
from tests.lab.redis_servers import RedisServer

PATIENCE: Final = 30.0
PASSWORD: Final = "correct horse battery"
HASH: Final = passwords.hashed(PASSWORD)
"""The hash for everybody here, because hashing takes 30 ms."""

PEOPLE: Final = {role: role.value.capitalize() for role in Role}
BUDI: Final = "Budi"
"""An operator whom the configuration knows by his extension."""


@dataclass
class Browser:
    """The browser of one person, or of nobody."""

    url: str
    session: aiohttp.ClientSession
    csrf: str = ""

    async def get(self, path: str, *, follow: bool = False) -> tuple[int, str]:
        """Open a page; return the status and the text."""
        async with self.session.get(self.url + path, allow_redirects=follow) as answer:
            return answer.status, await answer.text(errors="replace")

    async def post(
        self, path: str, fields: Mapping[str, str] | None = None, *, csrf: str | None = None, **headers: str
    ) -> tuple[int, str]:
        """Send a form; return the status, and where it redirects to or the text."""
        data = {"csrf": self.csrf if csrf is None else csrf, **(fields or {})}
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.post(
            self.url + path, data=data, headers=sent, allow_redirects=False
        ) as answer:
            return answer.status, answer.headers.get("Location") or await answer.text()

    async def done(self, path: str, **fields: str) -> str:
        """Send a form that must be accepted; return the message on the next page."""
        status, to = await self.post(path, fields)
        assert status == 303, (status, to[-400:])
        _, text = await self.get(to, follow=True)
        found = re.search(r'class="flash (good|bad)" role="status">(.*?)</p>', text, re.DOTALL)
        assert found, text[:2_000]
        return f"{found[1]}: {found[2]}"


@dataclass
class Centre:
    """A running console and what it depends on."""

    site: Console
    url: str
    token: str
    app: Any
    redis: RedisServer
    server: Any = None
    looking: Any = None
    """The task that looks for what is new."""
    marked: str = ""
    """A call that is marked genuine."""
    _sessions: list[aiohttp.ClientSession] = field(default_factory=list)

    @property
    def site_app(self) -> Any:
        """The application without the guards around it."""
        return self.app._app

    def nobody(self) -> Browser:
        """Return a browser in which nobody is logged in."""
        session = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))  # takes an IP address too
        self._sessions.append(session)
        return Browser(self.url, session)

    async def login(self, name: str) -> Browser:
        """Return a browser in which somebody is logged in."""
        browser = self.nobody()
        status, text = await browser.post("/login", {"name": name, "password": PASSWORD})
        assert status == 303, text[-400:]
        _, page = await browser.get("/wall")
        found = re.search(r'name="csrf" value="([^"]+)"', page)
        assert found, page[:500]
        browser.csrf = found[1]
        return browser

    async def ask(self, method: str, path: str, *, token: str | None = None, **more: Any) -> tuple[int, Any]:
        """Send the API a request; return the status and the JSON, or the text if it is none."""
        session = self.nobody().session
        headers = {"Authorization": f"Bearer {self.token if token is None else token}"}
        url = f"{self.url}/api/v1/{path}"
        async with session.request(method, url, headers=headers, **more) as answer:
            if "json" in answer.headers["Content-Type"]:
                return answer.status, await answer.json(content_type=None)
            return answer.status, await answer.text(errors="replace")

    async def give_token(self, role: Role, *, numbers: bool = True) -> str:
        """Create and return another program's token."""
        held = new_token()
        name = f"{role} {secrets.token_hex(3)}"
        records = self.site.store.records
        await records.keep_token(
            Token(name, digest(held), role, numbers), AuditEntry(now(), "test", "token", name)
        )
        return held

    async def record(self, caller: Caller) -> CallerRecord:
        """Return a caller's record."""
        return await self.site.store.load(caller)

    async def show(self, snapshot: Snapshot) -> None:
        """Show this snapshot on the wall until the next, without the expiry that a daemon sets."""
        await self.site.store.block_list.put_snapshot(snapshot)
        self.redis.ask("PERSIST", f"siaga112:{{{self.site.settings.site}}}:now")

    async def cut(self) -> None:
        """Abort every connection, as a console that dies does."""
        for one in list(self.server.server_state.connections):
            one.transport.abort()

    async def close(self) -> None:
        """Close the browsers."""
        for session in self._sessions:
            await session.close()


@asynccontextmanager
async def running(folder: Path, redis: RedisServer, **more: Any) -> AsyncIterator[Centre]:
    """Run a console in this process, on uvicorn, with records of its own."""
    port = ports.free()
    settings = Settings.model_validate(
        {
            "site": f"test-{secrets.token_hex(4)}",
            "state_dir": str(folder),
            "redis": {"url": redis.url},
            "operators": {"101": BUDI},
            "agencies": {"113": "Damkar"},
            "shifts": {"duty": f"{datetime.now(UTC) + timedelta(hours=4):%H:%M}"},  # 3 h ago in Jakarta
            "districts": ["Cipocok"],
            "pbx": {"recording_url": "https://pbx.example/{file}"},
            **more,
            "console": {"port": port, **more.get("console", {})},
        }
    )
    async with contextlib.AsyncExitStack() as stack:
        _make(folder)
        site = await serving.opened(settings, None, stack)
        await fill(site.store)
        await upkeep.rebuild(settings)
        site.store.late.clear()
        token = await _people(site)
        server = serving.server_of(site)
        tasks = [asyncio.create_task(site.live.run()), asyncio.create_task(server.serve())]
        centre = Centre(site, f"http://127.0.0.1:{port}", token, server.config.app, redis, server, tasks[0])
        async with asyncio.timeout(PATIENCE):
            await server.listening.wait()
        try:
            yield centre
        finally:
            await centre.close()
            server.should_exit = server.force_exit = True
            tasks[0].cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _make(folder: Path) -> None:
    """Create the tables, as a daemon does at its start."""
    engine = connect(f"sqlite:///{folder}/siaga112.db")
    bring(engine)
    engine.dispose()


async def _people(site: Console) -> str:
    records, line = site.store.records, AuditEntry(now(), "test", "user added", "all")
    for role, name in PEOPLE.items():
        await records.keep_person(Person(name, role, HASH, None, now(), "test"), line)
    await records.keep_person(Person(BUDI, Role.OPERATOR, HASH, None, now(), "test"), line)
    held = new_token()
    await records.keep_token(Token("program", digest(held), Role.SUPERVISOR, numbers=True), line)
    return held
