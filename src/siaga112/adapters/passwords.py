"""Passwords as hashes (argon2id), with the parameters that OWASP recommends for little memory.

19 MiB and some 30 ms each: the console hashes one at a time, so that a flood of logins costs one of these.
"""

import re
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from siaga112.errors import WrongValueError

LEAST: Final = 12
"""Letters of a password: length is what makes one strong (NIST SP 800-63B)."""

MOST: Final = 256

_hasher: Final = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
_NOBODYS: Final = _hasher.hash("nobody has this password")
"""What a password is compared with where there is nobody: that takes as long."""


def hashed(password: str) -> str:
    """Hash a new password.

    Raises:
        WrongValueError: in words for the user, if it is too short or too simple.

    """
    if not LEAST <= len(password) <= MOST:
        raise WrongValueError("a password has {least} to {most} characters", least=LEAST, most=MOST)
    if len(set(password)) < LEAST // 3 or re.fullmatch(r"(.+?)\1+", password):
        raise WrongValueError("a password is more than a few characters again and again")
    return _hasher.hash(password)


def fits(password: str, kept: str | None) -> bool:
    """Say whether it is the password of which the hash is kept; None: there is none, which takes as long."""
    try:
        _hasher.verify(kept or _NOBODYS, password[:MOST])
    except (VerificationError, InvalidHashError):
        return False
    return kept is not None
