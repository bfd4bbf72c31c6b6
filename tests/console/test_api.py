"""The API: the console's questions and decisions as JSON, with errors as problem details."""

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any, Final

import aiohttp
import pytest

from siaga112.app.access import digest
from siaga112.app.records import now
from siaga112.console import shapes
from siaga112.console.api import router
from siaga112.core.access import MAY, Permission, Role
from siaga112.core.caller_id import masked
from siaga112.core.fold import subject, take
from siaga112.core.model import HOUR, AuditEntry, Via
from siaga112.service.ports import AuditFilter
from siaga112.terminal import rows
from tests.console.calls import BLOCKED, GENUINE, MISSED, NEW, PROPOSED, entry, left, propose
from tests.console.centre import Centre
from tests.lab import pdf as read
from tests.samples import RULES, SNAPSHOT, answered
from tests.waiting import until, within

pytestmark = pytest.mark.redis
PATIENCE: Final = 30.0


async def test_a_list_is_paged_and_each_row_comes_once(centre: Centre) -> None:
    """The pages of a list together are the whole list, each row once, however small a page is."""
    _, whole = await centre.ask("GET", "calls?limit=200&since=48h")
    for path, size in (("calls?since=48h", 3), ("blocks", 1), ("callbacks", 1), ("audit?since=1d", 2)):
        found: list[Any] = []
        cursor: str | None = ""
        sign = "&" if "?" in path else "?"
        while cursor is not None:  # ends: with the list
            status, page = await centre.ask("GET", f"{path}{sign}limit={size}&cursor={cursor}")
            assert status == 200
            assert len(page["items"]) <= size
            found += page["items"]
            cursor = page["next"]
        assert found
        assert len({json.dumps(one) for one in found}) == len(found)
        if path.startswith("calls"):
            assert found == whole["items"]
            assert [one["started"] for one in found] == sorted((o["started"] for o in found), reverse=True)


async def test_who_is_reached_meanwhile_takes_nobody_off_the_next_page(centre: Centre) -> None:
    """A call-back that another operator closes between two pages moves nobody past the reader."""
    at = now() - 60_000
    late = [left(90 + nth, at + nth, caller) for nth, caller in enumerate((NEW, PROPOSED))]
    await centre.site.store.records.transaction(
        [subject(one) for one in late], lambda work: [take(work, one, RULES) for one in late]
    )
    found = list[str]()
    cursor = ""
    for _ in range(3):
        _, page = await centre.ask("GET", f"callbacks?limit=1&reveal=true&cursor={cursor}")
        found += [one["caller"] for one in page["items"]]
        if len(found) == 1:
            done = await centre.ask("POST", f"callbacks/{found[0]}", json={"did": "reached"})
            assert done[0] == 200
        cursor = page["next"]
    assert found == [MISSED, NEW, PROPOSED]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("outcome=ivr_prank", 10), ("outcome=abandoned", 1), ("mark=genuine", 1), ("mark=unmarked", 2),
        ("operator=Siti", 1), ("operator=Nobody", 0), ("reason=left_menu", 10), (f"caller={GENUINE[1:]}", 2),
        ("outcome=answered&operator=Budi", 2), ("queue=elsewhere", 0), ("since=1m", 0),
    ],
)  # fmt: skip
async def test_calls_are_filtered_by_what_the_command_names(centre: Centre, query: str, count: int) -> None:
    """Each filter returns the calls that match it, alone or with others."""
    status, page = await centre.ask("GET", f"calls?{query}")
    assert (status, len(page["items"])) == (200, count)


