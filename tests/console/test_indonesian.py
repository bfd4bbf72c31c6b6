"""The console in Indonesian: no page, no answer to a form and no error contains English."""

import re
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Final

import pytest

from siaga112.app.records import now
from siaga112.console.rendering import NAVIGATION
from siaga112.core import decisions
from siaga112.core.access import MAY, Person, Role
from siaga112.core.model import DAY, AuditEntry, Mark
from siaga112.core.record import AllowEntry
from siaga112.core.snapshot import Snapshot
from siaga112.report.words import Words
from siaga112.service.ports import Parked, WebhookProgress
from siaga112.service.updating import update
from siaga112.settings.schema import Settings
from siaga112.terminal import labels
from siaga112.words import Language, tongue
from tests.console.browser import browser
from tests.console.calls import BLOCKED, GENUINE, MISSED, NEW, PROPOSED
from tests.console.centre import BUDI, HASH, PASSWORD, PEOPLE, Centre
from tests.console.pictures import RATNA, SITI, filled, going_on
from tests.lab.redis_servers import RedisServer
from tests.remains import remains, seen
from tests.samples import RULES

pytestmark = [pytest.mark.redis, pytest.mark.slow]

STAFF: Final = dict(zip(Role, ("Wati", "Joko", "Endang", "Sri", "Bambang"), strict=True))
"""One person of each role, with names that are not English words."""

OWN: Final = frozenset(
    {
        *PEOPLE.values(),
        *STAFF.values(),
        RATNA,
        BUDI,
        SITI,
        "Agus",
        "dispatch",
        "over ten",
        "test",
        "all",
        "soon",
    }
)
"""People's names, and words that one of them wrote: they need no translation."""

PATHS: Final = {
    Role.VIEWER: ("/wall", "/api", "/waiting", "/none/such"),
    Role.OPERATOR: ("/shift", "/callbacks", "/calls", "/caller/{missed}"),
    Role.SUPERVISOR: (
        *(
            "/wall",
            "/waiting",
            "/calls?since=30d",
            "/calls?outcome=unknown",
            "/calls?since=soon",
            "/calls?outcome=x",
        ),
        *(
            "/calls/{call}",
            "/calls/{left}",
            "/calls/1.1",
            "/blocks",
            "/blocks?of=allowed",
            "/report",
            "/handover",
        ),
        *("/report?from=2026-02-31", "/report?from=2026-02-03&to=2026-02-01", "/audit?looks=true&since=90d"),
        *(
            "/caller/{blocked}",
            "/caller/{proposed}",
            "/caller/{genuine}",
            "/caller/{allowed}",
            "/caller/{missed}",
        ),
        *("/caller/nobody", "/audit?cursor=x", "/people"),
    ),
    Role.PRIVACY: ("/subject", "/audit?looks=true", "/holds", "/privacy"),
    Role.ADMIN: ("/people", "/settings", "/doctor"),
}
"""The pages of each role, and addresses that lead to an error page."""


@pytest.fixture
async def centre(tmp_path: Path, redis_server: RedisServer) -> AsyncIterator[Centre]:
    """Run the guide's small centre, with a day of calls and one person of each role."""
    async with filled(tmp_path, redis_server) as made:
        records = made.site.store.records
        for role, name in STAFF.items():
            line = AuditEntry(now(), RATNA, "user added", name, role.value)
            await records.keep_person(Person(name, role, HASH, None, now(), RATNA), line)
        hook = {"url": "http://127.0.0.1:9/", "secret": "whsec_" + "QUFB" * 8, "private": True}
        events = Settings.model_validate({"site": "x", "events": {"webhooks": {"dispatch": hook}}}).events
        made.site.settings = made.site.settings.model_copy(update={"events": events})
        await records.keep_webhook(
            WebhookProgress("dispatch", 0, None, 2, now(), now(), "connection refused"),
            parked=Parked("dispatch", 1, now(), "answered 503", "{}"),
        )
        await update(
            made.site.store,
            NEW,
            lambda held: decisions.allow(held, AllowEntry(now(), RATNA, "puskesmas")),
            now(),
            RULES,
        )
        yield made


def own(centre: Centre) -> set[str]:
    """Return the words that are the centre's own."""
    config = centre.site.settings
    return {
        *OWN,
        *config.kinds,
        *config.districts,
        *config.agencies.values(),
        *config.pbx.queues,
        config.site,
    }


