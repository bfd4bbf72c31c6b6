"""Runs compose.yaml's services from the built images, and calls the PBX among them: `make image-check`.

buildah unpacks the images. Each service runs as compose.yaml says (user, command, environment, volumes, a
read-only root). The services share a network namespace that has only a loopback. It needs root.
"""

import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import yaml

from tests.lab.sipp import place_call

ROOT: Final = Path(__file__).parents[2]
SERVICES: Final = ("redis", "asterisk", "screen", "track")
GIVEN: Final = {"SIAGA112_AMI__SECRET": "image-check", "REDIS_PASSWORD": "image0check"}
CALLER: Final = "081234567890"
PATIENCE_SECONDS: Final = 60.0

OWN_NETWORK: Final = ("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc")
ENTER: Final = """
set -e
root=$1 user=$2; shift 2
mount --bind "$root" "$root"
mount --rbind /dev "$root/dev"
mount --rbind /proc "$root/proc"
while [ "$1" != run ]; do
    case $1 in
        tmpfs) mount -t tmpfs -o mode=1777 tmpfs "$root$2"; shift 2 ;;
        bind) mount --bind "$2" "$root$3"; shift 3 ;;
        read-only) mount -o remount,bind,ro "$root"; shift ;;
    esac
done
shift
exec chroot --userspec="$user" "$root" env -i "$@"
"""


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)


