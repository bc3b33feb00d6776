"""Targets: how much each source or category is to give.

Parts are sources, or categories pooled over all sources. A part has leaves: itself, or its
categories; every row of the input belongs to one leaf or to none. A total is divided among the
parts (weights, or sizes and a temperature; caps), then each part's share among its leaves. What a
leaf is to give is whole rounds of all its rows and, of the round after them, a draw.

Amounts are rows or tokens, as the mixture counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from thresher.errors import ConfigError, LimitError
from thresher.mixing.options import MixOptions, SourceShare, Unit
from thresher.mixing.shares import as_fraction, divide, most_within, tempered

Found = tuple[int, str | None]  # a source's number, and a category


class Supply(NamedTuple):
    """What there is."""

    rows: int
    tokens: int

    def of(self, unit: Unit) -> int:
        """Return the amount in a unit."""
        return self.rows if unit == "rows" else self.tokens

    def plus(self, other: Supply) -> Supply:
        """Return both together."""
        return Supply(self.rows + other.rows, self.tokens + other.tokens)


NOTHING = Supply(0, 0)


@dataclass(frozen=True)
class Leaf:
    """Rows that are drawn from together.

    Args:
        category: Their category; None is all rows of the source.
        supply: What there is of them.
        weight: Inside the part, where it is stated.
    """

    category: str | None
    supply: Supply
    weight: Fraction | None = None


@dataclass(frozen=True)
class Part:
    """What a share is asked of.

    Args:
        name: Of the source, or the category.
        source: The source's number; None where categories are pooled.
        share: What is asked.
        leaves: What it consists of.
        max_repeats: How often a row may be written.
        cap: The most that it may give.
    """

    name: str
    source: int | None
    share: SourceShare
    leaves: tuple[Leaf, ...]
    max_repeats: int
    cap: int | None = None

    @property
    def supply(self) -> Supply:
        """What there is."""
        return Supply(sum(x.supply.rows for x in self.leaves), self.tokens)

    @property
    def tokens(self) -> int:
        """Tokens there are."""
        return sum(leaf.supply.tokens for leaf in self.leaves)


@dataclass(frozen=True)
class Target:
    """What one leaf is to give.

    Args:
        part: Of the leaf.
        leaf: Which rows.
        wanted: The amount asked of it.
        given: The amount that it can give, up to one row.
        available: The amount there is.
    """

    part: Part
    leaf: Leaf
    wanted: int
    given: int
    available: int

    @property
    def name(self) -> str:
        """What messages call the leaf."""
        if self.part.source is None or self.leaf.category is None:
            return f"{'category' if self.part.source is None else 'source'} '{self.part.name}'"
        return f"category '{self.leaf.category}' of source '{self.part.name}'"

    @property
    def full(self) -> int:
        """How often every row is written."""
        return self.given // self.available if self.available else 0

    @property
    def rest(self) -> int:
        """The amount that is drawn on top of that."""
        return self.given % self.available if self.available else 0


@dataclass(frozen=True)
class Targets:
    """The plan.

    Args:
        leaves: What each leaf is to give.
        weights: By part, its share of what is divided by weight; None for fixed amounts.
        total: The amount asked for.
        unfilled: What caps leave of it.
    """

    leaves: tuple[Target, ...]
    weights: tuple[Fraction | None, ...]
    total: int
    unfilled: int


def is_pooled(options: MixOptions, sources: Sequence[SourceShare]) -> bool:
    """Say whether shares are those of categories, whatever the source."""
    return options.category_column is not None and not any(s.stated for s in sources)


def columns_of(options: MixOptions, sources: Sequence[SourceShare]) -> tuple[str | None, ...]:
    """Return the column of categories of each source.

    Raises:
        ConfigError: Weights of categories without a column, or in a place where they mean nothing.
    """
    columns = tuple(s.category_column or options.category_column for s in sources)
    if options.categories and not any(columns):
        raise ConfigError("categories have weights but no column", remedy="set --category-column")
    for source, column in zip(sources, columns, strict=True):
        if source.categories and column is None:
            raise ConfigError("a source's categories have weights but no column")
        if source.categories and is_pooled(options, sources):
            raise ConfigError(
                "a source weighs its own categories, but the sources have no weights",
                remedy="give every source a weight, or weigh the categories of all together",
            )
    return columns


def parts_of(
    options: MixOptions,
    sources: Sequence[SourceShare],
    names: Sequence[str],
    found: Mapping[Found, Supply],
) -> list[Part]:
    """Return the parts of a mixture.

    Args:
        options: How to mix.
        sources: What is asked of each source.
        names: What the sources are called.
        found: What there is, by source and category; the category None are rows without one.
    """
    columns = columns_of(options, sources)
    if is_pooled(options, sources):
        pooled: dict[str, Supply] = dict.fromkeys(options.categories, NOTHING)
        for (_, category), supply in sorted(found.items(), key=str):
            if category is not None and (category in pooled or not options.categories):
                pooled[category] = pooled.get(category, NOTHING).plus(supply)
        return [
            Part(
                name,
                None,
                SourceShare(
                    weight=options.categories.get(name),
                    max_rows=options.max_rows,
                    max_tokens=options.max_tokens,
                ),
                (Leaf(name, supply),),
                options.max_repeats,
            )
            for name, supply in sorted(pooled.items())
        ]
    return [
        Part(
            name,
            number,
            source.model_copy(
                update={
                    key: getattr(options, key)
                    for key in ("max_rows", "max_tokens")
                    if getattr(source, key) is None
                }
            ),
            _leaves(number, columns[number], source.categories or options.categories, found),
            source.max_repeats or options.max_repeats,
        )
        for number, (source, name) in enumerate(zip(sources, names, strict=True))
    ]


def _leaves(
    source: int, column: str | None, weights: Mapping[str, float], found: Mapping[Found, Supply]
) -> tuple[Leaf, ...]:
    mine = {category: supply for (number, category), supply in found.items() if number == source}
    if column is None:
        return (Leaf(None, mine.get(None, NOTHING)),)
    wanted = sorted(weights) if weights else sorted(c for c in mine if c is not None)
    return tuple(
        Leaf(
            category,
            mine.get(category, NOTHING),
            as_fraction(weights[category]) if weights else None,
        )
        for category in wanted
    )


def set_targets(options: MixOptions, parts: Sequence[Part]) -> Targets:
    """Decide how much every leaf is to give.

    Raises:
        ConfigError: Some parts have a share and others none; fixed amounts exceed the total.
        LimitError: A part with a share has no rows, and as much as possible is wanted.
    """
    unit = options.by
    fixed = {n: amount for n, p in enumerate(parts) if (amount := _fixed(p, unit)) is not None}
    shared = [n for n in range(len(parts)) if n not in fixed]
    weights = _weights(options, [parts[n] for n in shared])
    limits = [_most(options, parts[n]) for n in shared]
    caps = [parts[n].cap for n in shared]
    before = sum(fixed.values())
    if options.total is None:
        weights = _without_empty(options, [parts[n] for n in shared], weights, limits)
        rest = int(most_within(weights, caps, limits))
    else:
        rest = options.total - before
        if rest < 0:
            raise ConfigError(
                f"fixed amounts are {before:,} {unit}, more than the total of {options.total:,}"
            )
    if rest and not any(weights):
        raise ConfigError(
            f"{rest:,} {unit} are left to divide, but nothing has a weight",
            remedy="give a source a weight, or leave the total out",
        )
    if not before + rest:
        raise ConfigError("the mixture would be empty", remedy="look at the weights and caps")
    names = [parts[n].name for n in shared]
    held = dict(zip(shared, divide(rest, weights, caps, names), strict=True))
    targets: list[Target] = []
    for number, part in enumerate(parts):
        targets += _of_leaves(options, part, fixed.get(number, held.get(number, 0)))
    whole = sum(weights, Fraction(0))
    shown = {
        number: weight / whole if whole else weight
        for number, weight in zip(shared, weights, strict=True)
    }
    return Targets(
        tuple(targets),
        tuple(shown.get(n) for n in range(len(parts))),
        before + rest,
        rest - sum(held.values()) if options.total is not None else 0,
    )


def _fixed(part: Part, unit: Unit) -> int | None:
    """Return what a part is to give whatever the others do."""
    if part.share.amount is not None:
        amount = part.share.amount
    elif part.share.epochs is not None:
        amount = int(as_fraction(part.share.epochs) * part.supply.of(unit))
    else:
        return None
    return amount if part.cap is None else min(amount, part.cap)


def _weights(options: MixOptions, parts: Sequence[Part]) -> list[Fraction]:
    stated = [part.share.weight for part in parts]
    lacking = next((p.name for p, weight in zip(parts, stated, strict=True) if weight is None), "")
    if all(weight is None for weight in stated):
        sizes = [part.supply.of(options.by) for part in parts]
        limited = [
            size if part.cap is None else min(size, part.cap)
            for size, part in zip(sizes, parts, strict=True)
        ]
        return tempered(limited, options.temperature)
    if lacking:
        raise no_weight(lacking)
    if options.temperature != 1 and not any(len(part.leaves) > 1 for part in parts):
        raise weights_and_temperature()
    return [as_fraction(weight or 0) for weight in stated]


def no_weight(name: str) -> ConfigError:
    """Return what is said when some have a weight and one has none."""
    return ConfigError(
        f"'{name}' has no weight, others have", remedy="give all of them one, or none"
    )


def weights_and_temperature() -> ConfigError:
    """Return what is said when sources have weights and are to get others by their sizes."""
    return ConfigError(
        "weights and a temperature are given", remedy="a temperature makes weights of sizes"
    )


def _leaf_weights(options: MixOptions, part: Part) -> list[Fraction]:
    if any(leaf.weight is not None for leaf in part.leaves):
        return [leaf.weight or Fraction(0) for leaf in part.leaves]
    return tempered([x.supply.of(options.by) for x in part.leaves], options.temperature)


def _limits(options: MixOptions, part: Part) -> list[int]:
    return [leaf.supply.of(options.by) * part.max_repeats for leaf in part.leaves]


def _most(options: MixOptions, part: Part) -> int:
    """Return the most that a part can give in the ratio of its leaves."""
    weights, limits = _leaf_weights(options, part), _limits(options, part)
    if options.allow_short:
        weights = [w if limit else Fraction(0) for w, limit in zip(weights, limits, strict=True)]
    return int(most_within(weights, [None] * len(weights), limits))


def _without_empty(
    options: MixOptions,
    parts: Sequence[Part],
    weights: Sequence[Fraction],
    limits: Sequence[int],
) -> list[Fraction]:
    """Return the weights of parts that can give something.

    Raises:
        LimitError: One with a weight cannot; as much as it allows is nothing.
    """
    empty = [n for n, weight in enumerate(weights) if weight and not limits[n]]
    if empty and not options.allow_short:
        raise LimitError(
            f"'{parts[empty[0]].name}' has a share of the mixture but can give nothing of it",
            remedy="give it the weight 0, or go on without it with --allow-short",
        )
    return [Fraction(0) if n in empty else weight for n, weight in enumerate(weights)]


def _of_leaves(options: MixOptions, part: Part, wanted: int) -> list[Target]:
    names = [leaf.category or "" for leaf in part.leaves]
    asked = divide(wanted, _leaf_weights(options, part), None, names)
    if len(part.leaves) == 1:
        asked = [wanted]
    limits = _limits(options, part)
    return [
        Target(part, leaf, amount, min(amount, limit), leaf.supply.of(options.by))
        for leaf, amount, limit in zip(part.leaves, asked, limits, strict=True)
    ]


def check_short(options: MixOptions, targets: Targets) -> None:
    """Refuse a plan that cannot be met, unless the user allows it.

    Raises:
        LimitError: Naming who falls short by how much.
    """
    short = [t for t in targets.leaves if t.given < t.wanted]
    told = [
        f"{t.name} is to give {t.wanted:,} {options.by} but has {t.available:,}, which at "
        f"max_repeats {t.part.max_repeats} is {t.wanted - t.given:,} too few"
        for t in sorted(short, key=lambda t: (t.given - t.wanted, t.name))
    ]
    if targets.unfilled:
        told.append(
            f"the caps leave {targets.unfilled:,} of {targets.total:,} {options.by} unfilled"
        )
    if told and not options.allow_short:
        more = f"; and {len(told) - 5} more" if len(told) > 5 else ""
        raise LimitError(
            "; ".join(told[:5]) + more,
            remedy="lower --total, raise --max-repeats, change the weights, or pass --allow-short",
        )
