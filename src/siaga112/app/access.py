"""Secrets that are shown once: what is made, and what is kept of it."""

import hashlib
import secrets
from typing import Final

TOKEN: Final = "s112_"  # noqa: S105 - what each begins with, so that scanners for secrets find them


def digest(secret: str) -> str:
    """Give what is kept of a random secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def new_token() -> str:
    """Make a token."""
    return TOKEN + secrets.token_urlsafe(32)
