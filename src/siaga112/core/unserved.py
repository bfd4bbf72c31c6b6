"""Why nobody took a call, in the PBX's own words: the one table of them.

A `GAVE_UP` fact holds such a word, whoever read it: AMI's variables, queue_log or a CEL row.
"""

from collections.abc import Mapping
from typing import Final

from siaga112.core.model import Reason

QUEUE_STATUS: Final[Mapping[str, Reason]] = {
    "TIMEOUT": Reason.QUEUE_TIMEOUT,
    "FULL": Reason.QUEUE_FULL,
    "JOINEMPTY": Reason.QUEUE_EMPTY,
    "LEAVEEMPTY": Reason.QUEUE_EMPTY,
    "JOINUNAVAIL": Reason.QUEUE_UNAVAILABLE,
    "LEAVEUNAVAIL": Reason.QUEUE_UNAVAILABLE,
    "WITHDRAW": Reason.QUEUE_WITHDRAWN,
}
"""Values of QUEUESTATUS after which nobody of ours has served the caller (app_queue.c)."""

DIAL_STATUS: Final[Mapping[str, Reason]] = {
    "NOANSWER": Reason.NO_ANSWER,
    "BUSY": Reason.OPERATORS_BUSY,
    "CHANUNAVAIL": Reason.CONGESTION,
    "CONGESTION": Reason.CONGESTION,
}
"""Values of DIALSTATUS after which nobody of ours has (app_dial.c)."""

QUEUE_LOG: Final[Mapping[str, str]] = {
    "EXITWITHTIMEOUT": "TIMEOUT",
    "EXITEMPTY": "LEAVEEMPTY",
    **{status: status for status in QUEUE_STATUS if status not in {"TIMEOUT", "LEAVEEMPTY"}},
}
"""Events of queue_log, each with the QUEUESTATUS of the same end (app_queue.c)."""

BY_VARIABLE: Final = {"QUEUESTATUS": QUEUE_STATUS, "DIALSTATUS": DIAL_STATUS}

REASONS: Final[Mapping[str, Reason]] = {**QUEUE_STATUS, **DIAL_STATUS}
