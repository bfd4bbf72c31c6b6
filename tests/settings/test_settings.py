"""The configuration: the example shows every key, and every mistake is one line that helps."""

import re
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from siaga112.core.caller_id import NumberPlan
from siaga112.core.model import Level, Mode, Treatment
from siaga112.core.regulation import PRESETS
from siaga112.errors import ConfigurationError
from siaga112.settings import running
from siaga112.settings.loading import load
from siaga112.settings.schema import Citizen, Policy, Settings
from siaga112.settings.values import masked_database

EXAMPLE = Path(__file__).parents[2] / "config" / "siaga112.toml"
TREATMENTS = "Input should be 'reject', 'announce', 'challenge' or 'deprioritise'"
INVALID = sorted((Path(__file__).parent / "invalid").glob("*.toml"))


def written(tmp_path: Path, text: str) -> Path:
    """Write a configuration file; return its path."""
    path = tmp_path / "siaga112.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refused(path: Path | None, environ: dict[str, str] | None = None) -> str:
    """Return the one-line error with which a configuration is rejected."""
    with pytest.raises(ConfigurationError) as raised:
        load(path, environ or {})
    line = str(raised.value)
    assert "\n" not in line
    assert raised.value.exit_code == 3
    return line


def unset(model: BaseModel) -> list[str]:
    """Return the keys that a configuration does not set, including those in its sections."""
    missing = [name for name in type(model).model_fields if name not in model.model_fields_set]
    for name in model.model_fields_set:
        inner = getattr(model, name)
        if isinstance(inner, BaseModel):
            missing += [f"{name}.{key}" for key in unset(inner)]
    return missing


def uncommented() -> dict[str, object]:
    """Return the example's [policy], with the preset's values no longer commented out."""
    section = EXAMPLE.read_text(encoding="utf-8").partition("\n[policy]\n")[2].partition("\n[")[0]
    policy: dict[str, object] = tomllib.loads(re.sub(r"^# (?=\w+ = )", "", section, flags=re.MULTILINE))
    return policy


# ── the example ──────────────────────────────────────────────────────────────────────────────────


def test_the_example_shows_the_defaults() -> None:
    """Every value in the example is the default, so an empty file means the same."""
    assert load(EXAMPLE, {}) == Settings()


def test_the_example_is_complete() -> None:
    """The example sets every key, except those of [policy] and [citizen] whose default is the preset's."""
    own = [f"policy.{name}" for name, field in Policy.model_fields.items() if field.default is None]
    own += [f"citizen.{name}" for name, field in Citizen.model_fields.items() if field.default is None]
    assert sorted(unset(load(EXAMPLE, {}))) == sorted(own)


def test_the_comments_of_the_policy_show_the_preset() -> None:
    """The commented-out values of [policy] are the preset's, and none is missing."""
    policy = uncommented()
    assert policy.keys() == Policy.model_fields.keys()
    read = Policy.model_validate(policy)
    assert read.rules() == PRESETS[read.preset]


def test_no_file_at_the_usual_place_means_the_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If no file is named and there is none at the usual place, the defaults apply."""
    monkeypatch.setattr("siaga112.settings.loading.DEFAULT_PATH", tmp_path / "siaga112.toml")
    assert load(None, {}) == Settings()


def test_the_usual_place_is_read_where_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If no file is named, the one at the usual place is read."""
    monkeypatch.setattr("siaga112.settings.loading.DEFAULT_PATH", written(tmp_path, 'mode = "enforce"'))
    assert load(None, {}).mode is Mode.ENFORCE


# ── own values ───────────────────────────────────────────────────────────────────────────────────


def test_a_centres_own_values_take_the_place_of_the_presets() -> None:
    """A given value replaces the preset's; a single duration or treatment needs no list or table."""
    policy = Policy.model_validate(
        {"threshold": 3, "temporary": "3d", "counted": ["abandoned"], "treatment": {"permanent": "reject"}}
    )
    rules, base = policy.rules(), PRESETS["permenkominfo-2016"]
    assert (rules.thresholds, rules.temporary) == ((3,), (259_200_000,))
    assert rules.weights == {"abandoned": 1, "prank": 1, "invalid_choice": 0, "no_choice": 0}
    assert rules.treatment == {Level.TEMPORARY: Treatment.ANNOUNCE, Level.PERMANENT: Treatment.REJECT}
    assert (rules.window, rules.memory, rules.burst) == (base.window, base.memory, base.burst)
    both = Policy.model_validate({"treatment": "deprioritise"}).rules().treatment
    assert set(both.values()) == {Treatment.DEPRIORITISE}


def test_zero_is_a_value_too() -> None:
    """A value of 0, or an empty list, replaces the preset's value."""
    rules = Policy.model_validate({"warn_from": 0, "burst": "0s", "counted": []}).rules()
    assert (rules.warn_from, rules.burst, rules.weights) == (
        0,
        0,
        {"prank": 1, "invalid_choice": 0, "no_choice": 0},
    )


