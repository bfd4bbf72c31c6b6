"""Announcements for programs: CloudEvents 1.0 in JSON, the same for server-sent events and webhooks."""

import json
from typing import Any, Final
from zoneinfo import ZoneInfo

from siaga112.core.announcements import EventType
from siaga112.core.caller_id import masked
from siaga112.service.ports import Announced
from siaga112.terminal import rows

PREFIX: Final = "id.siaga112."
_INSTANTS: Final = ("started", "until")
_NAMES: Final = frozenset({"operator", "by", "lifted_by"})
_WRITTEN: Final = frozenset({EventType.BLOCK_IMPOSED, EventType.BLOCK_ENDED, EventType.APPEAL_MADE})
"""Events whose `reason` a person wrote, or may have written."""


def cloud_event(
    one: Announced, site: str, zone: ZoneInfo, *, numbers: bool, people: bool = True
) -> dict[str, Any]:
    """Return an announcement as a CloudEvent; without `numbers` the caller's number is masked.

    Without `people` it does not say who answered or decided, nor what they wrote: but for the mode, which
    everybody sees with who switched it and why.
    """
    told = one.told
    data = {key: value for key, value in told.data.items() if value is not None}
    if not people and told.type is not EventType.MODE_CHANGED:
        hidden = _NAMES | {"reason"} if told.type in _WRITTEN else _NAMES
        data = {key: value for key, value in data.items() if key not in hidden}
    for key in _INSTANTS:
        if isinstance(at := data.get(key), int):
            data[key] = rows.instant(at, zone)
    caller = told.caller if numbers or not told.caller else masked(told.caller)
    event = {
        "specversion": "1.0",
        "id": f"{one.id}",
        "source": f"/siaga112/{site}",
        "type": f"{PREFIX}{told.type}",
        "time": rows.instant(told.at, zone),
        "datacontenttype": "application/json",
        "data": data | ({"caller": caller} if caller else {}),
    }
    return event | ({"subject": told.call} if told.call else {})


def as_sse(event: dict[str, Any]) -> bytes:
    """Encode a CloudEvent as a server-sent event; a client resumes by its id."""
    text = json.dumps(event, ensure_ascii=False)
    return f"id: {event['id']}\nevent: {event['type']}\ndata: {text}\n\n".encode()
