"""The conversion of a recipe: what is left is written for a trainer.

A row is judged as it was read; the conversion decides how it is written. What cannot be converted
is quarantined, and a row may become several.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import thresher
from thresher.errors import ConfigError, LimitError
from thresher.formats.conversion import Conversion
from thresher.formats.detection import Detected, Evidence, gather
from thresher.params import digest_of
from thresher.planning import Plan
from thresher.stage import Receipt, Task
from thresher.steps.first_read import Probe, counted
from thresher.steps.reading import ReadTask, TaskBlock
from thresher.steps.surveying import ColumnTypes
from thresher.store import Published, Store
from thresher_jobs.convert import State, choose_conversion, load_template, lost
from thresher_jobs.convert_params import ConvertParams
from thresher_jobs.recipe_steps import Passed


@dataclass(frozen=True)
class SurveyProbe:
    """Notes what rows hold, in the receipt alone: evidence, types of columns."""

    formats: Mapping[int, tuple[str, ...]]
    name: str

    def columns(self, read: ReadTask) -> Sequence[str] | None:
        """All columns count."""
        return None

    def open(self, store: Store, folder: str, task: Task) -> SurveyNotes:
        """Begin a task."""
        return SurveyNotes(self.formats, task.payload)


class SurveyNotes:
    """What the rows of one task hold, by split."""

    def __init__(self, formats: Mapping[int, tuple[str, ...]], read: ReadTask) -> None:
        self._formats, self._read = formats, read
        self._evidence = [Evidence() for _ in read.splits]
        self._types = [ColumnTypes() for _ in read.splits]

    def __enter__(self) -> SurveyNotes:
        return self

    def __exit__(self, *error: Any) -> None:
        return None

    def take(self, block: TaskBlock, texts: Any, base: int, count: int) -> None:
        """Note a block."""
        names = self._formats.get(self._read.splits[block.split].file, ())
        self._evidence[block.split].add(gather(block.batch, names))
        self._types[block.split].add(block.batch.schema)

    def close(self) -> tuple[tuple[Published, ...], dict[str, Any]]:
        """Return what was found, by split."""
        splits = [
            {"evidence": evidence.to_json(), **types.to_json()}
            for evidence, types in zip(self._evidence, self._types, strict=True)
        ]
        return (), {"splits": splits}


class ConvertStep:
    """The last step of a recipe.

    Args:
        name: Unique in the recipe.
        params: What to write.

    Raises:
        ConfigError: The template is refused, or columns should be renamed.
    """

    def __init__(self, name: str, params: ConvertParams) -> None:
        if params.rename:
            raise ConfigError(
                f"step {name}: columns cannot be renamed inside a recipe",
                remedy="'thresher convert --set rename=...' makes a source of it",
            )
        self.name, self.params = name, params
        self.rendering = load_template(params)
        self._detected: Mapping[int, Detected] = {}

    def digest(self) -> str:
        """Return what changes with the rows that are written."""
        source = None if self.rendering is None else self.rendering.source
        return digest_of([thresher.__version__, self.params.model_dump(mode="json"), source])

    def prepare(self, detected: Mapping[int, Detected] | None) -> Probe:
        """Return what is noted of every row."""
        assert detected is not None
        self._detected = detected
        return SurveyProbe({f: found.formats for f, found in detected.items()}, self.name)

    def choose(self, passed: Passed) -> Conversion:
        """Fix how rows are written, the same for all files."""
        surveyed = [counted(r, self.name) for r in passed.receipts]
        state = State(passed.plan, surveyed, dict(self._detected))
        return choose_conversion(state, self.params, self.rendering)

    def check(self, plan: Plan, reached: Sequence[int], written: Sequence[Receipt]) -> None:
        """Refuse when too much cannot be converted, or with `strict` when anything is lost.

        Args:
            plan: What was read.
            reached: By source, the rows that earlier steps left.
            written: Receipts of the writing stage.

        Raises:
            LimitError: Naming source or loss.
        """
        limit = self.params.max_quarantined_fraction
        bad: Counter[int] = Counter()
        losses: Counter[str] = Counter()
        for task, receipt in zip(plan.tasks, written, strict=True):
            bad[task.payload.source] += receipt.facts["unconvertible"]
            losses += Counter(receipt.facts["losses"])
        for number, (source, rows) in enumerate(zip(plan.inputs.sources, reached, strict=True)):
            if bad[number] > limit * rows:
                raise LimitError(
                    f"step {self.name} cannot convert {bad[number]} of {rows} rows of source "
                    f"'{source.name}', more than max_quarantined_fraction {limit}",
                    remedy="look at the source with 'thresher convert', or raise the limit",
                )
        problem = lost(self.params, losses)
        if problem is not None:
            raise problem
