"""Scoring inside a recipe: quality by rules on signals, of the rows that earlier steps left."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pyarrow as pa
import yaml

import thresher
from thresher.formats.detection import Detected
from thresher.params import digest_of
from thresher.run import Run
from thresher.signals.figures import Figures
from thresher.signals.profile import check_rules
from thresher.signals.tokens import Counter as Counts
from thresher.stage import MapStage, Receipt, stage_key
from thresher.steps.chain import Decided, FiledEvents
from thresher.steps.first_read import Probe, noted
from thresher.steps.recipe_asides import SignalsBeside, judge_scores
from thresher.steps.recipe_writing import Beside
from thresher.steps.scored import Lines
from thresher.steps.scoring import ScoreProbe
from thresher.steps.sifting import SiftStep
from thresher_jobs import score_report
from thresher_jobs.night_figures import tell_figures
from thresher_jobs.recipe_steps import CODE_VERSION, Passed, Reached, RecipeStep
from thresher_jobs.score import make_step, signals_of
from thresher_jobs.score_files import digest_of_asset, read_assets, wanted_profile
from thresher_jobs.score_params import ScoreParams
from thresher_jobs.scored import Scored
from thresher_jobs.sift import sift_step

_RULES = "# What step {name} judged by: profile {profile}, with the changes of recipe.yaml in it.\n"


class ScoreStep(RecipeStep):
    """Quality by rules on signals."""

    def __init__(self, name: str, params: ScoreParams, texts: bool) -> None:
        super().__init__(name)
        self._params = params
        self._wanted = wanted_profile(params, texts=texts)
        self._assets: dict[str, bytes] = {}
        self._scored: Scored | None = None
        self._how: SiftStep | None = None
        self._figures: dict[int, Figures] | None = None

    def check(self) -> dict[str, Any]:
        """Read the files that signals need."""
        self._assets = read_assets(self._params, self._wanted)
        wanted, assets = self._wanted, sorted(self._assets.items())
        return {
            "profile": None if wanted is None else wanted.model_dump(mode="json", by_alias=True),
            "assets": {name: digest_of_asset(content) for name, content in assets},
        }

    def prepare(self, run: Run, detected: Mapping[int, Detected] | None) -> Probe:
        """Return the signals."""
        self._name, self._profile, self._made, self._step = make_step(
            run, self._params, self._wanted, self._assets, detected
        )
        self.settled = self._name
        check_rules(self._profile, signals_of(self._profile, self._made))
        return ScoreProbe(self._step, self.name)

    def decide(self, passed: Passed, alive: tuple[Decided, ...], key: str) -> Decided:
        """Judge the rows that are left by the rules."""
        counter = self._made.counter if "tokens" in self._profile.groups else None
        own = stage_key(CODE_VERSION, thresher.__version__, key, self.name)
        self._scored = Scored(
            self._params,
            self._name,
            self._profile,
            signals_of(self._profile, self._made),
            self._made.models(),
            counter is not None and not counter.exact,
            self._step,
            Lines(folder=noted(passed.folder, ScoreProbe(self._step, self.name))),
            passed.plan,
            passed.receipts,
            pa.schema([]),
            own,
            {},
            alive,
        )
        self._how = sift_step(passed.run, self._scored, False)
        rules = self._profile.model_dump(mode="json", by_alias=True)["rules"]
        alone = passed.memory is not None and self._how.met is None
        stage = MapStage(
            f"judge-{self.name}",
            stage_key(own, digest_of(rules)),
            partial(judge_scores, self._how, () if alone else alive),
            passed.plan.tasks,
        )
        if passed.memory is not None and alone:
            passed.memory.alone.add(stage.name)
        passed.run.execute(stage)
        return FiledEvents(self.name, stage.folder, passed.task_rows, alone)

    def beside(self, run: Run, key: str) -> Beside | None:
        """Return the figures of signals and rules."""
        assert self._how is not None
        return SignalsBeside(self.name, self._how)

    def keep(self, passed: Passed, told: Sequence[Receipt], keys: Sequence[str]) -> None:
        """Add up the figures of all tasks, those that were known by their sum, and keep the sum."""
        assert self._how is not None and passed.memory is not None
        self._figures = tell_figures(
            passed.run.store, self.name, self._how, passed.plan, told, keys, passed.memory
        )

    def report(
        self, run: Run, told: Sequence[Receipt], reached: Sequence[Reached]
    ) -> dict[str, Any]:
        """Return the figures of signals and rules."""
        assert self._scored is not None and self._how is not None
        if self._figures is None:
            quality = score_report.quality_facts(run, self._scored, self._how, told)
        else:
            quality = score_report.quality_of(self._scored, self._figures)
        note = score_report.kto_balance(quality)
        return {"plan": {"quality": quality}, "notes": [note] if note else []}

    def counts_tokens(self) -> Counts | None:
        """Return the profile's counter."""
        return self._made.counter if "tokens" in self._profile.groups else None

    def removed_by(self, told: Sequence[Receipt], removed: int) -> dict[str, int]:
        """Return the removed rows by the first rule that each fails, in the order of the rules,
        whichever tasks were known."""
        first: Counter[str] = Counter()
        for receipt in told:
            first += Counter(receipt.facts["first"])
        assert self._how is not None
        return {f"{self.name}: {rule}": first[rule] for rule in self._how.names if first[rule]}

    def rules(self) -> str:
        """Return the profile as it was used, and the hashes of the files that it names."""
        said = _RULES.format(name=self.name, profile=json.dumps(self._name, ensure_ascii=False))
        for name, content in sorted(self._assets.items()):
            known = json.dumps(name, ensure_ascii=False)
            said += f"# sha256 of {known}: {digest_of_asset(content)}\n"
        profile = self._profile.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return said + yaml.safe_dump(profile, sort_keys=False, allow_unicode=True, width=100)
