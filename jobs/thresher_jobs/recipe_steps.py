"""What each kind of step does inside a recipe: a probe in the one pass over the text, decisions
between the passes, figures for the report."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from thresher.formats.detection import Detected
from thresher.planning import Plan, check_named
from thresher.report import Report
from thresher.run import Run
from thresher.signals.tokens import Counter as Counts
from thresher.stage import Receipt, stage_key
from thresher.steps.attributes import AttributeProbe, Attributes
from thresher.steps.chain import Copies, CopyEvents, Decided
from thresher.steps.compared import Compared
from thresher.steps.first_read import Probe, noted
from thresher.steps.recipe_asides import ShownBeside
from thresher.steps.recipe_writing import Beside
from thresher.steps.removals import RemovalCounts
from thresher.steps.rows import RowMap
from thresher.steps.verdicts import REASONS
from thresher_jobs import dedup_report
from thresher_jobs.arrival import arrive
from thresher_jobs.dedup import Near, find_copies, keep_wanted
from thresher_jobs.dedup_collapse_night import collapse_tonight
from thresher_jobs.dedup_night import UNIT_ROWS, near_tonight
from thresher_jobs.dedup_params import DedupParams
from thresher_jobs.dedup_stages import audit, collapse, near
from thresher_jobs.dedup_state import State, attribute_params
from thresher_jobs.first_pass import found_schemas
from thresher_jobs.memory import Memory

if TYPE_CHECKING:
    from thresher.steps.split_writing import SplitRows

Reached = tuple[str, int]
NIGHTLY_AUDITS = 8  # nights that together compare as many rows as the first
CODE_VERSION = "recipe-4"  # raised when the same rows and steps give other bytes


@dataclass(frozen=True)
class Passed:
    """What is known after the pass over the text.

    Args:
        run: Where stages run.
        plan: What was read.
        folder: Of the pass.
        key: Its content name.
        receipts: Of its tasks.
        detected: By file, its formats; None where a column is the text.
        rows: From ids to row ids.
        driver_rows: What the driver may hold.
        memory: What is known of the night before; None where there are no nights.
    """

    run: Run
    plan: Plan
    folder: str
    key: str
    receipts: list[Receipt]
    detected: Mapping[int, Detected] | None
    rows: RowMap
    driver_rows: int
    memory: Memory | None = None

    @property
    def task_rows(self) -> tuple[int, ...]:
        """Rows of each task."""
        return tuple(receipt.rows_in for receipt in self.receipts)


class RecipeStep(ABC):
    """A step between its typed settings and its part of the report.

    Args:
        name: Unique in the recipe.

    Attributes:
        nightly: Whether notes are kept for another night.
        settled: What the step chose by looking at the inputs, once it is prepared.
        memo: What steps of the same recipe and night have read of files.
        folders: That the step writes beside those of every recipe.
    """

    nightly = False
    settled = ""
    folders: tuple[str, ...] = ()

    def __init__(self, name: str) -> None:
        self.name = name
        self.memo: dict[Any, Any] = {}

    def check(self) -> dict[str, Any]:
        """Refuse what cannot be before anything is read; return what identifies the run beyond the
        settings: digests of the files that the step needs."""
        return {}

    @abstractmethod
    def prepare(self, run: Run, detected: Mapping[int, Detected] | None) -> Probe:
        """Return what the step notes of every row."""

    @abstractmethod
    def decide(self, passed: Passed, alive: tuple[Decided, ...], key: str) -> Decided:
        """Decide about the rows that earlier steps left.

        Args:
            passed: What is known after the pass.
            alive: The earlier steps.
            key: Content name of all that was decided before.
        """

    @abstractmethod
    def beside(self, run: Run, key: str) -> Beside | None:
        """Return what the step writes or counts beside the rows."""

    def keep(self, passed: Passed, told: Sequence[Receipt], keys: Sequence[str]) -> None:  # noqa: B027
        """Keep for the next night what is counted when rows are written; nothing by default.

        Args:
            passed: What is known after the pass, and of the night before.
            told: Receipts of the writing stage, with this step's facts alone.
            keys: By task, what its parts are made of.
        """

    @abstractmethod
    def report(
        self, run: Run, told: Sequence[Receipt], reached: Sequence[Reached]
    ) -> dict[str, Any]:
        """Return the step's part of the report: `plan` for what stands there, other keys at the
        top.

        Args:
            run: Where figures lie.
            told: Receipts of the writing stage, with this step's facts alone.
            reached: Name of each source, and its rows that reached the step.
        """

    def removed_by(self, told: Sequence[Receipt], removed: int) -> dict[str, int]:
        """Return the removed rows by reason."""
        return {self.name: removed} if removed else {}

    @property
    def draws(self) -> Copies | None:
        """How often rows are written, where the step says so; asked once it has decided."""
        return None

    @property
    def where(self) -> SplitRows | None:
        """Which folders rows go to, where the step says so; asked once it has decided."""
        return None

    def looks_for(self) -> list[str]:
        """Return what the step found out about what it looks for, to be told before the run; asked
        once it is checked."""
        return []

    def counts_tokens(self) -> Counts | None:
        """Return what counts the tokens of every row into the column `tokens` of the step's notes;
        None if nothing does. Asked once the step is prepared."""
        return None

    def card(self, report: Report) -> str:
        """Return what the card says of the step, as Markdown; nothing by default."""
        return ""

    def record(self) -> str:
        """Return the decontamination record, as YAML; nothing by default. Asked after the
        report."""
        return ""

    def rules(self) -> str:
        """Return the rules that rows were judged by, as YAML; nothing by default. Asked after the
        report."""
        return ""


class DedupStep(RecipeStep):
    """Copies and near copies."""

    def __init__(self, name: str, params: DedupParams) -> None:
        super().__init__(name)
        self._params = params
        self._compared = Compared(columns=params.compared)
        self._state: State | None = None
        self._counts: RemovalCounts | None = None
        self._recall: dedup_report.AuditResult | None = None
        self._audit: Callable[[], dedup_report.AuditResult | None] | None = None

    def prepare(self, run: Run, detected: Mapping[int, Detected] | None) -> Probe:
        """Return the attributes that copies are found by."""
        if self._params.on is not None:
            formats = {file: found.formats for file, found in (detected or {}).items()}
            self._compared = Compared(on=self._params.on, formats=formats)
        wanted = attribute_params(self._params, self._compared)
        wants = self.nightly and self._params.method == "minhash"
        self._probe = AttributeProbe(wanted, self.name, shingles=wants)
        return self._probe

    def decide(self, passed: Passed, alive: tuple[Decided, ...], key: str) -> Decided:
        """Find the copies among the rows that are left.

        Raises:
            InputError: A column to compare or to choose by is missing.
        """
        if self._params.on is None or self._params.keep_column:
            check_named(
                passed.plan.inputs,
                found_schemas(passed.plan, passed.receipts),
                self._params.compared if self._params.on is None else (),
                [(name, "keep") for name in [self._params.keep_column] if name],
                self._params.union_columns,
            )
        seen = Attributes(noted(passed.folder, self._probe), alive, self._probe.shingles)
        state = State(
            passed.plan, stage_key(CODE_VERSION, key, self.name), passed.driver_rows,
            self._compared, seen, passed.receipts,
        )  # fmt: skip
        state.rows = passed.rows
        exact: Near = collapse
        search: Near = near
        if passed.memory is not None:
            state.unit_rows = UNIT_ROWS
            if passed.memory.order == "arrival":
                arrive(passed.run, state, passed.memory, self.name)
            exact = partial(collapse_tonight, memory=passed.memory, step=self.name)
            search = partial(near_tonight, memory=passed.memory, step=self.name)
        self._counts = find_copies(passed.run, state, self._params, search, exact)
        measure = partial(audit, state=state, params=self._audited(passed.memory))
        if passed.memory is None or not passed.memory.tasks_before:
            self._recall = measure(passed.run)
        else:  # a night's few parts leave cores to spare
            self._audit = passed.run.beside(measure)
        self._state = state
        assert state.removed is not None
        missing = self._compared.missing() if self._params.null_text == "quarantine" else None
        return CopyEvents(self.name, seen, state.removed, passed.rows, missing)

    def _audited(self, memory: Memory | None) -> DedupParams:
        """Return how much is audited: the rows of a version before were looked at in its night."""
        if memory is None or not memory.tasks_before:
            return self._params
        size = max(1, self._params.audit_bytes // NIGHTLY_AUDITS)
        return self._params.model_copy(update={"audit_bytes": size})

    def beside(self, run: Run, key: str) -> Beside | None:
        """Return the texts that the report shows."""
        assert self._counts is not None
        return ShownBeside(
            self.name, self._compared, keep_wanted(run, f"{key}-{self.name}", self._counts)
        )

    def report(
        self, run: Run, told: Sequence[Receipt], reached: Sequence[Reached]
    ) -> dict[str, Any]:
        """Return similarities, clusters and the measured recall."""
        state = self._state
        assert state is not None and self._counts is not None
        if self._audit is not None:
            self._recall = self._audit()
        outcome = dedup_report.Outcome(
            self._params, state.plan, state.receipts, state.row_map, self._counts, list(told),
            self._recall, state.facts, state.attributes, state.compared,
        )  # fmt: skip
        return dedup_report.sections(run, outcome) | {"plan": dict(state.facts)}

    def removed_by(self, told: Sequence[Receipt], removed: int) -> dict[str, int]:
        """Return the removed rows by how alike they are to the kept ones."""
        assert self._counts is not None
        found = dict(zip(REASONS, self._counts.by_reason(), strict=True))
        return {f"{self.name}: {reason}": count for reason, count in found.items() if count}

    def by_source(self) -> list[list[int]]:
        """Return the removed rows of each source: copies, same words, near copies."""
        assert self._counts is not None
        return [list(reasons) for reasons in self._counts.by_source]


def facts_alone(written: Sequence[Receipt], name: str) -> list[Receipt]:
    """Return receipts of the writing stage with the facts of one step alone."""
    return [replace(r, facts=r.facts["besides"].get(name, {})) for r in written]
