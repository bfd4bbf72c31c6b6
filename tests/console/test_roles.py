"""Who may do what: every pair of role and route, and requests without a login."""

from typing import Final

import pytest

from siaga112.console.access import permissions
from siaga112.console.app import ROUTERS
from siaga112.core.access import MAY, Permission, Role
from tests.console.calls import GENUINE, PROPOSED
from tests.console.centre import PEOPLE, Centre

pytestmark = pytest.mark.redis

OPEN: Final = {
    ("GET", "/"), ("GET", "/login"), ("POST", "/login"), ("GET", "/healthz"), ("GET", "/readyz"),
    ("GET", "/api/v1/openapi.json"),
}  # fmt: skip
"""Routes without a permission: the login, and what reveals nothing."""

ROUTES: Final = [one for router in ROUTERS for one in permissions(router.routes)]
ENDLESS: Final = {"/live"}
QUERIES: Final = {"/api/v1/events": "?follow=false", "/api/v1/callers/{number}": "?reason=test"}


def filled(path: str, centre: Centre, call: str) -> str:
    """Return a route's path with values filled in."""
    hidden = centre.site.hiding.hide(PROPOSED)
    values = {"call": call, "reference": hidden, "number": GENUINE, "decision": "disallow"}
    for name, value in values.items():
        path = path.replace(f"{{{name}}}", value)
    return path


async def test_every_pair_of_role_and_route_is_as_the_table_says(centre: Centre) -> None:
    """A role reaches a route if and only if it has the route's permission; otherwise it gets a 403."""
    call = (await centre.ask("GET", "calls?operator=Budi&mark=unmarked"))[1]["items"][0]["call"]
    routes = [one for one in ROUTES if one[:2] not in OPEN and one[1] not in ENDLESS]
    wrong, pairs = [], 0
    for role in Role:
        browser, token = await centre.login(PEOPLE[role]), await centre.give_token(role)
        for method, path, needed in routes:
            assert needed is not None, f"{method} {path} asks for no permission"
            if path == "/logout":
                continue
            to = filled(path, centre, call) + QUERIES.get(path, "")
            if path.startswith("/api/"):
                status, _ = await centre.ask(method, to.removeprefix("/api/v1/"), token=token)
            elif method == "GET":
                status, _ = await browser.get(to)
            else:
                status, _ = await browser.post(to)
            pairs += 1
            if (status == 403) is (needed in MAY[role]) or status >= 500:
                wrong.append((role, method, path, needed, status))
    assert wrong == []
    assert pairs > 5 * 60


async def test_nobody_gets_in_anywhere(centre: Centre) -> None:
    """Without a login, a page redirects to the login; a form and the API answer 401."""
    browser = centre.nobody()
    for method, path, needed in ROUTES:
        if (method, path) in OPEN:
            assert needed is None
            continue
        to = filled(path, centre, "1.1")
        if path.startswith("/api/"):
            for token in ("", "s112_" + "x" * 43):
                status, told = await centre.ask(method, to.removeprefix("/api/v1/"), token=token)
                assert (status, told["status"]) == (401, 401), path
        elif method == "GET":
            assert await browser.get(to) == (303, ""), path
        else:
            assert (await browser.post(to))[0] == 401, path


def test_every_permission_is_asked_for_and_given_to_somebody() -> None:
    """Every permission is required by some route and granted to some role."""
    assert {needed for _, _, needed in ROUTES if needed} == set(Permission)
    assert set().union(*MAY.values()) == set(Permission)


def test_roles_are_as_the_contract_says() -> None:
    """Operators decide nothing, privacy officers block nobody, and admins see no caller.

    A supervisor may hold evidence, being on duty when the police ask, but may erase nothing.
    """
    assert Permission.DECIDE not in MAY[Role.OPERATOR]
    assert MAY[Role.PRIVACY].isdisjoint({Permission.DECIDE, Permission.MODE, Permission.MARK})
    assert MAY[Role.ADMIN].isdisjoint({Permission.SHIFT, Permission.CALLS, Permission.SUBJECT})
    assert MAY[Role.VIEWER] == {Permission.WALL}
    assert {role for role in Role if Permission.HOLD in MAY[role]} == {Role.SUPERVISOR, Role.PRIVACY}
    assert {role for role in Role if Permission.FORGET in MAY[role]} == {Role.PRIVACY}
