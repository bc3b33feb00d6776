"""A split inside a recipe: what is left is divided into train, validation and test that share no
near copies and no prompts.

Rows are judged as they were read, whatever they are converted to. A row that a mixture draws
several times counts once; it is repeated in train alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from thresher.errors import ConfigError
from thresher.formats.detection import Detected
from thresher.planning import check_named
from thresher.report import Report
from thresher.run import Run
from thresher.stage import Receipt, stage_key
from thresher.steps.attributes import Attributes
from thresher.steps.chain import Decided
from thresher.steps.compared import Compared
from thresher.steps.first_read import Probe
from thresher.steps.recipe_writing import Beside
from thresher.steps.split_probe import SplitProbe
from thresher.steps.split_writing import TIE_FOLDER, SplitEvents, SplitRows
from thresher_jobs import split_report
from thresher_jobs.dedup_state import State
from thresher_jobs.first_pass import found_schemas
from thresher_jobs.recipe_steps import CODE_VERSION, Passed, Reached, RecipeStep
from thresher_jobs.split import SPLIT_VERSION, decide, named_columns, split_probe, split_rows
from thresher_jobs.split_card import split_figures
from thresher_jobs.split_deciding import Decision
from thresher_jobs.split_params import SplitParams


class SplitStep(RecipeStep):
    """Train, validation and test.

    Args:
        name: Unique in the recipe.
        params: How many rows go where, and what may not be torn apart.
        text_column: The column that is the text of all rows; None where formats are detected.

    Raises:
        ConfigError: A part of conversations is to be compared where rows are plain text.
    """

    folders = (TIE_FOLDER,)

    def __init__(self, name: str, params: SplitParams, text_column: str | None) -> None:
        super().__init__(name)
        if text_column is not None and params.copies.on is not None:
            raise ConfigError(
                f"step {name}: rows of plain text have no {params.copies.on}",
                remedy="leave text_column out: formats are then detected",
            )
        self._params = params
        self._probe: SplitProbe | None = None
        self._state: State | None = None
        self._where: SplitRows | None = None
        self._decision: Decision | None = None

    def prepare(self, run: Run, detected: Mapping[int, Detected] | None) -> Probe:
        """Return the attributes that copies are found by, and what ties rows together."""
        found = {file: one.formats for file, one in (detected or {}).items()}
        copies = self._params.copies
        self._compared = (
            Compared(columns=copies.compared)
            if copies.on is None
            else Compared(on=copies.on, formats=found)
        )
        prompts = found if self._params.group_prompts and detected is not None else None
        self._probe = split_probe(self._params, self._compared, prompts, self.name)
        return self._probe

    def decide(self, passed: Passed, alive: tuple[Decided, ...], key: str) -> Decided:
        """Decide where the rows that are left go, and check what lies across the borders.

        Raises:
            InputError: A column that the step names is missing.
            LimitError: More rows are wanted than there are, or no group fits a split.
        """
        assert self._probe is not None
        schemas = found_schemas(passed.plan, passed.receipts)
        check_named(
            passed.plan.inputs,
            schemas,
            self._params.copies.compared if self._params.copies.on is None else (),
            named_columns(self._params),
            self._params.union_columns,
        )
        seen = Attributes(self._probe.attributes_in(passed.folder), alive)
        own = stage_key(CODE_VERSION, SPLIT_VERSION, key, self.name)
        state = State(passed.plan, own, passed.driver_rows, self._compared, seen, passed.receipts)
        state.rows = passed.rows
        state.schema = self._types(schemas)
        noted, self._decision = decide(passed.run, state, self._params, self._probe, passed.folder)
        self._state, self._noted = state, noted
        self._where = split_rows(state, self._params, noted, self._decision, self.name)
        return SplitEvents(self.name, seen, self._compared)

    def _types(self, schemas: Mapping[int, pa.Schema]) -> pa.Schema:
        """Return the type of the column of times, by which a point in time is read."""
        column = self._params.age_column
        known = [s.field(column) for s in schemas.values() if column and column in s.names]
        return pa.schema(known[:1])

    @property
    def where(self) -> SplitRows:
        """Where rows go."""
        assert self._where is not None
        return self._where

    def beside(self, run: Run, key: str) -> Beside | None:
        """Write nothing beside the rows: the writer knows splits."""
        return None

    def report(
        self, run: Run, told: Sequence[Receipt], reached: Sequence[Reached]
    ) -> dict[str, Any]:
        """Return sizes, groups and the leak check."""
        assert self._probe is not None and self._state is not None and self._decision is not None
        outcome = split_report.Outcome(
            self._params,
            self._state,
            self._probe,
            self._noted,
            self._decision,
            self.where,
            list(told),
            [],
        )
        found = split_report.section(run, outcome)
        return {"plan": {"split": found}, "notes": found["warnings"]}

    def removed_by(self, told: Sequence[Receipt], removed: int) -> dict[str, int]:
        """Return nothing: a split only quarantines what it cannot compare."""
        return {}

    def card(self, report: Report) -> str:
        """Return sizes and the leak check."""
        return split_figures(report, self.where.splits)