def path_of(path: str, centre: Centre) -> str:
    """Return a path with a caller or call filled in."""
    people = {"blocked": BLOCKED, "proposed": PROPOSED, "missed": MISSED, "genuine": GENUINE, "allowed": NEW}
    hidden = {name: centre.site.hiding.hide(caller) for name, caller in people.items()}
    return path.format(**hidden, call=centre.marked, left="9.9")


@pytest.mark.parametrize("role", Role)
async def test_no_page_says_anything_in_english(centre: Centre, role: Role) -> None:
    """No page that a role can open, full, empty or an error, contains English."""
    await going_on(centre)
    browser_, found = await centre.login(STAFF[role]), {}
    for path in PATHS[role]:
        _, text = await browser_.get(path_of(path, centre), follow=True)
        assert 'lang="id"' in text
        if left := remains(seen(text), own(centre)):
            found[path] = left
    assert found == {}


def test_every_page_of_the_menu_is_looked_at() -> None:
    """Every page of the menu is in PATHS, for a role that may see it."""
    paths = {path.partition("?")[0] for listed in PATHS.values() for path in listed}
    assert {path for path, _, _ in NAVIGATION} <= paths
    for path, _, needed in NAVIGATION:
        assert any(
            path in {one.partition("?")[0] for one in PATHS[role]} for role in Role if needed in MAY[role]
        )


async def test_the_login_says_nothing_in_english(centre: Centre) -> None:
    """The login page contains no English: at first, after wrong passwords, and after too many."""
    nobody, found = centre.nobody(), []
    _, text = await nobody.get("/login")
    found += remains(seen(text), own(centre))
    for _ in range(5):
        _, text = await nobody.post("/login", {"name": "Wati", "password": "salah"})
        found += remains(seen(text), own(centre))
    assert found == []


async def test_no_answer_to_a_form_is_in_english(centre: Centre) -> None:
    """No answer to any form contains English, whether the form is accepted or refused."""
    hide = centre.site.hiding.hide
    ratna, admin = await centre.login(STAFF[Role.SUPERVISOR]), await centre.login(STAFF[Role.ADMIN])
    budi, sri = await centre.login(STAFF[Role.OPERATOR]), await centre.login(STAFF[Role.PRIVACY])
    why = {"reason": "sesuai surat"}
    blocked, proposed, other = (f"/caller/{hide(one)}" for one in (BLOCKED, PROPOSED, GENUINE))
    said = [
        await ratna.done("/mode", mode="off"),
        await ratna.done("/mode", mode="off", **why),
        await ratna.done("/mode", mode="observe", **why),
        await ratna.done(f"{blocked}/block", length="7d", **why),
        await ratna.done(f"{blocked}/block", length="soon", **why),
        await ratna.done(f"{blocked}/block", length="24h", shorten="1", **why),
        await ratna.done(f"{blocked}/unblock", mistake="1", **why),
        await ratna.done(f"{blocked}/unblock", **why),
        await ratna.done(f"{blocked}/allow", **why),
        await ratna.done(f"{blocked}/block", length="permanent", **why),
        await ratna.done(f"{blocked}/disallow"),
        await ratna.done(f"{proposed}/confirm", seen="1", **why),
        await ratna.done(f"{proposed}/confirm", **why),
        await ratna.done(f"{proposed}/dismiss", **why),
        await ratna.done(f"{other}/allow"),
        await ratna.done(f"{other}/nonsense", **why),
        await ratna.done("/handover", did="note"),
        await ratna.done("/handover", did="take over"),
        await ratna.done(f"/calls/{centre.marked}/mark", mark="prank"),
        await ratna.done(f"/calls/{centre.marked}/void", **why),
        await ratna.done(f"/calls/{centre.marked}/mark", mark="genuine", kind="none such"),
        await ratna.done("/calls/1.1/void", **why),
        *[
            await budi.done(f"/callbacks/{hide(MISSED)}", did=did)
            for did in ("take", "tried", "reached", "tried")
        ],
        await admin.done("/people/add", name="Tono", role="operator", password="pendek"),
        await admin.done("/people/add", name="Tono", role="operator", password="aaaaaaaaaaaaaaa"),
        await admin.done("/people/add", name="Tono", role="operator", password="sandi yang panjang sekali"),
        await admin.done("/people/add", name="Tono", role="operator", password="sandi yang panjang sekali"),
        await admin.done("/people/add", name="", role="operator", password="sandi yang panjang sekali"),
        await admin.done("/people/change", name="Tono", did="role", role="viewer"),
        await admin.done("/people/change", name="Entah", did="disable"),
        await admin.done("/tokens/add", name="papan", role="viewer", lasts="soon"),
        await admin.done("/tokens/add", name="papan", role="viewer", lasts="365d"),
        await admin.done("/tokens/revoke", name="papan"),
        await admin.done("/tokens/revoke", name="entah"),
        await admin.done("/webhooks/again", name="entah"),
        await admin.done("/webhooks/again", name="dispatch"),
        await sri.done("/forget", number=GENUINE, again=MISSED, **why),
        await sri.done("/forget", number="12", again="12", **why),
        await sri.done("/forget", number=GENUINE, again=GENUINE, **why),
    ]
    given = {*own(centre), "none such", "Tono", "papan", "entah", "Entah"}
    shown = [re.sub(r"s112_[\w-]+|^(?:good|bad): ", "", text) for text in said]
    assert {text: left for text in shown if (left := remains(text, given))} == {}


