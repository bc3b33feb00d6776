"""Decontamination inside a recipe: items of benchmarks among the rows that earlier steps left."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import thresher
from thresher.errors import ConfigError, InputError
from thresher.formats.detection import Detected
from thresher.inputs import list_inputs
from thresher.leaks.benchmarks import Benchmark
from thresher.leaks.indexed import Indexed
from thresher.params import digest_of
from thresher.report import Report
from thresher.report.leaks import Leaks
from thresher.report.leaks_record import decontamination_record
from thresher.run import Run
from thresher.stage import MapStage, Receipt, stage_key
from thresher.steps.chain import Decided, FiledEvents
from thresher.steps.first_read import Probe, counted, noted
from thresher.steps.leak_searching import SearchProbe
from thresher.steps.leak_writing import MATCH_FOLDER
from thresher.steps.recipe_leaks import LeaksBeside, judge_leaks
from thresher.steps.recipe_writing import Beside
from thresher_jobs.decontaminate import (
    CODE_VERSION,
    index_of,
    presets_of,
    reader_of,
    search_step,
    unread_columns,
    warn_unread,
)
from thresher_jobs.decontaminate_params import DecontaminateParams
from thresher_jobs.decontaminate_report import leak_facts
from thresher_jobs.leak_common import Settled, settle
from thresher_jobs.leak_index import count_tokens
from thresher_jobs.leak_items import ReadBenchmark, read_benchmark
from thresher_jobs.leak_named import describe
from thresher_jobs.recipe_steps import Passed, Reached, RecipeStep

logger = logging.getLogger(__name__)


class LeakStep(RecipeStep):
    """Rows that hold items of benchmarks go.

    Raises:
        ConfigError: Rows should be changed or tagged.
    """

    folders = (MATCH_FOLDER,)

    def __init__(self, name: str, params: DecontaminateParams) -> None:
        super().__init__(name)
        if params.action != "drop":
            raise ConfigError(
                f"step {name}: a recipe drops rows; action {params.action} is for "
                "'thresher decontaminate' alone"
            )
        self._params = params
        self._benchmarks: list[ReadBenchmark] = []
        self._indexed: Indexed | None = None
        self._probe: SearchProbe | None = None
        self._settled: Settled | None = None
        self._passed: Passed | None = None
        self._unread: tuple[str, ...] = ()
        self._leaks: dict[str, Any] | None = None

    @property
    def _verdicts(self) -> tuple[str, ...]:
        suspect = self._params.remove == "suspect"
        return ("contaminated", "suspect") if suspect else ("contaminated",)

    def check(self) -> dict[str, Any]:
        """Read the benchmarks."""
        described = describe(self._params.against)
        key = _state_of(described)
        if key is None or key not in self.memo:
            found = [read_benchmark(one, count_tokens) for one in described]
            self.memo[key] = found  # a night looks before its run, in it and after it
        self._benchmarks = list(self.memo[key])
        self._presets = presets_of(self._params, self._benchmarks)
        return {
            one.benchmark.name: [list(map(str, file)) for file in one.files]
            for one in self._benchmarks
        }

    def looks_for(self) -> list[str]:
        """Name each benchmark, its fields and how they were found out."""
        return [f"benchmark {one.told}" for one in self._benchmarks]

    def prepare(self, run: Run, detected: Mapping[int, Detected] | None) -> Probe:
        """Build the index; return what is noted of every row."""
        for line in self.looks_for():
            logger.info("%s", line)
        self._indexed = index_of(self._benchmarks, self._presets)
        formats = None if detected is None else dict(detected)
        self._unread = unread_columns(detected)
        warn_unread(detected)
        reader = reader_of(self._params, formats)
        how = search_step(run, self._params, self._presets, self._indexed, reader)
        self._probe = SearchProbe(how, self.name)
        return self._probe

    def decide(self, passed: Passed, alive: tuple[Decided, ...], key: str) -> Decided:
        """Judge the matches in the rows that are left."""
        assert self._probe is not None and self._indexed is not None
        own = stage_key(CODE_VERSION, thresher.__version__, key, self.name)
        found = noted(passed.folder, self._probe)
        matches = sum(int(counted(r, self.name)["matches"]) for r in passed.receipts)
        step = self._probe.how
        self._settled = settle(
            passed.run, passed.plan, step, found, own, matches, self._indexed, alive
        )
        self._passed = passed
        # What was judged again hangs on other tasks; else a night finds the verdicts by task.
        alone = passed.memory is not None and self._settled.folder == found
        judge = partial(
            judge_leaks, found, self._settled.folder, self._verdicts, () if alone else alive
        )
        made_of = stage_key(own, str(self._verdicts))
        stage = MapStage(f"judge-{self.name}", made_of, judge, passed.plan.tasks)
        if passed.memory is not None and alone:
            passed.memory.alone.add(stage.name)
        passed.run.execute(stage)
        return FiledEvents(self.name, stage.folder, passed.task_rows, alone)

    def beside(self, run: Run, key: str) -> Beside | None:
        """Return the matches and their tally."""
        assert self._settled is not None and self._passed is not None
        return LeaksBeside(self.name, self._settled.folder, self._passed.rows)

    def report(
        self, run: Run, told: Sequence[Receipt], reached: Sequence[Reached]
    ) -> dict[str, Any]:
        """Return what leaked of each benchmark."""
        assert self._settled is not None and self._indexed is not None
        self._leaks = leak_facts(
            run,
            self._params,
            self._presets[0],
            self._indexed,
            self._benchmarks,
            self._settled,
            told,
            reached,
            [0] * len(reached),
            self._unread,
            self.name,
        )
        self._searched = sum(rows for _, rows in reached)
        return {"plan": {"leaks": self._leaks}}

    def card(self, report: Report) -> str:
        """Return the decontamination record."""
        return f"```yaml\n{self.record()}```\n"

    def record(self) -> str:
        """Return what was looked for, how, and what was found."""
        return decontamination_record(Leaks.model_validate(self._leaks), self._searched)


def _state_of(described: Sequence[Benchmark]) -> str | None:
    """Return a digest of what benchmarks are and of the pins of their files; None where these
    cannot be listed, which reading them then says."""
    try:
        files = [list_inputs(list(one.path)).files for one in described]
    except (ConfigError, InputError):
        return None
    return digest_of([[one.model_dump(mode="json") for one in described], files])
