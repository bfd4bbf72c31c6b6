"""The console as a browser sees it: whether it answers, and its certificate."""

import asyncio
import contextlib
import json
import socket
import ssl
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from siaga112.adapters.scrape import EVERYWHERE, ProbeError, get
from siaga112.core.model import SECOND
from siaga112.doctor.looking.daemon import stranger
from siaga112.doctor.observations import CertificateSeen, ConsoleSeen, Flaw
from siaga112.reasons import plainly
from siaga112.settings.schema import Console

SECONDS: Final = 3.0

_FLAWS: Final = {9: Flaw.EARLY, 10: Flaw.EXPIRED, 62: Flaw.NAME, 64: Flaw.NAME}
"""OpenSSL's verification errors, by number (x509_vfy.h)."""

_STEPS: Final = 20
"""More than any handshake needs."""

Shake = Callable[[ssl.SSLContext], dict[str, Any]]


async def examine(console: Console) -> ConsoleSeen:
    """Request its page and examine its certificate."""
    certificate, (why, ours) = await asyncio.gather(
        asyncio.to_thread(_certificate, console), _answer(console)
    )
    return ConsoleSeen(why, ours, stranger(console.port), certificate)


async def _answer(console: Console) -> tuple[str, bool]:
    """Return why nothing answers ('' if something does), and whether it is the console."""
    tls = _unverified() if console.tls_cert else None
    try:
        page = await get(console.host, console.port, "/healthz", SECONDS, tls)
    except ProbeError as error:
        return str(error), False
    try:
        return "", bool(json.loads(page) == {"ok": True})
    except ValueError:
        return "", False


def _unverified() -> ssl.SSLContext:
    """Accept any certificate: it is judged separately."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _certificate(console: Console) -> CertificateSeen | None:
    """Examine the console's own certificate, or the proxy's; None if there is none."""
    at = urlsplit(console.address)
    name = at.hostname or ""
    if console.tls_cert:
        shown = _shown(EVERYWHERE.get(console.host, console.host), console.port)
        return _of_files(Path(console.tls_cert), Path(console.tls_key), name, shown)
    if at.scheme != "https":
        return None
    port = at.port or 443
    shown = _shown(name, port)
    if shown is None:
        return CertificateSeen(Flaw.UNSEEN, f"{name}:{port}")
    return _judged(shown, name, lambda client: _over_wire(client, name, port))


def _shown(host: str, port: int) -> str | None:
    """Return the certificate that the server presents; None if there is none."""
    with contextlib.suppress(OSError):
        return ssl.get_server_certificate((host, port), timeout=SECONDS)
    return None


def _of_files(certificate: Path, key: Path, name: str, shown: str | None) -> CertificateSeen:
    """Examine the certificate's files, with a handshake in memory."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        texts = [file.read_text("ascii", "replace") for file in (certificate, key)]
        server.load_cert_chain(certificate, key, password=lambda: "")
    except ssl.SSLError as error:
        if "MISMATCH" in (error.reason or ""):
            return CertificateSeen(Flaw.KEY, str(key))
        return CertificateSeen(Flaw.UNREADABLE, f"{certificate}, or {key}: not in PEM, or with a password")
    except OSError as error:
        return CertificateSeen(Flaw.UNREADABLE, f"{error.filename}: {plainly(error)}")
    seen = _judged(texts[0], name, lambda client: _in_memory(server, client, name))
    if seen.flaw is not None:
        return seen
    if shown is not None and _first(shown) != _first(texts[0]):
        return CertificateSeen(Flaw.STALE, str(certificate))
    return CertificateSeen(Flaw.OPEN, str(key)) if key.stat().st_mode & stat.S_IROTH else seen


def _first(text: str) -> bytes:
    """Return the first certificate of a file, which is the server's own."""
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    body = text.partition(begin)[2].partition(end)[0]
    return ssl.PEM_cert_to_DER_cert(f"{begin}{body}{end}")


def _judged(text: str, name: str, shake: Shake) -> CertificateSeen:
    """Let OpenSSL check a certificate's dates and name; browsers judge its issuer."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = bool(name)
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        client.load_verify_locations(cadata=text)
        peer = shake(client)
    except ssl.SSLCertVerificationError as error:
        return CertificateSeen(_FLAWS.get(error.verify_code, Flaw.OTHER), error.verify_message)
    except OSError as error:
        return CertificateSeen(Flaw.OTHER, plainly(error))
    left = ssl.cert_time_to_seconds(str(peer["notAfter"])) - time.time()
    names = tuple(str(one) for _, one in peer.get("subjectAltName", ()))
    return CertificateSeen(None, ", ".join(names), round(left * SECOND))


def _in_memory(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> dict[str, Any]:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    ours = client.wrap_bio(to_client, to_server, server_hostname=name or None)
    for _ in range(_STEPS):
        try:
            ours.do_handshake()
            break
        except ssl.SSLWantReadError:
            with contextlib.suppress(ssl.SSLWantReadError):
                theirs.do_handshake()
    return dict(ours.getpeercert() or {})


def _over_wire(client: ssl.SSLContext, name: str, port: int) -> dict[str, Any]:
    with (
        socket.create_connection((name, port), timeout=SECONDS) as wire,
        client.wrap_socket(wire, server_hostname=name) as secured,
    ):
        return dict(secured.getpeercert() or {})
