"""Checks of the AMI user and manager.conf: what it lets us see, and how fast."""

from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from typing import Final

from siaga112.core.model import SECOND
from siaga112.core.text import whole
from siaga112.doctor.lines import Line, fail, ok, unchecked, unread, warn
from siaga112.doctor.observations import Examined, ManagerUser, PbxFiles, PbxSeen, Shipped, Wanted

CLASSES: Final = {
    "system": "FullyBooted and Shutdown: whether the PBX restarted",
    "call": "Newchannel, Hangup, bridges: no call is seen at all",
    "agent": "QueueCallerJoin, AgentConnect: no queue is seen",
    "user": "SiagaMark: no operator's mark is seen",
    "dialplan": "VarSet, Newexten: no verdict and no menu is seen",
    "dtmf": "DTMFBegin, DTMFEnd: who leaves just after pressing a key counts as a prank",
}
"""Read classes that call tracking needs, and what is lost without each."""

RIGHT: Final = "reporting"
NEVER: Final = frozenset(
    ("Originate", "Command", "Redirect", "Hangup", "GetConfig", "UpdateConfig", "ModuleLoad", "DBPut")
)
"""Actions our rights never include; checked where the user's classes cannot be read."""

REACH: Final = {
    "func_realtime": "ends Asterisk with one question",
    "func_sorcery": "reads the passwords of the trunks",
    "func_config": "reads Asterisk's files, with the secrets of others",
}
"""Modules that let Getvar (part of `reporting`) reach beyond calls, and what it can do then."""

SECRET_LENGTH: Final = 16
"""Shorter secrets can be guessed from a challenge's answer; `openssl rand -hex 16` gives 32."""

ENOUGH_MILLIS: Final = 1_000
"""A shorter write timeout drops the connection in a busy moment."""

CLOCK_WARN: Final = SECOND
CLOCK_FAIL: Final = 30 * SECOND

TRUE: Final = frozenset({"yes", "true", "y", "t", "1", "on"})
"""What Asterisk reads as true (utils.c, `ast_true`)."""

RELOAD: Final = "on the PBX: asterisk -rx 'module reload manager'"

USER_FILE: Final = "manager.d/siaga112.conf"


def login(seen: Examined) -> Line:
    """Check that the PBX accepts our login."""
    wanted, pbx = seen.wanted, seen.pbx
    if isinstance(pbx, PbxSeen):
        if wanted.secret == "change-me":  # noqa: S105 - the well-known default
            return warn(
                f"Asterisk {pbx.version} at {wanted.ami} lets us in with the secret that we ship",
                f"in {USER_FILE} and in [ami] of {wanted.config}: another secret",
            )
        if len(wanted.secret) < SECRET_LENGTH:
            return warn(
                f"Asterisk {pbx.version} at {wanted.ami} lets us in with a secret of {len(wanted.secret)} "
                "characters, which can be guessed",
                f"in {USER_FILE} and in [ami] of {wanted.config}: another secret (openssl rand -hex 16)",
            )
        return ok(f"Asterisk {pbx.version} at {wanted.ami}, as {wanted.username}")
    if pbx.refused:
        return fail(
            f"{wanted.ami} refuses {wanted.username}: {pbx.why}",
            f"in [ami] of {wanted.config}: username and secret as in {USER_FILE} (then {RELOAD})",
        )
    return fail(
        f"the PBX does not answer at {wanted.ami}: {pbx.why}",
        "in manager.conf [general]: enabled = yes, bindaddr = 127.0.0.1; "
        f"in [ami] of {wanted.config}: host and port as there",
    )


def clock(pbx: PbxSeen, _: Wanted) -> Iterator[Line]:
    """Compare the PBX's clock, which times calls, with ours, which ends blocks."""
    if pbx.ahead is None:
        yield unchecked("the PBX does not tell its time")
    else:
        yield compared("the PBX's", pbx.ahead)


def compared(whose: str, ahead: int) -> Line:
    """Judge the difference between another machine's clock and ours."""
    found = f"{whose} clock is {abs(ahead) / SECOND:.1f} s {'ahead of' if ahead > 0 else 'behind'} ours"
    remedy = "on both machines: apt install chrony (or systemctl enable --now systemd-timesyncd)"
    if abs(ahead) >= CLOCK_FAIL:
        return fail(found, remedy)
    return warn(found, remedy) if abs(ahead) >= CLOCK_WARN else ok(f"{whose} clock agrees with ours")


