"""The centre: queues, operators, their keys, and what callers hear."""

from collections.abc import Iterator

from siaga112.core.doctor.found import Examined, PbxFiles, PbxSeen, Shipped, Wanted
from siaga112.core.doctor.lines import Line, fail, ok, unchecked, warn


def queues(pbx: PbxSeen, wanted: Wanted) -> Iterator[Line]:
    """Look for the queues that the configuration names, and how their operators are reached."""
    if pbx.queues is None:
        yield unchecked("the PBX does not tell its queues (app_queue is not loaded, or it has none)")
        return
    for name in wanted.queues:
        members = pbx.queues.get(name)
        if members is None:
            known = ", ".join(pbx.queues) or "none"
            yield fail(
                f"the PBX has no queue {name} (it has: {known})",
                f"in [pbx] of {wanted.config}: queues = as in queues.conf",
            )
            continue
        plain = [
            one for one in members if one.startswith("Local/") and "/n" not in one.removeprefix("Local/")
        ]
        if plain:
            yield warn(
                f"operators of {name} as {plain[0]}: the operator's keys are lost with such a channel",
                f"in queues.conf [{name}]: member => {plain[0]}/n",
            )
        else:
            yield ok(f"queue {name}, {len(members)} operator{'' if len(members) == 1 else 's'} logged in")


def keys(files: PbxFiles, shipped: Shipped) -> Iterator[Line]:
    """Look for the operator's keys in features.conf."""
    missing = [name for name in shipped.keys if not files.keys.get(name)]
    if missing:
        yield warn(
            f"operators cannot mark calls: features.conf [applicationmap] lacks {', '.join(missing)}",
            "in features.conf: #include features_siaga112.conf",
        )
    else:
        yield ok("the operators' keys are in features.conf")


def prompts(seen: Examined) -> Iterator[Line]:
    """Look for our prompts among Asterisk's sounds."""
    missing = seen.host.missing_prompts
    if missing is None:
        yield unchecked(
            "Asterisk's sounds are not on this machine, or not for us to read",
            "on the PBX: ls /usr/share/asterisk/sounds/id/siaga112 "
            "(siaga112 files sounds --to /usr/share/asterisk/sounds)",
        )
        return
    for language, names in missing.items():
        if names:
            folder = seen.pbx.inside.data_dir if isinstance(seen.pbx, PbxSeen) and seen.pbx.inside else ""
            yield warn(
                f"Asterisk lacks {len(names)} of our prompts in {language}: {names[0]}"
                + (", …" if len(names) > 1 else ""),
                f"siaga112 files sounds --to {folder}/sounds",
            )
        else:
            yield ok(f"our prompts in {language} are there")
