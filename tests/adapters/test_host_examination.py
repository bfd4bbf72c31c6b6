"""What the doctor sees of Asterisk's files on this machine."""

from pathlib import Path

import pytest

from siaga112.doctor.looking import host


@pytest.mark.parametrize("how", ["pjsip.d/*.conf", "{etc}/pjsip.d/*.conf", '"{etc}/pjsip.d/telco.conf"'])
def test_every_included_file_is_read(how: str, tmp_path: Path) -> None:
    """An include may be a pattern, relative or absolute: a trunk in any of these files is a trunk."""
    (tmp_path / "pjsip.d").mkdir()
    (tmp_path / "pjsip.conf").write_text(f"[global]\n#include {how.format(etc=tmp_path)}\n", "utf-8")
    (tmp_path / "pjsip.d/telco.conf").write_text("[telco]\ntype = endpoint\n", "utf-8")
    assert host.sections(str(tmp_path)) == ("global", "telco")
