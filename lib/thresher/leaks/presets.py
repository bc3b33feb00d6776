"""Presets: ours, and rules that others published, so that a run can be named after them.

A preset says which rules of `thresher.leaks.rules` are applied with which figures. All of them see
the same tokens and the same figures of a match; what that leaves out of a published rule is said in
`differs` and shown with every report.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, Literal

from pydantic import Field

from thresher.errors import ConfigError
from thresher.leaks.benchmarks import Kind
from thresher.leaks.rules import (
    Choices,
    Exact,
    FuzzyIdf,
    Lcs,
    LongestSpan,
    MinHash,
    Mode,
    NgramAny,
    NgramRatio,
    NumberMatch,
    Share,
    Templated,
)
from thresher.params import Params, build

FieldName = Literal[
    "question", "answer", "option", "question_option", "passage", "solution", "tests", "turn"
]
_OFF: dict[str, Any] = {"enabled": False}
ALWAYS = (5, 8)  # n-grams that candidates are found by, and covers that every match reports


class Preset(Params):
    """A set of rules; the first that fires, in this order, names the mode of a match."""

    name: str = Field(min_length=1, description="How reports call it.")
    source: str = Field("", description="Where the rule is published.")
    differs: str = Field("", description="What of the published rule is not reproduced.")
    exact: Exact = Field(Exact(**_OFF), description="The item is contained whole.")
    ngram_any: NgramAny = Field(NgramAny(**_OFF), description="One n-gram in common.")
    ngram_ratio: NgramRatio = Field(
        NgramRatio(threshold=Fraction(1, 2), **_OFF), description="Share of it in common n-grams."
    )
    short_ngram_ratio: NgramRatio = Field(
        NgramRatio(n=5, threshold=Fraction(3, 5), **_OFF), description="The same, shorter n-grams."
    )
    longest_span: LongestSpan = Field(LongestSpan(**_OFF), description="The longest common run.")
    lcs: Lcs = Field(Lcs(**_OFF), description="The longest common subsequence.")
    fuzzy_idf: FuzzyIdf = Field(
        FuzzyIdf(threshold=Fraction(7, 10), **_OFF), description="Its rare words in one window."
    )
    number_match: NumberMatch = Field(
        NumberMatch(**_OFF), description="The same numbers in other words."
    )
    minhash: MinHash = Field(
        MinHash(**_OFF), description="Many of its runs of three tokens, in a text of its size."
    )
    templated: Templated = Field(
        Templated(threshold=Fraction(1, 2), **_OFF), description="The same but for numbers."
    )
    by_kind: bool = Field(
        False, description="Whether the kind of a benchmark and the fields of an item count."
    )
    choices: Choices = Field(Choices(), description="What short questions with options need.")
    least_changed: int = Field(
        1,
        ge=1,
        description="A problem of which the text has so many numbers as others is a template: "
        "suspect at most.",
    )
    own_words: bool = Field(
        True,
        description="Whether of the words that no other item has as much is needed as of all.",
    )
    trivial_below: int = Field(
        6, ge=0, description="Solutions of fewer tokens need their question beside them."
    )
    fields: tuple[FieldName, ...] = Field((), description="The fields searched for; else all.")
    asked_only: bool = Field(
        False, description="Whether answers a model should learn to write are not searched."
    )
    skip_kinds: tuple[Kind, ...] = Field((), description="Kinds of benchmarks left out.")
    common_rows: int = Field(
        0,
        ge=0,
        description="N-grams that more training rows share in matches that cover little are left "
        "out, and those matches judged again; 0: none are.",
    )
    common_cover: Share = Field(
        Fraction(9, 10), description="Matches that cover so much are never discounted as common."
    )

    @property
    def modes(self) -> dict[str, Mode]:
        """Return the rules that are applied, by name, in order."""
        found = {name: getattr(self, name) for name in type(self).model_fields}
        return {n: mode for n, mode in found.items() if isinstance(mode, Mode) and mode.enabled}


def _ours(
    name: str,
    *,
    widf: Fraction,
    suspect: Fraction,
    numbers: NumberMatch,
    short_ngrams: bool = True,
    own_words: bool = True,
) -> Preset:
    """Return our rule; its guards are measured: without them 12 % of other questions match."""
    return Preset(
        name=name,
        source="Thresher",
        exact=Exact(),
        ngram_ratio=NgramRatio(
            threshold=Fraction(1, 2), short=8, long=20, off_below=8, suspect=Fraction(1, 4)
        ),
        short_ngram_ratio=NgramRatio(
            enabled=short_ngrams, n=5, threshold=Fraction(3, 5), short=12, long=30, off_below=8
        ),
        longest_span=LongestSpan(),
        fuzzy_idf=FuzzyIdf(
            threshold=widf,
            short=12,
            long=30,
            off_below=12,
            suspect=suspect,
            per_doubling=Fraction(1, 50),
        ),
        number_match=numbers,
        templated=Templated(threshold=Fraction(1, 2), short=8, long=20, off_below=8),
        by_kind=True,
        own_words=own_words,
        common_rows=10,
    )


_PUBLISHED = (
    Preset(
        name="gpt3",
        source="Brown et al. 2020, arXiv:2005.14165, appendix C",
        differs="13-grams of our tokens, not of words between blanks; that 13-grams in more than "
        "10 documents are ignored, and that 200 characters around a match are cut, is left to "
        "over-common n-grams and the action; the N of 8 to 13 of their later measurement is not "
        "used, as it was not for filtering.",
        ngram_any=NgramAny(n=13),
    ),
    Preset(
        name="tulu3",
        source="Lambert et al. 2024, arXiv:2411.15124, section 3.2; allenai/open-instruct, "
        "decontamination/search.py",
        differs="Our tokens, not spaCy's and Elasticsearch's; passages are not averaged with "
        "questions; that a whole training set goes when it hits more than 2 % of a benchmark is "
        "for the reader of the report.",
        ngram_ratio=NgramRatio(n=8, threshold=Fraction(1, 2), above=True),
        fields=("question", "turn"),
        asked_only=True,
    ),
    Preset(
        name="openr1",
        source="huggingface/open-r1, scripts/decontaminate.py",
        differs="Our tokens, not words between blanks with their punctuation.",
        ngram_any=NgramAny(n=8),
        fields=("question", "turn"),
        asked_only=True,
    ),
    Preset(
        name="deepseek",
        source="Shao et al. 2024 (DeepSeekMath), arXiv:2402.03300, section 2.1",
        differs="How they split texts is not published; items of 3 to 9 tokens match wherever "
        "they are contained.",
        exact=Exact(certain=3, least=3, whole_text=False),
        ngram_any=NgramAny(n=10),
        fields=("question", "answer", "solution", "turn"),
    ),
    Preset(
        name="qwen25",
        source="Qwen2.5 Technical Report 2024, arXiv:2412.15115, section 5",
        differs="Our tokens without symbols; the subsequence must lie in a window, as any long "
        "document holds one otherwise: all of 100 documents of 40 other items matched.",
        lcs=Lcs(),
        fields=("question", "answer", "solution", "turn"),
    ),
    Preset(
        name="phi4",
        source="Abdin et al. 2024, arXiv:2412.08905, appendix B.1, algorithm 1",
        differs="Neither threshold of the 7-grams is published: 0.5 and 0.25 are ours; so is the "
        "list of allowed 13-grams, see over-common n-grams; n-grams count once a place.",
        ngram_any=NgramAny(n=13),
        ngram_ratio=NgramRatio(n=7, of="shorter", threshold=Fraction(1, 2), suspect=Fraction(1, 4)),
    ),
    Preset(
        name="llama2",
        source="Touvron et al. 2023, arXiv:2307.09288, appendix A.6",
        differs="Our tokens, not SentencePiece; items without the prompt they are put in; "
        "mismatches are allowed in the longest span alone; runs longer than 10 tokens, where they "
        "also tried 20 to 50. Contaminated is their dirty, suspect the rest of their not clean.",
        ngram_ratio=NgramRatio(n=11, of="spans", threshold=Fraction(4, 5), suspect=Fraction(1, 5)),
        fields=("question", "question_option", "turn"),
    ),
    Preset(
        name="decon",
        source="allenai/decon, doc/simple.md and its default settings (5-grams, score 0.8, all of "
        "20 tokens falling to it at 50); the weight of answers in Olmo 3, appendix A.5",
        differs="5-grams count alike, where theirs are weighted by rarity; our tokens, not "
        "cl100k; every n-gram is looked up, not one in ten; answers are found or not; passages do "
        "not count. Items of fewer than 20 tokens are left out, as there.",
        ngram_ratio=NgramRatio(
            n=5,
            of="ngrams",
            threshold=Fraction(4, 5),
            short=20,
            long=50,
            off_below=20,
            answer_weight=Fraction(1, 4),
        ),
        fields=("question", "turn"),
    ),
    Preset(
        name="paloma",
        source="Magnusson et al. 2023, arXiv:2312.10523, section 3 and appendix C",
        differs="Items contained anywhere, where theirs are whole paragraphs; verified tokens, "
        "not a Bloom filter.",
        exact=Exact(certain=13, least=13, whole_text=False),
        skip_kinds=("code",),
    ),
)
# Three small numbers and half of the rare words of a short problem meet by chance. The guard, the
# order and the step for long texts leave 1 of 20 such matches between GSM8K's splits, and 803 of
# the 877 rewritten problems that nothing else finds (2026-11).
_NUMBERS = NumberMatch(long=30, order=Fraction(7, 20), per_doubling=Fraction(1, 25))
PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        _ours("default", widf=Fraction(7, 10), suspect=Fraction(3, 5), numbers=_NUMBERS),
        _ours(
            "strict",
            widf=Fraction(3, 4),
            suspect=Fraction(3, 5),
            numbers=_NUMBERS,
            short_ngrams=False,
        ),
        # For reading, not for removing: on GSM8K it finds 80 % of paraphrases where the default
        # finds 70 %, and flags twice as many of the others.
        _ours(
            "audit",
            widf=Fraction(3, 5),
            suspect=Fraction(1, 2),
            numbers=NumberMatch(threshold=Fraction(3, 10), suspect=Fraction(3, 10)),
            own_words=False,
        ),
        *_PUBLISHED,
    )
}
_ADJUSTABLE = tuple(
    name
    for name, field in Preset.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Mode | Choices)
)


def _near(name: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"


def find_preset(name: str) -> Preset:
    """Return a preset by its name.

    Raises:
        ConfigError: There is none, with the nearest one.
    """
    if name not in PRESETS:
        raise ConfigError(f"unknown preset {name!r}", remedy=_near(name, tuple(PRESETS)))
    return PRESETS[name]


def override(preset: Preset, overrides: Mapping[str, Any]) -> Preset:
    """Return a preset with other parameters of some rules.

    A rule that is named is applied, unless `enabled: false` is among its parameters.

    Args:
        preset: What to begin with.
        overrides: Parameters by rule, such as `{"ngram_ratio": {"threshold": 0.6}}`.

    Raises:
        ConfigError: An unknown rule or parameter, with the nearest one, or a value out of range.
    """
    changed: dict[str, Any] = {}
    for name, values in overrides.items():
        if name not in _ADJUSTABLE:
            raise ConfigError(f"unknown mode {name!r}", remedy=_near(str(name), _ADJUSTABLE))
        if not isinstance(values, Mapping):
            raise ConfigError(
                f"mode {name}: expected a mapping of parameters, got {values!r}",
                remedy=f"write {name}: {{enabled: true}} for one with what it has",
            )
        mode = getattr(preset, name)
        on = {"enabled": True} if isinstance(mode, Mode) else {}
        try:
            changed[name] = build(type(mode), mode.model_dump(), on, values)
        except ConfigError as error:
            raise ConfigError(f"mode {name}: {error.message}", remedy=error.remedy) from error
    return preset.model_copy(update=changed) if changed else preset


def alike(presets: Sequence[Preset]) -> list[tuple[Preset, list[int]]]:
    """Return each different preset with the benchmarks it is for; a digest takes 0.1 ms."""
    first: dict[int, str] = {}
    found: dict[str, tuple[Preset, list[int]]] = {}
    for number, preset in enumerate(presets):
        if id(preset) not in first:
            first[id(preset)] = preset.digest()
        found.setdefault(first[id(preset)], (preset, []))[1].append(number)
    return list(found.values())


def _lengths(mode: Mode) -> tuple[int, ...]:
    return (mode.n,) if isinstance(mode, NgramAny | NgramRatio) else ()


def needed_ngrams(*presets: Preset) -> tuple[int, ...]:
    """Return the n of all n-grams that the index must hold for these presets, in order."""
    found = {n for preset in presets for mode in preset.modes.values() for n in _lengths(mode)}
    return tuple(sorted(found | set(ALWAYS)))


def covered_name(n: int) -> str:
    """Return the column of tokens covered by common n-grams."""
    return f"matched{n}" if n in ALWAYS else f"covered_{n}"


def grams_name(n: int) -> str:
    """Return the column of common n-grams, counted by their place in the item."""
    return "grams8" if n == 8 else f"grams_{n}"


def needed_columns(*presets: Preset) -> tuple[str, ...]:
    """Return the columns of evidence, beyond those every match has, that these presets read."""
    found: set[str] = set()
    for preset in presets:
        for mode in preset.modes.values():
            if isinstance(mode, NgramRatio) and mode.of in ("ngrams", "shorter"):
                found.add(grams_name(mode.n))
            elif isinstance(mode, NgramAny | NgramRatio):
                found.add(covered_name(mode.n))
    return tuple(sorted(found - {"matched5", "matched8", "grams8"}))
