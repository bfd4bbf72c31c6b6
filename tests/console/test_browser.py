"""The console in a real Chromium: accessible, fitting every screen, loading nothing from other hosts."""

import re
from typing import Final

import pytest
from axe_playwright_python.async_playwright import Axe

from siaga112.app.records import now
from siaga112.core.access import Role
from siaga112.core.model import CallId, CallInProgress, Mark, OperatorNow, OperatorState, Stage
from siaga112.core.snapshot import Snapshot
from tests.console.browser import WIDTHS, Tab, browser
from tests.console.calls import BLOCKED, GENUINE, MISSED, PROPOSED
from tests.console.centre import BUDI, PASSWORD, PEOPLE, Centre
from tests.lab import pdf as read

pytestmark = [pytest.mark.redis, pytest.mark.slow]

PAGES: Final = {
    PEOPLE[Role.SUPERVISOR]: (
        *("/wall", "/shift", "/callbacks", "/waiting", "/calls", "/blocks", "/blocks?of=allowed", "/report"),
        *(
            "/handover",
            "/audit?looks=true",
            "/api",
            "/caller/{hidden}",
            "/caller/{hidden}/sheet",
            "/calls/{call}",
        ),
    ),
    PEOPLE[Role.PRIVACY]: ("/subject", "/holds", "/privacy"),
    PEOPLE[Role.ADMIN]: ("/people", "/settings"),
    BUDI: ("/shift",),
}
RULES: Final = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
MOST_BYTES: Final = 100_000


def paths(centre: Centre, who: str) -> list[str]:
    """Return a person's pages, with an existing caller and call filled in."""
    hidden = centre.site.hiding.hide(BLOCKED)
    call = centre.marked
    return [path.format(hidden=hidden, call=call) for path in PAGES[who]]


async def going_on(centre: Centre) -> None:
    """Show calls in progress on the wall."""
    at = now()
    calls = (
        CallInProgress(CallId("9.1"), BLOCKED, at - 9_000, Stage.QUEUE, at - 5_000, "siaga112"),
        CallInProgress(CallId("9.2"), GENUINE, at - 60_000, Stage.TALKING, at - 40_000, operator=BUDI),
    )
    people = (
        OperatorNow(BUDI, OperatorState.BUSY, since=at - 40_000),
        OperatorNow("Siti", OperatorState.PAUSED, "makan", at - 600_000),
    )
    counts = {OperatorState.BUSY: 1, OperatorState.PAUSED: 1}
    stages = {Stage.QUEUE: 1, Stage.TALKING: 1}
    queues = {"siaga112": (1, at - 5_000)}
    await centre.show(
        Snapshot(at, calls, stages, queues, counts, "", connected=True, screens=True, logged_in=people)
    )


@pytest.fixture
async def busy(centre: Centre) -> Centre:
    """Return a centre with calls in progress."""
    await going_on(centre)
    _, found = await centre.ask("GET", "calls?mark=genuine")
    centre.marked = found["items"][0]["call"]
    return centre


@pytest.mark.parametrize(
    ("lang", "dark"),
    [
        pytest.param("id", False, id="id-light"),
        pytest.param("en", True, id="en-dark"),
        pytest.param("id", True, id="id-dark", marks=pytest.mark.night),
        pytest.param("en", False, id="en-light", marks=pytest.mark.night),
    ],
)
@pytest.mark.parametrize("who", PAGES)
async def test_everybody_can_use_every_page(busy: Centre, who: str, lang: str, *, dark: bool) -> None:
    """axe-core finds no violation of WCAG 2.2 AA, in both languages, light and dark."""
    person = await busy.login(who)
    await person.post("/lang", {"lang": lang})
    wrong = []
    async with browser(busy.url, dark=dark) as tab:
        await tab.open("/login")
        wrong += await violations(tab, "/login")
        await tab.login(who, PASSWORD)
        for path in paths(busy, who):
            await tab.open(path)
            wrong += await violations(tab, path)
    assert wrong == []


