"""The doctor's judgement of an examination. To add a check: one small function, one row in a table below.

A function takes what it needs and yields lines; the tables say what it needs. A check of a part that
could not be examined becomes one line "not checked".
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Final

from siaga112.doctor import centre, dialplan, door, host, manager, room, store, trunks, trust
from siaga112.doctor.lines import Health, Line, unchecked, unread
from siaga112.doctor.observations import (
    Examined,
    ManagerUser,
    NotSeen,
    PbxFiles,
    PbxInside,
    PbxSeen,
    RedisSeen,
    Shipped,
    Wanted,
)
from siaga112.doctor.places import FREEPBX

OF_PBX: Final[dict[str, Callable[[PbxSeen, Wanted], Iterable[Line]]]] = {
    "PBX clock": manager.clock,
    "AMI write class": manager.write_class,
    "AMI reach": manager.reach,
    "queues": centre.queues,
    "operators' phones": centre.phones,
}
"""Checks of what any AMI user may see."""

OF_AMI_USER: Final[dict[str, Callable[[PbxSeen, ManagerUser, Shipped], Iterable[Line]]]] = {
    "AMI read classes": manager.read_classes,
    "AMI permit": manager.permitted,
    "AMI write timeout": manager.write_timeout,
    "AMI event filter": manager.event_filter,
}
"""Checks of the AMI user in manager.conf and its includes."""

OF_PBX_FILES: Final[dict[str, Callable[[PbxFiles, Wanted, Shipped], Iterable[Line]]]] = {
    "AMI timestamps": manager.timestamps,
    "operators' keys": centre.keys,
}
"""Checks of Asterisk's other configuration files."""

OF_PBX_INSIDE: Final[dict[str, Callable[[PbxSeen, PbxInside, Wanted, Shipped], Iterable[Line]]]] = {
    "trunks": trunks.contexts,
    "dialplan file": dialplan.guard_file,
    "dialplan guard": dialplan.guard,
    "dialplan numbers": dialplan.dialled,
    "dialplan AGI address": dialplan.agi_address,
    "dialplan AGI bounded": dialplan.agi_bounded,
    "dialplan AGISTATUS": dialplan.agi_status,
    "menus": dialplan.menus,
    "keys in queues": centre.keys_in_queues,
    "marks confirmed": centre.marks_confirmed,
    "numbers vouched for": trust.vouched_for,
}
"""Checks that need `write = reporting`."""

OF_REDIS: Final[dict[str, Callable[[RedisSeen, Wanted], Iterable[Line]]]] = {
    "Redis persistence": store.persistence,
    "Redis eviction": store.eviction,
    "Redis rights": store.rights,
    "Redis clock": store.clock,
    "Redis of before": store.older,
}

OF_HOST: Final[dict[str, Callable[[Examined], Iterable[Line]]]] = {
    "AMI address": manager.address,
    "PBX files": manager.loaded,
    "clock set": host.clock_set,
    "disk": room.disk,
    "Redis memory": room.memory,
    "mode": store.mode,
    "database": store.database,
    "trunks": trust.trunks,
    "prompts": centre.prompts,
    "AGI round trip": host.agi_round_trip,
    "daemon": host.daemon,
    "console": door.console,
    "certificate": door.certificate,
    "configuration": host.configuration,
    "calls followed": host.followed,
    "state directory": host.state_dir,
    "secrets": host.secrets,
    "queue_log": host.queue_log,
}
"""Checks of this machine."""

_NOBODY: Final = "the PBX let nobody in"

NAMES: Final = frozenset(
    {"AMI login", "Redis", *OF_PBX, *OF_AMI_USER, *OF_PBX_FILES, *OF_PBX_INSIDE, *OF_REDIS, *OF_HOST}
)
"""The names of all checks."""


def diagnose(seen: Examined) -> Iterator[Line]:
    """Judge an examination, check by check."""
    seen = _placed(seen)
    wanted = seen.wanted
    pbx = seen.pbx if isinstance(seen.pbx, PbxSeen) else None
    inside = pbx.inside if pbx else None
    hidden = "needs an AMI user with write = reporting" if pbx else _NOBODY
    redis = seen.redis if isinstance(seen.redis, RedisSeen) else None
    yield from _named("AMI login", [manager.login(seen)])
    for name, of_pbx in OF_PBX.items():
        yield from _named(name, of_pbx(pbx, wanted) if pbx else [unchecked(_NOBODY)])
    files = inside.files if inside else None
    user = files.user if files else None
    how = f"on the PBX: asterisk -rx 'manager show user {wanted.username}'"
    for name, of_user in OF_AMI_USER.items():
        if pbx and user:
            yield from _named(name, of_user(pbx, user, seen.shipped))
        elif files:
            yield from _named(name, [unchecked(f"manager.conf does not have {wanted.username}", how)])
        else:
            yield from _named(name, [_unread(inside, hidden)])
    for name, of_files in OF_PBX_FILES.items():
        lines = of_files(files, wanted, seen.shipped) if files else [_unread(inside, hidden)]
        yield from _named(name, lines)
    for name, of_inside in OF_PBX_INSIDE.items():
        if pbx and inside:
            yield from _named(name, of_inside(pbx, inside, wanted, seen.shipped))
        else:
            yield from _named(name, [unchecked(hidden)])
    yield from _named("Redis", [store.reachable(seen)])
    for name, of_redis in OF_REDIS.items():
        yield from _named(name, of_redis(redis, wanted) if redis else [unchecked("Redis does not answer")])
    for name, of_host in OF_HOST.items():
        yield from _named(name, of_host(seen))


def _placed(seen: Examined) -> Examined:
    """Let remedies name the files that the centre may edit on this PBX."""
    theirs = isinstance(seen.pbx, PbxSeen) and seen.pbx.inside and seen.pbx.inside.freepbx
    return replace(seen, wanted=replace(seen.wanted, places=FREEPBX)) if theirs else seen


def _unread(inside: PbxInside | None, hidden: str) -> Line:
    return unread() if inside else unchecked(hidden)


def _named(name: str, lines: Iterable[Line]) -> Iterator[Line]:
    return (replace(line, check=name) for line in lines)


def exit_code(seen: Examined, lines: Iterable[Line]) -> int:
    """Return 4 if the PBX, Redis or the database is unreachable, else 1 if anything failed, else 0."""
    if any(isinstance(part, NotSeen) and not part.refused for part in (seen.pbx, seen.redis, seen.database)):
        return 4
    return int(any(line.health is Health.FAIL for line in lines))
