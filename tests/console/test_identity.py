"""Logging in, staying logged in, and being kept out."""

import asyncio
import re
import time
from dataclasses import replace

import pytest

from siaga112.app.access import digest
from siaga112.app.records import now
from siaga112.console.app import hosts
from siaga112.console.hiding import Hiding
from siaga112.console.identity import (
    CACHED_SECONDS,
    FREE_TRIES,
    SEEN_EVERY,
    Gate,
    NobodyError,
    TooOftenError,
)
from siaga112.core.access import Permission, Person, Role
from siaga112.core.model import DAY, AuditEntry, Caller
from siaga112.words import Language
from tests.console.calls import BLOCKED
from tests.console.centre import HASH, PASSWORD, Centre
from tests.waiting import within

pytestmark = pytest.mark.redis
LINE = AuditEntry(1, "test", "changed", "somebody")


async def test_the_wrong_name_and_the_wrong_password_are_told_alike(centre: Centre) -> None:
    """A wrong name and a wrong password get the same answer, which reveals no user's name."""
    answers = [
        await centre.nobody().post("/login", {"name": name, "password": "not the password"})
        for name in ("Supervisor", "Nobody of that name")
    ]
    assert [status for status, _ in answers] == [401, 401]
    assert answers[0][1] == answers[1][1]


async def test_wrong_passwords_are_answered_ever_later(centre: Centre) -> None:
    """After a few wrong passwords, even the right one must wait, from any address."""
    gate = centre.site.gate
    for _ in range(FREE_TRIES):
        with pytest.raises(NobodyError):
            await gate.login("supervisor", "wrong", "192.0.2.1")
    waits = []
    for address in ("192.0.2.2", "192.0.2.3"):
        with pytest.raises(TooOftenError) as told:
            await gate.login("SUPERVISOR", PASSWORD, address)
        waits.append(told.value.seconds)
    assert 0 < waits[1] <= waits[0] <= 1
    status, text = await centre.nobody().post("/login", {"name": "Supervisor", "password": PASSWORD})
    assert (status, "Too many tries" in text) == (429, True)


async def test_one_address_that_guesses_is_slowed_whatever_the_name(centre: Centre) -> None:
    """An address that tries one password on many names must wait; other addresses need not."""
    gate = centre.site.gate
    for nth in range(FREE_TRIES):
        with pytest.raises(NobodyError):
            await gate.login(f"nobody {nth}", "wrong", "192.0.2.9")
    with pytest.raises(TooOftenError):
        await gate.login("viewer", PASSWORD, "192.0.2.9")
    assert await gate.login("viewer", PASSWORD, "192.0.2.10")


async def test_a_rush_of_logins_costs_a_few_hashes(centre: Centre) -> None:
    """Of fifty simultaneous logins, at least forty are sent away without the slow hashing."""
    gate = centre.site.gate
    rush = [gate.login(f"rush {nth}", "wrong", f"198.51.100.{nth}") for nth in range(50)]
    kinds = [type(one) for one in await asyncio.gather(*rush, return_exceptions=True)]
    assert kinds.count(TooOftenError) >= 40
    assert set(kinds) == {TooOftenError, NobodyError}


async def test_a_session_is_in_a_cookie_that_no_script_and_no_other_site_gets(centre: Centre) -> None:
    """The session cookie is HttpOnly and SameSite=Strict; behind TLS its name begins with `__Host-`."""
    browser = centre.nobody()
    form = {"name": "Supervisor", "password": PASSWORD}
    async with browser.session.post(centre.url + "/login", data=form, allow_redirects=False) as answer:
        cookie = answer.headers["Set-Cookie"]
    assert re.fullmatch(r"siaga112=[\w-]{43}; HttpOnly; Path=/; SameSite=strict", cookie), cookie
    records = centre.site.store.records
    behind = Gate(records, now, Language.EN, 1_000, secure=True)
    assert behind.cookie == "__Host-siaga112"


async def test_what_the_browser_holds_is_nowhere_in_the_database(centre: Centre, tmp_path: object) -> None:
    """No session key, token or password can be read in the database's files."""
    browser = await centre.login("Supervisor")
    held = next(iter(browser.session.cookie_jar)).value
    files = [path.read_bytes() for path in (centre.site.settings.state_dir).glob("siaga112.db*")]
    for secret in (held, centre.token, PASSWORD):
        assert all(secret.encode() not in data for data in files)
    del tmp_path


async def test_a_session_ends_by_logging_out_and_by_doing_nothing(centre: Centre) -> None:
    """A session ends when its person logs out or is idle for too long."""
    browser = await centre.login("Supervisor")
    assert await browser.post("/logout") == (303, "/login")
    assert (await browser.get("/waiting"))[0] == 303
    browser = await centre.login("Supervisor")
    records, key = centre.site.store.records, next(iter(browser.session.cookie_jar)).value
    found = await records.session(digest(key))
    assert found
    idle = centre.site.settings.console.session
    await records.keep_session(replace(found[0], seen=now() - idle - 1))
    centre.site.gate.forget()
    assert (await browser.get("/waiting"))[0] == 303


