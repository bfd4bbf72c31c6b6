"""Why something was not reached, in a few plain words."""

import errno
import os
import socket
import ssl
from typing import Final

from siaga112.errors import Said

_WORDS: Final = {
    errno.ECONNREFUSED: Said("connection refused"),
    errno.ENOENT: Said("no such file or folder"),
    errno.ENOTSOCK: Said("not a socket"),
    errno.ECONNRESET: Said("the other side closed the connection"),
    errno.EPIPE: Said("the other side closed the connection"),
    errno.ECONNABORTED: Said("the other side closed the connection"),
    errno.ETIMEDOUT: Said("no answer"),
    errno.EHOSTUNREACH: Said("no route to that host"),
    errno.ENETUNREACH: Said("that network is unreachable"),
    errno.EACCES: Said("this user may not"),
    errno.EPERM: Said("this user may not"),
    errno.ENOSPC: Said("the disk is full"),
    errno.EROFS: Said("the disk is read-only"),
    errno.EMFILE: Said("too many files are open"),
}


def plainly(error: BaseException) -> str:
    """Say in a few words why something was not reached, without a driver's words around it.

    Drivers wrap what the system said once or more, and number it.
    """
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, TimeoutError):
            return Said("no answer")
        if isinstance(link, OSError):
            if said := _of_system(link):
                return said
        elif isinstance(link, EOFError):
            return Said("the other side closed the connection")
        link = link.__cause__ or link.__context__
    return ""


def _of_system(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return Said("no such host name")
    if isinstance(error, ssl.SSLCertVerificationError):
        return Said("its certificate is not accepted ({why})", why=error.verify_message)
    if isinstance(error, ssl.SSLError):
        return Said("no TLS with us")
    if not error.errno:  # our own words; or asyncio's, for several addresses at once
        return error.strerror or ""
    return _WORDS.get(error.errno) or os.strerror(error.errno).lower()
