"""Password hashes (argon2id), with the parameters that OWASP recommends for little memory.

A hash takes 19 MiB and about 30 ms. The console computes one at a time, so a flood of logins takes no more
memory than one.
"""

import re
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from siaga112.errors import WrongValueError

LEAST: Final = 12
"""The shortest password in characters: length makes a password strong (NIST SP 800-63B)."""

MOST: Final = 256

_hasher: Final = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
_NOBODYS: Final = _hasher.hash("nobody has this password")
"""The hash that an unknown user's password is checked against, so that it takes as long."""


def hashed(password: str) -> str:
    """Hash a new password.

    Raises:
        WrongValueError: in words for the user, if the password is too short or too simple.

    """
    if not LEAST <= len(password) <= MOST:
        raise WrongValueError("a password has {least} to {most} characters", least=LEAST, most=MOST)
    if len(set(password)) < LEAST // 3 or re.fullmatch(r"(.+?)\1+", password):
        raise WrongValueError("a password must not repeat a few characters")
    return _hasher.hash(password)


def fits(password: str, kept: str | None) -> bool:
    """Return whether the password fits the stored hash; without one (None) it takes as long and is False."""
    try:
        _hasher.verify(kept or _NOBODYS, password[:MOST])
    except (VerificationError, InvalidHashError):
        return False
    return kept is not None