async def test_numbers_are_masked_until_asked_for_and_that_is_noted(centre: Centre) -> None:
    """Numbers are masked; revealing them is audited, and refused for a token that may not see numbers."""
    _, page = await centre.ask("GET", "blocks")
    assert [one["caller"] for one in page["items"]] == [masked(BLOCKED)]
    _, page = await centre.ask("GET", "blocks?reveal=true")
    assert [one["caller"] for one in page["items"]] == [BLOCKED]
    which = AuditFilter(0, now() + 1, "look", looks=True)
    lines = [line for _, line in await centre.site.store.records.audit_page(which, 10)]
    assert [(line.by, line.via, line.detail) for line in lines] == [
        ("program", Via.API, "numbers of who is blocked")
    ]
    blind = await centre.give_token(Role.SUPERVISOR, numbers=False)
    status, told = await centre.ask("GET", "blocks?reveal=true", token=blind)
    assert (status, told["title"]) == (403, "Forbidden")
    _, told = await centre.ask("GET", f"callers/{BLOCKED}", token=blind)
    assert BLOCKED not in json.dumps(told)


async def test_one_callers_calls_are_a_look_at_the_caller(centre: Centre) -> None:
    """A list of one caller's calls is audited as the caller's story is."""
    await centre.ask("GET", "calls")
    await centre.ask("GET", "calls", params={"caller": GENUINE, "since": "400d"})
    which = AuditFilter(0, now() + 1, "look", looks=True)
    lines = [line for _, line in await centre.site.store.records.audit_page(which, 10)]
    assert [(line.by, line.subject, line.detail) for line in lines] == [("program", GENUINE, "calls")]


async def test_no_name_of_a_recording_tells_a_number_that_is_masked(centre: Centre) -> None:
    """FreePBX puts the caller's number into the file's name."""
    one = answered(90, now() - 60_000, GENUINE)
    name = "2026/11/29/external-112-081244444444-20261129-162210-1795966930.90.wav"
    told_ = entry(replace(one, recording=name))
    await centre.site.store.records.transaction([subject(told_)], lambda work: take(work, told_, RULES))
    for path in ("calls?limit=1", f"calls/{one.id}"):
        _, shown = await centre.ask("GET", path)
        assert "81244444444" not in json.dumps(shown)
        _, shown = await centre.ask("GET", path, params={"reveal": "true"})
        assert name in json.dumps(shown)


async def test_no_answer_tells_a_number_to_a_token_that_may_not_see_it(centre: Centre) -> None:
    """A decision on a call says what is now so for its caller, masked."""
    blind = await centre.give_token(Role.SUPERVISOR, numbers=False)
    strike = (await centre.record(BLOCKED)).strikes[0]
    status, done = await centre.ask(
        "POST", f"calls/{strike.call}/void", token=blind, json={"reason": "forged"}
    )
    assert status == 200
    assert masked(BLOCKED) in done["said"]
    assert BLOCKED not in json.dumps(done)


async def test_the_evidence_sheet_is_for_tokens_that_may_see_numbers(centre: Centre) -> None:
    """Only a token that may see numbers gets the evidence sheet, as HTML or PDF, and it is audited."""
    status, text = await centre.ask("GET", f"callers/{BLOCKED}/sheet?lang=id")
    assert (status, "Lembar bukti" in text, BLOCKED in text, "program" in text) == (200, True, True, True)
    url = f"{centre.url}/api/v1/callers/{BLOCKED}/sheet?format=pdf"
    headers = {"Authorization": f"Bearer {centre.token}"}
    async with (
        within(60, "the sheet as a PDF"),
        centre.nobody().session.get(url, headers=headers) as answer,
    ):
        assert (answer.status, answer.content_type) == (200, "application/pdf")
        assert "Evidence sheet" in read.text(await answer.read())
    which = AuditFilter(0, now() + 1, "look", looks=True)
    lines = [line for _, line in await centre.site.store.records.audit_page(which, 10)]
    assert [(line.by, line.via, line.detail) for line in lines] == [
        ("program", Via.API, "evidence sheet")
    ] * 2
    blind = await centre.give_token(Role.SUPERVISOR, numbers=False)
    status, told = await centre.ask("GET", f"callers/{BLOCKED}/sheet", token=blind)
    assert (status, told["title"]) == (403, "Forbidden")
    status, told = await centre.ask("GET", f"callers/{BLOCKED}/sheet?format=docx")
    assert (status, "format" in told["detail"]) == (422, True)