async def test_a_clock_that_was_ahead_leaves_no_session_that_never_ends(centre: Centre) -> None:
    """A session last seen a year ahead is over; one seen a minute ahead goes on and is corrected."""
    browser = await centre.login("Supervisor")
    records, key = centre.site.store.records, digest(next(iter(browser.session.cookie_jar)).value)
    for ahead, status in ((60_000, 200), (365 * DAY, 303)):
        found = await records.session(key)
        assert found
        await records.keep_session(replace(found[0], seen=now() + ahead))
        centre.site.gate.forget()
        assert (await browser.get("/waiting"))[0] == status
        found = await records.session(key)
        assert found
        assert (found[0].seen <= now()) is (status == 200)


async def test_who_is_kept_out_is_out_at_once_and_who_has_another_role_too(centre: Centre) -> None:
    """A changed role or a disabled user takes effect as soon as the cached look-up expires."""
    browser, records = await centre.login("Supervisor"), centre.site.store.records
    person = await records.person("Supervisor")
    assert person
    await records.keep_person(replace(person, role=Role.VIEWER), LINE)
    began = time.monotonic()
    while (await browser.get("/waiting"))[0] != 403:
        assert time.monotonic() - began < CACHED_SECONDS + 5
    await records.keep_person(replace(person, disabled_at=1), LINE)
    while (await browser.get("/wall"))[0] != 303:
        assert time.monotonic() - began < CACHED_SECONDS + 10


async def test_of_two_admins_who_shut_each_other_out_one_remains(centre: Centre) -> None:
    """Whoever comes first: the other is told that nobody would be left."""
    records = centre.site.store.records
    await records.keep_person(Person("Second", Role.ADMIN, HASH), LINE)
    one, other = await centre.login("Admin"), await centre.login("Second")
    await asyncio.gather(
        one.post("/people/change", {"did": "disable", "name": "Second"}),
        other.post("/people/change", {"did": "role", "name": "Admin", "role": "viewer"}),
    )
    assert sum(person.may(Permission.PEOPLE) for person in await records.people()) == 1


async def test_who_is_disabled_stays_so_whatever_they_write_meanwhile(centre: Centre) -> None:
    """A choice of language at that moment writes the language, and not the person as it was before."""
    admin, browser = await centre.login("Admin"), await centre.login("Supervisor")
    storm = [browser.post("/lang", {"lang": lang}) for lang in ("id", "en") * 8]
    disabling = admin.post("/people/change", {"did": "disable", "name": "Supervisor"})
    await asyncio.gather(*storm[:8], disabling, *storm[8:])
    person = await centre.site.store.records.person("Supervisor")
    assert person
    assert person.disabled_at


