"""Secrets that are shown once: their creation, and the digest that we store."""

import hashlib
import secrets
from typing import Final

TOKEN: Final = "s112_"  # noqa: S105 - a token's prefix, so that secret scanners find tokens


def digest(secret: str) -> str:
    """Return the digest that we store of a random secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def new_token() -> str:
    """Return a new token."""
    return TOKEN + secrets.token_urlsafe(32)
