"""The parameters of `thresher split`. `--set` reaches every field; descriptions are the
documentation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from thresher.splitting.targets import wanted_rows
from thresher.splitting.values import NO_VALUE
from thresher.transforms.banding import MAX_PERMUTATIONS, choose_bands
from thresher_jobs.dedup_params import DedupParams
from thresher_jobs.read_params import FormatParams

if TYPE_CHECKING:  # loads kernels
    from thresher.splitting.assignment import Split

TEST = 0.05
_COMPARED = ("on", "columns", "text_column")
_VALUES = ("train_values", "validation_values", "test_values")


class SplitParams(FormatParams):
    """How many rows go where, and what may not be torn apart."""

    test: float | None = Field(
        None,
        ge=0,
        description="Rows of the test split: below 1 a fraction, from 1 on a count; default "
        f"{TEST}, none where `by` or `after` say what is test.",
    )
    validation: float = Field(
        0, ge=0, description="Rows of the validation split: a fraction or a count."
    )
    by: str | None = Field(
        None, description="Column that names the split of each row, instead of amounts."
    )
    train_values: tuple[str, ...] = Field(
        ("train",),
        description="With `by`: values of the column that mean train, in any case. null stands for "
        "rows without a value, * for all values that are not said; else these are an error.",
    )
    validation_values: tuple[str, ...] = Field(
        ("validation", "valid", "val", "dev"),
        description="With `by`: values that mean validation, likewise.",
    )
    test_values: tuple[str, ...] = Field(
        ("test",), description="With `by`: values that mean test, likewise."
    )
    newest: str | None = Field(
        None,
        description="Column of times: the newest groups go to test, those before them to "
        "validation. A group is as old as its oldest row.",
    )
    after: str | None = Field(
        None,
        description="COLUMN=TIME: groups whose oldest row is not before this time are test.",
    )
    stratify: str | None = Field(
        None, description="`source`, or a column: each of its values gives its share to each split."
    )
    group_by: tuple[str, ...] = Field(
        (),
        description="Columns: rows with equal values of any of them stay together (nulls tie "
        "nothing).",
    )
    group_prompts: bool = Field(
        True,
        description="Whether rows with the same prompt stay together, where rows have prompts.",
    )
    on: Literal["prompt", "response", "conversation", "all"] | None = Field(
        None,
        description="Compare this part of each row, whatever its format; `all` where no columns "
        "are named either.",
    )
    columns: tuple[str, ...] = Field(
        (), description="Compare these columns as one text joined by newlines, instead of a part."
    )
    text_column: str | None = Field(
        None, description="Compare this column, instead of a part of each row."
    )
    threshold: float = Field(
        0.7,
        gt=0,
        le=1,
        description="Jaccard similarity of shingle sets from which rows stay together.",
    )
    ngram: int = Field(5, ge=1, le=64, description="Words a shingle.")
    recall: float = Field(
        0.9999,
        gt=0,
        lt=1,
        description="Wanted probability of finding a pair exactly at the threshold.",
    )
    seed: int = Field(1, ge=0, lt=2**32, description="Another seed draws other groups.")
    id_column: str | None = Field(None, description="Column with the rows' own ids.")
    union_columns: bool = Field(
        False, description="Let files lack columns that others have; they read as nulls."
    )
    tolerance: float = Field(
        0.1,
        ge=0,
        le=1,
        description="Say so when a split or one of its strata misses its wanted rows by more than "
        "this share, and by more than one row.",
    )
    check_rows: int = Field(
        10_000,
        ge=0,
        description="Held-out rows, about, that are compared exactly with all rows of the other "
        "splits; 0 checks none.",
    )
    check_bytes: int = Field(
        256 << 20,
        ge=1,
        description="Text that they are compared with, at most about; bytes. Pairs that the check "
        "finds are tied and the split is made again, as long as that is all text.",
    )

    @field_validator("columns", "group_by", *_VALUES, mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        """Take `a,b` as well as a list."""
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        if isinstance(value, (int, float)):
            return (str(value),)
        return tuple(map(str, value)) if isinstance(value, (list, tuple)) else value

    @field_validator(*_VALUES, mode="before")
    @classmethod
    def _nulls(cls, value: object) -> object:
        """Take YAML's null for rows without a value."""
        if value is None:
            return NO_VALUE
        return [NO_VALUE if v is None else v for v in value] if isinstance(value, list) else value

    @field_validator(*_VALUES)
    @classmethod
    def _plain(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name.strip().lower() for name in value))

    @field_validator("columns", "group_by")
    @classmethod
    def _distinct(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) != len(value) or any(not name for name in value):
            raise ValueError("expected distinct column names")
        return value

    @field_validator("test", "validation")
    @classmethod
    def _amount(cls, value: float | None) -> float | None:
        if value is not None:
            wanted_rows(value, 1)
        return value

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        """Refuse two statements of one thing."""
        ways = [name for name in ("by", "newest", "after") if getattr(self, name) is not None]
        if len(ways) > 1:
            raise ValueError(f"{' and '.join(ways)} exclude each other")
        if self.after is not None and not all(self.after.partition("=")[::2]):
            raise ValueError("after is of the form COLUMN=TIME, as in published=2024-06-01")
        if self.test is not None and (self.by or self.after):
            raise ValueError(f"test and {ways[0]} exclude each other: both say what is test")
        if self.by and (self.validation or self.stratify):
            raise ValueError("by and amounts or strata exclude each other: the column says it all")
        held = self.amounts
        if sum(a for a in held if a < 1) >= 1:
            raise ValueError("test and validation leave nothing to train on")
        if not self.by and not self.after and not any(held):
            raise ValueError("neither test nor validation wants a row")
        said = [value for name in _VALUES for value in getattr(self, name)]
        twice = next((value for value in said if said.count(value) > 1), None)
        if twice is not None:
            named = [name for name in _VALUES if twice in getattr(self, name)]
            raise ValueError(f"'{twice}' is in {' and '.join(named)}: a value means one split")
        return self

    @model_validator(mode="after")
    def _comparable(self) -> Self:
        given = [name for name in _COMPARED if getattr(self, name)]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} exclude each other: both say what is compared")
        choose_bands(self.threshold, self.recall, MAX_PERMUTATIONS)
        return self

    @property
    def amounts(self) -> tuple[float, float]:
        """The wanted amounts of test and validation."""
        test = self.test
        if test is None:
            test = 0 if self.by or self.after else TEST
        return test, self.validation

    @property
    def age_column(self) -> str | None:
        """The column of times."""
        return self.newest or (self.after.partition("=")[0] if self.after else None)

    @property
    def border(self) -> str | None:
        """The time from which rows are test, as written."""
        return self.after.partition("=")[2] if self.after else None

    @property
    def pins(self) -> dict[str, Split]:
        """By value of the column that names splits, the split."""
        from thresher.splitting.assignment import Split

        values = (self.train_values, self.validation_values, self.test_values)
        return {value: split for split, said in zip(Split, values, strict=True) for value in said}

    @property
    def copies(self) -> DedupParams:
        """How near copies are found: all pairs count, and chains of them."""
        compared: dict[str, Any] = {}
        if self.columns:
            compared["columns"] = self.columns
        elif self.text_column:
            compared["text_column"] = self.text_column
        else:
            compared |= {"on": self.on or "all", "format": self.format}
        return DedupParams(
            **compared,
            min_confidence=self.min_confidence,
            id_column=self.id_column,
            threshold=self.threshold,
            ngram=self.ngram,
            recall=self.recall,
            clusters="transitive",
            source_priority=False,
            max_quarantined_fraction=self.max_quarantined_fraction,
            union_columns=self.union_columns,
            max_doc_bytes=self.max_doc_bytes,
            skip_unreadable=self.skip_unreadable,
            split_bytes=self.split_bytes,
        )