async def test_a_session_that_ends_while_it_is_used_is_over(
    centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That it was seen is noted only of a session that is still there."""
    browser, records = await centre.login("Supervisor"), centre.site.store.records
    key = digest(next(iter(browser.session.cookie_jar)).value)
    read = records.session

    async def ended(which: str) -> object:
        found = await read(which)
        await records.end_sessions(digest=which)
        return found

    found = await read(key)
    assert found
    await records.keep_session(replace(found[0], seen=now() - 2 * SEEN_EVERY))
    centre.site.gate.forget()
    monkeypatch.setattr(records, "session", ended)
    assert (await browser.get("/wall"))[0] == 200
    assert await read(key) is None


@pytest.mark.parametrize("how", ["logout", "disabled", "role"])
async def test_an_open_wall_ends_with_its_session(centre: Centre, how: str) -> None:
    """Whoever logs out or is kept out sees nothing more, in no window that is open; nor what the role had."""
    browser, records = await centre.login("Supervisor"), centre.site.store.records
    async with browser.session.get(f"{centre.url}/live") as wall:
        async with within(10, "the whole wall"):
            await wall.content.readuntil(b"event: waits")
        if how == "logout":
            assert await browser.post("/logout") == (303, "/login")
        else:
            person = await records.person("Supervisor")
            assert person
            new = replace(person, role=Role.VIEWER) if how == "role" else replace(person, disabled_at=1)
            await records.keep_person(new, LINE)
            centre.site.gate.forget()
        objection = {"caller": BLOCKED, "reason": "the SIM is new"}
        assert (await centre.ask("POST", "appeals", json=objection))[0] == 200
        async with within(10, "the end of the stream"):
            assert b"event: waits" not in await wall.content.read()


async def test_a_token_has_an_end_and_can_be_revoked(centre: Centre) -> None:
    """The API answers 401 to a token that has expired or was revoked."""
    records = centre.site.store.records
    (held,) = [one for one in await records.tokens() if one.name == "program"]
    for other in (replace(held, until=now() - 1), replace(held, revoked_at=now())):
        await records.keep_token(other, LINE)
        centre.site.gate.forget()
        assert (await centre.ask("GET", "me"))[0] == 401
    await records.keep_token(replace(held, until=now() + 60_000), LINE)
    centre.site.gate.forget()
    assert (await centre.ask("GET", "me"))[0] == 200


@pytest.mark.parametrize("csrf", ["", "x" * 32, "another's"])
async def test_a_form_without_the_sessions_own_word_is_refused(centre: Centre, csrf: str) -> None:
    """A form without its session's CSRF token, or from another site, is refused and changes nothing."""
    browser, hidden = await centre.login("Supervisor"), centre.site.hiding.hide(BLOCKED)
    if csrf == "another's":
        csrf = (await centre.login("Operator")).csrf
    fields = {"reason": "forged"}
    status, _ = await browser.post(f"/caller/{hidden}/unblock", fields, csrf=csrf)
    assert status == 403
    status, _ = await browser.post(f"/caller/{hidden}/unblock", fields, sec_fetch_site="cross-site")
    assert status == 403
    assert (await centre.record(BLOCKED)).block_at(now())


@pytest.mark.parametrize(
    "back", ["//evil.example/", "https://evil.example/", "/\\evil.example", "javascript:1"]
)
async def test_no_form_leads_anywhere_else(centre: Centre, back: str) -> None:
    """A form leads to a page of the console, whatever address it names."""
    browser = await centre.login("Operator")
    status, to = await browser.post("/lang", {"lang": "id", "back": back})
    assert (status, to) == (303, "/shift")


async def test_every_answer_says_what_a_browser_may_do_with_it(centre: Centre) -> None:
    """Every answer forbids inline scripts, framing and sniffing, and does not name the server."""
    for path in ("/login", "/api/v1/me", "/static/console.css", "/nowhere"):
        async with centre.nobody().session.get(centre.url + path, allow_redirects=False) as answer:
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert "frame-ancestors 'none'" in policy
            assert answer.headers["X-Frame-Options"] == "DENY"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert "Server" not in answer.headers


async def test_the_console_answers_to_its_own_names_alone(centre: Centre) -> None:
    """A request for a host name that is not the console's is refused (DNS rebinding)."""
    session = centre.nobody().session
    for host, status in (("evil.example", 421), (f"127.0.0.1:{centre.site.settings.console.port}", 200)):
        async with session.get(centre.url + "/healthz", headers={"Host": host}) as answer:
            assert answer.status == status


@pytest.mark.parametrize(
    ("console", "asked"),
    [
        ({"address": "https://Siaga.Serang.go.id"}, "siaga.serang.go.id"),
        ({"address": "http://[fd00::112]:8112"}, "[fd00::112]"),
        ({"host": "fd00::112"}, "[fd00::112]"),
        ({"host": "SIAGA"}, "siaga"),
    ],
)
async def test_a_name_is_known_as_browsers_write_it(
    centre: Centre, console: dict[str, str], asked: str
) -> None:
    """In small letters, and an address of IPv6 in brackets."""
    site = centre.site
    site.settings = site.settings.model_copy(
        update={"console": site.settings.console.model_copy(update=console)}
    )
    assert asked in hosts(site)


async def test_a_body_larger_than_any_form_is_not_read(centre: Centre) -> None:
    """A body too large for a form is refused, in one piece or several, and the console keeps answering."""
    session = centre.nobody().session
    async with session.post(centre.url + "/login", data=b"x" * 100_000) as answer:
        assert answer.status == 413

    async def pieces() -> object:
        for _ in range(20):
            yield b"name=" + b"x" * 10_000

    form = {"Content-Type": "application/x-www-form-urlencoded"}
    async with session.post(centre.url + "/login", data=pieces(), headers=form) as answer:
        assert answer.status in {400, 413}
    assert (await centre.nobody().get("/healthz"))[0] == 200


def test_a_caller_is_hidden_in_an_address_and_found_again() -> None:
    """A caller has one reference per secret, which shows no number; a changed or invented one is invalid."""
    hiding = Hiding(b"k" * 32)
    for caller in (BLOCKED, Caller("h:" + "0123456789abcdef" * 2)):
        hidden = hiding.hide(caller)
        assert hidden == hiding.hide(caller)
        assert caller[1:8] not in hidden
        assert hiding.find(hidden) == caller
        assert Hiding(b"l" * 32).find(hidden) is None
        changed = ("A" if hidden[-2] != "A" else "B").join((hidden[:-2], hidden[-1]))
        assert hiding.find(changed) is None
    assert [hiding.find(text) for text in ("", "x", "é", "A" * 500)] == [None] * 4
