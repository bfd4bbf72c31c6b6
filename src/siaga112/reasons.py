"""Why something was not reached, in a few words of ours."""

import errno
import os
import socket
import ssl
from typing import Final

_WORDS: Final = {
    errno.ECONNREFUSED: "connection refused",
    errno.ENOENT: "no such file or folder",
    errno.ENOTSOCK: "not a socket",
    errno.ECONNRESET: "the connection was ended there",
    errno.EPIPE: "the connection was ended there",
    errno.ECONNABORTED: "the connection was ended there",
    errno.ETIMEDOUT: "no answer",
    errno.EHOSTUNREACH: "no way to that host",
    errno.ENETUNREACH: "no way to that network",
    errno.EACCES: "this user may not",
    errno.EPERM: "this user may not",
    errno.ENOSPC: "the disk is full",
    errno.EROFS: "the disk is read-only",
    errno.EMFILE: "too many files are open",
}


def plainly(error: BaseException) -> str:
    """Say in a few words why something was not reached, without a driver's words around it.

    Drivers wrap what the system said once or more, and number it.
    """
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, TimeoutError):
            return "no answer"
        if isinstance(link, OSError):
            if said := _of_system(link):
                return said
        elif isinstance(link, EOFError):
            return "the connection was ended there"
        link = link.__cause__ or link.__context__
    return ""


def _of_system(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return "no such host name"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return "no TLS with us"
    if not error.errno:  # our own words; or asyncio's, for several addresses at once
        return error.strerror or ""
    return _WORDS.get(error.errno) or os.strerror(error.errno).lower()