def write_class(pbx: PbxSeen, _: Wanted) -> Iterator[Line]:
    """Check for `reporting`, which CoreShowChannels needs; nothing more is needed."""
    line = f"in {USER_FILE} [siaga112]: write = {RIGHT}"
    user = pbx.inside.files.user if pbx.inside and pbx.inside.files else None
    if pbx.inside is None:
        yield fail(
            f"the user lacks the write class {RIGHT}: siaga112 cannot ask what is going on, and waits",
            line,
        )
    elif more := (user.write if user else frozenset()) - {RIGHT}:
        yield warn(f"the user may more than siaga112 needs: write = {', '.join(sorted(more))}", line)
    elif may := pbx.actions & NEVER:
        yield warn(
            f"the user may more than siaga112 needs: {', '.join(sorted(may))}",
            line + (f" (it stands there, and is not in force: {RELOAD})" if user else ""),
        )
    else:
        yield ok(f"write = {RIGHT}" + (", nothing more" if user else ""))


def read_classes(pbx: PbxSeen, user: ManagerUser, _: Shipped) -> Iterator[Line]:
    """Name each missing read class, and what is lost without it."""
    line = f"in {USER_FILE} [siaga112]: read = {','.join(CLASSES)}"
    missing = [] if "all" in user.read else [name for name in CLASSES if name not in user.read]
    for name in missing:
        yield fail(f"the user lacks the read class {name} ({CLASSES[name]})", line)
    if not missing and not pbx.booted:
        yield warn(
            "the user has its read classes in the file, but FullyBooted did not come",
            RELOAD,
        )
    elif more := user.read - CLASSES.keys():
        yield warn(f"the user receives more than siaga112 needs: read = {', '.join(sorted(more))}", line)
    elif not missing:
        yield ok(f"read = {','.join(CLASSES)}")


def permitted(_: PbxSeen, user: ManagerUser, __: Shipped) -> Iterator[Line]:
    """Check which addresses may log in: it should be the daemon's machine alone."""
    line = (
        f"in {USER_FILE} [siaga112]: deny = 0.0.0.0/0.0.0.0, "
        "and permit = the daemon's address/255.255.255.255"
    )
    wide = [one for one in user.permit if _is_wide(one)]
    if user.acl:
        yield unchecked(f"acl = {user.acl} decides", f"on the PBX: asterisk -rx 'acl show {user.acl}'")
    elif not any(_is_all(one) for one in user.deny):
        yield warn("the user is let in from every machine: nothing denies it", line)
    elif wide:
        yield warn(f"the user is let in from more than one machine: permit = {wide[0]}", line)
    else:
        yield ok(f"permit = {', '.join(user.permit)}")


def _is_all(lines: str) -> bool:
    return any(one.strip() in {"0.0.0.0/0", "0.0.0.0/0.0.0.0"} for one in lines.split(","))


def _is_wide(lines: str) -> bool:
    try:
        networks = [ip_network(one.strip(), strict=False) for one in lines.split(",")]
    except ValueError:
        return True
    return any(one.num_addresses > 1 and not one.is_loopback for one in networks)


def reach(pbx: PbxSeen, _: Wanted) -> Iterator[Line]:
    """Check what somebody with our secret could do by Getvar."""
    loaded = pbx.inside.reach if pbx.inside else frozenset()
    if pbx.inside is None:
        yield unchecked(f"needs an AMI user with write = {RIGHT}")
    elif loaded is None:
        yield unchecked(
            "Asterisk's function IFMODULE is missing", "on the PBX: asterisk -rx 'module show like func_'"
        )
    elif not loaded:
        yield ok("Getvar reads the calls' variables, and no file")
    for name in (name for name in REACH if name in (loaded or ())):
        first = "when nothing else is left to do here, " if name == "func_config" else ""
        yield warn(
            f"whoever has our AMI secret {REACH[name]}: {name}.so is loaded",
            f"{first}in modules.conf: noload = {name}.so (at once: asterisk -rx 'module unload {name}.so')"
            ", if your dialplan does without it",
        )


def write_timeout(_: PbxSeen, user: ManagerUser, __: Shipped) -> Iterator[Line]:
    """Check how long the PBX waits before it drops a slow client."""
    text = user.write_timeout
    given = whole(text)
    millis = 100 if given is None else given
    if millis < ENOUGH_MILLIS:
        yield warn(
            f"writetimeout is {millis} ms{'' if text else ', the default'}: "
            "a busy moment costs the connection, and its events",
            f"in {USER_FILE} [siaga112]: writetimeout = 5000",
        )
    else:
        yield ok(f"writetimeout = {millis}")


