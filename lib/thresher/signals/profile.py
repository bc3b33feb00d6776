"""Profiles: which signals are computed, and which rules decide by them. YAML that people edit."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Sequence
from typing import Literal

from pydantic import Field

from thresher.errors import ConfigError
from thresher.params import Params
from thresher.signals.rules import Bounds, Rule
from thresher.signals.signal import Group, Signal

Text = Literal["text", "prompt", "response", "conversation", "all"]


class ScorerSpec(Params):
    """A model whose scores become signals."""

    model: str = Field(description="package.module:factory, or a model file.")
    on: Text = Field("text", description="Which text it reads.")
    options: dict[str, str | int | float | bool] = Field({}, description="Given to the factory.")


class Profile(Params):
    """Signals and rules."""

    about: str = Field("", description="One line.")
    text: Text = Field(
        "text",
        description="Which text the text signals are computed on: text (a column), or a part of "
        "conversations: prompt, response, conversation, all.",
    )
    groups: tuple[Group, ...] = Field(("text",), description="Which signals are computed.")
    options: dict[str, dict[str, object]] = Field(
        {}, description="Options of the groups, by group."
    )
    phrases: dict[str, str] = Field({}, description="Own phrase lists: name and file.")
    scorers: tuple[ScorerSpec, ...] = Field((), description="Models to score with.")
    rules: dict[str, Rule] = Field({}, description="Rules by name; the first that fires is named.")

    @property
    def uses_formats(self) -> bool:
        """Whether rows are read as conversations, preferences and the like."""
        chat = {"chat", "preference", "unpaired", "prompts", "phrases"} & set(self.groups)
        return bool(chat) or self.text != "text"


def check_rules(profile: Profile, signals: Sequence[Signal]) -> None:
    """Refuse rules on signals that are not computed or that do not suit them.

    Raises:
        ConfigError: Naming the rule and the nearest signal.
    """
    known = {signal.name: signal for signal in signals}
    for name, rule in profile.rules.items():
        looked_at: Iterable[tuple[str, Bounds]] = [(rule.signal, rule), *rule.when.items()]
        for signal, bounds in looked_at:
            if signal not in known:
                raise ConfigError(
                    f"rule {name}: no signal '{signal}' is computed",
                    remedy=nearest(signal, known) + f"groups computed: {', '.join(profile.groups)}",
                )
            problem = bounds.problem(known[signal])
            if problem is not None:
                raise ConfigError(f"rule {name}: {problem}")


def nearest(name: str, known: Collection[str]) -> str:
    """Return a hint at the nearest known name, or nothing."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean '{near[0]}'? " if near else ""
