"""The composition of a recipe: what was read and what was written, by source, category, tokens,
turns and language, counted in the passes that are made anyway."""

from __future__ import annotations

import importlib.util
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from thresher.errors import InputError, InternalError
from thresher.planning import Plan
from thresher.signals.language_model import detector_id
from thresher.signals.tokens import Estimate
from thresher.stage import Receipt
from thresher.steps.row_figures import LANGUAGE, FigureProbe, RowFigures
from thresher.steps.tallies import KEPT
from thresher_jobs.first_pass import found_schemas
from thresher_jobs.recipe import Recipe
from thresher_jobs.recipe_steps import RecipeStep

SIDES = ("before", "after")
MOST_LANGUAGES = 20  # of a source or category, by name; the others are added up


class Counting(NamedTuple):
    """How the figures come about.

    Attributes:
        probe: What is noted of every row.
        tokens: Name of the probe that notes tokens.
        counter: What counts them.
        exact: Whether it is a tokenizer.
    """

    probe: FigureProbe
    tokens: str
    counter: str
    exact: bool

    def figures(self, folder: str) -> RowFigures:
        """Return where the figures lie, given the folder of the pass."""
        return RowFigures(f"{folder}/{self.probe.name}", f"{folder}/{self.tokens}")

    @property
    def detector(self) -> str | None:
        """What tells languages."""
        return detector_id(LANGUAGE.language_detector) if self.probe.language else None


def choose_counting(recipe: Recipe, steps: Sequence[RecipeStep]) -> Counting:
    """Decide what is noted of rows: tokens only where no step counts them, and languages where they
    are wanted and the detector is installed. A tokenizer is better than an estimate, the last step
    better than others.

    Args:
        recipe: What was asked for.
        steps: Its steps, prepared.
    """
    found = [(step.name, counter) for step in steps if (counter := step.counts_tokens())]
    by, counter = max(found, key=lambda one: one[1].exact, default=("", Estimate()))
    there = importlib.util.find_spec(LANGUAGE.language_detector) is not None
    probe = FigureProbe(recipe.category, not by, bool(recipe.languages) and there)
    return Counting(probe, by or probe.name, counter.name, counter.exact)


def check_category(plan: Plan, receipts: Sequence[Receipt], category: str | None) -> None:
    """Refuse a column of categories that no file has.

    Raises:
        InputError: Naming it.
    """
    schemas = found_schemas(plan, receipts).values()
    if category is not None and not any(category in schema.names for schema in schemas):
        raise InputError(
            f"category: no file has a column '{category}'",
            remedy="name a column of the files as they are read",
        )


class _Sums:
    """Rows, tokens, turns and rows with turns, and rows by language, as they are added up."""

    def __init__(self) -> None:
        self._figures = [0, 0, 0, 0]
        self._languages: Counter[str | None] = Counter()

    def add(self, language: str | None, figures: Sequence[int]) -> None:
        self._figures = [a + b for a, b in zip(self._figures, figures, strict=True)]
        self._languages[language] += figures[0]

    @property
    def rows(self) -> int:
        return self._figures[0]

    def told(self) -> dict[str, Any]:
        rows, tokens, turns, turned = self._figures
        known = {code: count for code, count in self._languages.items() if code is not None}
        ranked = sorted(known.items(), key=lambda item: (-item[1], item[0]))
        return {
            "rows": rows,
            "tokens": tokens,
            "turns": turns,
            "turned": turned,
            "languages": dict(ranked[:MOST_LANGUAGES]),
            "other": sum(count for _, count in ranked[MOST_LANGUAGES:]),
            "unknown": self._languages[None],
        }


class _Part:
    """A source or a category, before and after."""

    def __init__(self) -> None:
        self.sides = {side: _Sums() for side in SIDES}

    def told(self, name: str | None) -> dict[str, Any]:
        return {"name": name, **{side: sums.told() for side, sums in self.sides.items()}}


def composition_facts(plan: Plan, written: Sequence[Receipt], counting: Counting) -> dict[str, Any]:
    """Return `plan.composition` of the report.

    Args:
        plan: What was read.
        written: Receipts of the stage that wrote rows.
        counting: How the figures came about.

    Raises:
        InternalError: They are not those of the rows that were read and written.
    """
    whole, sources = _Part(), [_Part() for _ in plan.inputs.sources]
    categories: defaultdict[str | None, _Part] = defaultdict(_Part)
    rows = dict.fromkeys(SIDES, 0)
    for task, receipt in zip(plan.tasks, written, strict=True):
        rows["before"] += receipt.rows_in
        rows["after"] += sum(s["rows"][KEPT] + s["added"] for s in receipt.facts["splits"])
        for side in SIDES:
            for category, language, *figures in receipt.facts["composition"][side]:
                for part in (whole, sources[task.payload.source], categories[category]):
                    part.sides[side].add(language, figures)
    found = {side: whole.sides[side].rows for side in SIDES}
    if found != rows:
        raise InternalError(f"the composition counts {found} rows of {rows}")
    named = sorted(categories.items(), key=lambda item: (item[0] is None, item[0] or ""))
    return {
        "counter": counting.counter,
        "exact": counting.exact,
        "detector": counting.detector,
        "sources": [
            part.told(source.name)
            for part, source in zip(sources, plan.inputs.sources, strict=True)
        ],
        "category": counting.probe.category,
        "categories": [part.told(name) for name, part in named] if counting.probe.category else [],
        "whole": whole.told(None),
    }