def test_the_number_plan_is_made_from_three_sections(tmp_path: Path) -> None:
    """The number plan comes from [pbx], [policy] and [privacy], and tracking uses the same plan."""
    text = """
        [pbx]
        region = "my"
        area_code = "3"
        [policy]
        never_block = ["1300*"]
        [privacy]
        caller_key = "sixteen letters!"
    """
    config = load(written(tmp_path, text), {})
    assert config.number_plan() == NumberPlan("MY", "3", ("1300*",), b"sixteen letters!")
    assert config.dialplan().numbers == config.number_plan()


# ── the environment ──────────────────────────────────────────────────────────────────────────────


def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
    """The environment overrides any key, in any section, as text or as a list; all other keys stay."""
    path = written(tmp_path, 'mode = "off"\n[ami]\nhost = "10.0.0.1"\nport = 5039\n')
    environ = {
        "SIAGA112_MODE": "enforce",
        "SIAGA112_AMI__SECRET": "s3cret = [",
        "SIAGA112_AMI__PORT": "5040",
        "SIAGA112_PBX__QUEUES": '["fire", "police"]',
        "SIAGA112_POLICY__WINDOW": "7d",
        "SIAGA112_POLICY__TREATMENT__PERMANENT": "reject",
        "PATH": "/usr/bin",
    }
    config = load(path, environ)
    assert config.mode is Mode.ENFORCE
    assert config.ami.secret.get_secret_value() == "s3cret = ["
    assert (config.ami.host, config.ami.port) == ("10.0.0.1", 5040)
    assert config.pbx.queues == ["fire", "police"]
    assert config.policy.window == 7 * 86_400_000
    assert config.policy.treatment == {Level.PERMANENT: Treatment.REJECT}


def test_the_environment_names_the_file(tmp_path: Path) -> None:
    """SIAGA112_CONFIG names the file, unless the command line does."""
    named = written(tmp_path, 'mode = "off"')
    environ = {"SIAGA112_CONFIG": str(named)}
    assert load(None, environ).mode is Mode.OFF
    assert load(EXAMPLE, environ).mode is Mode.OBSERVE


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("SIAGA112_AMI__SECRT", "x", 'unknown key "ami.secrt", did you mean "secret"?'),
        ("SIAGA112_METRIC__PORT", "1", 'unknown key "metric", did you mean "metrics"?'),
        ("SIAGA112_SITE__NAME", "x", "[site] is not a section"),
        ("SIAGA112_PBX__QUEUES", "[fire", "pbx.queues: Input should be a valid list"),
        (
            "SIAGA112_POLICY__TREATMENT",
            "laugh",
            f"policy.treatment.temporary: {TREATMENTS}; policy.treatment.permanent: {TREATMENTS}",
        ),
        (
            "SIAGA112_AGI__PORT",
            "http",
            "agi.port: Input should be a valid integer, unable to parse string as an integer",
        ),
    ],
)
def test_a_mistake_in_the_environment_is_one_line(tmp_path: Path, name: str, value: str, error: str) -> None:
    """A wrong name or value in the environment is an error in one line that names the variable."""
    assert refused(written(tmp_path, 'site = "x"'), {name: value}) == f"{name} in the environment: {error}"


def test_mistakes_in_both_are_told_apart(tmp_path: Path) -> None:
    """If file and environment both have a mistake, each mistake is reported with its own place."""
    file = written(tmp_path, "[ami]\nhots = 1\nport = 1")
    assert refused(file, {"SIAGA112_AMI__SECRT": "x"}) == (
        f'{file}: unknown key "ami.hots", did you mean "host"?; '
        'SIAGA112_AMI__SECRT in the environment: unknown key "ami.secrt", did you mean "secret"?'
    )


# ── mistakes ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_every_mistake_has_its_exact_message(path: Path) -> None:
    """Each invalid file is rejected with exactly the message in its first line."""
    expected = path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# error: ")
    assert refused(path) == f"{path}: {expected}"


def test_there_are_mistakes_to_try() -> None:
    """The folder of invalid files was found."""
    assert len(INVALID) > 20


def test_a_named_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    """A named file that does not exist is an error that says how to name another."""
    reason = "cannot be read (No such file or directory); name the file with --config or SIAGA112_CONFIG"
    assert refused(tmp_path / "absent.toml").endswith(f"absent.toml: {reason}")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    """A path that cannot be read as a file is an error with the system's reason."""
    assert "cannot be read (Is a directory)" in refused(tmp_path)


def test_bytes_that_are_no_text_are_one_line(tmp_path: Path) -> None:
    """A file that is not UTF-8 is rejected as not valid TOML."""
    path = tmp_path / "latin1.toml"
    path.write_bytes('site = "sérang"'.encode("latin-1"))
    assert "not valid TOML" in refused(path)


