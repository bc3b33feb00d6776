"""The parameters of `thresher dedup`. `--set` reaches every field; descriptions are the
documentation."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

from pydantic import Field, field_validator, model_validator

from thresher.formats.names import MIN_CONFIDENCE
from thresher.transforms.banding import MAX_PERMUTATIONS, Banding, Threshold, choose_bands
from thresher_jobs.read_params import ReadParams, require_format


class DedupParams(ReadParams):
    """What to compare, when two rows are copies, and which of them stays."""

    text_column: str = Field("text", description="Column that is compared.")
    columns: tuple[str, ...] = Field(
        (),
        description="Several columns, compared as one text joined by newlines.",
    )
    on: Literal["prompt", "response", "conversation", "all"] | None = Field(
        None,
        description="Compare this part of each row, whatever its format, instead of columns: the "
        "prompt, the response, both, or all (with the tools). The response of a preference is both "
        "answers.",
    )
    format: str | None = Field(
        None,
        description="With `on`: the format of all inputs, instead of the one detected for each "
        "file.",
    )
    min_confidence: float = Field(
        MIN_CONFIDENCE,
        ge=0,
        le=1,
        description="With `on`: stop when a file's format is less certain than this.",
    )
    id_column: str | None = Field(
        None,
        description="Column with the rows' own ids (unique, no nulls); default `<file>:<row>`.",
    )
    method: Literal["minhash", "exact", "bloom"] = Field(
        "minhash",
        description="minhash: copies and near copies; exact: copies; "
        "bloom: copies, in bounded memory.",
    )
    exact_on: Literal["bytes", "words"] = Field(
        "bytes",
        description="What exact and bloom compare: the bytes, or the normalised word sequence.",
    )
    threshold: float = Field(
        0.7,
        gt=0,
        le=1,
        description="Jaccard similarity of shingle sets from which rows are near copies.",
    )
    ngram: int = Field(5, ge=1, le=64, description="Words a shingle.")
    recall: float = Field(
        0.99,
        gt=0,
        lt=1,
        description="Wanted probability of finding a pair exactly at the threshold.",
    )
    seed: int = Field(
        1, ge=0, lt=2**32, description="Seed of the MinHash permutations and the filter."
    )
    clusters: Literal["greedy", "transitive"] = Field(
        "greedy",
        description="greedy: remove only for a kept row that is similar enough; "
        "transitive: join chains.",
    )
    keep: str = Field(
        "first",
        description=(
            "Who stays among copies: first (earlier INPUT), longest, best:COLUMN (largest number), "
            "newest:COLUMN (latest time). Ties fall by a hash of the content, "
            "never by file name or row order."
        ),
    )
    source_priority: bool = Field(
        True, description="Whether rows of an earlier INPUT win over rows of a later one."
    )
    null_text: Literal["quarantine", "keep"] = Field(
        "quarantine", description="What happens to rows whose compared text is null."
    )
    max_removed_fraction: float = Field(
        0.9,
        ge=0,
        le=1,
        description="Stop (exit 4) when more of a source than this would go as near copies.",
    )
    max_quarantined_fraction: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Stop (exit 4) when more of a source than this cannot be judged.",
    )
    union_columns: bool = Field(
        False, description="Let files lack columns that others have; they read as nulls."
    )
    filter_bytes: int = Field(
        64 << 20, ge=1 << 10, le=1 << 30, description="Size of the filter of method bloom; bytes."
    )
    audit_rows: int = Field(
        1000,
        ge=0,
        le=100_000,
        description="Kept rows sampled to measure recall; 0 measures nothing.",
    )
    audit_bytes: int = Field(
        64 << 20, ge=1, description="Text the sampled rows are compared with, at most about; bytes."
    )
    export_signatures: bool = Field(
        False, description="Also write signatures/part-NNNNN.parquet (_row_id, signature)."
    )

    @field_validator("keep")
    @classmethod
    def _known_keep(cls, value: str) -> str:
        kind, colon, column = value.partition(":")
        if (kind in ("first", "longest") and not colon) or (kind in ("best", "newest") and column):
            return value
        raise ValueError("expected first, longest, best:COLUMN or newest:COLUMN")

    @field_validator("columns", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        """Take `a,b` as well as a list."""
        return tuple(n.strip() for n in value.split(",") if n) if isinstance(value, str) else value

    @field_validator("columns")
    @classmethod
    def _distinct(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) != len(value) or any(not name for name in value):
            raise ValueError("expected distinct column names")
        return value

    @model_validator(mode="after")
    def _one_choice(self) -> DedupParams:
        """Refuse two statements of what is compared."""
        if self.on is None:
            if self.format is not None:
                raise ValueError("format needs `on`: which part of the rows is compared")
            return self
        if self.columns or self.text_column != DedupParams.model_fields["text_column"].default:
            raise ValueError(
                "on and text_column or columns exclude each other: both say what is compared"
            )
        if self.format is not None:
            require_format(self.format)
        return self

    @model_validator(mode="after")
    def _feasible(self) -> DedupParams:
        if self.method == "minhash":
            choose_bands(self.threshold, self.recall)
        elif self.export_signatures:
            raise ValueError("export_signatures needs method minhash")
        return self

    @property
    def compared(self) -> tuple[str, ...]:
        """The compared columns; none where a part of the rows is compared."""
        if self.on is not None:
            return ()
        return self.columns or (self.text_column,)

    @property
    def keep_column(self) -> str | None:
        """The column of best:COLUMN or newest:COLUMN."""
        return self.keep.partition(":")[2] or None

    @property
    def banding(self) -> Banding:
        """Bands and rows a band."""
        return choose_bands(self.threshold, self.recall, MAX_PERMUTATIONS)

    @property
    def fraction(self) -> Threshold:
        """The threshold as written, as an exact fraction."""
        value = Fraction(repr(self.threshold)).limit_denominator(1_000_000)
        return Threshold(value.numerator, value.denominator)
