from __future__ import annotations

import typing
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.leaks.plain_decide import columns, guard, match, ours, published, random_matches
from thresher.errors import ConfigError
from thresher.leaks.decide import MATCH_KINDS, MODES, decide
from thresher.leaks.items import FIELDS
from thresher.leaks.presets import (
    PRESETS,
    FieldName,
    Preset,
    find_preset,
    needed_columns,
    needed_ngrams,
    override,
)
from thresher.leaks.rules import Mode, NgramRatio, Templated

OURS = ("default", "strict", "audit")
NAMES = (
    "default", "strict", "audit", "gpt3", "tulu3", "openr1", "deepseek", "qwen25", "phi4", "llama2",
    "decon", "paloma",
)  # fmt: skip
THEIRS = NAMES[3:]


def judge(preset: str | Preset, *rows: dict[str, Any]) -> list[tuple[int, str, str]]:
    """Return verdict, mode and kind of each match."""
    chosen = find_preset(preset) if isinstance(preset, str) else preset
    evidence, items, around = columns(list(rows))
    found = decide(evidence, items, chosen, around)
    return [
        (int(v), MODES[m], MATCH_KINDS[k])
        for v, m, k in zip(found.verdict, found.mode, found.kind, strict=True)
    ]


def verdict(preset: str | Preset, **figures: Any) -> int:
    return judge(preset, match(**figures))[0][0]


def test_presets_are_those_announced() -> None:
    assert tuple(PRESETS) == NAMES
    assert all(preset.name == name for name, preset in PRESETS.items())
    assert typing.get_args(FieldName) == FIELDS


def test_modes_are_in_the_order_of_the_rules() -> None:
    modes = [
        name
        for name, field in Preset.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, Mode)
    ]
    assert tuple(modes) == MODES[:-2]


@pytest.mark.parametrize("name", THEIRS)
def test_published_rules_say_where_and_what_is_missing(name: str) -> None:
    preset = PRESETS[name]
    assert len(preset.source) > 20
    assert len(preset.differs) > 20


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("seed", range(3))
def test_our_presets_agree_with_fractions(name: str, seed: int) -> None:
    rows = random_matches(seed, 1_000)
    assert judge(name, *rows) == ours(rows, name)


@pytest.mark.slow
@pytest.mark.parametrize("name", THEIRS)
def test_published_rules_agree_with_fractions(name: str) -> None:
    rows = random_matches(7, 4_000)
    found = [one for one, _, _ in judge(name, *rows)]
    assert found == [published(row, name) for row in rows]
    assert len(set(found)) > 1


@pytest.mark.parametrize(
    ("name", "least", "under"),
    [
        ("gpt3", {"covered_13": 13}, {"covered_13": 0}),
        ("tulu3", {"L": 40, "matched8": 21}, {"L": 40, "matched8": 20}),
        ("openr1", {"matched8": 8}, {"matched8": 0}),
        ("deepseek", {"covered_10": 10}, {"covered_10": 0}),
        ("deepseek", {"L": 3, "exact": True}, {"L": 2, "exact": True}),
        ("qwen25", {"L": 20, "lcs": 13}, {"L": 20, "lcs": 12}),
        ("qwen25", {"L": 40, "lcs": 24}, {"L": 40, "lcs": 23}),
        (
            "qwen25",
            {"L": 40, "segment_tokens": 25, "lcs": 15},
            {"L": 40, "segment_tokens": 26, "lcs": 15},
        ),
        ("phi4", {"L": 26, "grams_7": 10}, {"L": 26, "grams_7": 9}),
        ("phi4", {"L": 50, "segment_tokens": 16, "grams_7": 5}, {"L": 50, "grams_7": 5}),
        ("llama2", {"L": 50, "covered_11": 40}, {"L": 50, "covered_11": 39}),
        ("llama2", {"L": 12, "longest": 11}, {"L": 12, "longest": 10}),
        (
            "decon",
            {"L": 64, "grams_5": 44, "answer_found": True},
            {"L": 64, "grams_5": 43, "answer_found": True},
        ),
        (
            "decon",
            {"L": 64, "grams_5": 48, "has_answer": False},
            {"L": 64, "grams_5": 47, "has_answer": False},
        ),
        ("decon", {"L": 64, "grams_5": 60, "answer_found": True}, {"L": 64, "grams_5": 60}),
        ("paloma", {"L": 13, "exact": True}, {"L": 12, "exact": True}),
        ("paloma", {"exact": True}, {"exact": True, "kind": "code"}),
    ],
)
def test_published_rules_begin_where_they_say(
    name: str, least: dict[str, Any], under: dict[str, Any]
) -> None:
    assert verdict(name, **least) == 2
    assert verdict(name, **under) < 2


def test_prompts_alone_are_searched_where_the_rule_is_for_prompts() -> None:
    for name in ("tulu3", "openr1"):
        assert verdict(name, matched8=40) == 2
        assert verdict(name, matched8=40, asked=False) == 0
        assert verdict(name, matched8=40, field="answer") == 0


def test_suspects_of_published_rules() -> None:
    assert verdict("phi4", L=26, grams_7=5) == 1
    assert verdict("phi4", L=26, grams_7=4) == 0
    assert verdict("llama2", L=100, covered_11=20) == 1
    assert verdict("llama2", L=100, covered_11=19) == 0


