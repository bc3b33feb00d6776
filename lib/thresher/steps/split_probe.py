"""What splitting notes of every row in the pass over the text: the attributes that near copies are
found by, and what ties rows and says where they may go."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from thresher.stage import Receipt, Task
from thresher.steps.attributes import AttributeNotes, AttributeProbe
from thresher.steps.first_read import counted, noted
from thresher.steps.reading import ReadTask, TaskBlock
from thresher.steps.split_noting import TieNotes, TieProbe
from thresher.store import Published, Store


@dataclass(frozen=True)
class SplitProbe:
    """Both notes under one name, so that a recipe takes it as one step.

    Args:
        attributes: For near copies.
        ties: Beside the text.
        name: Of the step.
    """

    attributes: AttributeProbe
    ties: TieProbe
    name: str = "split"

    def columns(self, read: ReadTask) -> Sequence[str] | None:
        """List the columns that either needs."""
        both = (self.attributes.columns(read), self.ties.columns(read))
        if both[0] is None or both[1] is None:
            return None
        return [*both[0], *both[1]]

    def open(self, store: Store, folder: str, task: Task) -> SplitNotes:
        """Begin the notes of a task."""
        return SplitNotes(
            self.attributes.open(store, noted(folder, self.attributes), task),
            self.ties.open(store, noted(folder, self.ties), task),
        )

    def attributes_in(self, folder: str) -> str:
        """Return the folder of the attributes, given that of a pass."""
        return noted(noted(folder, self), self.attributes)

    def ties_in(self, folder: str) -> str:
        """Return the folder of the other notes, given that of a pass."""
        return noted(noted(folder, self), self.ties)

    def unjudged(self, receipt: Receipt) -> int:
        """Return the rows of a task that cannot be judged."""
        found = counted(receipt, self.name)["attributes"]
        return int(found["unjudged"]) + int(found["nulls"])

    def facts(self, receipts: Sequence[Receipt]) -> list[Mapping[str, Any]]:
        """Return what was counted beside the text, by task."""
        return [counted(receipt, self.name)["ties"] for receipt in receipts]


class SplitNotes:
    """One task's notes."""

    def __init__(self, attributes: AttributeNotes, ties: TieNotes) -> None:
        self._attributes, self._ties = attributes, ties
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> SplitNotes:
        self._stack.enter_context(self._attributes)
        self._stack.enter_context(self._ties)
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def take(self, block: TaskBlock, texts: Any, base: int, count: int) -> None:
        """Note a block."""
        self._attributes.take(block, texts, base, count)
        self._ties.take(block, texts, base, count)

    def close(self) -> tuple[tuple[Published, ...], dict[str, Any]]:
        """Publish both; return what both counted."""
        files, attributes = self._attributes.close()
        more, ties = self._ties.close()
        return (*files, *more), {"attributes": attributes, "ties": ties}
