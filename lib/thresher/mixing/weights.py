"""What can be said of weights of a mixture: before any row is read, and of rows they leave out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from thresher.errors import ConfigError
from thresher.mixing.options import MixOptions, SourceShare
from thresher.mixing.targets import (
    Found,
    Supply,
    columns_of,
    is_pooled,
    no_weight,
    weights_and_temperature,
)


def check_weights(
    options: MixOptions, sources: Sequence[SourceShare], names: Sequence[str]
) -> None:
    """Refuse weights that no data can make sense of.

    Args:
        options: How to mix.
        sources: What is asked of each source.
        names: What the sources are called.

    Raises:
        ConfigError: Some have weights and others none, none has any to give, or a temperature is
            given beside them.
    """
    columns = columns_of(options, sources)
    if is_pooled(options, sources):
        stated: list[float | None] = list(options.categories.values())
        fixed = False
    else:
        shared = [(s, n) for s, n in zip(sources, names, strict=True) if not _is_fixed(s)]
        stated = [source.weight for source, _ in shared]
        fixed = len(shared) < len(sources)
        lacking = next((name for source, name in shared if source.weight is None), None)
        if lacking is not None and any(weight is not None for weight in stated):
            raise no_weight(lacking)
        if any(w is not None for w in stated) and options.temperature != 1 and not any(columns):
            raise weights_and_temperature()
    if stated and not fixed and all(weight == 0 for weight in stated):
        raise ConfigError("all weights are 0: the mixture would be empty", remedy="raise one")


def _is_fixed(source: SourceShare) -> bool:
    return source.amount is not None or source.epochs is not None


def left_out(
    options: MixOptions,
    sources: Sequence[SourceShare],
    names: Sequence[str],
    found: Mapping[Found, Supply],
) -> list[str]:
    """Say which rows are never drawn, since they have no category or one without a weight.

    Args:
        options: How to mix.
        sources: What is asked of each source.
        names: What the sources are called.
        found: What there is, by source and category.
    """
    columns, pooled = columns_of(options, sources), is_pooled(options, sources)
    told = []
    for number, (source, name) in enumerate(zip(sources, names, strict=True)):
        weights = options.categories if pooled else source.categories or options.categories
        if columns[number] is None:
            continue
        mine = {category: supply.rows for (n, category), supply in found.items() if n == number}
        none = mine.pop(None, 0)
        others = {c: rows for c, rows in mine.items() if weights and c not in weights and rows}
        if none:
            told.append(f"{none:,} rows of '{name}' without a category are not drawn")
        if others:
            most = sorted(others, key=lambda c: (-others[c], str(c)))[:3]
            known = ", ".join(f"'{c}'" for c in most) + (", ..." if len(others) > 3 else "")
            rows = sum(others.values())
            told.append(
                f"{rows:,} rows of '{name}' are not drawn: no weight for their category ({known})"
            )
    return told
