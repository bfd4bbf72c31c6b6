"""Checks of the daemon and the files on its machine."""

from collections.abc import Iterator

from siaga112.core.model import SECOND
from siaga112.core.screening import ScreenReason
from siaga112.core.tracking.arrivals import OTHER
from siaga112.doctor.lines import Line, fail, ok, unchecked, warn
from siaga112.doctor.manager import USER_FILE
from siaga112.doctor.observations import AgiSeen, DaemonSeen, Examined, FollowedSeen, NotSeen, PbxSeen

UNSEEN_CALLS = 5
"""Screened calls that may be unseen: those of the last moments, or of a gap."""

UNSEEN_SHARE = 0.2
"""And this share of all, as in the alert."""

_HEALTHY = {ScreenReason.WITHHELD, ScreenReason.MODE_OFF}
"""Reasons for which a healthy daemon lets a withheld number through."""

_MOMENT = 60 * SECOND
"""Longer than any start."""

_START = "systemctl start siaga112.target (or: siaga112 run)"
_RESTART = "systemctl restart {} (calls go through meanwhile)"
_RELOAD = "systemctl reload {} (or SIGHUP to the process)"


def agi_round_trip(seen: Examined) -> Iterator[Line]:
    """Ask as the dialplan does, for a withheld number: the answer must be ALLOW, and in time."""
    wanted, agi = seen.wanted, seen.agi
    where = f"agi://{wanted.agi_host}:{wanted.agi_port}/screen"
    if not isinstance(agi, AgiSeen):
        yield fail(f"{where} gives no verdict: {agi.why}", _START)
    elif agi.stranger:
        yield fail(
            f"{where} is answered by a process of the user {agi.stranger}, who then controls every call",
            f"ss -ltnp 'sport = {wanted.agi_port}' shows it; end it, then: "
            "systemctl enable --now siaga112-screen.socket",
        )
    elif agi.variables.get("SIAGA_VERDICT") != "ALLOW":
        yield fail(
            f"{where} does not answer as siaga112 does",
            f"in [agi] of {wanted.config}: the host and port of siaga112",
        )
    elif (reason := agi.variables.get("SIAGA_REASON", "")) not in _HEALTHY:
        yield fail(
            f"{where} lets everybody through, blocked or not: {reason}",
            "siaga112 top --once says what it misses; journalctl -u 'siaga112-*': its last lines say why",
        )
    elif agi.took > wanted.deadline:
        yield fail(
            f"{where} took {agi.took} ms, more than [agi] deadline_ms {wanted.deadline}",
            "on its machine: look for what takes its time (top, iostat)",
        )
    else:
        yield ok(f"{where}: ALLOW {reason} in {max(agi.took, 1)} ms")


def daemon(seen: Examined) -> Iterator[Line]:
    """Check the daemon's readiness."""
    wanted, found = seen.wanted, seen.daemon
    if not isinstance(found, DaemonSeen):
        if isinstance(seen.agi, AgiSeen):
            yield fail(
                f"{wanted.metrics} does not answer, though verdicts come: {found.why}",
                f"in [metrics] of {wanted.config}: host and port, as in your prometheus.yml",
            )
        else:
            yield fail(f"the daemon is not running: {wanted.metrics} {found.why}", _START)
        return
    if isinstance(seen.followed, NotSeen):
        yield fail(
            f"what answers at {wanted.metrics} is not this site's daemon: {seen.followed.why}",
            f"in [metrics] of {wanted.config}: host and port of the daemon; is site as it runs?",
        )
        return
    halves = [("the daemon", found, wanted.metrics)]
    if isinstance(seen.screening, DaemonSeen):
        halves.append(("siaga112 run --only screen", seen.screening, wanted.screen_metrics))
    elif "screen" in seen.host.running and wanted.screen_metrics:
        yield fail(
            f"siaga112 run --only screen runs, and {wanted.screen_metrics} does not answer: "
            f"{seen.screening.why}",
            f"in [metrics] of {wanted.config}: screen_port as it runs; systemctl restart siaga112-screen",
        )
    for who, half, at in halves:
        if waiting := [name for name, ready in half.parts.items() if not ready]:
            yield warn(
                f"{who} waits for {', '.join(waiting)}", "journalctl -u 'siaga112-*': its last lines say why"
            )
        else:
            yield ok(f"{who} runs, {' and '.join(half.parts)} ready: {at}")


def clock_set(seen: Examined) -> Iterator[Line]:
    """Check that this machine's clock is synchronised: it ends blocks and times calls."""
    match seen.host.synchronised:
        case None:
            yield unchecked(
                "neither systemd (timedatectl) nor chrony tells whether this machine's clock is kept right",
                "apt install chrony; chronyc tracking",
            )
        case True:
            yield ok("this machine's clock is kept right")
        case False:
            yield warn(
                "nothing keeps this machine's clock right: it will drift, and blocks with it",
                "apt install chrony (or systemctl enable --now systemd-timesyncd)",
            )


