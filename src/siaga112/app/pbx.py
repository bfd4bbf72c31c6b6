"""The connection to the PBX: its address and login, and a recording of its events."""

import ssl
from pathlib import Path

from siaga112 import infile
from siaga112.adapters.ami.session import AmiAddress
from siaga112.adapters.ami.source import AmiSource, Tape
from siaga112.app.metrics import open_metrics
from siaga112.app.records import now
from siaga112.core.rules import InForce
from siaga112.errors import ConfigurationError
from siaga112.reasons import plainly
from siaga112.settings.loading import require_secret
from siaga112.settings.schema import Settings


def ami_address(settings: Settings) -> AmiAddress:
    """Return the address of the manager interface, with the login.

    Raises:
        ConfigurationError: names the certificate file that cannot be read.

    """
    ami = settings.ami
    tls = None
    if ami.tls:
        try:
            pem = infile.read(Path(ami.tls_ca)).decode("ascii", "ignore") if ami.tls_ca else None
            tls = ssl.create_default_context(cadata=pem if pem is None or "-----BEGIN" in pem else "none")
        except OSError as error:
            why = "no certificate in it" if isinstance(error, ssl.SSLError) else plainly(error)
            raise ConfigurationError(f"[ami] tls_ca: {ami.tls_ca}: {why}") from error
    return AmiAddress(
        ami.host, ami.port, ami.username, ami.secret.get_secret_value(), tls=tls, tls_name=ami.tls_name
    )


async def record_source(settings: Settings, tape: Tape) -> None:
    """Follow the PBX for ever, only to record its events on `tape`.

    Raises:
        UnreachableError: if nobody answers at first. A connection lost later is restored.
        SiagaError: if the login is rejected.

    """
    require_secret(settings)
    metrics = open_metrics(settings, InForce(settings.rules()))
    async for _ in AmiSource(ami_address(settings), metrics, now, tape, must_begin=True).slices():
        pass
