"""The parameters of `thresher score` and `thresher select`. `--set` reaches every field;
descriptions are the documentation."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from thresher.errors import ConfigError
from thresher.params import Params
from thresher_jobs.read_params import FormatParams


class SiftParams(Params):
    """What becomes of rows, given their signals."""

    rules: dict[str, Any] = Field(
        {},
        description="Changes to the profile's rules: NAME: {max: 0.3} changes one, NAME: null "
        "drops it, a new name adds one. --set rules.NAME.max=0.3 does the same.",
    )
    per_prompt: int | None = Field(
        None, ge=1, description="Keep at most this many answers to one prompt."
    )
    annotate: bool = Field(
        False,
        description="Remove nothing: write signals and verdict as columns beside every row.",
    )
    max_removed_fraction: float = Field(
        0.9,
        ge=0,
        le=1,
        description="Stop (exit 4) when more of a source than this would be removed.",
    )


class ScoreParams(FormatParams, SiftParams):
    """What to compute, and what to do with rows."""

    profile: str = Field(
        "auto",
        description="A profile's name or a YAML file; auto chooses by the format of the rows: web "
        "for text, sft for conversations, preference, kto.",
    )
    text_column: str = Field(
        "text",
        description="The text, where rows are plain text; a name other than text says they are.",
    )
    id_column: str | None = Field(None, description="Column with the rows' own ids.")
    groups: tuple[str, ...] = Field(
        (), description="Further groups of signals to compute: language, tokens, code, prompts, ..."
    )
    tokenizer: str | None = Field(
        None, description="A tokenizer.json: tokens are counted with it instead of estimated."
    )
    scorers: tuple[str, ...] = Field(
        (),
        description="Models whose scores become signals: package.module:factory, a .npz of "
        "thresher train-classifier, or a .bin or .ftz of fastText.",
    )
    prefer: str = Field(
        "first",
        description="Which of several answers to a prompt ranks first: first, longest, shortest, "
        "best:NAME, worst:NAME (a signal or a column of numbers), order:COLUMN=A,B,C.",
    )
    union_columns: bool = Field(
        False, description="Let files lack columns that others have; they read as nulls."
    )

    @model_validator(mode="after")
    def _known(self) -> ScoreParams:
        if self.prefer == "first":
            return self
        from thresher.signals.prompts import Preference  # loads kernels

        try:
            Preference(self.prefer)
        except ConfigError as error:
            raise ValueError(str(error)) from error
        return self
