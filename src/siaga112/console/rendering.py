"""Rendering of templates: what every page can use, and its form of times and numbers."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

import siaga112
from siaga112.app.records import now
from siaga112.console.access import console
from siaga112.console.identity import Visitor
from siaga112.console.site import Console
from siaga112.core.access import Permission
from siaga112.core.caller_id import masked
from siaga112.core.model import SECOND, Millis
from siaga112.terminal import evidence, labels
from siaga112.words import MONTHS, NOTHING, Tongue, clock, say

NAVIGATION: Final = (
    ("/wall", say("Wall"), Permission.WALL),
    ("/shift", say("My shift"), Permission.SHIFT),
    ("/callbacks", say("Call-backs"), Permission.CALLBACK),
    ("/waiting", say("What waits"), Permission.CALLS),
    ("/calls", say("Calls"), Permission.SHIFT),
    ("/blocks", say("Blocks"), Permission.CALLS),
    ("/report", say("Report"), Permission.REPORT),
    ("/handover", say("Shift hand-over"), Permission.DECIDE),
    ("/subject", say("A person's data"), Permission.SUBJECT),
    ("/holds", say("Kept as evidence"), Permission.HOLD),
    ("/privacy", say("What is held"), Permission.SUBJECT),
    ("/audit", say("Audit trail"), Permission.AUDIT),
    ("/people", say("Users and tokens"), Permission.PEOPLE),
    ("/settings", say("Settings"), Permission.SETTINGS),
    ("/doctor", say("Doctor"), Permission.SETTINGS),
)
"""The pages in the order of the menu, each with its permission."""


environment: Final = Environment(
    loader=FileSystemLoader([Path(__file__).parent / "templates", evidence.TEMPLATES]),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def home(visitor: Visitor) -> str:
    """Return the start page of a visitor's role."""
    first = {
        Permission.CALLS: "/waiting", Permission.SHIFT: "/shift", Permission.SUBJECT: "/subject",
        Permission.PEOPLE: "/people",
    }  # fmt: skip
    return next((path for permission, path in first.items() if visitor.may(permission)), "/wall")


class Writer:
    """Formats times and numbers for one visitor."""

    def __init__(self, t: Tongue, zone: ZoneInfo, at: Millis, *, live: bool = False) -> None:
        self.t = t
        self.at = at
        self._zone = zone
        self._live = live

    def _local(self, at: Millis) -> datetime:
        return datetime.fromtimestamp(at / SECOND, UTC).astimezone(self._zone)

    def when(self, at: Millis | None) -> Markup:
        """Format an instant: today's as a time, others with the day."""
        if at is None:
            return Markup(NOTHING)  # noqa: S704 - our own
        local, today = self._local(at), self._local(self.at).date()
        time = clock(local, self.t.language)
        text = time if local.date() == today else f"{self._day(local)} {time}"
        return Markup('<time datetime="{}" title="{}">{}</time>').format(
            local.isoformat(timespec="seconds"), f"{local:%Y-%m-%d %H:%M:%S %Z}", text
        )

    def _day(self, local: datetime) -> str:
        year = "" if local.year == self._local(self.at).year else f" {local.year}"
        return f"{local.day} {MONTHS[self.t.language][local.month - 1][:3]}{year}"

    def since(self, at: Millis | None) -> Markup:
        """Format how long ago it was, which the browser keeps counting; if live, the instant itself."""
        if not at:
            return Markup(NOTHING)  # noqa: S704 - our own
        text = f"{self._local(at):%H:%M:%S}" if self._live else labels.age(self.at - at, self.t)
        return Markup('<span class="age" data-since="{}">{}</span>').format(at, text)

    def span(self, span: Millis | None) -> str:
        """Format a duration."""
        return NOTHING if span is None else labels.age(span, self.t)

    def percent(self, share: float | None) -> str:
        """Format a share."""
        return self.t.percent(share)

    def number(self, count: int) -> str:
        """Format a count."""
        return self.t.number(count)


class Speaker:
    """Translates texts in a page: values that are markup stay markup, all others are escaped."""

    def __init__(self, t: Tongue) -> None:
        self._t: Final = t
        self.language: Final = t.language

    def __call__(self, text: str, /, **values: object) -> str:
        """Translate a text and fill in its values."""
        if any(isinstance(value, Markup) for value in values.values()):
            return escape(self._t(text)).format(**values)
        return self._t(text, **values)


def context(site: Console, visitor: Visitor | None, *, live: bool = False) -> dict[str, Any]:
    """Return what every template can use; live parts render the same text until they change."""
    t = site.t(visitor)
    return {
        "site": site.settings.site,
        "visitor": visitor,
        "t": Speaker(t),
        "many": t.many,
        "label": lambda word: labels.of(word, t) if word is not None else NOTHING,
        "reason": lambda word: labels.reason(word, t),
        "action": lambda text: labels.action(text, t),
        "surge": lambda text: labels.surge(text, t),
        "because": lambda text: labels.because(text, t),
        "detail": lambda text: labels.detail(text, t),
        "by": lambda name: labels.by(name, t),
        "not_taken": lambda text: labels.not_taken(text, t),
        "lasting": lambda text: labels.span(text, t),
        "w": Writer(t, site.settings.zone, now(), live=live),
        "hide": site.hiding.hide,
        "mask": lambda caller: masked(caller) if caller else t("withheld"),
        "version": siaga112.__version__,
        "may": lambda name: visitor is not None and visitor.may(Permission(name)),
    }


def fragment(name: str, site: Console, visitor: Visitor | None, *, live: bool = False, **values: Any) -> str:
    """Render a part of a page."""
    return environment.get_template(name).render(**context(site, visitor, live=live), **values)


def page(
    request: Request, name: str, visitor: Visitor | None, status: int = 200, **values: Any
) -> HTMLResponse:
    """Render a page."""
    site = console(request)
    flash = site.flashes.pop(visitor.session, None) if visitor else None
    menu = [
        (path, text, request.url.path == path)
        for path, text, needed in NAVIGATION
        if visitor and visitor.may(needed)
    ]
    text = fragment(name, site, visitor, **{"menu": menu, "flash": flash, "here": request.url.path, **values})
    return HTMLResponse(text, status)