@pytest.mark.parametrize(
    ("method", "path", "body", "said"),
    [
        ("POST", "blocks", {"caller": MISSED, "for": "24h", "reason": "threats"}, "is blocked until"),
        ("DELETE", f"blocks/{BLOCKED}?reason=stolen", None, "is no longer blocked"),
        ("POST", f"proposals/{PROPOSED}/confirm", {"reason": "agreed"}, "is blocked until further notice"),
        ("POST", f"proposals/{PROPOSED}/dismiss", {"reason": "a child"}, "is not blocked"),
        ("PUT", "allowed/0254201234", {"reason": "clinic"}, "+62254201234 is on the allow list"),
        ("POST", f"callbacks/{MISSED}", {"did": "reached", "note": "well"}, "is off the list (1 call)"),
        ("PUT", "mode", {"mode": "enforce", "reason": "decided"}, "mode is now enforce"),
        ("POST", "marks", {"call": GENUINE, "mark": "information"}, "is marked information"),
    ],
)
async def test_a_decision_says_in_a_sentence_what_came_of_it(
    centre: Centre, method: str, path: str, body: dict[str, Any] | None, said: str
) -> None:
    """A decision answers with a sentence on its result, and is audited as the program's, via the API."""
    status, told = await centre.ask(method, path, json=body)
    assert (status, said in told["said"], told["late"]) == (200, True, []), told
    lines = await centre.site.store.audit_entries(0, now() + 1)
    assert (lines[-1].by, lines[-1].via) == ("program", Via.API)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "allowed/0254201234", {"reason": "first\r\n second\0"}),
        ("DELETE", f"blocks/{BLOCKED}?reason=first%0D%0A%20second%00", None),
        ("PUT", "mode", {"mode": "enforce", "reason": "first\r\n second\0"}),
    ],
)
async def test_a_reason_is_one_line_that_every_database_can_keep(
    centre: Centre, method: str, path: str, body: dict[str, Any] | None
) -> None:
    """A reason is put on one line, as with the command: PostgreSQL refuses NUL, in a restored backup too."""
    status, told = await centre.ask(method, path, json=body)
    assert status == 200, told
    lines = await centre.site.store.audit_entries(0, now() + 1)
    assert lines[-1].reason == "first second\N{REPLACEMENT CHARACTER}"


async def test_what_may_hit_the_wrong_one_is_asked_first(centre: Centre) -> None:
    """A risky block gets a 409 with each reason, and is done only when it is sent again with `yes`."""
    body = {"numbers": [GENUINE, MISSED], "for": "24h", "reason": "threats"}
    status, told = await centre.ask("POST", "blocks", json=body)
    said = f"{GENUINE} reported something genuine within the last 24 hours"
    assert (status, told["type"], told["detail"]) == (409, "urn:siaga112:ask-first", said)
    assert told["asks"] == [{"cause": "genuine", "caller": GENUINE, "said": said}]
    assert shapes.AskFirst.model_validate(told).status == status
    assert (await centre.record(MISSED)).blocks == ()
    await centre.ask("PUT", f"allowed/{MISSED}", json={"reason": "clinic"})
    status, told = await centre.ask("POST", "blocks", json=body | {"yes": True})
    assert (status, told["said"]) == (200, "1 number blocked; 1 refused")
    assert shapes.Blocked.model_validate(told).late == []
    assert [(one["caller"], one["done"]) for one in told["results"]] == [(GENUINE, True), (MISSED, False)]
    assert "is on the allow list" in told["results"][1]["said"]


async def test_none_of_several_is_blocked_if_one_is_no_number(centre: Centre) -> None:
    """If one of several numbers is invalid, none is blocked: they may come from the wrong column."""
    body = {"numbers": [MISSED, "112"], "for": "24h", "reason": "threats", "yes": True}
    status, told = await centre.ask("POST", "blocks", json=body)
    assert (status, '"112" is not the number of a caller' in told["detail"]) == (422, True)
    assert (await centre.record(MISSED)).blocks == ()


