"""The configuration: the example is the truth, and every mistake is one line that helps."""

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
    """Write a configuration file."""
    path = tmp_path / "siaga112.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refused(path: Path | None, environ: dict[str, str] | None = None) -> str:
    """Give the one line with which a configuration is refused."""
    with pytest.raises(ConfigurationError) as raised:
        load(path, environ or {})
    line = str(raised.value)
    assert "\n" not in line
    assert raised.value.exit_code == 3
    return line


def unset(model: BaseModel) -> list[str]:
    """List the keys that a configuration did not spell out, sections and all."""
    missing = [name for name in type(model).model_fields if name not in model.model_fields_set]
    for name in model.model_fields_set:
        inner = getattr(model, name)
        if isinstance(inner, BaseModel):
            missing += [f"{name}.{key}" for key in unset(inner)]
    return missing


def uncommented() -> dict[str, object]:
    """Read the example's [policy] with the lines that show the preset's values made real."""
    section = EXAMPLE.read_text(encoding="utf-8").partition("\n[policy]\n")[2].partition("\n[")[0]
    policy: dict[str, object] = tomllib.loads(re.sub(r"^# (?=\w+ = )", "", section, flags=re.MULTILINE))
    return policy


# ── the example ──────────────────────────────────────────────────────────────────────────────────


def test_the_example_shows_the_defaults() -> None:
    """Every value in the example is the default, so that an empty file means the same."""
    assert load(EXAMPLE, {}) == Settings()


def test_the_example_is_complete() -> None:
    """There is no key that the example does not show; the policy's own values stand there as comments."""
    own = [f"policy.{name}" for name, field in Policy.model_fields.items() if field.default is None]
    own += [f"citizen.{name}" for name, field in Citizen.model_fields.items() if field.default is None]
    assert sorted(unset(load(EXAMPLE, {}))) == sorted(own)


def test_the_comments_of_the_policy_show_the_preset() -> None:
    """Taking the "#" away from each changes nothing, and none is missing."""
    policy = uncommented()
    assert policy.keys() == Policy.model_fields.keys()
    read = Policy.model_validate(policy)
    assert read.rules() == PRESETS[read.preset]


def test_no_file_at_the_usual_place_means_the_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a file that somebody named must exist."""
    monkeypatch.setattr("siaga112.settings.loading.DEFAULT_PATH", tmp_path / "siaga112.toml")
    assert load(None, {}) == Settings()


def test_the_usual_place_is_read_where_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a name, the file at the usual place holds."""
    monkeypatch.setattr("siaga112.settings.loading.DEFAULT_PATH", written(tmp_path, 'mode = "enforce"'))
    assert load(None, {}).mode is Mode.ENFORCE


# ── own values ───────────────────────────────────────────────────────────────────────────────────


def test_a_centres_own_values_take_the_place_of_the_presets() -> None:
    """What is given counts, what is not comes from the preset; a single duration or treatment will do."""
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
    """A centre that switches something off with 0 is not given the preset's value."""
    rules = Policy.model_validate({"warn_from": 0, "burst": "0s", "counted": []}).rules()
    assert (rules.warn_from, rules.burst, rules.weights) == (
        0,
        0,
        {"prank": 1, "invalid_choice": 0, "no_choice": 0},
    )


def test_the_number_plan_is_made_from_three_sections(tmp_path: Path) -> None:
    """Where the centre stands, whom it spares, and how it keeps callers: also the tracker goes by it."""
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
    """Any key, in any section, as text or as a list; what the environment does not name stays."""
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
    """SIAGA112_CONFIG names the file; the command line's own option comes first."""
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
    """A name or a value that is wrong in the environment is told like one in the file, which it is not in."""
    assert refused(written(tmp_path, 'site = "x"'), {name: value}) == f"{name} in the environment: {error}"


def test_mistakes_in_both_are_told_apart(tmp_path: Path) -> None:
    """What is wrong in the file is told of the file."""
    file = written(tmp_path, "[ami]\nhots = 1\nport = 1")
    assert refused(file, {"SIAGA112_AMI__SECRT": "x"}) == (
        f'{file}: unknown key "ami.hots", did you mean "host"?; '
        'SIAGA112_AMI__SECRT in the environment: unknown key "ami.secrt", did you mean "secret"?'
    )


# ── mistakes ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_every_mistake_has_its_exact_message(path: Path) -> None:
    """The first line of each file says what it is refused with: the file, the key, and what would do."""
    expected = path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# error: ")
    assert refused(path) == f"{path}: {expected}"


def test_there_are_mistakes_to_try() -> None:
    """The folder of mistakes was found."""
    assert len(INVALID) > 20


def test_a_named_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    """A file that was named must be there."""
    reason = "cannot be read (No such file or directory); name the file with --config or SIAGA112_CONFIG"
    assert refused(tmp_path / "absent.toml").endswith(f"absent.toml: {reason}")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    """What cannot be read is named with the system's reason."""
    assert "cannot be read (Is a directory)" in refused(tmp_path)


