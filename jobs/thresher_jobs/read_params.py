"""The parameters that every job has, since every job reads rows."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from thresher.errors import ConfigError
from thresher.formats.names import FORMAT_NAMES, MIN_CONFIDENCE
from thresher.params import Params


def require_format(name: str) -> None:
    """Refuse a format that there is none of; all of them are loaded for the message alone.

    Raises:
        ValueError: Naming the nearest one.
    """
    if name in FORMAT_NAMES:
        return
    from thresher.formats.catalogue import find_format

    try:
        find_format(name)
    except ConfigError as error:
        raise ValueError(str(error)) from error


class ReadParams(Params):
    """How inputs are read."""

    max_doc_bytes: int = Field(
        256 << 20, ge=1, description="Rows with a larger value are quarantined; bytes."
    )
    skip_unreadable: bool = Field(
        False,
        description="Leave unreadable files out and name them in the report, instead of exit 3.",
    )
    split_bytes: int = Field(
        0,
        ge=0,
        description="Uncompressed bytes a task reads, about; 0 chooses 8 to 64 MiB by the inputs.",
    )


class FormatParams(ReadParams):
    """How rows of conversations and the like are read."""

    format: str | None = Field(
        None, description="The format of all inputs, instead of the one detected for each file."
    )
    min_confidence: float = Field(
        MIN_CONFIDENCE,
        ge=0,
        le=1,
        description="Stop when a file's format is less certain than this.",
    )
    max_quarantined_fraction: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Stop (exit 4) when more of a source than this cannot be read or judged.",
    )

    @model_validator(mode="after")
    def _known_format(self) -> Self:
        if self.format is not None:
            require_format(self.format)
        return self