async def test_what_shuts_somebody_out_would_be_found(busy: Centre) -> None:
    """axe-core reports an image without alternative text and a field without a name."""
    async with browser(busy.url) as tab:
        await tab.open("/login")
        await tab.page.evaluate("document.querySelector('main').innerHTML = '<img src=x><input>'")
        found = await violations(tab, "/login")
    assert {one.split(": ")[1] for one in found} >= {"image-alt", "label"}


async def violations(tab: Tab, path: str) -> list[str]:
    """Return what axe-core finds, as one line per element."""
    found = await Axe().run(tab.page, options={"runOnly": RULES["runOnly"]})
    return [
        f"{path}: {one['id']}: {node['html'][:200]}"
        for one in found.response["violations"]
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("width", WIDTHS)
async def test_every_page_fits_its_screen(busy: Centre, width: str) -> None:
    """On a phone, a desk and a wall, no page is wider than the screen and no text smaller than 11 px."""
    wide = []
    async with browser(busy.url, size=WIDTHS[width]) as tab:
        for who in PAGES:
            await tab.page.context.clear_cookies()
            await tab.login(who, PASSWORD)
            for path in paths(busy, who):
                await tab.open(path)
                over = await tab.page.evaluate("document.documentElement.scrollWidth - innerWidth")
                small = await tab.page.evaluate(
                    "[...document.querySelectorAll('body *')].filter(e => e.innerText && "
                    "parseFloat(getComputedStyle(e).fontSize) < 11).length"
                )
                if over > 0 or small:
                    wide.append((path, over, small))
    assert wide == []


async def test_the_first_page_is_light_and_asks_nobody_else(busy: Centre) -> None:
    """Loading the wall takes at most 100 kB, asks no other host and logs nothing in the browser."""
    async with browser(busy.url) as tab:
        await tab.login(PEOPLE[Role.SUPERVISOR], PASSWORD)
        tab.requests.clear()
        weight = 0
        await tab.open("/wall")
        await tab.page.wait_for_function("window.htmx !== undefined")
        for url in {url for url in tab.requests if not url.endswith("/live")}:
            answer = await tab.page.request.get(url)
            weight += len(await answer.body())
        assert weight <= MOST_BYTES
        assert len(tab.requests) >= 6
        assert [url for url in tab.requests if not url.startswith(busy.url)] == []
        assert tab.messages == []


async def test_the_wall_follows_without_a_hand(busy: Centre) -> None:
    """Without a reload, the wall counts ages up and shows a lost PBX connection and a new mode."""
    async with browser(busy.url) as tab:
        await tab.login(PEOPLE[Role.VIEWER], PASSWORD)
        await tab.open("/wall")
        await tab.page.wait_for_selector("text=Siti")
        age = tab.page.locator("[sse-swap=queues] .age")
        first = await age.inner_text()
        await tab.page.wait_for_function(
            "first => document.querySelector('[sse-swap=queues] .age').innerText !== first", arg=first
        )
        await busy.show(Snapshot(now(), (), {}, {}, {}, "", connected=False, screens=True))
        await tab.page.wait_for_selector("text=The PBX is not followed")
        token = busy.token
        status, _ = await busy.ask("PUT", "mode", json={"mode": "off", "reason": "flood"}, token=token)
        assert status == 200
        await tab.page.wait_for_selector(".mode.off")
        assert BLOCKED not in await tab.page.content()


async def test_a_wall_whose_line_is_gone_says_so(busy: Centre) -> None:
    """A wall that loses its connection says so, so that nobody takes old figures for current ones."""
    async with browser(busy.url) as tab:
        await tab.login(PEOPLE[Role.VIEWER], PASSWORD)
        await tab.open("/wall")
        await tab.page.wait_for_function("document.querySelector('.offline').hidden")
        await tab.page.context.set_offline(True)
        await busy.cut()
        await tab.page.wait_for_selector(".offline:not([hidden])")


async def test_a_supervisor_confirms_a_proposal_with_the_keyboard_alone(busy: Centre) -> None:
    """A supervisor can log in and confirm a proposal without a mouse."""
    async with browser(busy.url) as tab:
        await tab.login(PEOPLE[Role.SUPERVISOR], PASSWORD)
        await tab.open("/waiting")
        reason = tab.page.locator(".proposal input[name=reason]")
        for _ in range(60):
            await tab.page.keyboard.press("Tab")
            if await reason.evaluate("one => one === document.activeElement"):
                break
        await tab.page.keyboard.type("agreed with the ministry")
        await tab.page.keyboard.press("Tab")
        await tab.page.keyboard.press("Enter")
        await tab.page.wait_for_selector(".flash.good")
    assert (await busy.record(PROPOSED)).block_at(now())


@pytest.mark.parametrize("lang", ["id", "en"])
async def test_the_evidence_sheet_prints_on_one_page(busy: Centre, lang: str) -> None:
    """Even in dark mode, the evidence sheet prints on one A4 page, without the console's links."""
    hidden = busy.site.hiding.hide(BLOCKED)
    async with browser(busy.url, dark=True) as tab:
        await tab.login(PEOPLE[Role.SUPERVISOR], PASSWORD)
        await tab.open(f"/caller/{hidden}/sheet?lang={lang}")
        printed = await tab.page.pdf(prefer_css_page_size=True, print_background=True)
    said = read.about(printed)
    assert (said["Pages"], said["Page size"].endswith("(A4)")) == ("1", True)
    text = read.text(printed)
    assert BLOCKED in text
    assert not [words for words in ("Bahasa Indonesia", "Log out", "Print") if words in text]


async def test_an_operator_marks_the_call_that_goes_on(busy: Centre) -> None:
    """A mark that an operator sets during a call stays until the call is over."""
    async with browser(busy.url, size=WIDTHS["telephone"]) as tab:
        await tab.login(BUDI, PASSWORD)
        await tab.open("/shift")
        await tab.page.wait_for_selector("text=You are talking with")
        await tab.page.click("button.mark.genuine")
        await tab.page.wait_for_selector("text=the call will be marked when it is over")
    assert [(one.visitor.name, one.mark) for one in busy.site.marks.values()] == [(BUDI, Mark.GENUINE)]


async def test_the_console_works_without_javascript(busy: Centre) -> None:
    """Without JavaScript, a decision is a plain form and the wall reloads itself."""
    async with browser(busy.url, script=False) as tab:
        await tab.login(PEOPLE[Role.SUPERVISOR], PASSWORD)
        await tab.open("/waiting")
        await tab.page.fill(".proposal input[name=reason]", "a child")
        await tab.page.click(".proposal button.good")
        await tab.page.wait_for_selector(".flash.good")
        await tab.open("/wall")
        assert re.search(r'http-equiv="refresh"', await tab.page.content())
    assert (await busy.record(PROPOSED)).proposed is None


@pytest.mark.parametrize("script", [True, False], ids=["script", "none"])
async def test_a_supervisor_is_asked_before_a_block_that_may_hit_the_wrong_one(
    busy: Centre, *, script: bool
) -> None:
    """A risky block is asked about first: going back blocks nobody, `yes` blocks all pasted numbers."""
    async with browser(busy.url, script=script, size=WIDTHS["telephone"]) as tab:
        await tab.login(PEOPLE[Role.SUPERVISOR], PASSWORD)
        for answer in ("a.button", "button[name=yes]"):
            await tab.open("/blocks")
            await tab.page.click("summary")
            await tab.page.fill("textarea[name=numbers]", f"{GENUINE}\tBudi\n0812 3333 3333\t")
            await tab.page.fill("details input[name=reason]", "threats")
            await tab.page.click("details button.bad")
            await tab.page.wait_for_selector("text=reported something genuine")
            assert (await busy.record(GENUINE)).blocks == ()
            if script:
                assert await violations(tab, "ask") == []
            assert await tab.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
            await tab.page.click(answer)
            await tab.page.wait_for_selector("text=Who is blocked")
        await tab.page.wait_for_selector("text=2 numbers blocked")
    assert (await busy.record(GENUINE)).block_at(now())
    assert (await busy.record(MISSED)).block_at(now())
