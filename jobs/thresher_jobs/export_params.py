"""The parameters of the step `export` of a recipe."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from thresher.params import Params


class ExportParams(Params):
    """Where the data is published, and in which form."""

    to: str = Field(
        description="A folder, or an address like s3://bucket/prefix; nothing else may be there."
    )
    form: Literal["parquet", "jsonl"] = Field(
        "parquet", description="Parquet, or JSON lines for trainers that read nothing else."
    )

    @field_validator("to")
    @classmethod
    def _named(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("name a folder or an address")
        return value
