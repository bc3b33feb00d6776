"""Finding a profile: built in, or a YAML file of the user's; and what the command line changes."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from thresher.errors import ConfigError
from thresher.formats.rows import Kind
from thresher.params import build, load_yaml
from thresher.signals import fineweb2
from thresher.signals.profile import Profile, nearest
from thresher.signals.signal import TOKENIZER
from thresher_jobs.score_params import ScoreParams, SiftParams

_BY_KIND = {Kind.TEXT: "web", Kind.PREFERENCE: "preference", Kind.UNPAIRED: "kto"}
MANY_ANSWERS = "too_many_answers"


def profile_names() -> list[str]:
    """Return the names of the built-in profiles."""
    folder = files("thresher.signals") / "profiles"
    names = [file.name for file in folder.iterdir()]
    return sorted(n.removesuffix(".yaml") for n in names if n.endswith(".yaml"))


def built_in_for(kinds: set[Kind]) -> str:
    """Return the profile that suits rows of these kinds.

    Raises:
        ConfigError: They are of several kinds that no one profile suits.
    """
    names = {_BY_KIND.get(kind, "sft") for kind in kinds}
    if len(names) > 1:
        raise ConfigError(
            f"the inputs hold {' and '.join(sorted(kinds))} rows: no one profile suits them",
            remedy="score them apart, or choose with --profile",
        )
    return names.pop()


def load_profile(name: str) -> Profile:
    """Read a profile by its name or from a YAML file; a file of FineWeb-2's is translated.

    Raises:
        ConfigError: There is none, or it says what cannot be.
    """
    if name in profile_names():
        return build(Profile, yaml.safe_load(profile_text(name)))
    if not Path(name).is_file():
        raise _unknown(name, "; or name a YAML file")
    value = load_yaml(name)
    if {*value} & {*fineweb2.KNOWN}:
        value = fineweb2.fineweb2_profile(value, Path(name).stem)
    try:
        return build(Profile, value)
    except ConfigError as error:
        raise ConfigError(error.message, path=name, remedy=error.remedy) from error


def profile_text(name: str) -> str:
    """Return a built-in profile as it is written.

    Raises:
        ConfigError: There is none of this name.
    """
    if name not in profile_names():
        raise _unknown(name)
    return (files("thresher.signals") / "profiles" / f"{name}.yaml").read_text("utf-8")


def _unknown(name: str, more: str = "") -> ConfigError:
    known = profile_names()
    return ConfigError(
        f"no profile '{name}'",
        remedy=nearest(name, known) + f"built in: {', '.join(known)}{more}",
    )


def changed(profile: Profile, params: SiftParams) -> Profile:
    """Return the profile with the rules that the parameters change.

    Raises:
        ConfigError: A change names no rule and is none itself.
    """
    rules: dict[str, Any] = {
        name: rule.model_dump(by_alias=True, exclude_unset=True)
        for name, rule in profile.rules.items()
    }
    for name, change in params.rules.items():
        if change is None:
            if name not in rules:
                raise ConfigError(
                    f"no rule '{name}' to drop",
                    remedy=nearest(name, rules) + f"rules: {', '.join(rules)}",
                )
            del rules[name]
        elif not isinstance(change, Mapping):
            raise ConfigError(f"rules.{name}: expected bounds such as {{max: 0.3}}, or null")
        elif name in rules:
            rules[name] = rules[name] | dict(change)
        elif "signal" not in change:
            raise ConfigError(
                f"no rule '{name}'",
                remedy=nearest(name, rules) + "a new rule needs a signal",
            )
        else:
            rules[name] = dict(change)
    groups = profile.groups
    if params.per_prompt is not None:
        rules[MANY_ANSWERS] = {"signal": "answer_rank", "max": params.per_prompt - 1}
        groups = tuple(dict.fromkeys([*groups, "prompts"]))
    return _with(profile, rules=rules, groups=groups)


def chosen(profile: Profile, params: ScoreParams) -> Profile:
    """Return the profile as the parameters want it: rules changed, groups added."""
    groups = dict.fromkeys([*profile.groups, *params.groups])
    options = dict(profile.options)
    if params.tokenizer is not None:
        groups["tokens"] = None
        options["tokens"] = {TOKENIZER: params.tokenizer}
    scorers = [spec.model_dump() for spec in profile.scorers]
    scorers += [{"model": model, "on": profile.text} for model in params.scorers]
    wanted = _with(profile, groups=tuple(groups), options=options, scorers=scorers)
    return changed(wanted, params)


def _with(profile: Profile, **values: Any) -> Profile:
    known = profile.model_dump(by_alias=True, exclude_unset=True)
    return build(Profile, known | values)
