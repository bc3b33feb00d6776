"""The rules a match is judged by, and their parameters; what they mean in numbers is in `decide`.

Thresholds are fractions, held as written: 0.6 is 3/5. Every comparison can then be made in
integers, so that no engine or machine rounds differently from another.

A guarded threshold rises for short items: at or below `short` tokens all of the item is required,
from `long` tokens on `threshold`, and between the two what lies on the straight line.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, model_validator

from thresher.params import Params

# Together with `LONGEST_GUARD` this keeps products of counts and thresholds within 64 bits for
# items of up to ten million tokens.
FINEST = 10_000
LONGEST_GUARD = 1_000


def _share(value: Any) -> Any:
    """Read a share as it is written: 0.6 means 3/5, not the nearest binary number."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Fraction):
        raise ValueError("not a share such as 0.6 or 3/5")
    try:
        share = Fraction(repr(value) if isinstance(value, float) else value)
    except (ValueError, ZeroDivisionError) as error:
        raise ValueError("not a share such as 0.6 or 3/5") from error
    if not 0 <= share <= 1:
        raise ValueError("a share lies between 0 and 1")
    if share.denominator > FINEST:
        raise ValueError("a share has at most four decimals")
    return share


Share = Annotated[Fraction, BeforeValidator(_share), PlainSerializer(str)]


class Mode(Params):
    """A rule that calls a match contaminated."""

    enabled: bool = Field(True, description="Whether the rule is applied.")
    action: Literal["remove", "suspect"] = Field(
        "remove", description="What it makes of a match: contaminated, or suspect, which is kept."
    )


class Guarded(Mode):
    """A rule with a threshold that is higher for short items."""

    threshold: Share = Field(description="The share required of long items.")
    above: bool = Field(False, description="Whether the share must be more than that, not equal.")
    short: int = Field(0, ge=0, description="Up to so many tokens all of the item is required.")
    long: int = Field(0, ge=0, le=LONGEST_GUARD, description="From here on `threshold` is enough.")
    off_below: int = Field(0, ge=0, description="Items of fewer tokens are left to other rules.")
    suspect: Share | None = Field(None, description="The share from which a match is suspect.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.short > self.long:
            raise ValueError(f"short ({self.short}) is more than long ({self.long})")
        if self.suspect is not None and self.suspect > self.threshold:
            raise ValueError("what is suspect must be no more than the threshold")
        return self

    def required(self, length: int) -> Fraction | None:
        """Return the share required of an item of so many tokens; None where the rule is off."""
        if length < self.off_below:
            return None
        if length >= self.long:
            return self.threshold
        if length <= self.short:
            return Fraction(1)
        passed = Fraction(length - self.short, self.long - self.short)
        return 1 - (1 - self.threshold) * passed


class Exact(Mode):
    """The item is contained whole, token for token."""

    certain: int = Field(8, ge=1, description="From so many tokens on that is enough.")
    least: int = Field(
        3, ge=1, description="From so many tokens on it counts in a short text or with its answer."
    )
    slack: int = Field(6, ge=0, description="Tokens a short text may have besides the item.")
    whole_text: bool = Field(
        True, description="Even shorter ones count as a whole text of their own with their answer."
    )


class NgramAny(Mode):
    """One n-gram in common."""

    n: int = Field(13, ge=3, le=64, description="Tokens in a row.")


class NgramRatio(Guarded):
    """How much of the item lies in common n-grams."""

    n: int = Field(8, ge=3, le=64, description="Tokens in a row.")
    of: Literal["tokens", "ngrams", "shorter", "spans"] = Field(
        "tokens",
        description="What is counted: tokens of the item in common n-grams; n-grams of the item; "
        "the same, as a share of the shorter text's; or tokens, where the longest span with skips "
        "counts as well.",
    )
    answer_weight: Share = Field(
        Fraction(0), description="The part of the score that the answer makes up, if it has one."
    )


class LongestSpan(Mode):
    """The longest common run of tokens, a few mismatches inside allowed."""

    least: int = Field(13, ge=1, description="Tokens at least.")
    threshold: Share = Field(Fraction(1, 2), description="Share of the item at least.")


class Lcs(Mode):
    """The longest common subsequence within a window."""

    least: int = Field(13, ge=1, description="Tokens at least.")
    threshold: Share = Field(Fraction(3, 5), description="Share of the shorter text at least.")


class FuzzyIdf(Guarded):
    """How much of the item's rare words lie in one window of the text, in any order."""

    per_doubling: Share = Field(
        Fraction(0),
        description="So much more each time the text doubles, from two windows on: it has twice "
        "the places where such words may lie by chance.",
    )


class NumberMatch(Mode):
    """The same numbers, and enough of the rare words."""

    least_tokens: int = Field(15, ge=1, description="Tokens of the item at least.")
    least: int = Field(3, ge=1, description="Numbers of the item at least.")
    least_math: int = Field(1, ge=1, description="The same for benchmarks of kind math.")
    share: Share = Field(Fraction(1), description="Share of its numbers that are found.")
    extra: Share = Field(
        Fraction(1, 3), description="Further numbers, as a share of its own; one is always allowed."
    )
    threshold: Share = Field(Fraction(1, 2), description="Share of its rare words required.")
    long: int = Field(
        0,
        ge=0,
        le=LONGEST_GUARD,
        description="From here on `threshold` is enough; at `least_tokens` all are required.",
    )
    order: Share = Field(
        Fraction(0), description="Share of its tokens that stand in the text in the same order."
    )
    per_doubling: Share = Field(
        Fraction(0), description="So much more of its rare words each time the text doubles."
    )
    suspect_share: Share | None = Field(Fraction(3, 4), description="Numbers found to be suspect.")
    suspect: Share = Field(Fraction(9, 20), description="Rare words required to be suspect.")


class MinHash(Mode):
    """Many of its runs of three tokens, in a text of about its size."""

    least_tokens: int = Field(13, ge=8, description="Tokens of the item at least.")
    of: Literal["item", "both"] = Field(
        "item",
        description="What the shared runs are a share of: those of the item, or of both together "
        "(Jaccard similarity).",
    )
    threshold: Share = Field(
        Fraction(1, 2),
        description="Share of its runs of three tokens. Bands are cut so that 99 in 100 pairs of "
        "Jaccard similarity 0.5 meet, and more of the more similar.",
    )


class Templated(Guarded):
    """The same wording once every number is made the same."""

    action: Literal["remove", "suspect"] = "suspect"


class Choices(Params):
    """What a short question with options needs beside it; see `decide`."""

    below: int = Field(20, ge=0, description="Questions of fewer tokens need it.")
    options: int = Field(2, ge=1, description="Texts of its options, or the text of the answer.")
    window: int = Field(100, ge=0, description="Tokens between the question and an option.")
    question: Share = Field(
        Fraction(3, 5),
        description="Share of the question's rare words without which a match of question and "
        "option is a match of the option.",
    )
