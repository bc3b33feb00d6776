"""The parameters that every job has, since every job reads rows."""

from __future__ import annotations

from pydantic import Field

from thresher.params import Params


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