def test_bytes_that_are_no_text_are_one_line(tmp_path: Path) -> None:
    """A file in another encoding is refused as not valid."""
    path = tmp_path / "latin1.toml"
    path.write_bytes('site = "sérang"'.encode("latin-1"))
    assert "not valid TOML" in refused(path)


@pytest.mark.fault("secrets")
def test_no_error_shows_a_secret(tmp_path: Path) -> None:
    """A secret of the wrong type is refused without being repeated."""
    text = '[ami]\nsecret = ["hunter2"]\n[redis]\nurl = "http://:hunter2@h"\n'
    path = written(tmp_path, text + '[privacy]\ncaller_key = "hunter2"\n')
    assert "hunter2" not in refused(path)


@pytest.mark.fault("secrets")
def test_settings_do_not_show_their_secrets(tmp_path: Path) -> None:
    """Printed or logged, the settings keep secrets to themselves."""
    text = '[ami]\nsecret = "hunter2"\n[redis]\nurl = "redis://:hunter2@h"\n'
    config = load(written(tmp_path, text + '[privacy]\ncaller_key = "hunter2 hunter2 hunter2"\n'), {})
    assert "hunter2" not in f"{config!r} {config.number_plan()!r} {config.dialplan()!r}"


# ── credentials ──────────────────────────────────────────────────────────────────────────────────


def test_a_secret_may_be_a_file_of_the_service_manager(tmp_path: Path) -> None:
    """A file SIAGA112_AMI__SECRET in CREDENTIALS_DIRECTORY is the setting, less its line end."""
    (tmp_path / "SIAGA112_AMI__SECRET").write_text("from a file\n", encoding="utf-8")
    (tmp_path / "other").write_text("not ours", encoding="utf-8")
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    path = written(tmp_path, "")
    assert load(path, environ).ami.secret.get_secret_value() == "from a file"
    nearer = {**environ, "SIAGA112_AMI__SECRET": "from the environment"}
    assert load(path, nearer).ami.secret.get_secret_value() == "from the environment"


def test_a_credential_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A folder in its place: one line that names it."""
    (tmp_path / "SIAGA112_AMI__SECRET").mkdir()
    line = refused(written(tmp_path, ""), {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert "SIAGA112_AMI__SECRET" in line


@pytest.mark.parametrize("sign", ["", "/", "#", "?", ":", "%40"])
@pytest.mark.parametrize("query", ["", "?sslmode=require", "?sslpassword=hun2", "?application_name=a@b"])
def test_no_password_of_a_database_is_told(tmp_path: Path, sign: str, query: str) -> None:
    """Whatever of a URL's own signs is in it: all of these PostgreSQL takes."""
    url = f"postgresql://siaga112:hun{sign}ter2@db.example/siaga112{query}"
    config = load(written(tmp_path, f'[database]\nurl = "{url}"\n'), {})
    told = masked_database(config.database.url.get_secret_value())
    assert not [part for part in ("hun", "ter2") if part in f"{told} {config!r}"]
    assert told.startswith("postgresql://siaga112:***@")


def test_a_database_behind_a_socket_of_this_machine_is_an_address(tmp_path: Path) -> None:
    """Without a host, the folder of the socket in the query: libpq's form, with a password or none."""
    for user in ("", "siaga112@", "siaga112:hun/ter2@"):
        url = f"postgresql://{user}/siaga112?host=/run/postgresql"
        config = load(written(tmp_path, f'[database]\nurl = "{url}"\n'), {})
        assert config.database.url.get_secret_value() == url
        assert "ter2" not in masked_database(url)


def test_a_password_whose_end_nobody_can_tell_is_refused(tmp_path: Path) -> None:
    """An @ within it would make the rest of it the host, and be in every message."""
    line = refused(written(tmp_path, '[database]\nurl = "postgresql://u:hun@ter2@h/siaga112"\n'))
    assert "write @ in the password as %40" in line
    assert "ter2" not in line


def test_a_half_does_not_answer_for_what_only_the_console_goes_by() -> None:
    """Another port for the console is no reason to restart what follows and screens calls."""
    held = running.digests(Settings(), console=False)
    other = Settings.model_validate({"console": {"port": 8443}, "citizen": {"office": "112 Serang"}})
    assert not any(running.changed(held, other))
    assert "console.port" in running.changed(running.digests(Settings()), other).restart


def test_a_key_that_only_one_of_two_programs_knows_is_told() -> None:
    """A daemon of another version does not run with what the file says, whichever of them knows more keys."""
    held = running.digests(Settings(), console=False)
    older = {key: value for key, value in held.items() if key != "pbx.hidden"}
    assert running.changed(older, Settings()).restart == ("pbx.hidden",)
    assert running.changed({**held, "pbx.gone": ""}, Settings()).restart == ("pbx.gone",)


@pytest.mark.parametrize("key", [key for key in Settings().by_key() if key.startswith("pbx.")])
def test_every_key_of_pbx_that_a_daemon_runs_with_is_compared(key: str) -> None:
    """None of them can be changed in the file, and be said to be in force."""
    held = running.digests(Settings(), console=False)
    found = running.changed({**held, key: "another"}, Settings())
    assert (*found.reload, *found.restart) == (key,)
