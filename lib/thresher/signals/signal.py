"""What a signal is: a named figure of a row, of one kind, and one line on what it counts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import pyarrow as pa

TOKENIZER = "tokenizer"  # the asset that counts tokens exactly
Group = Literal[
    "text", "code", "phrases", "chat", "preference", "unpaired", "language", "tokens", "prompts"
]


class Kind(StrEnum):
    """What values a signal has; its null means that the row has no such figure."""

    FLAG = "flag"  # yes or no
    COUNT = "count"  # whole numbers from 0
    SHARE = "share"  # between 0 and 1
    NUMBER = "number"  # any other float64
    LABEL = "label"  # a word, such as a language

    @property
    def type(self) -> pa.DataType:
        """Its Arrow type."""
        return _TYPES[self]


_TYPES = {
    Kind.FLAG: pa.bool_(),
    Kind.COUNT: pa.int64(),
    Kind.SHARE: pa.float64(),
    Kind.NUMBER: pa.float64(),
    Kind.LABEL: pa.string(),
}


@dataclass(frozen=True)
class Signal:
    """One figure of a row.

    Args:
        name: Column name, unique among all signals.
        kind: What values it has.
        group: Which computation makes it.
        about: What it counts, in one line, with its unit.
    """

    name: str
    kind: Kind
    group: Group
    about: str
