"""The daemon and the files on its machine."""

from collections.abc import Iterator

from siaga112.core.doctor.found import AgiSeen, DaemonSeen, Examined
from siaga112.core.doctor.lines import Line, fail, ok, warn

_START = "systemctl start siaga112 (or: siaga112 run)"


def agi_round_trip(seen: Examined) -> Iterator[Line]:
    """Ask as the dialplan asks, for a caller who withholds the number: the answer must be ALLOW, and soon."""
    wanted, agi = seen.wanted, seen.agi
    where = f"agi://{wanted.agi_host}:{wanted.agi_port}/screen"
    if not isinstance(agi, AgiSeen):
        yield fail(f"{where} gives no verdict: {agi.why}", _START)
    elif agi.variables.get("SIAGA_VERDICT") != "ALLOW":
        yield fail(
            f"{where} does not answer as siaga112 does",
            f"in [agi] of {wanted.config}: host and port of ours",
        )
    elif agi.took > wanted.deadline:
        yield fail(
            f"{where} took {agi.took} ms, more than [agi] deadline_ms {wanted.deadline}",
            "on its machine: look for what takes its time (top, iostat)",
        )
    else:
        reason = agi.variables.get("SIAGA_REASON", "")
        yield ok(f"{where}: ALLOW {reason} in {max(agi.took, 1)} ms")


def daemon(seen: Examined) -> Iterator[Line]:
    """Ask the daemon how it is."""
    wanted, found = seen.wanted, seen.daemon
    if not isinstance(found, DaemonSeen):
        if isinstance(seen.agi, AgiSeen):
            yield fail(
                f"{wanted.metrics} does not answer, though verdicts come: {found.why}",
                f"in [metrics] of {wanted.config}: host and port, as in your prometheus.yml",
            )
        else:
            yield fail(f"the daemon is not running: {wanted.metrics} {found.why}", _START)
    elif waiting := [name for name, ready in found.parts.items() if not ready]:
        yield warn(
            f"the daemon waits for {', '.join(waiting)}", "journalctl -u siaga112: its last lines say why"
        )
    else:
        yield ok(f"the daemon runs, {' and '.join(found.parts)} ready: {wanted.metrics}")


def state_dir(seen: Examined) -> Iterator[Line]:
    """Look whether the outbox and the embedded Redis can be kept."""
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


def secrets(seen: Examined) -> Iterator[Line]:
    """Look whether the file with our secrets is for everybody to read."""
    config = seen.wanted.config
    if seen.host.readable_secret:
        yield fail(
            f"{config} holds a secret, and everybody may read it",
            f"chown root:siaga112 {config}; chmod 640 {config}",
        )
    else:
        yield ok("no secret is for everybody to read")


def queue_log(seen: Examined) -> Iterator[Line]:
    """Look whether the PBX's queue_log can settle what AMI did not show."""
    wanted = seen.wanted
    if seen.host.queue_log:
        yield fail(
            f"[pbx] queue_log {wanted.queue_log}: {seen.host.queue_log}",
            f"usermod -aG asterisk siaga112; chmod g+r {wanted.queue_log}",
        )
    elif wanted.queue_log:
        yield ok(f"{wanted.queue_log} can be read")
    else:
        yield ok("[pbx] queue_log is not used: calls that a gap hid stay unknown")
