"""Checks of the console: whether it answers, and whether browsers accept its certificate."""

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final

from siaga112.core.model import DAY
from siaga112.doctor.lines import Line, fail, ok, unchecked, warn
from siaga112.doctor.observations import ConsoleSeen, DatabaseSeen, Examined, Flaw

SOON: Final = 14 * DAY
"""Automatic renewal has happened by then."""

_RESTART: Final = "systemctl restart siaga112-console (or siaga112-track, where one process is all)"


def console(seen: Examined) -> Iterator[Line]:
    """Check that the console answers, once it has a user."""
    wanted, found = seen.wanted, seen.console
    if not isinstance(seen.database, DatabaseSeen) or not isinstance(found, ConsoleSeen):
        yield unchecked("whether anybody may use the console is in the database, which does not answer")
        return
    port = wanted.console.rpartition(":")[2]
    taken = f"ss -ltnp 'sport = {port}' shows it; end it, or in [console] of {wanted.config}: port"
    if found.stranger:
        yield fail(
            f"{wanted.console} belongs to a process of the user {found.stranger}, "
            "which receives people's passwords",
            taken,
        )
    elif not found.why and not found.ours:
        yield fail(f"{wanted.console} is taken: what answers there is not the console", taken)
    elif found.why and seen.database.people:
        yield fail(
            f"people may use the console, and {wanted.console} does not answer: {found.why}",
            "systemctl start siaga112-console (journalctl -u siaga112-console says why it ended)",
        )
    elif found.why:
        yield ok("nobody may use the console yet (siaga112 user add NAME --role admin)")
    elif wanted.console_tls or _is_near(wanted.console) or wanted.console_proxied:
        yield ok(f"the console answers at {wanted.console}")
    else:
        yield warn(
            f"the console answers at {wanted.console}, to other machines too: passwords are sent in clear",
            f'in [console] of {wanted.config}: host = "127.0.0.1", with a proxy before it; '
            "or tls_cert and tls_key",
        )


def _is_near(at: str) -> bool:
    host = at.rpartition(":")[0].strip("[]")
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def certificate(seen: Examined) -> Iterator[Line]:
    """Check the console's certificate: dates, name, key."""
    wanted, found = seen.wanted, seen.console
    if not isinstance(found, ConsoleSeen):
        yield unchecked(found.why)
        return
    shown = found.certificate
    if shown is None:
        yield ok("the console has no certificate, and no https address")
        return
    renew = f"renew it (certbot renew, or whoever signed it); then {_RESTART}"
    name = wanted.console_address
    match shown.flaw:
        case None if shown.left < SOON:
            yield warn(f"the console's certificate ends in {shown.left // DAY} days", renew)
        case None:
            yield ok(f"the console's certificate is for {shown.detail}, and ends in {shown.left // DAY} days")
        case Flaw.UNSEEN:
            yield unchecked(
                f"the certificate at {shown.detail} cannot be seen from here",
                f"where it can: openssl s_client -connect {shown.detail} </dev/null | "
                "openssl x509 -noout -dates",
            )
        case _:
            found_, remedy = _FLAWED[shown.flaw]
            words = {"detail": shown.detail, "name": name, "renew": renew, "config": wanted.config}
            judge = warn if shown.flaw is Flaw.STALE else fail
            yield judge(found_.format_map(words), remedy.format_map(words))


_FLAWED: Final = {
    Flaw.UNREADABLE: (
        "the console's certificate cannot be used: {detail}",
        "in [console] of {config}: tls_cert and tls_key, for siaga112 to read (chgrp siaga112, chmod 640)",
    ),
    Flaw.KEY: (
        "the console's key does not belong to its certificate: {detail}",
        "in [console] of {config}: tls_cert and tls_key of one pair",
    ),
    Flaw.EXPIRED: ("the console's certificate has expired: browsers refuse it", "{renew}"),
    Flaw.EARLY: (
        "the console's certificate is not yet valid: browsers refuse it",
        "is this machine's clock right (timedatectl)? if it is, wait, or have a new one signed",
    ),
    Flaw.NAME: (
        "the console's certificate is for another name than {name}: {detail}",
        "have one signed for that name; or in [console] of {config}: address, as people have it",
    ),
    Flaw.STALE: ("the console still shows another certificate than {detail}", _RESTART),
    Flaw.OPEN: (
        "everybody may read the console's key: {detail}",
        "chown root:siaga112 {detail}; chmod 640 {detail}",
    ),
    Flaw.OTHER: ("browsers refuse the console's certificate: {detail}", "{renew}"),
}
