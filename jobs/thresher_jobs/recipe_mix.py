"""A mixture inside a recipe: drawn among the rows that earlier steps left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from thresher.errors import ConfigError
from thresher.formats.detection import Detected
from thresher.mixing.options import SourceShare
from thresher.mixing.targets import columns_of
from thresher.run import Run
from thresher.signals.tokens import Counter
from thresher.stage import Receipt, stage_key
from thresher.steps.chain import Decided
from thresher.steps.first_read import Probe, noted
from thresher.steps.mix_counting import MixSource
from thresher.steps.mix_drawing import Draws
from thresher.steps.mix_probe import MixProbe
from thresher.steps.mix_probe import MixStep as MixNoting
from thresher.steps.recipe_writing import Beside
from thresher.steps.row_texts import RowReader
from thresher_jobs.mix_decide import Mixture, decide
from thresher_jobs.mix_params import MixParams, shares_of
from thresher_jobs.mix_reading import digest_of_file, keep_tokenizer, read_tokenizer
from thresher_jobs.mix_report import mixture_facts, short_notes
from thresher_jobs.recipe_steps import CODE_VERSION, Passed, Reached, RecipeStep


class MixStep(RecipeStep):
    """Sources by their weights.

    Args:
        name: Unique in the recipe.
        params: How to mix.
        sources: Names of the recipe's sources, and the weights that they state.

    Raises:
        ConfigError: Shares are said in two places, or of a source that is not there.
    """

    def __init__(
        self, name: str, params: MixParams, sources: Sequence[tuple[str, float | None]]
    ) -> None:
        super().__init__(name)
        if params.sources:
            raise ConfigError(f"step {name}: the sources are those of the recipe")
        stated = {source: weight for source, weight in sources if weight is not None}
        if stated and params.weights:
            raise ConfigError(f"step {name}: weights are said here and beside the sources")
        if stated:
            params = params.model_copy(update={"weights": stated})
        self._params = params
        self._names = [source for source, _ in sources]
        self._tokenizer: bytes | None = None
        self._mixture: Mixture | None = None

    def check(self) -> dict[str, Any]:
        """Check the shares and read the tokenizer."""
        self._shares: list[SourceShare] = shares_of(self._params, self._names)
        self._tokenizer = read_tokenizer(self._params.tokenizer)
        return {} if self._tokenizer is None else {"tokenizer": digest_of_file(self._tokenizer)}

    def prepare(self, run: Run, detected: Mapping[int, Detected] | None) -> Probe:
        """Return what drawing needs to know of every row."""
        formats = None if detected is None else {f: d.formats for f, d in detected.items()}
        self._how = MixNoting(
            RowReader(formats, self._params.text_column or ""),
            keep_tokenizer(run, self._tokenizer),
            tuple(columns_of(self._params, self._shares)),
            self._params.id_column,
            self._params.by == "tokens",
        )
        self._counter = self._how.counter(run.store)
        return MixProbe(self._how, self.name)

    def counts_tokens(self) -> Counter | None:
        """Return what the mixture counts with."""
        return self._counter

    def decide(self, passed: Passed, alive: tuple[Decided, ...], key: str) -> Decided:
        """Decide how often each of the rows that are left is written."""
        folder = noted(passed.folder, MixProbe(self._how, self.name))
        source = MixSource(folder, self._params.seed, alive)
        own = stage_key(CODE_VERSION, key, self.name)
        self._mixture = decide(
            passed.run, passed.plan, source, self._params, self._shares, self._names, own, self.name
        )
        return self._mixture.draws

    @property
    def draws(self) -> Draws:
        """How often every row is written."""
        assert self._mixture is not None
        return self._mixture.draws

    def beside(self, run: Run, key: str) -> Beside | None:
        """Write nothing beside the rows."""
        return None

    def report(
        self, run: Run, told: Sequence[Receipt], reached: Sequence[Reached]
    ) -> dict[str, Any]:
        """Return the plan of the mixture, what was reached and what is short."""
        assert self._mixture is not None
        facts = mixture_facts(
            self._params, self._params.seed, self._mixture, self._names, self._counter
        )
        return {"plan": {"mixture": facts}, "notes": short_notes(facts)}

    def removed_by(self, told: Sequence[Receipt], removed: int) -> dict[str, int]:
        """Return the rows that were not drawn."""
        return {f"{self.name}: not drawn": removed} if removed else {}
