"""Callers in URLs: a page's address, or a proxy's log, must not reveal a number.

Deterministic authenticated encryption (the SIV construction of RFC 5297, with HMAC) under the
site's own secret: a bookmark stays valid, and nobody can forge one.
"""

import base64
import hashlib
import hmac
from typing import Final

from siaga112.core.model import Caller

_TAG: Final = 12
_LONGEST: Final = 64


class Hiding:
    """Encrypts callers under a secret, and decrypts them."""

    def __init__(self, secret: bytes) -> None:
        self._tagging: Final = hmac.digest(secret, b"tag", hashlib.sha256)
        self._hiding: Final = hmac.digest(secret, b"hide", hashlib.sha256)

    def hide(self, caller: Caller) -> str:
        """Return what stands for a caller in a URL."""
        plain = caller.encode()[:_LONGEST]
        tag = hmac.digest(self._tagging, plain, hashlib.sha256)[:_TAG]
        return base64.urlsafe_b64encode(tag + self._turned(tag, plain)).decode().rstrip("=")

    def find(self, reference: str) -> Caller | None:
        """Return the caller it stands for; None if we never issued it."""
        try:
            data = base64.urlsafe_b64decode(reference + "=" * (-len(reference) % 4))
            plain = self._turned(data[:_TAG], data[_TAG:])
            tag = hmac.digest(self._tagging, plain, hashlib.sha256)[:_TAG]
            return Caller(plain.decode()) if hmac.compare_digest(tag, data[:_TAG]) else None
        except ValueError:
            return None

    def _turned(self, tag: bytes, text: bytes) -> bytes:
        stream = hmac.digest(self._hiding, tag, hashlib.sha512)
        return bytes(one ^ other for one, other in zip(text[:_LONGEST], stream, strict=False))