async def until(so: Callable[[], bool]) -> None:
    """Wait until `so`, called again and again, returns true."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await asyncio.to_thread(so):  # noqa: ASYNC110 - a health check has to be asked
            await asyncio.sleep(0.1)


def buildah(*arguments: str) -> str:
    """Run buildah; return what it prints."""
    return subprocess.run(
        ["buildah", *arguments], check=True, capture_output=True, text=True, timeout=900
    ).stdout.strip()


@dataclass
class Service:
    """One service of compose.yaml."""

    name: str
    said: Mapping[str, Any]
    work: Path
    container: str
    root: Path
    image: Mapping[str, Any]
    process: subprocess.Popen[bytes] | None = None
    _places: list[str] = field(default_factory=list)

    @classmethod
    def made(cls, name: str, said: Mapping[str, Any], work: Path) -> "Service":
        """Unpack a service's image; return the service."""
        container = buildah("from", "--pull-never", f"localhost/{said['image']}")
        config = json.loads(buildah("inspect", "--type", "image", f"localhost/{said['image']}"))
        return cls(name, said, work, container, Path(buildah("mount", container)), config["Docker"]["config"])

    def enter(self, *command: str) -> list[str]:
        """Return the command line that runs a command inside the service."""
        if not self._places:
            self._places = list(self._mounts())
        environ = {
            **dict(pair.split("=", 1) for pair in self.image["Env"]),
            **self.said.get("environment", {}),
        }
        given = [f"{name}={value}" for name, value in environ.items()]
        user = self.image["User"]
        return [
            *("unshare", "--mount", "sh", "-c", ENTER, self.name, str(self.root), user),
            *(*self._places, "run", *given, *command),
        ]

    def _mounts(self) -> list[str]:
        places = [part for place in self.said.get("tmpfs", ()) for part in ("tmpfs", place)]
        for volume in self.said.get("volumes", ()):
            source, target, *_ = volume.split(":")
            if source.startswith("."):
                places += ["bind", str(ROOT / source), self._place(target, ROOT / source)]
            else:
                kept = self.work / source
                if not kept.exists():
                    kept.mkdir()
                    inside = (self.root / target.lstrip("/")).stat()
                    os.chown(kept, inside.st_uid, inside.st_gid)
                places += ["bind", str(kept), target]
        return [*places, *(["read-only"] if self.said.get("read_only") else [])]

    def _place(self, target: str, like: Path) -> str:
        """Create the file to mount a file on, as an engine does; return the target."""
        place = self.root / target.lstrip("/")
        if like.is_file() and not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()
        return target

    def start(self) -> None:
        """Run it as compose.yaml says."""
        entry = self.said.get("entrypoint", self.image.get("Entrypoint") or [])
        command = self.said.get("command", self.image.get("Cmd") or [])
        log = (self.work / f"{self.name}.log").open("wb")
        with log:
            self.process = subprocess.Popen(
                self.enter(*entry, *command), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def log(self) -> str:
        """Return what it has printed so far."""
        return (self.work / f"{self.name}.log").read_text("utf-8", "replace")

    def exec(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in it, as `docker compose exec` does."""
        return subprocess.run(self.enter(*command), check=False, capture_output=True, text=True, timeout=900)

    def healthy(self) -> bool:
        """Run its health check, compose.yaml's or else the image's; return whether it succeeds."""
        test = self.said.get("healthcheck", {}).get("test") or self.image["Healthcheck"]["Test"]
        assert test[0] == "CMD", test
        return self.exec(*test[1:]).returncode == 0

    async def until_healthy(self) -> None:
        """Wait until its health check succeeds."""
        began = time.monotonic()

        def alive_and_healthy() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, f"{self.name} ended:\n{self.log()}"
            return self.healthy()

        try:
            await until(alive_and_healthy)
        except TimeoutError:
            raise AssertionError(f"{self.name} is not healthy:\n{self.log()}") from None
        say(f"{self.name}: healthy after {time.monotonic() - began:.1f} s")

    def siaga112(self, *arguments: str) -> str:
        """Run a `siaga112` command in it; return what it prints."""
        ended = self.exec("siaga112", *arguments)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout


def composed() -> Mapping[str, Any]:
    """Return compose.yaml's services with the variables filled in."""

    def fill(match: re.Match[str]) -> str:
        return "$" if match[0] == "$$" else GIVEN.get(match[1], "unused")

    text = re.sub(r"\$\$|\$\{(\w+)(?::\?[^}]*)?\}", fill, (ROOT / "compose.yaml").read_text("utf-8"))
    services: Mapping[str, Any] = yaml.safe_load(text)["services"]
    return services


async def check(work: Path, services: dict[str, Service]) -> None:
    """Start all services; check that a call gets through and, once blocked, is rejected."""
    for tag in ("siaga112", "siaga112-lab"):
        say(f"{tag}: {buildah('images', '--format', '{{.Size}}', f'localhost/{tag}')}")
    for name in SERVICES:
        services[name] = Service.made(name, composed()[name], work)
        services[name].start()
        await services[name].until_healthy()
    track, screen = services["track"], services["screen"]
    for daemon in (track, screen):
        assert daemon.exec("id", "-u").stdout == "10112\n"
        assert "Read-only file system" in daemon.exec("touch", "/var/tmp/x").stderr  # noqa: S108 - the container's
    assert services["redis"].exec("redis-cli", "get", "x").stdout.startswith("NOAUTH"), (
        "the default user is on"
    )
    say("track, screen: user 10112, root read-only; redis: nobody but siaga112")

    pbx: Any = SimpleNamespace(version="22", folder=work, sip_port=5060, before_stop=lambda _: None)
    call = await place_call(pbx, number=CALLER)
    await until(lambda: "SIP/2.0 200" in call.messages())
    say(f"first call: {(await call.hang_up()).status}")
    say(track.siaga112("block", CALLER, "--for", "1h", "--reason", "image check").strip())
    say(track.siaga112("mode", "enforce").strip())
    await until(lambda: '"enforce"' in screen.log())
    rejected = await (await place_call(pbx, number=CALLER)).ended(timeout=60)
    say(f"second call: {rejected.status}, after the announcement")
    assert rejected.status == 403
    await until(lambda: len(json.loads(track.siaga112("calls", "--json"))) == 2)
    outcomes = [row["outcome"] for row in json.loads(track.siaga112("calls", "--json"))]
    say(f"the ledger: {', '.join(outcomes)}")
    assert outcomes.count("blocked") == 1
    for service in reversed(services.values()):
        assert service.process is not None
        service.process.terminate()
        code = service.process.wait(10)
        say(f"{service.name}: ended with {code}")


def main() -> None:
    """Enter new namespaces, then check."""
    if "inside" not in sys.argv:
        inside = (sys.executable, "-m", "tests.image", "inside")
        os.execvp(OWN_NETWORK[0], [*OWN_NETWORK, "sh", "-ec", 'ip link set lo up; exec "$@"', "sh", *inside])  # noqa: S606 - our own command
    with tempfile.TemporaryDirectory(prefix="siaga112-image-") as folder:
        services: dict[str, Service] = {}
        try:
            asyncio.run(check(Path(folder), services))
        finally:
            for service in services.values():
                buildah("rm", service.container)
    say("every step as it should be")


if __name__ == "__main__":
    main()
