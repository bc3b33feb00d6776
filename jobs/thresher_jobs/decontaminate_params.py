"""The parameters of `thresher decontaminate`. `--set` reaches every field; descriptions are the
documentation."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from thresher.errors import ConfigError
from thresher.leaks.cutting import CutRule
from thresher.leaks.matches import ROLES
from thresher.leaks.presets import find_preset, override
from thresher_jobs.read_params import FormatParams

LONG_NAMES = {
    "drop_row": "drop",
    "drop_pair": "drop",
    "truncate_conversation": "truncate",
    "cut_span": "cut",
    "tag_only": "tag",
}


def _short_name(action: Any) -> Any:
    return LONG_NAMES.get(action, action) if isinstance(action, str) else action


Action = Annotated[Literal["drop", "truncate", "cut", "tag"], BeforeValidator(_short_name)]


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
    common_rows: int | None = Field(
        None,
        ge=0,
        description="N-grams that more rows share in matches that cover little of their item are "
        "left out of those matches; 0: none are; else as the preset has it (10 in ours).",
    )
    action: Action = Field(
        "drop",
        description="drop: leaked rows go to removed/, pairs as a whole; truncate: conversations "
        "keep the exchanges before the leak, other rows go; cut: plain text loses what matched and "
        "its surroundings, and stays in pieces (ROW, ROW#2 and so on); tag: verdict and item stand "
        "beside every row, and all stay.",
    )
    cut: CutRule = Field(CutRule(), description="What --action cut takes out; as in GPT-3.")
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
        if self.action == "truncate" and self.text_column is not None:
            raise ValueError("a text column holds no turns to truncate; choose --action cut")
        unknown = [role for role in self.roles if role not in ROLES]
        if unknown:
            raise ValueError(f"roles: no role '{unknown[0]}'; known: {', '.join(ROLES)}")
        try:
            override(find_preset(self.preset), self.modes)
        except ConfigError as error:
            raise ValueError(str(error)) from error
        return self
