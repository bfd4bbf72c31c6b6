"""What all rows of the tables have in common, and the lines of the audit trail.

What is read may have been written by anybody: a row that is none of ours is a `ValueError`, never anything
else.
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
    """Build something of a row.

    Raises:
        ValueError: if it is none of ours.

    """
    try:
        return build(row)
    except (LookupError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"not a row of ours: {error!r}") from error


dump: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
"""Spell what one column holds of many things."""


def digest(audit_entry: AuditEntry, nth: int = 0) -> str:
    """Give what tells a line of the audit trail from all others; `nth`: of those that became alike."""
    told = f"{audit_entry!r} {nth}" if nth else repr(audit_entry)
    return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def audit_values(audit_entry: AuditEntry) -> Values:
    """Spell a line of the audit trail."""
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
    """Read a line of the audit trail."""
    return read(
        row,
        lambda one: AuditEntry(
            instant(one.at), one.by, one.action, one.subject, one.detail, one.reason, Via(one.via)
        ),
    )
