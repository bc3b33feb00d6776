"""What `plan.mixture` of the job that mixes holds: what was asked of each source or category, and
what it gave."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from thresher.mixing.proportions import Wanted, asked_shares, missed
from thresher.report.strict import Count, Share, Strict

_NAME_CHARS = 80


class MixedLeaf(Strict):
    """Rows that are drawn from together: of a source, of a category of it, or of a category.

    Args:
        source: Its name; None where categories are pooled.
        category: Its name; None for a source as a whole.
        weight: Share of what is divided by weight, of the source or pooled category; None where it
            gives a fixed amount.
        rows_in: Rows there are.
        tokens_in: Their tokens.
        cap: The most that the source or pooled category may give.
        max_repeats: How often a row may be written.
        target: The amount asked for.
        planned: The amount that can be given.
        rounds: How often every row is written.
        drawn: The amount that is drawn beyond that.
        bound: The key below which a row is written once more, 48 hexadecimal digits; None where no
            row is.
        rows: Rows written, repeats included.
        tokens: Their tokens.
        distinct: Different rows written.
    """

    source: str | None
    category: str | None
    weight: Share | None
    rows_in: Count
    tokens_in: Count
    cap: Count | None
    max_repeats: Count
    target: Count
    planned: Count
    rounds: Count
    drawn: Count
    bound: str | None
    rows: Count
    tokens: Count
    distinct: Count

    @property
    def short(self) -> int:
        """What the leaf lacks of its target, up to one row."""
        return self.target - self.planned


class LeftOut(Strict):
    """Rows of a source that no part of the mixture asks for."""

    source: str
    category: str | None
    rows: Count
    tokens: Count


class Mixture(Strict):
    """A mixture: `by` is what targets count; `unfilled` is what caps leave of the total."""

    by: Literal["rows", "tokens"]
    total: Count
    stated_total: bool
    unfilled: Count
    seed: int
    temperature: float | None
    counter: str
    exact: bool
    leaves: tuple[MixedLeaf, ...]
    left_out: tuple[LeftOut, ...]

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if sum(leaf.target for leaf in self.leaves) + self.unfilled != self.total:
            raise ValueError("targets do not add up to the total")
        return self

    def amounts(self, leaf: MixedLeaf) -> tuple[int, int]:
        """Return what there is of a leaf and what it gives, as the mixture counts."""
        if self.by == "rows":
            return leaf.rows_in, leaf.rows
        return leaf.tokens_in, leaf.tokens

    @property
    def wanted(self) -> list[Wanted]:
        """What was wanted of each leaf."""
        return [
            Wanted(
                label_of(leaf),
                (leaf.source, leaf.source is None and leaf.category),
                leaf.weight,
                leaf.cap,
                leaf.target,
            )
            for leaf in self.leaves
        ]

    @property
    def asked(self) -> list[float]:
        """The share asked of each leaf, whatever the caps."""
        return asked_shares(self.wanted, self.total)

    @property
    def missed(self) -> str | None:
        """Which leaves miss their shares."""
        given = [self.amounts(leaf)[1] for leaf in self.leaves]
        return missed(self.wanted, self.total, given, self.by)


def label_of(leaf: MixedLeaf) -> str:
    """Return what a leaf is called."""
    names = [name for name in (leaf.source, leaf.category) if name is not None]
    return " / ".join(names)[:_NAME_CHARS]