@given(st.integers(1, 200))
def test_guards_fall_with_length(length: int) -> None:
    default = PRESETS["default"]
    for rule in (default.ngram_ratio, default.short_ngram_ratio, default.fuzzy_idf):
        now, later = rule.required(length), rule.required(length + 1)
        if now is not None and later is not None:
            assert later <= now
    assert default.ngram_ratio.required(length) == (None if length < 8 else guard(length))


@pytest.mark.parametrize("length", [8, 9, 14, 19, 20, 21, 75])
def test_a_guard_asks_for_exactly_its_share(length: int) -> None:
    least = -(-guard(length) * length // 1)
    assert verdict("default", L=length, matched8=int(least)) == 2
    assert verdict("default", L=length, matched8=int(least) - 1) < 2


def test_needed_ngrams_are_those_of_the_rules_and_of_the_covers() -> None:
    assert needed_ngrams(PRESETS["default"]) == (5, 8)
    assert needed_ngrams(PRESETS["gpt3"]) == (5, 8, 13)
    assert needed_ngrams(PRESETS["phi4"], PRESETS["deepseek"]) == (5, 7, 8, 10, 13)
    assert needed_ngrams() == (5, 8)
    assert needed_columns(PRESETS["default"]) == ()
    assert needed_columns(PRESETS["phi4"]) == ("covered_13", "grams_7")
    assert needed_columns(PRESETS["openr1"], PRESETS["decon"]) == ("grams_5",)


def test_an_override_changes_one_rule() -> None:
    changed = override(PRESETS["default"], {"ngram_ratio": {"threshold": 0.6}})
    assert changed.ngram_ratio.threshold == Fraction(3, 5)
    assert changed.ngram_ratio.short == 8
    assert changed.fuzzy_idf == PRESETS["default"].fuzzy_idf
    assert verdict(changed, L=40, matched8=24) == 2
    assert verdict(changed, L=40, matched8=23) == 1
    assert changed.digest() != PRESETS["default"].digest()
    assert override(PRESETS["default"], {}) is PRESETS["default"]


def test_an_override_switches_a_rule_on_and_off() -> None:
    on = override(PRESETS["default"], {"ngram_any": {"n": 10}})
    assert needed_ngrams(on) == (5, 8, 10)
    assert verdict(on, covered_10=10) == 2
    off = override(PRESETS["default"], {"ngram_ratio": {"enabled": False}})
    assert verdict(off, matched8=40) == 0
    suspect = override(PRESETS["gpt3"], {"ngram_any": {"action": "suspect"}})
    assert verdict(suspect, covered_13=13) == 1


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"ngram_ration": {}}, "did you mean 'ngram_ratio'?"),
        ({"name": {}}, "unknown mode 'name'"),
        ({"ngram_ratio": {"treshold": 1}}, "did you mean 'threshold'?"),
        ({"ngram_ratio": {"threshold": 1.5}}, "between 0 and 1"),
        ({"ngram_ratio": {"threshold": 0.33333333}}, "four decimals"),
        ({"ngram_ratio": {"threshold": True}}, "not a share"),
        ({"ngram_ratio": {"threshold": "half"}}, "not a share"),
        ({"ngram_ratio": {"threshold": 0.1}}, "no more than the threshold"),
        ({"ngram_ratio": {"short": 30}}, "is more than long"),
        ({"ngram_ratio": 0.6}, "expected a mapping"),
        ({"lcs": {"action": "delete"}}, "mode lcs"),
    ],
)
def test_overrides_that_cannot_be_are_explained(overrides: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as raised:
        override(PRESETS["default"], overrides)
    assert words in str(raised.value)


def test_an_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'tulu3'"):
        find_preset("tulu")


def test_shares_are_what_is_written() -> None:
    for written in (0.1, "0.1", "1/10"):
        rule = NgramRatio.model_validate({"threshold": written})
        assert rule.threshold == Fraction(1, 10)
    assert NgramRatio.model_validate(rule.model_dump(mode="json")) == rule


def test_a_guard_of_no_width_asks_for_everything_below_it() -> None:
    rule = Templated(threshold=Fraction(1, 2), short=10, long=10)
    assert [rule.required(length) for length in (9, 10)] == [1, Fraction(1, 2)]
    preset = Preset(name="one", ngram_ratio=NgramRatio(threshold=Fraction(1, 2), short=10, long=10))
    assert verdict(preset, L=9, matched8=8) == 0
    assert verdict(preset, L=9, matched8=9) == 2
    assert verdict(preset, L=10, matched8=5) == 2


def test_benchmarks_may_have_presets_of_their_own() -> None:
    rows = [match(bench=bench, segment=bench, matched8=20) for bench in (0, 1, 2, 0)]
    evidence, items, around = columns(rows)
    strict = override(PRESETS["default"], {"ngram_ratio": {"threshold": 0.6}})
    presets = [PRESETS["default"], strict, PRESETS["gpt3"]]
    found = decide(evidence, items, presets, around)
    assert found.verdict.tolist() == [2, 1, 0, 2]


def test_long_items_do_not_overflow() -> None:
    length = 10_000_000
    weight = length * 22 * (1 << 20)
    half = {"L": length, "matched8": length // 2, "widf_num": weight // 10 * 7, "widf_den": weight}
    assert judge("default", match(**half))[0][:2] == (2, "ngram_ratio")
    assert verdict("default", **(half | {"matched8": 0})) == 2
    assert verdict("default", **(half | {"matched8": 0, "widf_num": weight // 10 * 7 - 10})) == 1
