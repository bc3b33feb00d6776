"""The parameters of `thresher convert`. `--set` reaches every field; descriptions are the
documentation."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from thresher.errors import ConfigError
from thresher.formats.exports import Export, find_export
from thresher_jobs.read_params import FormatParams


class ConvertParams(FormatParams):
    """What to write, and what to do with rows that do not fit."""

    to: str = Field("", description="The trainer's export or the format to write.")
    rename: dict[str, str] = Field(
        {},
        description="Input columns that go by another name: {problem: instruction, solution: "
        "output} reads them as Alpaca's.",
    )
    template: str | None = Field(
        None,
        description="Render conversations as text: chatml, llama3 or a file (Jinja).",
    )
    loss_spans: bool = Field(
        False,
        description="With a template: also write `loss_spans`, the characters the loss falls on.",
    )
    order: Literal["strict", "any"] = Field(
        "strict",
        description="strict: quarantine rows whose roles are out of order or that end without an "
        "answer; any: convert them.",
    )
    pairs: Literal["best-worst", "best-rest", "all"] = Field(
        "best-rest", description="Which pairs of ranked answers become preferences."
    )
    extra_columns: Literal["auto", "keep", "drop"] = Field(
        "auto",
        description="Columns no format knows: auto keeps them in bare formats and drops them in "
        "exports for trainers, which would trip over them.",
    )
    reasoning_field: str = Field(
        "auto",
        description="Name of the reasoning field in messages; auto: as in the inputs, "
        "reasoning_content for trainers.",
    )
    strict: bool = Field(
        False, description="Stop (exit 4) when the target cannot hold something of a row."
    )

    @model_validator(mode="after")
    def _known(self) -> ConvertParams:
        if not self.to:
            raise ValueError("say what to write with --to, for example --to trl-sft")
        try:
            export = self.export
        except ConfigError as error:
            raise ValueError(str(error)) from error
        if self.template is not None and export.format != "text":
            raise ValueError(f"--template makes text: use --to text or trl-sft-text, not {self.to}")
        if len(set(self.rename.values())) < len(self.rename):
            raise ValueError("rename gives two columns one name")
        if self.loss_spans and self.template is None:
            raise ValueError("loss_spans needs --template")
        if self.extra_columns == "keep" and not export.extra:
            raise ValueError(
                f"{self.to} is an export for a trainer, which extra columns break: "
                f"write the format {export.format} instead"
            )
        return self

    @property
    def export(self) -> Export:
        """What `to` names."""
        return find_export(self.to)
