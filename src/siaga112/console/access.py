"""What a route asks for: one permission each, so that every pair of role and route can be tested."""

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
    """Give what all routes have in common."""
    return cast("Console", request.app.state.console)


_MAY_NOT: Final = say("a {role} may not do that: it needs the permission {permission}")


class Needs:
    """A dependency: who asks, if the role has the permission.

    Raises:
        NobodyError: if nobody is logged in, or the token is not good.
        MayNotError: if the role does not have it.

    """

    def __init__(self, permission: Permission, *, program: bool) -> None:
        self.permission: Final = permission
        self._program: Final = program

    async def __call__(self, request: Request) -> Visitor:
        """Say who asks."""
        gate = console(request).gate
        visitor = await (gate.program(request.headers) if self._program else gate.visitor(request))
        if visitor is None:
            raise NobodyError(say("a good token is needed") if self._program else say("log in first"))
        request.state.visitor = visitor
        if not visitor.may(self.permission):
            t = tongue(visitor.lang)
            role, needed = labels.word(visitor.role, t), labels.word(self.permission, t)
            raise MayNotError(_MAY_NOT, role=role, permission=needed)
        return visitor


def program(permission: Permission) -> Any:
    """Let programs in that have a permission."""
    return Depends(Needs(permission, program=True))


def person(permission: Permission) -> Any:
    """Let people in who have a permission."""
    return Depends(Needs(permission, program=False))


def permissions(routes: Any) -> Iterator[tuple[str, str, Permission | None]]:
    """Give method, path and permission of each route; None for what is for everybody."""
    for route in routes:
        if isinstance(route, APIRoute):
            calls = [one.call for one in route.dependant.dependencies]
            needed = [call.permission for call in calls if isinstance(call, Needs)]
            for method in sorted(route.methods or ()):
                yield method, route.path, needed[0] if needed else None
