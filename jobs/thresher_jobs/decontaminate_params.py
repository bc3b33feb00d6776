"""The parameters of `thresher decontaminate`. `--set` reaches every field; descriptions are the
documentation."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from thresher.errors import ConfigError
from thresher.leaks.presets import find_preset, override
from thresher.leaks.segments import ROLES
from thresher_jobs.read_params import FormatParams


class DecontaminateParams(FormatParams):
    """What is searched for, what counts as a leak, and what becomes of it."""

    against: tuple[str, ...] = Field(
        (),
        description="Benchmarks: a benchmarks.yaml, NAME=PATH for one that is known, or files.",
    )
    preset: str = Field(
        "default",
        description="The rule: default, strict, audit, or a published one: gpt3, tulu3, openr1, "
        "deepseek, qwen25, phi4, llama2, decon, paloma.",
    )
    modes: dict[str, Any] = Field(
        {}, description="Changes to the rule: ngram_ratio: {threshold: 0.6}."
    )
    action: Literal["drop", "tag"] = Field(
        "drop",
        description="drop: leaked rows go to removed/, pairs as a whole; tag: verdict and item "
        "stand beside every row, and all stay.",
    )
    remove: Literal["contaminated", "suspect"] = Field(
        "contaminated", description="suspect: rows that are only suspect go too."
    )
    roles: tuple[str, ...] = Field(ROLES, description="Which parts of a conversation are searched.")
    join_user_turns: bool = Field(
        False, description="Search all turns of the user as one text too."
    )
    text_column: str | None = Field(
        None, description="Search this column instead of the texts that the rows' format has."
    )
    id_column: str | None = Field(None, description="Column with the rows' own ids.")
    union_columns: bool = Field(
        False, description="Let files lack columns that others have; they read as nulls."
    )
    max_removed_fraction: float = Field(
        1.0, ge=0, le=1, description="Stop (exit 4) when more of a source than this would go."
    )

    @model_validator(mode="after")
    def _known(self) -> DecontaminateParams:
        if not self.against:
            raise ValueError(
                "say what to search for with --against, for example --against gsm8k=FILE"
            )
        unknown = [role for role in self.roles if role not in ROLES]
        if unknown:
            raise ValueError(f"roles: no role '{unknown[0]}'; known: {', '.join(ROLES)}")
        try:
            override(find_preset(self.preset), self.modes)
        except ConfigError as error:
            raise ValueError(str(error)) from error
        return self
