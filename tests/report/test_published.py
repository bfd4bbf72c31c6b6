"""Published figures, as `report --check` reads them."""

from pathlib import Path

import pytest

from siaga112.errors import SiagaError
from siaga112.report import published
from tests.month import ZONE


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    """A file that says the same figure in two columns is refused: only one of them would be checked."""
    file = tmp_path / "published.csv"
    file.write_text("from,to,total,answered,answered\n2019-03-01,2019-03-11,10,90,10\n")
    with pytest.raises(SiagaError, match='two columns "answered"'):
        published.read(file, ZONE)
