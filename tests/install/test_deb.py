"""The .deb, built on one Debian and installed on another, which is fresh and has no pip.

The test needs root, mmdebstrap and the network, and takes about ten minutes for each Debian.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

import siaga112
from tests.install import machine
from tests.install.__main__ import OWN, release

pytestmark = [
    pytest.mark.night,
    pytest.mark.timeout(3_600),
    pytest.mark.skipif(
        os.geteuid() != 0 or shutil.which("mmdebstrap") is None, reason="needs root and mmdebstrap"
    ),
]

SUITES: Final = {"bookworm": "12", "trixie": "13"}
PACKAGES: Final = ("python3", "redis-server", "systemd")
"""What a fresh machine has here: all that the package depends on, and no pip."""

ENVIRON: Final = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
    "PIP_CERT": "/etc/below.crt",
    "SOURCE_DATE_EPOCH": "1795910400",
}

REFUSED: Final = """\
mkdir /opt/siaga112
! dpkg -i /root/*.deb 2> /root/said
grep -q "siaga112: /opt/siaga112 is there already, and not by this package: move it away first" /root/said
rmdir /opt/siaga112
"""

INSTALLED: Final = f"""\
dpkg -i /root/*.deb
test "$(siaga112 --version)" = "siaga112 {siaga112.__version__}"
dpkg --verify siaga112
test "$(stat -c '%U %a' /var/lib/siaga112)" = "siaga112 700"
test "$(stat -c '%U %a' /etc/siaga112/credentials)" = "root 700"
test -f /usr/lib/systemd/system/siaga112.target
siaga112 check-config > /dev/null
siaga112 files systemd | grep -q siaga112.target
/opt/siaga112/bin/python3 -c 'import psycopg, uvloop, argon2; import siaga112.console.app'
! grep -rlE '/src/|/tmp/tmp' /opt/siaga112/bin /opt/siaga112/pyvenv.cfg
! find /opt/siaga112 -name direct_url.json | grep .
"""

AT_WORK: Final = """\
runuser -u siaga112 -- env SIAGA112_AMI__SECRET=lab siaga112 run 2> /root/log &
/opt/siaga112/bin/python3 - << 'END'
import time, urllib.request
ends = time.monotonic() + 60
while True:  # ends: after a minute
    try:
        with urllib.request.urlopen("http://127.0.0.1:9112/healthz", timeout=2):
            break
    except OSError:
        if time.monotonic() > ends:
            raise SystemExit("no daemon: " + open("/root/log").read()[-2000:])
        time.sleep(0.2)
END
runuser -u siaga112 -- siaga112 block 081234567890 --for 1h --reason "threats"
runuser -u siaga112 -- siaga112 why 081234567890 | grep -q "temporary block until"
kill $!
wait
"""

UPGRADED: Final = """\
echo '# ours' >> /etc/siaga112/siaga112.toml
dpkg -i --force-confold /root/*.deb
tail -n 1 /etc/siaga112/siaga112.toml | grep -q '# ours'
"""

REMOVED: Final = """\
dpkg -r siaga112
test ! -e /opt/siaga112
test ! -e /usr/bin/siaga112
test -f /etc/siaga112/siaga112.toml
dpkg -P siaga112 | grep -q "the records stay in /var/lib/siaga112"
test ! -e /etc/siaga112
test -f /var/lib/siaga112/siaga112.db
"""


@pytest.fixture(scope="module", params=SUITES)
def debian(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yield a Debian as a tar file."""
    suite: str = request.param
    folder = tmp_path_factory.mktemp(suite)
    packed = folder / "debian.tar"
    machine.debian(suite, packed, *PACKAGES)
    yield packed
    shutil.rmtree(folder)


def unpacked(packed: Path, name: str) -> Path:
    """Unpack a machine from the tar file; return its root."""
    root = packed.with_name(name)
    root.mkdir()
    subprocess.run(["tar", "xf", packed, "-C", root, "--numeric-owner"], check=True, timeout=300)
    return root


def run(root: Path, script: str, *, outside: bool = False) -> None:
    """Run a shell script on the machine, in new namespaces. `outside`: in this process's network."""
    own = [one for one in OWN if not (outside and one == "--net") and one != "--mount-proc"]
    up = "" if outside else "ip link set lo up; "
    enter = f'{up}mount -t proc proc "$1/proc"; shift; exec "$@"'
    inside = ("chroot", str(root), "env", "-i", *(f"{name}={value}" for name, value in ENVIRON.items()))
    command = [*own, "sh", "-ec", enter, "sh", str(root), *inside, "sh", "-exc", script]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=1_500)
    assert ended.returncode == 0, f"{script}\n{ended.stdout[-2000:]}\n{ended.stderr[-4000:]}"


def test_the_package_is_made_twice_alike_and_lives_on_a_fresh_debian(debian: Path) -> None:
    """Two builds are identical, and the package can be installed, used, upgraded, removed and purged."""
    maker, fresh = unpacked(debian, "maker"), unpacked(debian, "fresh")
    for name, path in (("resolv.conf", "/etc/resolv.conf"), ("below.crt", os.environ.get("PIP_CERT", ""))):
        shutil.copy(path or "/etc/ssl/certs/ca-certificates.crt", maker / "etc" / name)
    made = debian.with_name("release")
    made.mkdir()
    shutil.copytree(release(made), maker / "src")
    run(maker, "apt-get update -qq\napt-get install -qq --no-install-recommends python3-venv", outside=True)
    for folder in ("one", "two"):
        run(maker, f"cd /src && packaging/deb/build *.whl /{folder}", outside=True)
    (package,), (again,) = ([*(maker / folder).iterdir()] for folder in ("one", "two"))
    assert package.name.startswith(f"siaga112_{siaga112.__version__}+deb")
    assert package.read_bytes() == again.read_bytes()

    shutil.copy(package, fresh / "root")
    for script in (REFUSED, INSTALLED, AT_WORK, UPGRADED, REMOVED):
        run(fresh, script)
