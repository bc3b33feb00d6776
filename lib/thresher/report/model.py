"""What `report.json` holds, as types: unknown or missing keys are an error when it is loaded.

The order of the fields is the order of the keys in the file; the first five are the balance every
reader looks for: in + added = kept + removed + quarantined. `_bytes` means bytes of text as UTF-8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from thresher.report.strict import Count, Share, Strict

if TYPE_CHECKING:  # loaded by the reports that have such a part
    from thresher.report.leaks import Leaks
    from thresher.report.mixture import Mixture
    from thresher.report.quality import Quality
    from thresher.report.splits import Splits

Seconds = Annotated[float, Field(ge=0)]


class Source(Strict):
    """Rows and bytes of one input as the user named it."""

    name: str
    files: Count
    rows_in: Count
    rows_added: Count
    rows_kept: Count
    rows_removed: Count
    removed_exact: Count
    removed_same_words: Count
    removed_near: Count
    rows_quarantined: Count
    text_bytes_in: Count
    text_bytes_kept: Count
    text_bytes_removed: Count
    text_bytes_quarantined: Count


class File(Strict):
    """The balance of one input file."""

    name: str
    rows_in: Count
    rows_kept: Count
    rows_removed: Count
    rows_quarantined: Count


class SkippedFile(Strict):
    """A file that was not read, and why."""

    path: str
    reason: str


class Histogram(Strict):
    """Removed rows by similarity to the row kept instead; `counts[i]` lies between two edges."""

    edges: tuple[float, ...] = ()
    counts: tuple[Count, ...] = ()

    @model_validator(mode="after")
    def _one_more_edge_than_counts(self) -> Self:
        if self.counts and len(self.edges) != len(self.counts) + 1:
            raise ValueError(f"{len(self.counts)} counts need one edge more, not {len(self.edges)}")
        if any(a >= b for a, b in zip(self.edges, self.edges[1:], strict=False)):
            raise ValueError("edges must increase")
        return self


class ClusterSize(Strict):
    """How many clusters have `size` rows, the kept one included."""

    size: Annotated[int, Field(ge=1)]
    clusters: Count


class Member(Strict):
    """A removed row of a cluster."""

    id: str
    reason: str
    score: float | None
    text: str


class Cluster(Strict):
    """A kept row and some of the rows removed for it; `size` counts all of them."""

    kept_id: str
    size: Count
    text: str
    members: tuple[Member, ...]


class RemovedPair(Strict):
    """A removed row beside the row kept instead; similarity = shared / union, in shingles."""

    removed_id: str
    matched_id: str
    score: Share
    shared: Count
    union: Count
    removed_text: str
    matched_text: str


class CurvePoint(Strict):
    """The probability that a pair of this similarity is found."""

    similarity: Share
    probability: Share


class Recall(Strict):
    """How complete the removal is: by calculation, and by a sample of kept rows."""

    threshold: Share
    bands: Count
    rows_per_band: Count
    expected_at_threshold: Share
    expected_curve: tuple[CurvePoint, ...]
    sampled_rows: Count
    compared_rows: Count
    missed: Count
    estimate: Share | None
    low: Share | None
    high: Share | None
    near_threshold_estimate: Share | None
    note: str


class Copies(Strict):
    """What one search for copies found."""

    similarity_histogram: Histogram
    cluster_sizes: tuple[ClusterSize, ...]
    largest_clusters: tuple[Cluster, ...]
    least_similar: tuple[RemovedPair, ...]
    recall: Recall | None


class QuarantineExample(Strict):
    """A row that could not be judged, and the error."""

    id: str
    detail: str


class Quarantine(Strict):
    """Rows that could not be judged for one reason."""

    reason: str
    rows: Count
    examples: tuple[QuarantineExample, ...]


class Stage(Strict):
    """One stage of the job; `resumed` of its tasks were found finished."""

    name: str
    kind: str
    tasks: Count
    resumed: Count
    rows: Count
    bytes: Count
    exchanged: Count
    seconds: Seconds


class Detected(Strict):
    """The formats of one file: given, or detected with a confidence."""

    formats: tuple[str, ...]
    confidence: Share
    reasons: tuple[str, ...]


class Conversion(Strict):
    """`plan.conversion` of the job convert; `losses` counts rows by what the target cannot hold,
    and those in `form_only` lost nothing but their form."""

    detected: dict[str, Detected]
    rows_by_format: dict[str, Count]
    losses: dict[str, Count]
    form_only: tuple[str, ...]
    columns: tuple[str, ...]
    trainer_file: str | None
    examples: tuple[tuple[str, str], ...]


class Report(Strict):
    """All that `report.json` says about one run."""

    rows_in: Count
    rows_added: Count
    rows_kept: Count
    rows_removed: Count
    rows_quarantined: Count
    job: str
    thresher_version: str
    status: Literal["done", "limit"]
    limit_message: str | None
    text_bytes_in: Count
    text_bytes_kept: Count
    text_bytes_removed: Count
    text_bytes_quarantined: Count
    sources: tuple[Source, ...]
    files: tuple[File, ...]
    ignored_files: tuple[SkippedFile, ...]
    unreadable_files: tuple[SkippedFile, ...]
    removed_by: dict[str, Count]
    similarity_histogram: Histogram
    cluster_sizes: tuple[ClusterSize, ...]
    largest_clusters: tuple[Cluster, ...]
    least_similar: tuple[RemovedPair, ...]
    recall: Recall | None
    quarantine: tuple[Quarantine, ...]
    stages: tuple[Stage, ...]
    wall_seconds: Seconds
    plan: dict[str, Any]
    config: dict[str, Any]
    notes: tuple[str, ...]
    content: str = ""  # a hash of all rows that were written; reports before 2026-11 have none

    @property
    def conversion(self) -> Conversion | None:
        """What a conversion found and did; None for jobs without one."""
        facts = self.plan.get("conversion")
        return None if facts is None else Conversion.model_validate(facts)

    @property
    def quality(self) -> Quality | None:
        """What rules on signals found and did; None for jobs without rules."""
        from thresher.report.quality import Quality

        facts = self.plan.get("quality")
        return None if facts is None else Quality.model_validate(facts)

    @property
    def judged(self) -> dict[str | None, Quality]:
        """The same by step, where a recipe has several such steps; else under None."""
        from thresher.report.quality import Quality

        if (quality := self.quality) is not None:
            return {None: quality}
        several = self.plan.get("qualities", {})
        return {step: Quality.model_validate(facts) for step, facts in several.items()}

    @property
    def splits(self) -> Splits | None:
        """How rows were split; None for jobs that split none."""
        facts = self.plan.get("split")
        if facts is None:
            return None
        from thresher.report.splits import Splits

        return Splits.model_validate(facts)

    @property
    def leaks(self) -> Leaks | None:
        """Which test items were found in the rows; None for jobs that look for none."""
        facts = self.plan.get("leaks")
        if facts is None:
            return None
        from thresher.report.leaks import Leaks

        return Leaks.model_validate(facts)

    @property
    def searched(self) -> dict[str | None, Leaks]:
        """The same by step, where a recipe has several such steps; else under None."""
        if (leaks := self.leaks) is not None:
            return {None: leaks}
        several = self.plan.get("leaks_by_step")
        if several is None:
            return {}
        from thresher.report.leaks import Leaks

        return {step: Leaks.model_validate(facts) for step, facts in several.items()}

    @property
    def copies(self) -> dict[str | None, Copies]:
        """What copies were found, by step, where a recipe has several such steps; else under None,
        as the report's own fields tell it."""
        several = self.plan.get("copies_by_step")
        if several is None:
            return {None: Copies(**{name: getattr(self, name) for name in Copies.model_fields})}
        return {step: Copies.model_validate(facts) for step, facts in several.items()}

    @property
    def mixture(self) -> Mixture | None:
        """What was asked of each source and what it gave; None for jobs that mix nothing."""
        facts = self.plan.get("mixture")
        if facts is None:
            return None
        from thresher.report.mixture import Mixture

        return Mixture.model_validate(facts)
