"""redis-acl.conf for one site: the shipped one with the site's own user, password and keys."""

import hashlib
import secrets
from typing import Final, NamedTuple

from siaga112.errors import SiagaError
from siaga112.shipped import catalogue

_SHIPPED: Final = ("user siaga112 ", ">change-me", "{siaga112}", "~siaga112:siaga112:")
"""What of the shipped file is another at each centre: the user, the password, the site twice."""


class SiteAcl(NamedTuple):
    """The file, the user's name, and the password if one was made for it."""

    text: str
    user: str
    password: str


def of_site(site: str, user: str | None, password: str | None) -> SiteAcl:
    """Write the file for a site; the password stands in it as a hash.

    Raises:
        SiagaError: if Redis would not read the user's name.

    """
    user = user or ("siaga112" if site == "siaga112" else f"siaga112-{site}")
    if not user.isprintable() or any(one in " \"'#" for one in user):
        raise SiagaError(f"{user!r} is no name of a Redis user")
    made = "" if password else secrets.token_hex(16)
    digest = hashlib.sha256((password or made).encode()).hexdigest()
    text = catalogue.text("config/redis-acl.conf")
    for theirs, ours in zip(
        _SHIPPED, (f"user {user} ", f"#{digest}", f"{{{site}}}", f"~siaga112:{site}:"), strict=True
    ):
        text = text.replace(theirs, ours)
    return SiteAcl(text, user, made)
