"""Checks of the dialplan: whether callers are screened, in time, and unharmed by a dead daemon."""

import re
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from siaga112.core.tracking.menus import ASKING
from siaga112.doctor.lines import Health, Line, fail, ok, unchecked, warn
from siaga112.doctor.observations import Contexts, PbxInside, PbxSeen, Shipped, Step, Wanted
from siaga112.doctor.walk import GUARD, around, entries, fits, route

DEFAULT_AGI: Final = "agi://127.0.0.1:4573/screen"
AGI_PORT: Final = 4573
EVERYWHERE: Final = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - what is compared with
BOUND_SECONDS: Final = 5
"""The longest a caller may wait for a daemon that does not answer."""

_COPY: Final = " (siaga112 files asterisk --to /etc/asterisk)"
_GUARD_LINE: Final = "same => n,Gosub(siaga112-screen,s,1)"
_IF_ASKS: Final = re.compile(rf"[?:]\s*({'|'.join(sorted(ASKING))})\(", re.IGNORECASE)
_BOUND: Final = re.compile(r"TIMEOUT\(absolute\)=([0-9]{1,9})")


def guard_file(_: PbxSeen, inside: PbxInside, wanted: Wanted, shipped: Shipped) -> Iterator[Line]:
    """Compare the loaded extensions_siaga112.conf with this version's."""
    if GUARD not in inside.contexts:
        yield fail(f"the dialplan has no context [{GUARD}]", wanted.places.include + _COPY)
        return
    for name, ours in shipped.contexts.items():
        theirs = inside.contexts[name].extensions if name in inside.contexts else {}
        for exten, steps in ours.extensions.items():
            if different := _first_difference(steps, theirs.get(exten, ())):
                yield warn(
                    f"extensions_siaga112.conf is not the one of this version: [{name}] {exten},{different}",
                    "siaga112 files asterisk --to /etc/asterisk --diff; then on the PBX: "
                    "asterisk -rx 'dialplan reload'",
                )
                return
    yield ok("extensions_siaga112.conf is loaded, as this version ships it")


def _first_difference(ours: tuple[Step, ...], theirs: tuple[Step, ...]) -> str:
    for number in range(max(len(ours), len(theirs))):
        mine = ours[number] if number < len(ours) else None
        other = theirs[number] if number < len(theirs) else None
        if mine != other:
            return f"{number + 1} is {other or 'missing'}"
    return ""


def guard(_: PbxSeen, inside: PbxInside, wanted: Wanted, __: Shipped) -> Iterator[Line]:
    """Trace calls from the trunk contexts: each must be screened before it is answered."""
    for context in wanted.trunk_contexts:
        if context not in inside.contexts:
            yield fail(
                f"the dialplan has no trunk context [{context}]",
                f"in [pbx] of {wanted.config}: trunk_contexts = the context of your trunks "
                f"({wanted.places.trunks})",
            )
            continue
        extens = list(wanted.numbers) or entries(inside.contexts, context)
        routes = {exten: route(inside.contexts, context, exten) for exten in extens}
        judged = _judge(context, {e: (r.guarded, r.answered) for e, r in routes.items()}, wanted)
        if judged.health is not Health.OK:
            yield judged
            continue
        ways = ((exten, around(inside.contexts, context, exten)) for exten in extens)
        exten, served = next(((exten, served) for exten, served in ways if served), ("", ""))
        if served:
            yield warn(
                f"some calls to {exten} in [{context}] come to {served} without having been asked about",
                wanted.places.guard.format(context) + ", before whatever decides",
            )
        else:
            yield judged


def _judge(context: str, routes: dict[str, tuple[bool, str]], wanted: Wanted) -> Line:
    line = wanted.places.guard.format(context)
    open_ = [exten for exten, (guarded, _) in routes.items() if not guarded]
    late = [(exten, answered) for exten, (guarded, answered) in routes.items() if guarded and answered]
    if len(open_) == len(routes):
        return fail(f"calls in [{context}] are let in without asking: nothing leads to {GUARD}", line)
    if open_ and wanted.numbers:
        return fail(f"calls to {', '.join(open_)} in [{context}] are let in without asking", line)
    if open_:
        return warn(
            f"calls to {_few(open_)} in [{context}] are let in without asking",
            f"{line}; or, if these are not 112: in [pbx] of {wanted.config}: numbers = those that are",
        )
    if late:
        exten, answered = late[0]
        return warn(
            f"calls in [{context}] may come to {answered} before they are asked about ({exten}): "
            "who is rejected then has been answered, and charged",
            line,
        )
    return ok(f"calls in [{context}] are asked about before they are answered")


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")  # noqa: PLR2004 - as shown


