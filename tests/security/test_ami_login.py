"""The AMI login: what somebody who listens, or holds the PBX's port, learns of the secret."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, get_args

import pytest

from siaga112.adapters.ami.session import AmiAddress, challenge_key
from siaga112.adapters.ami.source import AmiSource
from siaga112.app.pbx import ami_address
from siaga112.core.ami.events import Event, Resumed
from siaga112.errors import ConfigurationError, SiagaError, UnreachableError
from siaga112.settings.schema import Ami, Settings
from tests.adapters import figures
from tests.fakes.manager import Manager
from tests.faults.figures import Measured
from tests.lab import Asterisk, Version, find, ports
from tests.lab.certificates import Certificates
from tests.waiting import within

SECRET: Final = "s3cret-of-the-pbx"
PATIENCE: Final = 20.0


@pytest.fixture
async def impostor() -> AsyncIterator[Manager]:
    """Yield a server that holds the PBX's port and records what it receives."""
    server = Manager()
    await server.start()
    yield server
    await server.stop()


async def begin(address: AmiAddress) -> Sequence[Event]:
    """Follow a PBX until its first events; raise an error if the first attempt fails."""
    slices = AmiSource(address, figures.make(), lambda: 0, must_begin=True).slices()
    try:
        async with within(PATIENCE, "the first events"):
            return await anext(slices)
    finally:
        await slices.aclose()  # type: ignore[attr-defined]  # a generator


async def ended(address: AmiAddress) -> UnreachableError | None:
    """Try to follow a PBX; return why it could not be reached, None if it could."""
    try:
        await begin(address)
    except UnreachableError as error:
        return error
    return None


@pytest.mark.fault("ami_impostor")
async def test_whoever_holds_the_port_gets_a_digest_and_not_the_secret(
    impostor: Manager, measured: Measured
) -> None:
    """An impostor receives a digest of the secret and its challenge, but never the secret."""
    begun = await begin(AmiAddress("127.0.0.1", impostor.port, "siaga112", SECRET))
    assert isinstance(begun[0], Resumed)
    told = "".join(impostor.heard)
    assert f"Key: {challenge_key('112112112', SECRET)}\r\n" in told
    measured("times the secret is sent in clear", told.count(SECRET), at_most=0)


@pytest.mark.fault("ami_impostor")
@pytest.mark.parametrize(
    ("refused", "challenge"),
    [
        ({"Challenge": "Must specify AuthType"}, ()),
        ({}, ()),
        ({}, ("Challenge: ",)),
        ({}, ("Challenge: " + "1" * 65,)),
    ],
    ids=["refused", "none", "empty", "long"],
)
async def test_nobody_can_ask_for_the_plain_login(
    impostor: Manager, refused: dict[str, str], challenge: tuple[str, ...]
) -> None:
    """If the peer sends no proper challenge, siaga112 does not log in and sends nothing of the secret."""
    impostor.refused, impostor.challenge = refused, challenge
    with pytest.raises(SiagaError, match="no login by MD5 challenge"):
        await begin(AmiAddress("127.0.0.1", impostor.port, "siaga112", SECRET))
    assert impostor.asked["Login"] == 0
    assert SECRET not in "".join(impostor.heard)


def test_an_address_does_not_show_its_secret() -> None:
    """An address that is printed, in a log or an error, does not show the secret."""
    assert SECRET not in repr(AmiAddress("127.0.0.1", 5038, "siaga112", SECRET))


@asynccontextmanager
async def secured(version: Version, folder: Path) -> AsyncIterator[tuple[Asterisk, Ami]]:
    """Run a PBX with AMI over TLS; yield it and the settings to reach it."""
    Certificates.make(folder)
    port = ports.free()
    general = (
        f"[general](+)\ntlsenable = yes\ntlsbindaddr = 127.0.0.1:{port}\n"
        f"tlscertfile = {folder}/cert.pem\ntlsprivatekey = {folder}/key.pem\n"
    )
    async with Asterisk.start(find(version), siaga_secret=SECRET, more={"manager.conf": general}) as pbx:
        yield pbx, Ami.model_validate({"port": port, "tls": True, "secret": SECRET})


@pytest.mark.pbx
@pytest.mark.fault("ami_tls")
@pytest.mark.parametrize("version", get_args(Version))
async def test_ami_over_tls_with_a_real_pbx(version: Version, tmp_path: Path, measured: Measured) -> None:
    """Over TLS, a PBX is followed only if its certificate fits the configured authority and name."""
    async with secured(version, tmp_path) as (_, ami):
        good = ami.model_copy(update={"tls_ca": f"{tmp_path}/ca.pem"})
        begun = await begin(ami_address(Settings(ami=good)))
        assert isinstance(begun[0], Resumed)
        refusals = [
            str(await ended(ami_address(Settings(ami=one))))
            for one in (ami, good.model_copy(update={"tls_name": "pbx.example"}))
        ]
        believed = [one for one in refusals if not re.search("certificate is not accepted .*tls_ca", one)]
        measured("certificates that do not fit, believed", len(believed), at_most=0)


@pytest.mark.fault("ami_tls")
async def test_an_impostor_with_another_certificate_hears_nothing(tmp_path: Path) -> None:
    """Over TLS, an impostor with another certificate receives nothing, not even a request for a challenge."""
    for whose in ("ours", "theirs"):
        (tmp_path / whose).mkdir()
        Certificates.make(tmp_path / whose)
    server = Manager()
    server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.tls.load_cert_chain(tmp_path / "theirs/cert.pem", tmp_path / "theirs/key.pem")
    uncaught: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: uncaught.append(context))
    await server.start()
    try:
        ami = Ami.model_validate(
            {"port": server.port, "tls": True, "tls_ca": f"{tmp_path}/ours/ca.pem", "secret": SECRET}
        )
        with pytest.raises(UnreachableError, match="certificate is not accepted"):
            await begin(ami_address(Settings(ami=ami)))
    finally:
        await server.stop()
    assert server.heard == []


@pytest.mark.parametrize(
    ("text", "says"), [(None, "no such file"), ("junk", "no certificate in it"), ("", "no certificate in it")]
)
def test_an_authority_that_cannot_be_read_is_said_in_one_line(
    tmp_path: Path, text: str | None, says: str
) -> None:
    """An authority that cannot be read is one error with the setting, the file and the reason."""
    file = tmp_path / "ca.pem"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigurationError, match=rf"\[ami\] tls_ca: {file}: {says}"):
        ami_address(Settings(ami=Ami(tls=True, tls_ca=str(file))))


def test_settings_of_tls_without_tls_are_an_error() -> None:
    """Settings of TLS without `tls = true` are an error, so that nobody relies on encryption that is off."""
    with pytest.raises(ValueError, match="have no effect without tls = true"):
        Ami(tls_ca="/etc/ssl/pbx.pem")