@pytest.mark.parametrize("decision", ["confirm", "dismiss"])
async def test_what_was_not_seen_is_not_decided(centre: Centre, decision: str) -> None:
    """A decision on a proposal that is decided by now gets a 409 and does not hit the next one."""
    to, why = f"proposals/{PROPOSED}/{decision}", {"reason": "agreed"}
    _, page = await centre.ask("GET", "proposals")
    seen = [page["items"][0]["since"]]
    assert (await centre.ask("POST", f"proposals/{PROPOSED}/dismiss", json=why | {"seen": seen}))[0] == 200
    await propose(centre.site.store, PROPOSED)
    status, told = await centre.ask("POST", to, json=why | {"seen": seen})
    said = f"{PROPOSED} has another proposal, objection or block than you saw: look again, then decide"
    assert (status, told["detail"], told["type"]) == (409, said, "about:blank")
    status, told = await centre.ask("DELETE", f"blocks/{PROPOSED}", params={**why, "seen": seen[0]})
    assert (status, told["detail"]) == (409, said)
    _, page = await centre.ask("GET", "proposals")
    assert (await centre.ask("POST", to, json=why | {"seen": [page["items"][0]["since"]]}))[0] == 200


async def test_an_objection_or_a_block_that_was_not_seen_is_not_decided(centre: Centre) -> None:
    """An objection is rejected, and a block lifted, if all was seen that this decides."""
    why = {"reason": "agreed"}
    await centre.ask("POST", "appeals", json={"caller": BLOCKED, **why})
    objection = (await centre.ask("GET", "appeals"))[1]["items"][0]["since"]
    block = (await centre.ask("GET", "blocks"))[1]["items"][0]["since"]
    to = f"appeals/{BLOCKED}/reject"
    assert (await centre.ask("POST", to, json=why | {"seen": ["2026-11-29T08:00:00+07:00"]}))[0] == 409
    assert (await centre.ask("DELETE", f"blocks/{BLOCKED}", params=[*why.items(), ("seen", block)]))[0] == 409
    assert (await centre.ask("POST", to, json=why | {"seen": ["2026-11-29T08:00:00"]}))[0] == 422
    assert (await centre.ask("POST", to, json=why | {"seen": [objection]}))[0] == 200
    assert (await centre.ask("DELETE", f"blocks/{BLOCKED}", params=[*why.items(), ("seen", block)]))[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "detail"),
    [
        ("GET", "calls/1.1", None, 404, 'no call "1.1" in the ledger'),
        ("GET", "calls?since=soon", None, 422, "not a day"),
        ("GET", "calls?outcome=lost", None, 422, "outcome"),
        ("GET", "calls?limit=0", None, 422, "limit"),
        ("GET", "calls?cursor=nonsense", None, 422, "cursor"),
        ("GET", "callers/112", None, 422, "is not the number of a caller"),
        ("POST", "blocks", {"caller": MISSED, "reason": "x"}, 422, "say how long"),
        ("POST", "blocks", {"for": "1h", "reason": "x"}, 422, "give either caller or numbers"),
        (
            "POST",
            "blocks",
            {"caller": MISSED, "numbers": [MISSED], "for": "1h", "reason": "x"},
            422,
            "give either caller or numbers",
        ),
        ("POST", "blocks", {"caller": MISSED, "for": "1h", "reason": ""}, 422, "reason"),
        ("POST", "blocks", {"caller": MISSED, "for": "1h", "reason": " \n "}, 422, "say why"),
        ("DELETE", f"blocks/{BLOCKED}?reason=%20", None, 422, "say why"),
        ("POST", "blocks", {"caller": MISSED, "for": "1h", "reason": "x", "colour": "red"}, 422, "colour"),
        ("DELETE", f"blocks/{MISSED}?reason=x", None, 409, "is not blocked"),
        ("POST", f"proposals/{MISSED}/confirm", {"reason": "x"}, 409, "no block is proposed"),
        ("PUT", "mode", {"mode": "off"}, 409, "mode off needs a reason"),
        ("POST", "marks", {"call": GENUINE, "mark": "prank", "kind": "fire"}, 422, "to a genuine report"),
        ("GET", "nowhere", None, 404, "Not Found"),
        ("PATCH", "mode", None, 405, "Method Not Allowed"),
        ("GET", "events?types=call.lost", None, 422, "call.lost"),
    ],
)
async def test_what_is_wrong_is_told_as_problem_details(  # noqa: PLR0917 - one parameter a column
    centre: Centre, method: str, path: str, body: dict[str, Any] | None, status: int, detail: str
) -> None:
    """An error is a problem detail (RFC 9457) that says what is wrong and repeats the status."""
    answered_, told = await centre.ask(method, path, json=body)
    assert (answered_, told["status"]) == (status, status), told
    assert detail in told["detail"]
    assert set(told) == {"type", "title", "status", "detail"}


