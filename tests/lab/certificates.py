"""Certificates for servers on loopback and for their clients."""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

LOOPBACK: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Certificates:
    """An authority, and one certificate for this host that it signed."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> Self:
        """Make the certificates with openssl."""

        def openssl(*arguments: str) -> None:
            subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=60)

        new = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        (folder / "names").write_text(f"subjectAltName=IP:{LOOPBACK}\nauthorityKeyIdentifier=keyid\n")
        # RFC 5280 requires this of an authority, and from Python 3.13 on no other is trusted.
        usage = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
        openssl(
            *new, "-x509", *usage, "-days", "1", "-subj", "/CN=lab", "-keyout", "ca.key", "-out", "ca.pem"
        )
        openssl(*new, "-subj", "/CN=redis", "-keyout", "key.pem", "-out", "request.pem")
        signing = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "1", "-extfile", "names"]
        openssl("x509", "-req", "-in", "request.pem", *signing, "-out", "cert.pem")
        return cls(folder)

    @property
    def server(self) -> list[str]:
        """Lines for a server that uses TLS with everybody and asks every client for a certificate."""
        return [
            f"tls-cert-file {self.folder}/cert.pem",
            f"tls-key-file {self.folder}/key.pem",
            f"tls-ca-cert-file {self.folder}/ca.pem",
            "tls-replication yes",
        ]

    @property
    def query(self) -> str:
        """The query of a client's address that names the certificates."""
        own = f"ssl_certfile={self.folder}/cert.pem&ssl_keyfile={self.folder}/key.pem"
        return f"?ssl_ca_certs={self.folder}/ca.pem&{own}"