@pytest.mark.fault("secrets")
def test_no_error_shows_a_secret(tmp_path: Path) -> None:
    """Errors about invalid secrets do not contain the secrets."""
    text = '[ami]\nsecret = ["hunter2"]\n[redis]\nurl = "http://:hunter2@h"\n'
    path = written(tmp_path, text + '[privacy]\ncaller_key = "hunter2"\n')
    assert "hunter2" not in refused(path)


@pytest.mark.fault("secrets")
def test_settings_do_not_show_their_secrets(tmp_path: Path) -> None:
    """The representation of the settings, as in a log, contains no secret."""
    text = '[ami]\nsecret = "hunter2"\n[redis]\nurl = "redis://:hunter2@h"\n'
    config = load(written(tmp_path, text + '[privacy]\ncaller_key = "hunter2 hunter2 hunter2"\n'), {})
    assert "hunter2" not in f"{config!r} {config.number_plan()!r} {config.dialplan()!r}"


# ── credentials ──────────────────────────────────────────────────────────────────────────────────


def test_a_secret_may_be_a_file_of_the_service_manager(tmp_path: Path) -> None:
    """A file in CREDENTIALS_DIRECTORY sets the key that it is named for, unless the environment does."""
    (tmp_path / "SIAGA112_AMI__SECRET").write_text("from a file\n", encoding="utf-8")
    (tmp_path / "other").write_text("not ours", encoding="utf-8")
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    path = written(tmp_path, "")
    assert load(path, environ).ami.secret.get_secret_value() == "from a file"
    nearer = {**environ, "SIAGA112_AMI__SECRET": "from the environment"}
    assert load(path, nearer).ami.secret.get_secret_value() == "from the environment"


def test_a_credential_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A credential that cannot be read is an error in one line that names it."""
    (tmp_path / "SIAGA112_AMI__SECRET").mkdir()
    line = refused(written(tmp_path, ""), {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert "SIAGA112_AMI__SECRET" in line


@pytest.mark.parametrize("sign", ["", "/", "#", "?", ":", "%40"])
@pytest.mark.parametrize("query", ["", "?sslmode=require", "?sslpassword=hun2", "?application_name=a@b"])
def test_no_password_of_a_database_is_told(tmp_path: Path, sign: str, query: str) -> None:
    """A database's password is masked, even if it contains signs that mean something in a URL."""
    url = f"postgresql://siaga112:hun{sign}ter2@db.example/siaga112{query}"
    config = load(written(tmp_path, f'[database]\nurl = "{url}"\n'), {})
    told = masked_database(config.database.url.get_secret_value())
    assert not [part for part in ("hun", "ter2") if part in f"{told} {config!r}"]
    assert told.startswith("postgresql://siaga112:***@")


def test_a_database_behind_a_socket_of_this_machine_is_an_address(tmp_path: Path) -> None:
    """A database URL may name the folder of a socket instead of a host, with or without a password."""
    for user in ("", "siaga112@", "siaga112:hun/ter2@"):
        url = f"postgresql://{user}/siaga112?host=/run/postgresql"
        config = load(written(tmp_path, f'[database]\nurl = "{url}"\n'), {})
        assert config.database.url.get_secret_value() == url
        assert "ter2" not in masked_database(url)


def test_a_password_whose_end_nobody_can_tell_is_refused(tmp_path: Path) -> None:
    """A password with an @ is rejected without being shown, as its rest would be read as the host."""
    line = refused(written(tmp_path, '[database]\nurl = "postgresql://u:hun@ter2@h/siaga112"\n'))
    assert "write @ in the password as %40" in line
    assert "ter2" not in line


def test_a_half_does_not_answer_for_what_only_the_console_goes_by() -> None:
    """A daemon without the console is not reported as outdated if only the console's keys changed."""
    held = running.digests(Settings(), console=False)
    other = Settings.model_validate({"console": {"port": 8443}, "citizen": {"office": "112 Serang"}})
    assert not any(running.changed(held, other))
    assert "console.port" in running.changed(running.digests(Settings()), other).restart


def test_a_key_that_only_one_of_two_programs_knows_is_told() -> None:
    """A key that only the daemon or only this program knows is reported as changed."""
    held = running.digests(Settings(), console=False)
    older = {key: value for key, value in held.items() if key != "pbx.hidden"}
    assert running.changed(older, Settings()).restart == ("pbx.hidden",)
    assert running.changed({**held, "pbx.gone": ""}, Settings()).restart == ("pbx.gone",)


@pytest.mark.parametrize("key", [key for key in Settings().by_key() if key.startswith("pbx.")])
def test_every_key_of_pbx_that_a_daemon_runs_with_is_compared(key: str) -> None:
    """A changed key of [pbx] is reported, as taking effect with a reload or with a restart."""
    held = running.digests(Settings(), console=False)
    found = running.changed({**held, key: "another"}, Settings())
    assert (*found.reload, *found.restart) == (key,)
