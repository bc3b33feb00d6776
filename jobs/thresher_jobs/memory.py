"""What a night knows of the version before: the tasks that read the very same rows, and the tables
that steps kept for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pyarrow as pa

Column = np.ndarray[tuple[int], np.dtype[np.int64]]


class Learned(NamedTuple):
    """What a night changes in a ledger.

    Args:
        brought: Lines of texts and places that are new.
        gone: The keys of lines that are no more.
    """

    brought: pa.Table
    gone: pa.Table


@dataclass
class Memory:
    """What steps of a recipe find of the version before, and keep for the next.

    Args:
        before: (T,) by task of this night, the task of the version before that read the very same
            rows; -1 where none did.
        tasks_before: Tasks of the version before.
        tables: By (step, name), what the version before kept; empty on a first night.
        order: `content`, or `arrival`: what came first stays.
        night: Number of this night, greater than that of any before.
        read_ledgers: Returns, by step, when texts came, where the order goes by that.

    Attributes:
        learned: By step, how this night changes its ledger.
        kept: By (step, name), what this night keeps.
        text_read: By stage, bytes of input text that steps read beyond the first pass and the
            writing of rows; all that a night reads is accounted for.
        alone: Stages whose files hang on the notes of their task alone; they are kept like notes.
    """

    before: Column
    tasks_before: int
    tables: dict[tuple[str, str], pa.Table]
    order: str = "content"
    night: int = 1
    read_ledgers: Callable[[], Mapping[str, pa.Table]] = dict
    learned: dict[str, Learned] = field(default_factory=dict)
    kept: dict[tuple[str, str], pa.Table] = field(default_factory=dict)
    text_read: Counter[str] = field(default_factory=Counter)
    alone: set[str] = field(default_factory=set)

    def table(self, step: str, name: str) -> pa.Table | None:
        """Return a table of the version before, with its task numbers; None if it kept none."""
        return self.tables.get((step, name))

    def ledger(self, step: str) -> pa.Table | None:
        """Return when the texts of a step came; None if there were none."""
        return self.read_ledgers().get(step)

    def keep(self, step: str, name: str, table: pa.Table) -> None:
        """Keep a table for the next night."""
        self.kept[step, name] = table

    def count_text(self, stage: str, size: int) -> None:
        """Account for input text that a stage read."""
        self.text_read[stage] += size