def agi_address(_: PbxSeen, inside: PbxInside, wanted: Wanted, __: Shipped) -> Iterator[Line]:
    """Compare the address the dialplan asks with the one the daemon listens on."""
    url = inside.agi or DEFAULT_AGI
    at = urlsplit(url)
    ours = f"agi://{_at(wanted)}:{wanted.agi_port}/screen"
    line = f"{wanted.places.variables}: SIAGA_AGI={ours}"
    try:
        port = at.port or AGI_PORT
    except ValueError:
        port = 0
    if at.scheme != "agi" or at.path != "/screen":
        yield fail(f"the dialplan asks {url}, which is not ours", line)
    elif port != wanted.agi_port:
        yield fail(f"the dialplan asks {url}, but [agi] port is {wanted.agi_port}", line)
    elif wanted.agi_host not in EVERYWHERE and _is_loopback(at.hostname) != _is_loopback(wanted.agi_host):
        yield fail(f"the dialplan asks {url}, but [agi] host is {wanted.agi_host}", line)
    else:
        yield ok(f"the dialplan asks {url}")


def _at(wanted: Wanted) -> str:
    return "127.0.0.1" if wanted.agi_host in EVERYWHERE else wanted.agi_host


def _is_loopback(host: str | None) -> bool:
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return host == "localhost"


def agi_bounded(_: PbxSeen, inside: PbxInside, wanted: Wanted, __: Shipped) -> Iterator[Line]:
    """Check each AGI() call to us: a daemon that accepts and stays silent must not delay a caller."""
    asked = False
    for name, exten, before, step in _asks_us(inside.contexts, wanted):
        asked = True
        bounds = [int(found[1]) for earlier in before if (found := _BOUND.search(earlier.data))]
        if not bounds or bounds[-1] > BOUND_SECONDS or "T" not in inside.contexts[name].extensions:
            yield fail(
                f"[{name}] {exten},{step.priority} {step} waits for ever for a daemon that does not answer",
                f"in [{name}], in place of it: {_GUARD_LINE}",
            )
            return
    if asked:
        yield ok("AGI() is bounded by the guard")
    else:
        yield unchecked("no AGI() asks us", wanted.places.include + _COPY)


def _asks_us(contexts: Contexts, wanted: Wanted) -> Iterator[tuple[str, str, tuple[Step, ...], Step]]:
    marks = ("${SIAGA_", f":{wanted.agi_port}/", f":{AGI_PORT}/", "/screen")
    for name, context in contexts.items():
        for exten, steps in context.extensions.items():
            for index, step in enumerate(steps):
                if step.application.lower() == "agi" and any(mark in step.data for mark in marks):
                    yield name, exten, steps[:index], step


def agi_status(_: PbxSeen, inside: PbxInside, __: Wanted, ___: Shipped) -> Iterator[Line]:
    """Check that no step depends on AGISTATUS: it is SUCCESS even for silence."""
    for name, context in sorted(inside.contexts.items()):
        for exten, steps in context.extensions.items():
            for step in steps:
                if "AGISTATUS" in step.data:
                    yield fail(
                        f"[{name}] {exten},{step.priority} goes by AGISTATUS: SUCCESS even after silence",
                        f"in [{name}]: without that; after Gosub(siaga112-screen,s,1) go on as for any call",
                    )
                    return
    yield ok("AGISTATUS decides nothing")


def menus(_: PbxSeen, inside: PbxInside, wanted: Wanted, __: Shipped) -> Iterator[Line]:
    """Check the configured menus."""
    for name in wanted.ivr_contexts:
        line = f"in [pbx] of {wanted.config}: ivr_contexts = where your menu asks"
        context = inside.contexts.get(name)
        if context is None:
            yield fail(
                f"the dialplan has no menu context [{name}]: who gives up in the menu is unknown", line
            )
        elif not any(_asks_for_key(step) for steps in context.extensions.values() for step in steps):
            yield warn(f"nothing in [{name}] asks for a key (Background, Read, WaitExten)", line)
        else:
            yield ok(f"the menu asks in [{name}]")


def _asks_for_key(step: Step) -> bool:
    application = step.application.lower()
    return application in ASKING or (application == "execif" and _IF_ASKS.search(step.data) is not None)


def dialled(_: PbxSeen, inside: PbxInside, wanted: Wanted, __: Shipped) -> Iterator[Line]:
    """Check that the dialplan has an extension for each configured number."""
    names = [name for context in wanted.trunk_contexts for name in entries(inside.contexts, context)]
    for number in wanted.numbers:
        if not any(fits(name, number) for name in names):
            yield warn(
                f"no trunk context takes calls for {number}",
                f"in [pbx] of {wanted.config}: numbers = as your trunk delivers them",
            )
            return
    if wanted.numbers:
        yield ok(f"trunk contexts take calls for {', '.join(wanted.numbers)}")