async def test_what_is_wrong_is_said_in_indonesian_on_the_wall(centre: Centre) -> None:
    """The wall reports a surge and a lost PBX connection in Indonesian."""
    viewer, found = await centre.login(STAFF[Role.VIEWER]), {}
    site = centre.site
    surge = "2 callers waited over 10s"
    for name, snapshot in {
        "surge": Snapshot(now(), (), {}, {}, None, surge, connected=True, screens=True),
        "not followed": Snapshot(
            now(), (), {}, {}, {}, "no operator logged in", connected=False, screens=True
        ),
    }.items():
        await centre.show(snapshot)
        site.live.version += 1
        _, text = await viewer.get("/wall")
        found[name] = remains(seen(text), own(centre))
        if name == "surge":
            assert "2 menunggu lebih dari 10 detik" in text
    assert {name: left for name, left in found.items() if left} == {}


async def test_what_people_did_is_chosen_from_what_there_is(centre: Centre) -> None:
    """The audit page offers every action by its label, and finds the lines of the chosen one."""
    ratna = await centre.login(STAFF[Role.SUPERVISOR])
    _, text = await ratna.get("/audit")
    chosen = dict(re.findall(r'<option value="([^"]+)">([^<]+)</option>', text))
    assert chosen.keys() == labels.ACTIONS.keys()
    assert chosen["mode"] == "mengganti mode"
    _, text = await ratna.get("/audit?action=mode")
    assert set(re.findall(r"<td>(meng[^<]+|menandai|masuk)</td>", text)) == {"mengganti mode"}
    assert 'value="mode" selected' in text


async def test_the_report_opens_with_this_month_so_far(centre: Centre) -> None:
    """The report opens with this month up to today, and keeps a period that was asked for."""
    ratna = await centre.login(STAFF[Role.SUPERVISOR])
    today = datetime.now(centre.site.settings.zone).date()
    _, text = await ratna.get("/report")
    given = dict(re.findall(r'type="date" name="(\w+)" value="([^"]*)"', text))
    assert given == {"from": f"{today.replace(day=1)}", "to": f"{today}"}
    assert f"/report.html?from={given['from']}&amp;to={given['to']}" in text or (
        f"/report.html?from={given['from']}&to={given['to']}" in text
    )
    _, text = await ratna.get("/report?from=2026-01-02")
    assert dict(re.findall(r'type="date" name="(\w+)" value="([^"]*)"', text)) == {
        "from": "2026-01-02",
        "to": "",
    }


async def test_shares_and_spans_are_written_the_same_everywhere(centre: Centre) -> None:
    """Shares and spans have one spelling on all pages, and in the ages that the browser counts."""
    ratna = await centre.login(STAFF[Role.SUPERVISOR])
    for path in ("/wall", "/report", "/caller/{blocked}"):
        _, text = await ratna.get(path_of(path, centre))
        shown = re.sub(r"\(siaga112[^)]*\)", "", seen(text))
        assert not re.search(r"[0-9] %|[0-9]\.[0-9]+%", shown)
        assert not re.search(r"\b[0-9]+(?:ms|s|m|h|d|w)\b", shown), path
    async with browser(centre.url) as tab:
        await tab.login(STAFF[Role.SUPERVISOR], PASSWORD)
        await tab.open("/wall")
        since = now() - 3 * DAY
        await tab.page.evaluate(
            "at => document.querySelector('main').insertAdjacentHTML("
            "'beforeend', `<span id=x class=age data-since=${at}></span>`)",
            since,
        )
        await tab.page.wait_for_selector("#x:text-is('3 hari')")


@pytest.mark.parametrize("mark", Mark)
def test_the_report_calls_the_marks_as_everybody_does(mark: Mark) -> None:
    """The report uses the same Indonesian word for each mark as the console and the commands."""
    assert Words(Language.ID)(mark.value) == labels.of(mark, tongue(Language.ID))
