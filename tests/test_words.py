"""Indonesian: the catalogue has every text that the code shows to people, with fitting translations."""

import ast
import re
import string
from dataclasses import replace
from enum import StrEnum

import pytest
from babel.messages.pofile import read_po

from siaga112.core.access import Permission, Role
from siaga112.core.holdings import Ends, Kind, Numbers
from siaga112.core.model import (
    DAY,
    HOUR,
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
    Treatment,
    Verdict,
    Via,
)
from siaga112.core.policy import _too_many, doubt
from siaga112.core.regulation import PolicyRules
from siaga112.core.review import Called, _again, _quiet
from siaga112.core.screening import ScreenReason
from siaga112.errors import Said
from siaga112.service.ports import StoreDownError
from siaga112.terminal import labels
from siaga112.words import DOMAIN, Language, tongue
from tests import words
from tests.core.test_queue_state import NOW, line, queues, waiting
from tests.remains import remains
from tests.samples import strike

KINDS = (
    *(Ends, Kind, Numbers),
    *(HandedOver, Level, Mark, Mode, OperatorState, Origin, Outcome, Permission, ProposalCause, Reason, Role),
    *(ScreenReason, Spared, Stage, Treatment, Verdict, Via),
)
TERMS = {
    Mark.GENUINE: "laporan nyata", Mark.PRANK: "prank", Mark.SILENT: "hening (ghost)",
    Mark.INFORMATION: "informasi", Level.TEMPORARY: "sementara", Level.PERMANENT: "tetap",
    Role.OPERATOR: "petugas", Role.SUPERVISOR: "pengawas",
}  # fmt: skip
"""The agreed vocabulary: the word for each wherever people read it."""


def test_the_catalogues_are_of_this_code() -> None:
    """The catalogues are what `make words` generates from the code and the translations."""
    assert words.POT.read_bytes() == words.spelled(words.template())
    assert words.PO.read_bytes() == words.spelled(words.merged())
    with words.PO.open("rb") as file:
        assert words.MO.read_bytes() == words.compiled(read_po(file, locale="id", domain=DOMAIN))


def test_everything_is_translated_with_the_same_values() -> None:
    """Every text is translated, with exactly the placeholders of the English text."""
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
    """Each word of the program has a label in both languages, and no two words of a kind share one."""
    for language in Language:
        found = [labels.of(one, tongue(language)) for one in kind]
        assert all(found)
        assert len(set(found)) == len(found)


def test_the_words_of_the_centre_are_the_ones_that_were_agreed() -> None:
    """The Indonesian labels are the words that were agreed."""
    assert {one: labels.of(one, tongue(Language.ID)) for one in TERMS} == TERMS


def test_a_misuse_is_called_pelanggaran_everywhere() -> None:
    """No Indonesian text uses a second word for a misuse (`salahguna`)."""
    root = words.SOURCE.parents[1]
    told = [words.PO, words.SOURCE / "report/words.toml", root / "docs/panduan.md"]
    told += (words.SOURCE / "console/templates").iterdir()
    found = {path.name: re.findall(r"(?i)\w*salahguna\w*", path.read_text("utf-8")) for path in told}
    assert {name: others for name, others in found.items() if others} == {}


def test_what_the_policy_writes_is_said_in_indonesian() -> None:
    """Each reason that the policy writes is translated, under any rules; what a person wrote stays."""
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
        assert remains(said, [rules.title]) == []
        assert labels.because(text, tongue(Language.EN)) == text
        assert labels.because(f"{text}; confirmed: as agreed", t) == f"{said}; disetujui: as agreed"
    assert (
        labels.because("threats, report 17 (it is (more) than 5)", t)
        == "threats, report 17 (it is (more) than 5)"
    )
    assert labels.because("call 17.1 was marked genuine", t) == "panggilan 17.1 ditandai laporan nyata"


@pytest.mark.parametrize(
    "text",
    [
        doubt(strike(1)),
        doubt(replace(strike(1), trunk="7")),
        _quiet(PolicyRules(review_quiet=365 * DAY)),
        _again(Called(), NOW, PolicyRules(review=180 * DAY)),
        _again(Called(NOW - 3 * DAY, 17), NOW, PolicyRules(review=180 * DAY)),
    ],
    ids=["doubt", "doubt over a trunk", "quiet", "no call", "rejected calls"],
)
def test_what_doubt_and_review_write_is_said_in_indonesian(text: str) -> None:
    """A stored reason is recognised by its text: if only one of the two is changed, it stays English."""
    assert remains(labels.because(text, tongue(Language.ID))) == []


OWN_RULES = (
    PolicyRules(window=7 * DAY, temporary=(15 * SECOND, 36 * HOUR), permanent="never"),
    PolicyRules(temporary=(), permanent="proposed", repeat=2, memory=90 * DAY, burst=HOUR),
    PolicyRules(
        weights={Outcome.IVR_PRANK: 1, Reason.LEFT_MENU: 0.5, Mark.SILENT: 2},
        unattested=0.5,
        several_trunks=0.25,
    ),
    PolicyRules(weights={}, thresholds=(5, 10)),
)