async def test_an_operators_program_marks_no_call_of_an_earlier_shift(centre: Centre) -> None:
    """A program marks what a person in its role marks: by the call's id, or by the caller's number."""
    old = entry(answered(90, centre.site.shift_began() - 2 * HOUR, NEW))
    await centre.site.store.records.transaction([subject(old)], lambda work: take(work, old, RULES))
    token = await centre.give_token(Role.OPERATOR)
    for call in (old.finding.call.id, NEW):
        status, told = await centre.ask("POST", "marks", token=token, json={"call": call, "mark": "prank"})
        assert (status, "is of an earlier shift" in told["detail"]) == (403, True)
    assert (await centre.record(NEW)).strikes == ()
    assert (await centre.ask("GET", f"calls/{old.finding.call.id}", token=token))[0] == 403
    assert (await centre.ask("POST", "marks", json={"call": NEW, "mark": "prank"}))[0] == 200


async def test_the_answer_speaks_the_language_asked_for(centre: Centre) -> None:
    """A decision's sentence is in the language that the request accepts."""
    headers = {"Authorization": f"Bearer {centre.token}", "Accept-Language": "id-ID,id;q=0.9"}
    session = centre.nobody().session
    url = f"{centre.url}/api/v1/blocks/{BLOCKED}?reason=salah"
    async with session.delete(url, headers=headers) as answer:
        assert "tidak lagi diblokir" in (await answer.json())["said"]


async def test_rows_have_the_commands_names(centre: Centre) -> None:
    """Rows of the API have the names that `siaga112 calls --json` prints, and the described shapes."""
    _, page = await centre.ask("GET", "calls")
    assert set(page["items"][0]) == set(rows.SUMMARY_NAMES) == set(shapes.CallRow.model_fields)
    _, told = await centre.ask("GET", f"callers/{BLOCKED}")
    shapes.CallerStory.model_validate(told)
    for path, shape in (("calls", shapes.Calls), ("blocks", shapes.Blocks), ("proposals", shapes.Proposals)):
        shape.model_validate((await centre.ask("GET", path))[1])
    _, page = await centre.ask("GET", "calls?mark=genuine")
    call = page["items"][0]["call"]
    shapes.ExplainedCall.model_validate((await centre.ask("GET", f"calls/{call}"))[1])
    shapes.NowRow.model_validate((await centre.ask("GET", "now"))[1])


async def test_the_description_is_openapi_3_1_and_names_every_route(centre: Centre) -> None:
    """The OpenAPI 3.1 description has every route with its errors, and the API page shows each."""
    _, described = await centre.ask("GET", "openapi.json", token="")
    assert described["openapi"] == "3.1.0"
    for route in router.routes:
        for method in route.methods:  # type: ignore[attr-defined] # an APIRoute
            one = described["paths"][route.path][method.lower()]  # type: ignore[attr-defined] # likewise
            assert {"401", "403", "422", "503"} <= set(one["responses"])
            assert one["description"]
    _, text = await (await centre.login("Viewer")).get("/api")
    assert text.count('class="route"') == sum(len(one) for one in described["paths"].values())


# ── events ───────────────────────────────────────────────────────────────────────────────────────


