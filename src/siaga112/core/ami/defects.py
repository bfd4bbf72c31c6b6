"""Defects of AMI messages."""

from enum import StrEnum


class Defect(StrEnum):
    """What is wrong with a message. A closed set, because it is a metric label."""

    NOT_A_HEADER = "not_a_header"
    ORDER = "order"
    DUPLICATE = "duplicate"
    INCOMPLETE = "incomplete"
    VALUE = "value"
    TOO_LONG = "too_long"
