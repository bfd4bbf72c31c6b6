"""The application: the API, the pages and the error responses."""

import json
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse, RedirectResponse, Response
from fastapi.routing import APIRoute
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from siaga112.console import api, forms, pages, shapes
from siaga112.console.guard import App, Guard, TooLargeError, name_of
from siaga112.console.identity import MayNotError, NobodyError, TooOftenError
from siaga112.console.site import Console, NotFoundError
from siaga112.console.wall import Wall
from siaga112.errors import SiagaError, UnreachableError, UsageError
from siaga112.service.asking import ASK_FIRST
from siaga112.service.ports import StoreBrokenError
from siaga112.service.supervisor import AskFirstError, RefusedError
from siaga112.terminal.evidence import PAPER
from siaga112.words import Tongue

ROUTERS: Final = (api.router, pages.router, forms.router)
"""All routes, public ones included."""

STATIC: Final = Path(__file__).parent / "static"

_STATUS: Final[tuple[tuple[type[Exception], int], ...]] = (
    (NobodyError, 401),
    (MayNotError, 403),
    (NotFoundError, 404),
    (RefusedError, 409),
    (TooOftenError, 429),
    (TooLargeError, 413),
    (UnreachableError, 503),
    (StoreBrokenError, 503),
    (UsageError, 422),
    (SiagaError, 422),
)

_log = structlog.get_logger()


def make(console: Console) -> App:
    """Return the application."""
    app = FastAPI(title="siaga112", openapi_url=None, docs_url=None, redoc_url=None)
    app.state.console, app.state.wall = console, Wall()
    app.include_router(api.router)
    app.include_router(pages.router, include_in_schema=False)
    app.include_router(forms.router, include_in_schema=False)
    app.mount("/static/paper", StaticFiles(directory=PAPER), name="paper")
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.state.described = described(app)
    description = json.dumps(app.state.described, ensure_ascii=False)

    @app.get(f"{api.ROOT}/openapi.json", include_in_schema=False)
    async def _openapi() -> Response:
        return Response(description, media_type="application/json")

    for kind in (*(kind for kind, _ in _STATUS), HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(kind, _told)
    config = console.settings.console
    return Guard(app, hosts(console), secure=config.address.startswith("https:") or bool(config.tls_cert))


def hosts(console: Console) -> frozenset[str]:
    """Return the Host names to accept; empty (accept any) where they are unknown."""
    config = console.settings.console
    if config.host in {"0.0.0.0", "::"} and not config.address:  # noqa: S104 - as configured
        return frozenset()
    own = name_of(config.address.partition("://")[2])
    host = f"[{config.host}]" if ":" in config.host else config.host
    return frozenset({"127.0.0.1", "localhost", "[::1]", name_of(host), own} - {""})


def described(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI 3.1 description of the API."""
    text = (
        "Each route is one question or one decision, the same as a command's. A program shows its token as "
        "`Authorization: Bearer s112_…`. Lists are paged by `cursor`; errors are problem details (RFC 9457)."
    )
    found = get_openapi(
        title="siaga112", version="1", openapi_version="3.1.0", description=text, routes=app.routes,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )  # fmt: skip
    parts = found["components"]
    for shape in (shapes.Problem, shapes.AskFirst):
        made = shape.model_json_schema(ref_template="#/components/schemas/{model}")
        parts["schemas"] |= {**made.pop("$defs", {}), shape.__name__: made}
    for unused in ("HTTPValidationError", "ValidationError"):
        parts["schemas"].pop(unused, None)
    parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    found["security"] = [{"token": []}]
    return found


async def _told(request: Request, error: Exception) -> Response:
    """Respond to an error: with problem details to a program, with a page to a person."""
    visitor = getattr(request.state, "visitor", None)
    t = request.app.state.console.t(visitor)
    status, said = _judged(error, t)
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error("console_failed", path=request.url.path, exc_info=error)
    if request.url.path.startswith(api.ROOT):
        return _problem(request, status, said, error)
    if isinstance(error, HTTPException):
        said = ""  # the page's heading says it, in the reader's language
    if isinstance(error, RequestValidationError):
        fields = dict.fromkeys(place.partition(".")[0] for place in _places(error.errors()))
        said = t("not understood: {what}", what=", ".join(map(t, fields)))
    if status == HTTPStatus.UNAUTHORIZED and request.method == "GET":
        return RedirectResponse("/login", HTTPStatus.SEE_OTHER)
    return await pages.error(request, status, said)


def _judged(error: Exception, t: Tongue) -> tuple[int, str]:
    match error:
        case HTTPException():
            return error.status_code, str(error.detail)
        case RequestValidationError():
            return 422, _wrong(error.errors())
        case _:
            for kind, status in _STATUS:
                if isinstance(error, kind):
                    said = error.told(t) if isinstance(error, SiagaError) else str(error)
                    return status, said or HTTPStatus(status).phrase
            return 500, t("a mistake in siaga112; its log has the details")


def _wrong(problems: Any) -> str:
    """Return which parameters are wrong, and how."""
    said = [
        f"{where}: {one['msg'].removeprefix('Value error, ')}"
        for where, one in zip(_places(problems), problems, strict=True)
    ]
    return "; ".join(said)[:1_000]


def _places(problems: Any) -> list[str]:
    """Return the names of the wrong parameters."""
    return [".".join(str(part) for part in one["loc"][1:]) or str(one["loc"][0]) for one in problems]


def _problem(request: Request, status: int, said: str, error: Exception) -> Response:
    title = HTTPStatus(status).phrase
    headers = {}
    if isinstance(error, TooOftenError):
        headers["Retry-After"] = f"{error.seconds:.0f}"
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, HTTPException) and error.headers:
        headers |= dict(error.headers)
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = _allowed(request)
    body: dict[str, Any] = {"type": "about:blank", "title": title, "status": status, "detail": said}
    if isinstance(error, AskFirstError):
        t = request.app.state.console.t(getattr(request.state, "visitor", None))
        asks = [{"cause": one.cause, "caller": one.caller, "said": one.told(t)} for one in error.cautions]
        body |= {"type": ASK_FIRST, "asks": asks}
    return JSONResponse(body, status, headers, media_type="application/problem+json")


def _allowed(request: Request) -> str:
    """Return all methods of a path: the framework names only those of its first route."""
    found = set[str]()
    for route in api.router.routes:
        if isinstance(route, APIRoute) and route.path_regex.fullmatch(request.url.path):
            found |= route.methods or set()
    return ", ".join(sorted(found))
