"""What a mixture is made of, as its users say it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from thresher.params import Params

Unit = Literal["rows", "tokens"]


def _by_name(value: Any) -> Any:
    """Read NAME=WEIGHT entries, and names that YAML takes for numbers or truth values."""
    if isinstance(value, (list, tuple)):
        pairs = [str(entry).rpartition("=") for entry in value]
        if not all(name and equals for name, equals, _ in pairs):
            raise ValueError("a weight is of the form NAME=WEIGHT")
        names = [name for name, _, _ in pairs]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"{twice!r} is given twice")
        return {name: weight for name, _, weight in pairs}
    if isinstance(value, Mapping):
        return {_name(key): weight for key, weight in value.items()}
    return value


def _name(key: Any) -> str:
    return str(key).lower() if isinstance(key, bool) else str(key)


Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Weights = Annotated[dict[str, Weight], BeforeValidator(_by_name)]


class SourceShare(Params):
    """What one source gives: by its weight, or a fixed amount of it."""

    weight: Weight | None = Field(
        None, description="Share of the mixture, relative to the other sources' weights."
    )
    amount: int | None = Field(
        None, ge=0, description="Fixed rows (or tokens, as `by` says) instead of a weight."
    )
    epochs: float | None = Field(
        None,
        ge=0,
        allow_inf_nan=False,
        description="Fixed multiple of the source instead of a weight: 0.5 is half of it, 2 is "
        "every row twice (with max_repeats 2).",
    )
    max_rows: int | None = Field(None, ge=0, description="The most rows it gives.")
    max_tokens: int | None = Field(None, ge=0, description="The most tokens it gives.")
    max_repeats: int | None = Field(
        None, ge=1, description="How often a row may be written; that of the mixture if absent."
    )
    category_column: str | None = Field(
        None, description="Column of its rows' categories; that of the mixture if absent."
    )
    categories: Weights = Field(
        {}, description="Weights of the categories inside this source; the mixture's if absent."
    )

    @property
    def stated(self) -> bool:
        """Whether the source's share is stated."""
        return self.weight is not None or self.amount is not None or self.epochs is not None

    @model_validator(mode="after")
    def _one_share(self) -> Self:
        stated = [n for n in ("weight", "amount", "epochs") if getattr(self, n) is not None]
        if len(stated) > 1:
            raise ValueError(f"{' and '.join(stated)} are given: a source has one of them")
        return self


class MixOptions(Params):
    """How sources are mixed."""

    by: Unit = Field("rows", description="What weights, total and amounts count: rows or tokens.")
    total: int | None = Field(
        None,
        ge=1,
        description="Rows (or tokens) of the mixture; as much as the scarcest source allows if "
        "absent.",
    )
    temperature: float = Field(
        1.0,
        gt=0,
        allow_inf_nan=False,
        description="Where no weights are given, shares are proportional to sizes to the power of "
        "1 / temperature: 1 as they are, large all alike.",
    )
    max_rows: int | None = Field(
        None,
        ge=0,
        description="The most rows that any source gives; any category, where those are pooled.",
    )
    max_tokens: int | None = Field(None, ge=0, description="The same in tokens.")
    max_repeats: int = Field(
        1, ge=1, description="How often a row may be written; 1 is no up-sampling."
    )
    category_column: str | None = Field(
        None,
        description="Column of categories. Without shares of sources, categories are pooled over "
        "all sources; with them, each source's share is divided among its categories.",
    )
    categories: Weights = Field(
        {},
        description="Weights of the categories (NAME: WEIGHT); others are not drawn. By their "
        "sizes and the temperature if absent.",
    )
    allow_short: bool = Field(
        False,
        description="Go on when a source cannot give its share: it gives what it has, the others "
        "keep theirs.",
    )