async def told(
    centre: Centre, query: str = "", *, token: str = "", last: str = ""
) -> AsyncGenerator[dict[str, Any], None]:
    """Yield events as they come."""
    headers = {"Authorization": f"Bearer {token or centre.token}"} | ({"Last-Event-ID": last} if last else {})
    url = f"{centre.url}/api/v1/events{query}"
    timeout = aiohttp.ClientTimeout(total=None)
    async with centre.nobody().session.get(url, headers=headers, timeout=timeout) as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        async for line in answer.content:
            if line.startswith(b"data: "):
                yield json.loads(line[6:])


async def happen(centre: Centre, number: int) -> None:
    """Store an ended call."""
    one = entry(answered(number, now(), GENUINE))
    await centre.site.store.records.transaction([subject(one)], lambda work: take(work, one, RULES))


async def test_what_happens_is_told_at_once_as_cloud_events(centre: Centre) -> None:
    """Events arrive at once, as CloudEvents in order; a program that reconnects gets what it missed."""
    stream = told(centre)
    first = asyncio.ensure_future(anext(stream))
    async with asyncio.timeout(PATIENCE):
        while not centre.site.live.watching:  # noqa: ASYNC110 - nothing signals it
            await asyncio.sleep(0.01)
        await happen(centre, 90)
        event = await first
    assert {key: event[key] for key in ("specversion", "type", "source")} == {
        "specversion": "1.0",
        "type": "id.siaga112.call.ended",
        "source": f"/siaga112/{centre.site.settings.site}",
    }
    assert event["data"]["outcome"] == "answered"
    assert event["data"]["caller"] == GENUINE
    assert event["subject"] == event["subject"].strip()
    await stream.aclose()
    await happen(centre, 91)
    await happen(centre, 92)
    async with asyncio.timeout(PATIENCE):
        missed = [one async for one in told(centre, "?follow=false", last=event["id"])]
    ends = [one for one in missed if one["type"] == "id.siaga112.call.ended"]
    assert [one["data"]["outcome"] for one in ends] == ["answered", "answered"]
    assert [int(one["id"]) for one in missed] == sorted(int(one["id"]) for one in missed)


async def test_a_program_gets_the_events_it_wants_without_numbers_it_may_not_have(centre: Centre) -> None:
    """A program gets only the types it names, with masked numbers if its token or role may not see them."""
    viewer = await centre.give_token(Role.VIEWER)
    for token in (viewer, await centre.give_token(Role.SUPERVISOR, numbers=False)):
        found = [one async for one in told(centre, "?follow=false&types=block.imposed", token=token)]
        assert [one["type"] for one in found] == ["id.siaga112.block.imposed"]
        assert found[0]["data"]["caller"] == masked(BLOCKED)
        assert BLOCKED not in json.dumps(found)


async def test_who_does_not_see_the_shift_is_told_no_name_and_nothing_that_people_wrote(
    centre: Centre,
) -> None:
    """Events are as the live line is: without SHIFT no operators, and nobody's words on a caller."""
    why = {"reason": "a letter of Mrs Dewi"}
    await centre.show(SNAPSHOT)
    await centre.ask("POST", "blocks", json={"caller": MISSED, "for": "24h", **why})
    await centre.ask("POST", "appeals", json={"caller": MISSED, **why})
    await centre.ask("DELETE", f"blocks/{MISSED}", params=why)
    await centre.ask("PUT", "mode", json={"mode": "enforce", "reason": "as decided"})
    names = {"operator", "by", "lifted_by"}
    for role in Role:
        token = await centre.give_token(role)
        found = [one["data"] async for one in told(centre, "?follow=false", token=token)]
        modes = [one.get("reason") for one in found if "mode" in one]
        others = [one for one in found if "mode" not in one]
        _, live = await centre.ask("GET", "now", token=token)
        sees = Permission.SHIFT in MAY[role]
        assert any(names & set(one) for one in others) is sees
        assert ("Mrs Dewi" in json.dumps(others)) is sees
        assert modes == ["as decided"], "as on the wall"
        assert (bool(live["operators"]), bool(live["calls"])) == (sees, sees)


