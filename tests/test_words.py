"""Indonesian: the catalogue has all that the code says to people, and what it says fits."""

import re
import string
from enum import StrEnum

import pytest
from babel.messages.pofile import read_po

from siaga112.core.access import Role
from siaga112.core.model import (
    SECOND,
    HandedOver,
    Level,
    Mark,
    Mode,
    OperatorState,
    Origin,
    Outcome,
    ProposalCause,
    Reason,
    Spared,
    Stage,
    Verdict,
)
from siaga112.core.policy import _too_many
from siaga112.core.regulation import PolicyRules
from siaga112.core.screening import ScreenReason
from siaga112.terminal import labels
from siaga112.words import DOMAIN, Language, tongue
from tests import words
from tests.core.test_queue_state import NOW, line, queues, waiting

KINDS = (
    *(HandedOver, Level, Mark, Mode, OperatorState, Origin, Outcome, ProposalCause, Reason, Role, Spared),
    *(ScreenReason, Stage, Verdict),
)
TERMS = {
    Mark.GENUINE: "laporan nyata", Mark.PRANK: "prank", Mark.SILENT: "hening (ghost)",
    Mark.INFORMATION: "informasi", Level.TEMPORARY: "sementara", Level.PERMANENT: "tetap",
    Role.OPERATOR: "petugas", Role.SUPERVISOR: "pengawas",
}  # fmt: skip
"""One vocabulary (words.md): what each is called wherever people read it."""


def test_the_catalogues_are_of_this_code() -> None:
    """Whoever changes what is said to people runs `make words`, and translates what it names."""
    assert words.POT.read_bytes() == words.spelled(words.template())
    assert words.PO.read_bytes() == words.spelled(words.merged())
    with words.PO.open("rb") as file:
        assert words.MO.read_bytes() == words.compiled(read_po(file, locale="id", domain=DOMAIN))


def test_everything_is_translated_with_the_same_values() -> None:
    """No text is left in English, none names a value that there is not, or leaves one out."""
    with words.PO.open("rb") as file:
        catalog = read_po(file, locale="id", domain=DOMAIN)
    wrong = []
    for message in catalog:
        if not message.id:
            continue
        ids = message.id if isinstance(message.id, tuple) else (message.id,)
        said = message.string if isinstance(message.string, tuple) else (message.string,)
        names = [{name for _, name, _, _ in string.Formatter().parse(text) if name} for text in (*ids, *said)]
        whole = set().union(*names[: len(ids)])
        if not all(said) or any(found != whole for found in names[len(ids) :]):
            wrong.append(ids[0])
    assert wrong == []
    assert len(catalog) > 400


@pytest.mark.parametrize("kind", KINDS)
def test_every_word_of_the_program_has_one_for_people(kind: type[StrEnum]) -> None:
    """In both languages; two words of a kind are not called the same."""
    for language in Language:
        found = [labels.of(one, tongue(language)) for one in kind]
        assert all(found)
        assert len(set(found)) == len(found)


def test_the_words_of_the_centre_are_the_ones_that_were_agreed() -> None:
    """Everywhere the same."""
    assert {one: labels.of(one, tongue(Language.ID)) for one in TERMS} == TERMS


def test_a_misuse_is_called_pelanggaran_everywhere() -> None:
    """In the catalogue, the report and the guide: a second word would be taken for a second thing."""
    root = words.SOURCE.parents[1]
    told = [words.PO, words.SOURCE / "report/words.toml", root / "docs/panduan.md"]
    told += (words.SOURCE / "console/templates").iterdir()
    found = {path.name: re.findall(r"(?i)\w*salahguna\w*", path.read_text("utf-8")) for path in told}
    assert {name: others for name, others in found.items() if others} == {}


def test_what_the_policy_writes_is_said_in_indonesian() -> None:
    """Each reason that the policy writes, of any rules; what a person wrote stays as it is."""
    rules, own, t = PolicyRules(), PolicyRules(thresholds=(3,)), tongue(Language.ID)
    assert "; " in own.title
    written = (
        _too_many(6, 6, 5, rules),
        _too_many(9, 4.5, 4, rules),
        f"misused again after block 1 ({rules.title})",
        _too_many(4, 4, 3, own),
        f"misused again after block 1 ({own.title})",
    )
    for text in written:
        said = labels.because(text, t)
        assert not re.search("misuse|more than", said), said
        assert labels.because(text, tongue(Language.EN)) == text
        assert labels.because(f"{text}; confirmed: as agreed", t) == f"{said}; confirmed: as agreed"
    assert labels.because("threats, report 17", t) == "threats, report 17"


def test_why_there_is_a_surge_is_said_in_indonesian() -> None:
    """Each reason that the daemon gives; what it does not know stays as it is."""
    late, t = NOW - 60 * SECOND, tongue(Language.ID)
    nobody = queues(OperatorState.PAUSED).surge(waiting(), NOW)
    one = line(10 * SECOND).surge(waiting(("siaga112", late, "0812")), NOW)
    two = waiting(("siaga112", late, "0812"), ("siaga112", late, "0813"))
    more = queues(OperatorState.BUSY).surge(two, NOW)
    assert [labels.surge(why, t) for why in (nobody, one, more)] == [
        "tidak ada petugas yang masuk", "ada yang menunggu lebih dari 10s", "2 menunggu lebih dari 10s",
    ]  # fmt: skip
    assert [labels.surge(why, tongue()) for why in (nobody, one, more, "flood")] == [
        nobody,
        one,
        more,
        "flood",
    ]