def event_filter(_: PbxSeen, user: ManagerUser, shipped: Shipped) -> Iterator[Line]:
    """Compare the event filter with ours: without one everything is sent, another may drop events we need."""
    has = user.filters
    lacking = [one for one in shipped.filters if one not in has]
    added = [one for one in has if one not in shipped.filters]
    copy = (
        f"in {USER_FILE} [siaga112]: the eventfilter lines that we ship "
        "(siaga112 files asterisk --to /etc/asterisk --diff)"
    )
    if not has:
        yield warn("no event filter: the PBX sends 100 to 180 events a call, not 10 to 20", copy)
    elif [one for one in lacking if not one.startswith("!")]:
        yield fail(f"the event filter keeps events from us: it lacks {lacking[0]}", copy)
    elif lacking or added:
        yield warn(
            f"the event filter is not ours: {'lacks' if lacking else 'has'} {(lacking or added)[0]}", copy
        )
    else:
        yield ok(f"{len(has)} eventfilter lines, as we ship them")


def address(seen: Examined) -> Iterator[Line]:
    """Check whether the unencrypted AMI can be reached from further away than necessary.

    On this machine the listening sockets are checked; elsewhere, and for the next reload, manager.conf.
    """
    wanted, listening = seen.wanted, seen.host.ami_bound
    files = seen.pbx.inside.files if isinstance(seen.pbx, PbxSeen) and seen.pbx.inside else None
    if files is None and listening is None:
        yield unread() if isinstance(seen.pbx, PbxSeen) and seen.pbx.inside else unchecked(_UNSEEN)
        return
    line = f"{wanted.places.manager}: bindaddr = {_numeric(wanted.ami_host)} (then {RELOAD})"
    everywhere = [one for one in listening or () if _is_every(one)]
    said = files and (f"= {files.bind_address}" if files.bind_address else "is not set")
    if everywhere and files and not _is_every(files.bind_address):
        yield warn(
            f"the AMI listens on every address of the PBX ({everywhere[0]}); bindaddr {said} stands there, "
            "and is not in force",
            RELOAD,
        )
    elif everywhere or (files and _is_every(files.bind_address)):
        when = " from the next reload on" if listening and not everywhere else ""
        how = f"bindaddr {said}" if files else everywhere[0]
        yield warn(f"the AMI listens on every address of the PBX{when}: {how}", line)
    elif files and files.web_address and not _is_here(files.web_address):
        yield warn(
            f"the AMI is there over HTTP too, in clear, at {files.web_address}",
            f"{wanted.places.manager}: webenabled = no (then {RELOAD}); or bindaddr = 127.0.0.1 in http.conf",
        )
    else:
        yield ok(f"the AMI listens at {', '.join(listening)}" if listening else f"bindaddr {said}")


_UNSEEN: Final = f"needs an AMI user with write = {RIGHT}"


def _is_here(bound: str) -> bool:
    try:
        return ip_address(bound.strip("[]")).is_loopback
    except ValueError:
        return bound == "localhost"


def _is_every(bound: str) -> bool:
    try:
        return ip_address(bound.strip("[]") or "::").is_unspecified
    except ValueError:  # a name
        return False


def _numeric(host: str) -> str:
    return "127.0.0.1" if host == "localhost" else host


def timestamps(files: PbxFiles, wanted: Wanted, _: Shipped) -> Iterator[Line]:
    """Check whether events carry the PBX's own time."""
    if files.timestamps.lower() in TRUE:
        yield ok("timestampevents = yes")
    else:
        yield warn(
            "events carry no time of the PBX's: calls are timed by their arrival here",
            f"{wanted.places.manager}: timestampevents = yes",
        )


def loaded(seen: Examined) -> Iterator[Line]:
    """Check whether Asterisk has reloaded its files since they were edited: we judge the files.

    It reports only the last reload of any module: what was edited after that is not in force.
    """
    pbx, edited = seen.pbx, seen.host.edited
    if not isinstance(pbx, PbxSeen) or pbx.reloaded is None:
        yield unchecked("the PBX does not tell when it last read its files", "[siaga112] read = system, …")
        return
    if edited is None:
        yield unchecked(
            "Asterisk's files are on another machine, or not for us to see: whether they are in force",
            "on the PBX, after each edit: asterisk -rx 'core reload'",
        )
        return
    late = [name for name, ago in edited.items() if ago + _SLACK < pbx.reloaded]
    for name in late:
        yield warn(
            f"{name}, or what it includes, was edited after Asterisk last read its files: what stands there, "
            "and is judged here, is not in force",
            f"on the PBX: asterisk -rx 'module reload {MODULES[name]}'",
        )
    if not late:
        yield ok("Asterisk has read its files since they were edited")


MODULES: Final = {"manager.conf": "manager", "features.conf": "features", "queues.conf": "app_queue.so"}
"""Files that are judged as written, and the module that reads each."""

_SLACK: Final = SECOND
"""Asterisk reports whole seconds."""
