"""What all rows share, and the lines of the audit trail.

Other programs may have written to the tables: a malformed row raises `ValueError` and nothing else.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from sqlalchemy import Row

from siaga112.core.codec import instant
from siaga112.core.model import AuditEntry, Via

Values = dict[str, Any]

_T = TypeVar("_T")


def read(row: Row[Any] | Mapping[str, Any] | Sequence[Any], build: Callable[[Any], _T]) -> _T:
    """Build an object from a row.

    Raises:
        ValueError: if the row is malformed.

    """
    try:
        return build(row)
    except (LookupError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"malformed row: {error!r}") from error


dump: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
"""Encode several values for one column."""


def digest(audit_entry: AuditEntry, nth: int = 0) -> str:
    """Return a digest that is unique to a line of the audit trail; `nth` distinguishes identical lines."""
    told = f"{audit_entry!r} {nth}" if nth else repr(audit_entry)
    return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def audit_values(audit_entry: AuditEntry) -> Values:
    """Return the row of a line of the audit trail."""
    return {
        "digest": digest(audit_entry),
        "at": audit_entry.at,
        "by": audit_entry.by,
        "action": audit_entry.action,
        "subject": audit_entry.subject,
        "detail": audit_entry.detail,
        "reason": audit_entry.reason,
        "via": audit_entry.via.value,
    }


def audit_entry_of(row: Row[Any]) -> AuditEntry:
    """Parse a row into a line of the audit trail."""
    return read(
        row,
        lambda one: AuditEntry(
            instant(one.at), one.by, one.action, one.subject, one.detail, one.reason, Via(one.via)
        ),
    )
