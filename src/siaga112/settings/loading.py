"""Loading the configuration: one TOML file, overridden by `SIAGA112_SECTION__KEY` in the environment.

A setting may also be a file with such a name in `CREDENTIALS_DIRECTORY`, where systemd puts secrets.
"""

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError

from siaga112 import infile
from siaga112.errors import ConfigurationError
from siaga112.reasons import plainly
from siaga112.settings.schema import Settings

DEFAULT_PATH: Final = Path("/etc/siaga112/siaga112.toml")
ENV_PREFIX: Final = "SIAGA112_"
_NOT_SETTINGS: Final = frozenset({"SIAGA112_CONFIG", "SIAGA112_CHILD", "SIAGA112_API", "SIAGA112_TOKEN"})


def load(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Load the configuration.

    The file is `path`, else `SIAGA112_CONFIG`, else `/etc/siaga112/siaga112.toml`. Only the last one may be
    missing; then the defaults apply.

    Raises:
        ConfigurationError: with the key, the mistake and the remedy.

    """
    env = os.environ if environ is None else environ
    env = {**_credentials(env), **env}
    source = source_of(path, env)
    values = _read(source, optional=not path and not env.get("SIAGA112_CONFIG"))
    _overlay(values, env)
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise ConfigurationError(_explain(error, source, env)) from error


def source_of(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Path:
    """Return the file that `load` reads."""
    env = os.environ if environ is None else environ
    return path or Path(env.get("SIAGA112_CONFIG") or DEFAULT_PATH)


def _read(path: Path, *, optional: bool) -> dict[str, Any]:
    try:
        return tomllib.loads(infile.read(path).decode("utf-8"))
    except OSError as error:
        if optional and isinstance(error, FileNotFoundError):
            return {}
        raise ConfigurationError(
            f"{path}: cannot be read ({error.strerror}); name the file with --config or SIAGA112_CONFIG"
        ) from error
    except RecursionError as error:
        raise ConfigurationError(f"{path}: not valid TOML: nested too deep") from error
    except ValueError as error:  # invalid TOML, invalid UTF-8, or a number with thousands of digits
        raise ConfigurationError(f"{path}: not valid TOML: {' '.join(str(error).split())[:200]}") from error


def _credentials(env: Mapping[str, str]) -> dict[str, str]:
    """Read the settings that systemd passes as files (systemd.exec(5), LoadCredential=)."""
    folder = env.get("CREDENTIALS_DIRECTORY")
    if not folder:
        return {}
    given = {}
    for file in sorted(Path(folder).glob(f"{ENV_PREFIX}*")):
        try:
            given[file.name] = infile.read(file).decode("utf-8").rstrip("\n")
        except (OSError, ValueError) as error:
            why = plainly(error) or "not UTF-8 text"
            raise ConfigurationError(f"{file}: a credential cannot be read ({why})") from error
    return given


def _overlay(values: dict[str, Any], env: Mapping[str, str]) -> None:
    for name, text in env.items():
        if not name.startswith(ENV_PREFIX) or name in _NOT_SETTINGS:
            continue
        *sections, key = name.removeprefix(ENV_PREFIX).lower().split("__")
        place = values
        for section in sections:
            inner = place.setdefault(section, {})
            if not isinstance(inner, dict):
                raise ConfigurationError(f"{name} in the environment: [{section}] is not a section")
            place = inner
        place[key] = _scalar(text)


def _scalar(text: str) -> object:
    """Parse lists and tables as TOML. Everything else stays text, which pydantic validates."""
    if text.startswith(("[", "{")):
        try:
            return tomllib.loads(f"value = {text}")["value"]
        except (ValueError, RecursionError):
            return text
    return text


def require_secret(settings: Settings) -> None:
    """Check that the AMI secret is set.

    Raises:
        ConfigurationError: with the places where to set it, if it is not.

    """
    if not settings.ami.secret.get_secret_value():
        raise ConfigurationError(
            "[ami] secret is missing: set it in the configuration file, or SIAGA112_AMI__SECRET in the "
            "environment, to the secret in manager.d/siaga112.conf"
        )


def _explain(error: ValidationError, source: Path, env: Mapping[str, str]) -> str:
    """Return all mistakes in one line, grouped by the file or environment variable they are in."""
    lines: dict[str, list[str]] = {}
    for problem in error.errors(include_url=False):
        where = [str(part) for part in problem["loc"] if not str(part).startswith("function-")]
        key = ".".join(where) or "the file"
        if problem["type"] == "extra_forbidden":
            nearest = difflib.get_close_matches(where[-1], _known(where[:-1]), n=1, cutoff=0.5)
            hint = (
                f', did you mean "{nearest[0]}"?' if nearest else f" (known: {', '.join(_known(where[:-1]))})"
            )
            line = f'unknown key "{key}"{hint}'
        else:
            line = f"{key}: {problem['msg'].removeprefix('Value error, ')}"
        lines.setdefault(_given_by(where, env) or str(source), []).append(line)
    return "; ".join(f"{place}: {'; '.join(told)}" for place, told in lines.items())


def _given_by(where: list[str], env: Mapping[str, str]) -> str:
    """Return the environment variable that sets this key or a key in its section; '' if none does."""
    names = [ENV_PREFIX + "__".join(where[:depth]).upper() for depth in range(len(where), 0, -1)]
    exact = [name for name in names if name in env]
    within = [name for name in env if names and name.startswith(f"{names[0]}__")]
    return f"{[*exact, *within][0]} in the environment" if exact or within else ""


def _known(sections: list[str]) -> list[str]:
    model: type[BaseModel] = Settings
    for section in sections:
        annotation = model.model_fields[section].annotation if section in model.model_fields else None
        candidates = [annotation, *get_args(annotation)]
        inner = next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)
        if inner is None:
            return []
        model = inner
    return list(model.model_fields)
