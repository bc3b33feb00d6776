"""The parameters of `thresher mix`. `--set` reaches every field; descriptions are the
documentation."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Self

from pydantic import Field, model_validator

from thresher.errors import ConfigError
from thresher.inputs import Inputs
from thresher.mixing.options import MixOptions, SourceShare, Weights
from thresher.mixing.weights import check_weights
from thresher_jobs.read_params import FormatParams


class MixSourceParams(SourceShare):
    """One source of a mixture."""

    path: str = Field(description="A file, a folder, a glob or an address.")
    name: str | None = Field(None, description="What it is called; by its path if absent.")
    priority: int = Field(
        0, description="Sources stand in the mixture by priority, lower first, then as listed."
    )


class MixParams(FormatParams, MixOptions):
    """What to mix, and how."""

    sources: tuple[MixSourceParams, ...] = Field(
        (), description="The sources, instead of INPUT: path, name, weight, max_rows, ..."
    )
    weights: Weights = Field(
        {},
        description="Weights of INPUTs by their names: the last part of their paths, with or "
        "without what follows its first dot.",
    )
    seed: int = Field(0, description="Another seed draws other rows.")
    text_column: str | None = Field(
        None, description="Count tokens in this column instead of the rows' texts."
    )
    id_column: str | None = Field(None, description="Column with the rows' own ids.")
    tokenizer: str | None = Field(
        None, description="A tokenizer.json: tokens are counted with it instead of estimated."
    )
    union_columns: bool = Field(
        False, description="Let files lack columns that others have; they read as nulls."
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.sources and self.weights:
            raise ValueError("weights are for INPUTs; a source has its own `weight`")
        names = [source.name for source in self.sources if source.name is not None]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"two sources are named {twice!r}")
        return self

    def ordered(self) -> tuple[MixSourceParams, ...]:
        """Return the sources by priority."""
        return tuple(sorted(self.sources, key=lambda source: source.priority))


def addresses_of(params: MixParams, inputs: Sequence[str]) -> list[str]:
    """Return what to read: the inputs named, or the sources of the configuration.

    Raises:
        ConfigError: Both are given, or neither.
    """
    if params.sources and inputs:
        raise ConfigError(
            "inputs are given, and sources in the configuration", remedy="name them in one place"
        )
    if not params.sources and not inputs:
        raise ConfigError("nothing to mix", remedy="name inputs, or `sources` in --config")
    return [source.path for source in params.ordered()] or list(inputs)


def names_of(params: MixParams, inputs: Inputs) -> list[str]:
    """Return what the sources are called.

    Raises:
        ConfigError: Two have one name.
    """
    found = [source.name for source in inputs.sources]
    for number, source in enumerate(params.ordered()):
        found[number] = source.name or found[number]
    twice = next((name for name in found if found.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(f"two sources are named {twice!r}", remedy="give them other names")
    return found


def shares_of(params: MixParams, names: Sequence[str]) -> list[SourceShare]:
    """Return what is asked of each source.

    Raises:
        ConfigError: A weight is given to a source that is not there, or no data could be mixed so.
    """
    shares = _shares(params, names)
    check_weights(params, shares, names)
    return shares


def _shares(params: MixParams, names: Sequence[str]) -> list[SourceShare]:
    if params.sources:
        own = {"path", "name", "priority"}
        return [SourceShare.model_validate(s.model_dump(exclude=own)) for s in params.ordered()]
    weights: dict[int, float] = {}
    for name, weight in params.weights.items():
        mine = [n for n, known in enumerate(names) if known == name] or [
            n for n, known in enumerate(names) if known.split(".")[0] == name
        ]
        if len(mine) != 1 or mine[0] in weights:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names)}"
            told = "several inputs are" if mine else "no input is"
            raise ConfigError(f"weight of '{name}': {told} called so", remedy=hint)
        weights[mine[0]] = weight
    return [SourceShare(weight=weights.get(number)) for number in range(len(names))]
