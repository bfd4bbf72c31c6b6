"""Published figures, as `report --check` reads them."""

import io
import json
from pathlib import Path

import pytest

from siaga112.core.figures import Tally
from siaga112.errors import SiagaError
from siaga112.report import published
from siaga112.report.words import Words
from siaga112.words import Language
from tests.month import ZONE


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    """A file that says the same figure in two columns is refused: only one of them would be checked."""
    file = tmp_path / "published.csv"
    file.write_text("from,to,total,answered,answered\n2019-03-01,2019-03-11,10,90,10\n")
    with pytest.raises(SiagaError, match='two columns "answered"'):
        published.read(file, ZONE)


def test_a_period_that_the_ledger_lacks_in_part_is_not_compared_in_silence(tmp_path: Path) -> None:
    """Beside published figures from before the ledger's first day stands that day."""
    file = tmp_path / "published.csv"
    file.write_text("from,to,total\n2019-02-11,2019-02-28,90\n2019-03-01,2019-03-11,10\n")
    february, march = published.read(file, ZONE)
    begins, out = march.period.first, io.StringIO()
    published.show([(february, Tally()), (march, Tally())], begins, Words(Language.EN), out)
    assert out.getvalue().count("The ledger begins on 1 March 2019; no call before that is counted.") == 1
    out = io.StringIO()
    published.as_json([(march, Tally())], begins, out)
    assert json.loads(out.getvalue())[0]["ledger_begins"] == "2019-03-01T00:00:00.000+07:00"
