"""What `report.json` holds about a split, as types: sizes by split and stratum, and the leak
check."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from thresher.report.strict import Count, Share, Strict

Amount = Annotated[float, Field(ge=0)]


class SplitSize(Strict):
    """One split: rows wanted and achieved, groups, bytes of text."""

    name: str
    wanted: Count
    rows: Count
    groups: Count
    text_bytes: Count


class Stratum(Strict):
    """One stratum, rows wanted and achieved by split, in the order of the splits."""

    name: str | None
    rows: Count
    wanted: tuple[Count, ...]
    achieved: tuple[Count, ...]


class GroupSize(Strict):
    """How many groups have `rows` rows."""

    rows: Count
    groups: Count


class KeyTies(Strict):
    """What one kind of key ties: the keys that several rows have, those of them that lie in several
    splits, and how many would in a random split of the same sizes."""

    kind: str
    keys: Count
    rows: Count
    torn: Count
    torn_at_random: Amount


class LeakCheck(Strict):
    """Pairs of rows at or above the threshold.

    `pairs` counts copies too; without `whole` there are more. `torn` of the verified pairs lie
    across a border. Then held-out rows were compared exactly with rows of the other splits: `found`
    pairs were tied by it in earlier rounds, `left` remain.
    """

    pairs: Count
    whole: bool
    torn: Count
    torn_at_random: Amount
    checked_rows: Count
    held_rows: Count
    compared_rows: Count
    all_compared: bool
    rounds: Count
    found: Count
    left: Count


class Splits(Strict):
    """`plan.split` of the job split; `not_repeated` says how often a mixture drew rows beyond once
    that are held out, and so written once."""

    way: Literal["amounts", "column", "time"]
    threshold: Share
    compared: str
    splits: tuple[SplitSize, ...]
    stratified_by: str | None
    strata: tuple[Stratum, ...]
    num_strata: Count
    num_groups: Count
    group_sizes: tuple[GroupSize, ...]
    largest_group: str | None
    largest_rows: Count
    largest_split: str | None
    copies: Count
    similar: Count
    keys: tuple[KeyTies, ...]
    leaks: LeakCheck
    newer_in_train: Count | None
    ageless: Count | None
    moved: dict[str, Count]
    not_repeated: dict[str, Count] = Field({})
    warnings: tuple[str, ...]
