"""redis-acl.conf for one site: the shipped file with the site's own user, password and keys."""

import hashlib
import secrets
from typing import Final, NamedTuple

from siaga112.errors import SiagaError
from siaga112.shipped import catalogue

_SHIPPED: Final = ("user siaga112 ", ">change-me", "{siaga112}", "~siaga112:siaga112:")
"""The parts of the shipped file that each site replaces: the user, the password, and the site twice."""


class SiteAcl(NamedTuple):
    """The file, the user's name, and the password if we generated it."""

    text: str
    user: str
    password: str


def of_site(site: str, user: str | None, password: str | None) -> SiteAcl:
    """Return the file for a site, with the password as a hash.

    Raises:
        SiagaError: if Redis would not accept the user's name.

    """
    user = user or ("siaga112" if site == "siaga112" else f"siaga112-{site}")
    if not user.isprintable() or any(one in " \"'#" for one in user):
        raise SiagaError(f"{user!r} is not a valid Redis user name")
    made = "" if password else secrets.token_hex(16)
    digest = hashlib.sha256((password or made).encode()).hexdigest()
    text = catalogue.text("config/redis-acl.conf")
    for theirs, ours in zip(
        _SHIPPED, (f"user {user} ", f"#{digest}", f"{{{site}}}", f"~siaga112:{site}:"), strict=True
    ):
        text = text.replace(theirs, ours)
    return SiteAcl(text, user, made)