@pytest.mark.parametrize("rules", OWN_RULES)
def test_a_centres_own_rule_is_said_in_indonesian(rules: PolicyRules) -> None:
    """The title of a centre's own rule is translated completely, also within the reason of a block."""
    t = tongue(Language.ID)
    assert rules.title.startswith("own rule")
    assert remains(labels.rule(rules.title, t)) == []
    assert labels.rule(rules.title, tongue()) == rules.title
    reason = _too_many(6, 6, 5, rules)
    assert labels.rule(rules.title, t) in labels.because(f"{reason}; confirmed: ya", t)
    assert remains(labels.because(f"{reason}; confirmed: ya", t)) == []


def test_a_span_is_said_in_words() -> None:
    """Durations are translated from the configuration's notation and from ms; other text stays."""
    t, en = tongue(Language.ID), tongue()
    spelled = {
        "30d": "30 hari",
        "24h": "24 jam",
        "15m": "15 menit",
        "1s": "1 detik",
        "2w": "2 minggu",
        "5ms": "5 milidetik",
    }
    assert {text: labels.span(text, t) for text in spelled} == spelled
    assert [labels.span(text, en) for text in ("1d", "30d", "1h", "soon", "")] == [
        "1 day",
        "30 days",
        "1 hour",
        "soon",
        "",
    ]
    assert [labels.age(at, t) for at in (7_000, 750_000, 3_723_000, 3 * DAY)] == [
        "0:07",
        "12:30",
        "1:02:03",
        "3 hari",
    ]
    assert [labels.age(at, en) for at in (-5, 47 * HOUR, 2 * DAY)] == ["0:00", "47:00:00", "2 days"]


def test_numbers_are_written_as_the_language_does() -> None:
    """Numbers have the language's separators, and no space before the percent sign."""
    t, en = tongue(Language.ID), tongue()
    assert [one.percent(share) for one in (t, en) for share in (0.9, 1, 0.0001, 0, None)] == [
        *("90,0%", "100,0%", "< 0,1%", "0,0%", "–"),
        *("90.0%", "100.0%", "< 0.1%", "0.0%", "–"),
    ]
    assert (t.number(1234567), t.decimal(1234.56), t.short(0.25)) == ("1.234.567", "1234,6", "0,25")
    assert (en.number(1234567), en.decimal(1234.56), en.short(0.25)) == ("1,234,567", "1234.6", "0.25")


DETAILS = {
    "genuine → prank, kind fire, district Cipocok": "laporan nyata → prank, jenis fire, kecamatan Cipocok",
    "observe → off": "mengamati → mati",
    "temporary, a longer one stays in force": "sementara, yang lebih lama tetap berlaku",
    "permanent, shortened": "tetap, dipersingkat",
    "try 2": "percobaan 2",
    "role supervisor": "peran pengawas",
    "card, number in full": "kartu, nomor lengkap",
    "from 192.0.2.1": "dari 192.0.2.1",
    "the citizen's own words": "the citizen's own words",
}


@pytest.mark.parametrize("written", DETAILS)
def test_what_the_audit_trail_adds_is_said_in_indonesian(written: str) -> None:
    """The program's own words in the audit trail are translated; what a person wrote stays."""
    assert labels.detail(written, tongue(Language.ID)) == DETAILS[written]
    assert labels.detail(written, tongue()) == written


def test_an_error_within_an_error_is_said_in_indonesian_too() -> None:
    """An error within an error is translated too; a driver's own words stay."""
    inner = Said("there is no folder {path}", path="/x/y")
    error = StoreDownError("database: {why}", why=inner)
    assert str(error) == "database: there is no folder /x/y"
    assert error.told(tongue(Language.ID)).startswith("basis data: folder /x/y tidak ada; apakah berjalan")
    assert error.told(tongue()).startswith("database: there is no folder /x/y; is it running")
    foreign = StoreDownError("database: {why}", why="FATAL: {no} such role")
    assert foreign.told(tongue(Language.ID)).startswith("basis data: FATAL: {no} such role; ")
    assert str(StoreDownError(inner)) == inner


def test_no_text_is_said_where_the_catalogue_does_not_look() -> None:
    """No code translates by a call without a name, like `x.t(visitor)("text")`: `make words` misses those."""
    hidden = []
    for path in sorted(words.SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Call) and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    hidden.append(f"{path.name}:{node.lineno}: {first.value}")
    assert hidden == []


def test_why_there_is_a_surge_is_said_in_indonesian() -> None:
    """Each reason that the daemon gives for a surge is translated; an unknown one stays."""
    late, t = NOW - 60 * SECOND, tongue(Language.ID)
    nobody = queues(OperatorState.PAUSED).surge(waiting(), NOW)
    one = line(10 * SECOND).surge(waiting(("siaga112", late, "0812")), NOW)
    two = waiting(("siaga112", late, "0812"), ("siaga112", late, "0813"))
    more = queues(OperatorState.BUSY).surge(two, NOW)
    assert [labels.surge(why, t) for why in (nobody, one, more)] == [
        "tidak ada petugas yang masuk",
        "ada yang menunggu lebih dari 10 detik",
        "2 menunggu lebih dari 10 detik",
    ]
    assert [labels.surge(why, tongue()) for why in (nobody, one, more, "flood")] == [
        "no operator logged in",
        "a caller waited over 10 seconds",
        "2 callers waited over 10 seconds",
        "flood",
    ]