@pytest.mark.parametrize("change", [{"revoked_at": 1}, {"until": 1}, {"numbers": False}])
async def test_a_stream_ends_with_the_right_to_it(centre: Centre, change: dict[str, Any]) -> None:
    """A program receives nothing more once its token ends or may see less: it must come again."""
    token, records = await centre.give_token(Role.SUPERVISOR), centre.site.store.records
    stream = told(centre, "?types=call.ended", token=token)
    first = asyncio.ensure_future(anext(stream))
    async with within(PATIENCE, "the end of the stream"):
        await until(lambda: centre.site.live.watching > 0)
        await happen(centre, 90)
        assert (await first)["data"]["caller"] == GENUINE
        held = await records.token(digest(token))
        assert held
        await records.keep_token(replace(held, **change), AuditEntry(now(), "test", "token", held.name))
        centre.site.gate.forget()
        await happen(centre, 91)
        assert [one async for one in stream] == []


async def test_every_change_is_announced_in_its_own_transaction(centre: Centre) -> None:
    """Each change is announced exactly once, and calls that are stored again announce nothing."""
    kinds: dict[str, int] = {}
    async for one in told(centre, "?follow=false"):
        kinds[one["type"].removeprefix("id.siaga112.")] = kinds.get(one["type"][12:], 0) + 1
    assert kinds == {
        "call.ended": 14,
        "call.marked": 1,
        "strike.given": 10,
        "block.imposed": 1,
        "callback.waiting": 1,
        "proposal.made": 1,
    }
    before = await centre.site.store.records.last_announced()
    held = await centre.site.store.entries_of(GENUINE)
    await centre.site.store.records.transaction(
        [subject(one) for one in held], lambda work: [take(work, one, RULES) for one in held]
    )
    assert await centre.site.store.records.last_announced() == before


async def test_a_wrong_method_is_told_all_that_an_address_knows(centre: Centre) -> None:
    """A 405 lists the methods of all routes of the address (RFC 9110, 15.5.6)."""
    async with centre.nobody().session.patch(
        f"{centre.url}/api/v1/mode", headers={"Authorization": f"Bearer {centre.token}"}
    ) as answer:
        assert answer.status == 405
        assert {name.strip() for name in answer.headers["Allow"].split(",")} == {"GET", "PUT"}


async def test_each_status_that_an_error_may_have_is_described(centre: Centre) -> None:
    """A body that is not JSON gets a 400, and the description lists that status."""
    async with centre.nobody().session.put(
        f"{centre.url}/api/v1/mode",
        data=b"\xff{",
        headers={"Authorization": f"Bearer {centre.token}", "Content-Type": "application/json"},
    ) as answer:
        assert answer.status == 400
    described = centre.site_app.state.described["paths"]["/api/v1/mode"]["put"]["responses"]
    assert str(answer.status) in described


async def test_looks_at_the_same_moment_tell_nothing_twice(
    centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that polls `/now` beside a wall doubles no event, and no figure of the day."""
    live, records = centre.site.live, centre.site.store.records
    read_ = records.announcements

    async def slowly(*which: Any) -> Any:
        found = await read_(*which)
        await asyncio.sleep(0.05)
        return found

    monkeypatch.setattr(records, "announcements", slowly)
    with live.watched():
        await live.look()
        await happen(centre, 90)
        await asyncio.gather(*(live.look() for _ in range(3)))
        assert live.today
        assert live.today.total == len(await centre.site.store.ledger_calls(live.today.since, now() + 1))
    told_ = [one.id for one in live.lately]
    assert told_ == sorted({*told_})


async def test_what_a_poll_has_read_is_told_to_who_follows(centre: Centre) -> None:
    """Whichever look finds a change wakes the followers: the next heartbeat would be too late."""
    live, seen = centre.site.live, list[int]()
    centre.looking.cancel()  # else it would find the change first
    await asyncio.gather(centre.looking, return_exceptions=True)
    await live.look()

    async def follow() -> None:
        async for version in live.changes(PATIENCE):
            seen.append(version)

    following = asyncio.ensure_future(follow())
    await until(lambda: len(seen) == 1)
    await happen(centre, 91)
    assert (await centre.ask("GET", "now"))[0] == 200
    await until(lambda: len(seen) > 1)
    following.cancel()