def configuration(seen: Examined) -> Iterator[Line]:
    """Check that the daemon runs with the current configuration."""
    running = seen.host.running
    if not running:
        yield unchecked("no daemon here tells what it runs with")
    answering = {"track": isinstance(seen.daemon, DaemonSeen), "screen": isinstance(seen.agi, AgiSeen)}
    for half in answering.keys() - running.keys() if running and "all" not in running else ():
        if answering[half]:
            yield unchecked(
                f"siaga112 run --only {half} does not tell here what it runs with",
                f"there: siaga112 doctor, as its user; or in {seen.wanted.config}: state_dir, as it has it",
            )
    for half, found in running.items():
        who = "the daemon" if half == "all" else f"siaga112 run --only {half}"
        units = "siaga112-console" if half == "console" else "siaga112-track siaga112-screen"
        if found.restart:
            yield warn(
                f"{who} still runs with other values of: {', '.join(found.restart)}", _RESTART.format(units)
            )
        if found.reload:
            yield warn(f"{who} has not taken over yet: {', '.join(found.reload)}", _RELOAD.format(units))
        if not (found.restart or found.reload):
            yield ok(f"{who} runs with what {seen.wanted.config} says")


def followed(seen: Examined) -> Iterator[Line]:
    """Check that screened calls reach the ledger; if not, name the contexts they came in."""
    wanted, found = seen.wanted, seen.followed
    if not isinstance(found, FollowedSeen):
        yield unchecked("the daemon's metrics do not answer")
        return
    for context, count in found.unfollowed.items():
        if context == OTHER:
            yield warn(
                f"{count} more came in further contexts",
                "put these right first: the next ones are then named",
            )
            continue
        contexts = ", ".join(f'"{name}"' for name in (*wanted.trunk_contexts, context))
        yield warn(
            f"{count} screened call{'' if count == 1 else 's'} came in [{context}], which is no trunk's "
            "context here: they are in no ledger",
            f"in [pbx] of {wanted.config}: trunk_contexts = [{contexts}] "
            "(not if only your own phones call from there)",
        )
    unseen = found.asked - found.seen
    if unseen > UNSEEN_CALLS and unseen > found.asked * UNSEEN_SHARE:
        yield warn(
            f"{unseen} of {found.asked} calls that were asked about are not in the PBX's events: "
            "they are in no ledger",
            f"is {wanted.ami} the PBX that asks? if so, on it: "
            f"asterisk -rx 'manager show user {wanted.username}' (read classes, eventfilter as shipped)",
        )
    elif not found.unfollowed:
        yield ok("every call that was asked about since the daemon began is followed")


def state_dir(seen: Examined) -> Iterator[Line]:
    """Check that the outbox and the embedded Redis can be stored."""
    wanted, host = seen.wanted, seen.host
    if host.state_dir:
        yield fail(
            f"{wanted.state_dir}: {host.state_dir}",
            f"install -d -o siaga112 -m 700 {wanted.state_dir} (and: runuser -u siaga112 -- siaga112 doctor)",
        )
    elif host.state_dir_open:
        yield warn(
            f"{wanted.state_dir} holds callers' numbers, and every user of this machine may look in",
            f"chmod 700 {wanted.state_dir}",
        )
    else:
        yield ok(f"{wanted.state_dir} is ours to read and write")
    if host.damaged:
        yield warn(
            f"what was there at a start was damaged, and set aside: {', '.join(host.damaged)}",
            "calls that waited in it are in no ledger; look at the disk (dmesg); then remove it",
        )


def secrets(seen: Examined) -> Iterator[Line]:
    """Check that files with our secrets are not readable by everybody."""
    config = seen.wanted.config
    if seen.host.readable_secret:
        yield fail(
            f"{config} holds a secret, and everybody may read it",
            f"chown root:siaga112 {config}; chmod 640 {config}",
        )
    for file in seen.host.open_secrets:
        if file.endswith(USER_FILE):
            yield warn(
                f"{file} holds our AMI secret, and everybody may read it", seen.wanted.places.user_file
            )
        else:
            yield fail(f"{file} holds a secret, and everybody may read it", f"chmod 600 {file}")
    if not (seen.host.readable_secret or seen.host.open_secrets):
        yield ok("no secret is for everybody to read")


def _is_stale(seen: Examined) -> bool:
    """Return whether the queue_log lacks the line that every start of the PBX writes."""
    age, up = seen.host.queue_log_age, seen.pbx.up if isinstance(seen.pbx, PbxSeen) else None
    return age is not None and up is not None and age > up + _MOMENT


def queue_log(seen: Examined) -> Iterator[Line]:
    """Check that the PBX's queue_log can complete what AMI did not show."""
    wanted = seen.wanted
    if seen.host.queue_log:
        yield fail(
            f"[pbx] queue_log {wanted.queue_log}: {seen.host.queue_log}",
            f"usermod -aG asterisk siaga112; chmod g+r {wanted.queue_log}",
        )
    elif wanted.queue_log and _is_stale(seen):
        yield warn(
            f"{wanted.queue_log} has not been written since the PBX began: "
            "another PBX writes it, or none does",
            "in [pbx] of "
            f"{wanted.config}: queue_log as the PBX has it (on it: asterisk -rx 'logger show channels'; "
            "logger.conf [general]: queue_log = yes)",
        )
    elif wanted.queue_log:
        yield ok(f"{wanted.queue_log} can be read")
    else:
        yield ok("[pbx] queue_log is not used: calls that a gap hid stay unknown")
