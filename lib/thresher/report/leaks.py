"""What `plan.leaks` of the jobs that look for test items holds: by benchmark, source and item.

An item or a row is contaminated, or else suspect, whatever was then done with it. Rows are counted
once in each benchmark and once in all, so benchmarks may add up to more than the whole.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from thresher.report.strict import Count, Share, Strict

MatchKind = Literal[
    "exact",
    "near_verbatim",
    "templated",
    "paraphrase",
    "answer_only",
    "passage_only",
    "options_only",
]
Verdict = Literal["contaminated", "suspect"]
Side = Literal["input_only", "label_only", "input_and_label", "text"]
Figure = Annotated[float, Field(ge=0)]

# Tulu 3 (Lambert et al. 2024, section 3.2) dropped a training set, or its matching rows, where more
# than 2 % of an evaluation's items were found in it.
MOST_SHARE = 0.02


class LeakMatch(Strict):
    """A match: where it is in the row, what fired, and both texts around it."""

    row_id: str
    file: str
    row: Count
    source: str
    segment: Annotated[int, Field(ge=-1)]  # -1: all turns of the user, joined
    role: str
    byte_start: Count
    byte_end: Count
    field: str
    mode: str
    kind: MatchKind
    verdict: Verdict
    tokens: Count
    cover_5: Share
    cover_8: Share
    ngram_ratio: Share
    longest: Count
    lcs: Count
    widf: Figure
    numbers: str
    answer_found: bool
    train_text: str
    item_text: str


class LeakedItem(Strict):
    """An item that was hit, by how many rows, and its strongest match."""

    id: str
    verdict: Verdict
    kind: MatchKind
    rows: Count
    suspect_rows: Count
    match: LeakMatch


class Unindexable(Strict):
    """Items that were not searched for, for one reason."""

    reason: str
    items: Count
    examples: tuple[str, ...] = ()


class SourceHits(Strict):
    """What of one benchmark is in one source."""

    source: str
    items: Count
    rows: Count
    suspect_rows: Count


class BenchmarkLeaks(Strict):
    """One benchmark and split.

    `contaminated` and `suspect` name every item that was hit, by its strongest kind. `alone` counts
    contaminated rows that no other benchmark contaminates; `examples` are the items with most rows;
    `files` are the sha256 of its files by name.
    """

    name: str
    split: str
    kind: str
    items: Count
    indexed: Count
    unindexable: tuple[Unindexable, ...]
    files: dict[str, str] = Field(default_factory=dict)
    contaminated: dict[MatchKind, tuple[str, ...]]
    suspect: dict[MatchKind, tuple[str, ...]]
    rows: Count
    suspect_rows: Count
    alone: Count
    sides: dict[Side, Count]
    roles: dict[str, Count]
    kinds: dict[MatchKind, Count]
    modes: dict[str, Count]
    suspect_modes: dict[str, Count]
    by_source: tuple[SourceHits, ...]
    examples: tuple[LeakedItem, ...]

    @property
    def title(self) -> str:
        """The name, and the split if there is one."""
        return f"{self.name} · {self.split}" if self.split else self.name

    @property
    def num_contaminated(self) -> int:
        """Count the contaminated items."""
        return sum(map(len, self.contaminated.values()))

    @property
    def num_suspect(self) -> int:
        """Count the items that are suspect only."""
        return sum(map(len, self.suspect.values()))

    @property
    def above(self) -> tuple[str, ...]:
        """Name the sources that hold more than 2 % of the items."""
        return tuple(s.source for s in self.by_source if s.items > MOST_SHARE * self.items)

    @model_validator(mode="after")
    def _no_more_hits_than_items(self) -> Self:
        if self.indexed > self.items:
            raise ValueError(f"{self.title}: {self.indexed} of {self.items} items are indexed")
        ids = [i for side in (self.contaminated, self.suspect) for v in side.values() for i in v]
        if len(set(ids)) != len(ids):
            raise ValueError(f"{self.title}: an item is listed twice")
        if len(ids) > self.items:
            raise ValueError(f"{self.title}: {len(ids)} of {self.items} items are hit")
        if self.alone > self.rows:
            raise ValueError(f"{self.title}: more rows than there are have this leak alone")
        return self


class LeakingSource(Strict):
    """One source: its rows by verdict, and how many items of all benchmarks it holds."""

    name: str
    rows_in: Count
    rows: Count
    suspect_rows: Count
    items: Count
    rows_changed: Count = 0  # of those that would have been removed, stay without the item

    @model_validator(mode="after")
    def _no_more_rows_than_there_are(self) -> Self:
        if self.rows + self.suspect_rows > self.rows_in:
            raise ValueError(f"{self.name}: more rows with leaks than rows")
        return self


class CommonNgram(Strict):
    """Words that too many items or rows share to tell one from another: they raise no suspicion
    alone."""

    benchmark: str = ""
    text: str
    items: Count
    rows: Count | None = None


class LeakRecord(Strict):
    """What has to be known to repeat the search: versions, rules, and hashes of what was used."""

    tool_version: str
    step: str = ""
    preset: str
    thresholds: dict[str, Any]
    action: str
    normaliser: str
    ngrams: tuple[Count, ...]
    roles: tuple[str, ...]
    config_hash: str
    index_hash: str
    seeds: dict[str, int] = Field(default_factory=dict)


class Leaks(Strict):
    """Everything the page shows of a search for test items; few sources may be joined."""

    record: LeakRecord
    rows: Count
    suspect_rows: Count
    rows_changed: Count = 0
    benchmarks: tuple[BenchmarkLeaks, ...]
    sources: tuple[LeakingSource, ...]
    common: tuple[CommonNgram, ...]
    num_common: Count
    blind_spots: tuple[str, ...]
    warnings: tuple[str, ...]

    @model_validator(mode="after")
    def _of_the_same_rows(self) -> Self:
        names = [(benchmark.name, benchmark.split) for benchmark in self.benchmarks]
        if len(set(names)) != len(names):
            raise ValueError("a benchmark is listed twice")
        if (sum(s.rows for s in self.sources), sum(s.suspect_rows for s in self.sources)) != (
            self.rows,
            self.suspect_rows,
        ):
            raise ValueError("rows of the sources are not those of the whole")
        if self.num_common < len(self.common):
            raise ValueError("more common n-grams than there are")
        return self
