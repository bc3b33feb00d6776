"""Folders of rows that change from night to night, as data sets do."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.jobs import recipes
from tests.jobs.runs import Row, jsonl, tree
from tests.jobs.scores import prepared
from tests.jobs.sentences import WORDS, sentence
from thresher.engines.options import EngineOptions
from thresher.planning import Plan
from thresher.run import Listener
from thresher.store import Store
from thresher.versions.history import open_history
from thresher.versions.reading import Version
from thresher_jobs.arrival import Arriving
from thresher_jobs.night_index import Line, read_lines
from thresher_jobs.planting import Planter
from thresher_jobs.rebuild import Night, rebuild
from thresher_jobs.recipe import load_recipe
from thresher_jobs.run_recipe import plan_of, run_recipe
from thresher_jobs.versions import export

CHANGES = ("add", "add", "change", "delete", "rename", "reorder", "merge", "cut")
Splits = tuple[tuple[str, str, int, int], ...]


def rows(rng: random.Random, count: int, kinds: int = 40) -> list[Row]:
    """Return rows many of which are copies of others, to the word or nearly."""
    made = []
    for _ in range(count):
        text = sentence(rng.randrange(kinds), 24)
        if rng.random() < 0.5:
            text = text.replace(" ", f" {rng.choice(WORDS[:50])} ", 1)
        if rng.random() < 0.1:
            text = "short"
        made.append({"instruction": f"What {rng.randrange(9)}?", "output": text})
    return made


def lines(path: Path) -> list[bytes]:
    """Return the rows of a file as they stand there."""
    return path.read_bytes().splitlines()


class History:
    """A folder of inputs and a store that follows it.

    Args:
        folder: Where all of it lies.
        seed: Of the changes.
        steps: Of the recipe.
        order: `content` or `arrival`.
        more: Settings of the recipe.
    """

    def __init__(
        self,
        folder: Path,
        seed: int,
        steps: Sequence[dict[str, Any]],
        order: str = "content",
        **more: Any,
    ) -> None:
        self.order = order
        self._before: Version | None = None
        self.folder, self.rng = folder, random.Random(seed)
        self.inputs, self.store = folder / "in", str(folder / "store")
        self.settings: list[str] = []
        self.recipe = recipes.write(folder / "r.yaml", [self.inputs], steps, **more)
        self._number = 0

    def add(self, count: int, name: str = "") -> Path:
        """Add a file of random rows, anywhere among the others."""
        self._number += 1
        name = name or f"{self.rng.randrange(1000):03d}-{self._number}"
        return jsonl(self.inputs / f"{name}.jsonl", rows(self.rng, count))

    def change(self) -> str:
        """Change the inputs at random; return how."""
        files = sorted(self.inputs.iterdir())
        how = self.rng.choice(CHANGES) if len(files) > 2 else "add"
        one, other = self.rng.sample(files, 2) if len(files) > 1 else (files[0], files[0])
        if how == "add":
            self.add(self.rng.randrange(1, 25))
        elif how == "change":
            kept = lines(one)
            kept[self.rng.randrange(len(kept)) :] = [b""]
            jsonl(one, [*filter(None, kept), *rows(self.rng, 3)])
        elif how == "delete":
            one.unlink()
        elif how == "rename":
            one.rename(one.with_name(f"{self.rng.randrange(1000):03d}-renamed-{one.name}"))
        elif how == "reorder":
            jsonl(one, self.rng.sample(lines(one), len(lines(one))))
        elif how == "merge":
            jsonl(one, [*lines(one), *lines(other)])
            other.unlink()
        else:
            half = len(lines(one)) // 2
            jsonl(one.with_name(f"cut-{one.name}"), [*lines(one)[half:], *rows(self.rng, 1)])
            jsonl(one, [*lines(one)[:half], *rows(self.rng, 1)])
        return how

    def night(self, listener: Listener | None = None, **more: Any) -> Night:
        """Rebuild."""
        recipe = load_recipe(str(self.recipe), self.settings)
        before = self.version if open_history(self.store).records() else None
        night = rebuild(recipe, self.store, EngineOptions(), listener, order=self.order, **more)
        self._before = before
        return night

    @property
    def version(self) -> Version:
        """The version in force."""
        return open_history(self.store).resolve()

    @property
    def known(self) -> list[Line]:
        """What the version in force keeps, by task."""
        return read_lines(self.version)

    def plan(self) -> Plan:
        """Return the cuts of a run from scratch."""
        recipe = load_recipe(str(self.recipe), self.settings)
        return plan_of(recipe)

    def tasks(self) -> dict[Splits, int]:
        """Return what every task would read, with its bytes."""
        found = {}
        for task in self.plan().tasks:
            read = task.payload
            splits = tuple(
                (file.name, file.pin, split.start, split.stop)
                for file, split in zip(read.files, read.splits, strict=True)
            )
            found[splits] = sum(split.bytes for split in read.splits)
        return found

    def same_as_from_scratch(self) -> None:
        """Check the version in force against a run of the recipe, that knows the ledger alone of
        the version before if the order goes by it."""
        self._number += 1
        made, kept = (self.folder / f"{what}-{self._number}" for what in ("made", "kept"))
        recipe = load_recipe(str(self.recipe), self.settings)
        run = prepared(made, None)
        planter = None
        if self.order == "arrival":
            arriving = Arriving(self._before, self.version.number)
            fetched = Store(str(self.folder / "fetched"))
            planter = Planter(None, fetched, recipe.max_doc_bytes, arriving)
        run_recipe(recipe, str(made), EngineOptions(), run=run, planter=planter)
        export(self.store, "latest", str(kept))
        assert {n: h for n, h in tree(kept).items() if not n.startswith("index")} == tree(made)
