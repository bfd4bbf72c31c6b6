"""The permission of each route: exactly one, so that every pair of role and route can be tested."""

from collections.abc import Iterator
from typing import Any, Final, cast

from fastapi import Request
from fastapi.params import Depends
from fastapi.routing import APIRoute

from siaga112.console.identity import MayNotError, NobodyError, Visitor
from siaga112.console.site import Console
from siaga112.core.access import Permission
from siaga112.terminal import labels
from siaga112.words import say, tongue


def console(request: Request) -> Console:
    """Return what all routes share."""
    return cast("Console", request.app.state.console)


_MAY_NOT: Final = say("a {role} may not do that: it needs the permission {permission}")


class Needs:
    """A dependency: the visitor, if the role has the permission.

    Raises:
        NobodyError: if nobody is logged in, or the token is invalid.
        MayNotError: if the role lacks the permission.

    """

    def __init__(self, permission: Permission, *, program: bool) -> None:
        self.permission: Final = permission
        self._program: Final = program

    async def __call__(self, request: Request) -> Visitor:
        """Return the visitor."""
        gate = console(request).gate
        visitor = await (gate.program(request.headers) if self._program else gate.visitor(request))
        if visitor is None:
            raise NobodyError(say("a valid token is required") if self._program else say("log in first"))
        request.state.visitor = visitor
        if not visitor.may(self.permission):
            t = tongue(visitor.lang)
            role, needed = labels.word(visitor.role, t), labels.word(self.permission, t)
            raise MayNotError(_MAY_NOT, role=role, permission=needed)
        return visitor


def program(permission: Permission) -> Any:
    """Require a program with a permission."""
    return Depends(Needs(permission, program=True))


def person(permission: Permission) -> Any:
    """Require a person with a permission."""
    return Depends(Needs(permission, program=False))


def permissions(routes: Any) -> Iterator[tuple[str, str, Permission | None]]:
    """Yield method, path and permission of each route; permission None for public routes."""
    for route in routes:
        if isinstance(route, APIRoute):
            calls = [one.call for one in route.dependant.dependencies]
            needed = [call.permission for call in calls if isinstance(call, Needs)]
            for method in sorted(route.methods or ()):
                yield method, route.path, needed[0] if needed else None
