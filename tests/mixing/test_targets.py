from __future__ import annotations

from typing import Any

import pytest

from thresher.errors import ConfigError, LimitError
from thresher.mixing.options import MixOptions, SourceShare
from thresher.mixing.targets import (
    Found,
    Supply,
    Targets,
    check_short,
    columns_of,
    parts_of,
    set_targets,
)

Weights = dict[str, Any]


def plan(
    sizes: dict[Found, int], sources: list[Weights], **options: Any
) -> tuple[Targets, dict[str, int]]:
    """Set targets; a row has ten tokens. Returns what each leaf is to give as well."""
    chosen = MixOptions(**options)
    shares = [SourceShare(**source) for source in sources]
    names = [f"s{number}" for number in range(len(sources))]
    found = {group: Supply(rows, 10 * rows) for group, rows in sizes.items()}
    parts = parts_of(chosen, shares, names, found)
    capped = [
        part if part.share.max_rows is None else replaced(part, part.share.max_rows)
        for part in parts
    ]
    targets = set_targets(chosen, capped)
    check_short(chosen, targets)
    leaves = {}
    for target in targets.leaves:
        inner = target.leaf.category if target.part.source is not None else None
        leaves[target.part.name + (f"/{inner}" if inner else "")] = target.given
    return targets, leaves


def replaced(part: Any, cap: int) -> Any:
    from dataclasses import replace

    return replace(part, cap=cap)


def test_weights_divide_the_total() -> None:
    _, given = plan(
        {(0, None): 900, (1, None): 900}, [{"weight": 0.7}, {"weight": 0.3}], total=1000
    )
    assert given == {"s0": 700, "s1": 300}


def test_without_a_total_the_scarcest_decides() -> None:
    _, given = plan({(0, None): 900, (1, None): 60}, [{"weight": 0.7}, {"weight": 0.3}])
    assert given == {"s0": 140, "s1": 60}


def test_without_weights_everything_is_taken() -> None:
    _, given = plan({(0, None): 900, (1, None): 60}, [{}, {}])
    assert given == {"s0": 900, "s1": 60}


def test_repeats_make_a_scarce_source_go_further() -> None:
    targets, given = plan(
        {(0, None): 900, (1, None): 60}, [{"weight": 1}, {"weight": 1}], max_repeats=3
    )
    assert given == {"s0": 180, "s1": 180}
    assert [(t.full, t.rest) for t in targets.leaves] == [(0, 180), (3, 0)]


def test_a_share_that_cannot_be_given_is_refused_by_name_and_number() -> None:
    with pytest.raises(LimitError) as refused:
        plan(
            {(0, None): 900, (1, None): 60},
            [{"weight": 1}, {"weight": 1}],
            total=400,
            max_repeats=2,
        )
    assert "source 's1' is to give 200 rows but has 60" in str(refused.value)
    assert "max_repeats 2 is 80 too few" in str(refused.value)
    assert refused.value.exit_code == 4


def test_with_allow_short_it_gives_what_it_has_and_the_others_keep_their_shares() -> None:
    _, given = plan(
        {(0, None): 900, (1, None): 60},
        [{"weight": 1}, {"weight": 1}],
        total=400,
        allow_short=True,
    )
    assert given == {"s0": 200, "s1": 60}


def test_a_temperature_lifts_small_sources() -> None:
    sizes: dict[Found, int] = {(0, None): 10_000, (1, None): 100}
    _, given = plan(sizes, [{}, {}], total=1010, temperature=2, max_repeats=1)
    assert given == {"s0": 918, "s1": 92}
    _, given = plan(sizes, [{"max_rows": 400}, {}], total=300, temperature=2)
    assert given == {"s0": 200, "s1": 100}  # sizes are cut at the cap: 400 and 100


def test_caps_pass_on_what_they_withhold() -> None:
    _, given = plan(
        {(n, None): 1000 for n in range(3)},
        [{"weight": 1, "max_rows": 50}, {"weight": 1}, {"weight": 3}],
        total=850,
    )
    assert given == {"s0": 50, "s1": 200, "s2": 600}
    with pytest.raises(LimitError, match="caps leave 900 of 1,000 rows"):
        plan({(0, None): 1000, (1, None): 1000}, [{}, {}], total=1000, max_rows=50)


def test_fixed_amounts_come_first_and_weights_share_the_rest() -> None:
    _, given = plan(
        {(n, None): 1000 for n in range(4)},
        [{"amount": 100}, {"epochs": 0.25}, {"weight": 2}, {"weight": 1}],
        total=650,
    )
    assert given == {"s0": 100, "s1": 250, "s2": 200, "s3": 100}
    _, given = plan({(0, None): 10}, [{"epochs": 2.5, "max_repeats": 3}])
    assert given == {"s0": 25}
    with pytest.raises(ConfigError, match="more than the total"):
        plan({(0, None): 1000}, [{"amount": 700}], total=650)


def test_categories_without_shares_of_sources_are_pooled() -> None:
    sizes: dict[Found, int] = {
        (0, "math"): 50, (0, "chat"): 500, (1, "math"): 70, (1, "code"): 900, (1, None): 9,
    }  # fmt: skip
    _, given = plan(
        sizes, [{}, {}], category_column="kind", categories={"math": 0.5, "code": 0.5}, total=200
    )
    assert given == {"code": 100, "math": 100}
    _, given = plan(sizes, [{}, {}], category_column="kind", temperature=1e9)
    assert given == {"chat": 120, "code": 120, "math": 120}


def test_categories_inside_weighed_sources_divide_each_share() -> None:
    sizes: dict[Found, int] = {
        (0, "math"): 500,
        (0, "chat"): 500,
        (1, "math"): 500,
        (1, "chat"): 60,
    }
    weights = [{"weight": 3}, {"weight": 1}]
    _, given = plan(
        sizes, weights, category_column="kind", categories={"math": 4, "chat": 1}, total=400
    )
    assert given == {"s0/chat": 60, "s0/math": 240, "s1/chat": 20, "s1/math": 80}
    scarce = [{"weight": 1}, {"weight": 1, "categories": {"chat": 1, "math": 1}}]
    _, given = plan(sizes, scarce, category_column="kind", categories={"math": 1})
    assert given == {"s0/math": 120, "s1/chat": 60, "s1/math": 60}


def test_a_category_that_is_not_there_is_named() -> None:
    with pytest.raises(LimitError, match="'maths' has a share"):
        plan({(0, "math"): 9}, [{}], category_column="kind", categories={"maths": 1})
    with pytest.raises(LimitError, match="category 'chat' of source 's0' is to give 2 rows"):
        plan(
            {(0, "math"): 9},
            [{"weight": 1}],
            category_column="kind",
            categories={"math": 1, "chat": 1},
            total=4,
        )


def test_what_contradicts_itself_is_refused() -> None:
    two: dict[Found, int] = {(0, None): 9, (1, None): 9}
    with pytest.raises(ConfigError, match="'s1' has no weight"):
        plan(two, [{"weight": 1}, {}])
    with pytest.raises(ConfigError, match="weights and a temperature"):
        plan(two, [{"weight": 1}, {"weight": 1}], temperature=2)
    with pytest.raises(ConfigError, match="nothing has a weight"):
        plan(two, [{"weight": 0}, {"weight": 0}], total=5)
    with pytest.raises(ConfigError, match="3 rows are left to divide"):
        plan(two, [{"amount": 4}, {"epochs": 0.25}], total=9)
    with pytest.raises(ConfigError, match="would be empty"):
        plan(two, [{"weight": 1, "max_rows": 0}, {"weight": 0}])
    with pytest.raises(ConfigError, match="no column"):
        columns_of(MixOptions(categories={"a": 1}), [SourceShare()])
    with pytest.raises(ConfigError, match="sources have no weights"):
        columns_of(MixOptions(category_column="k"), [SourceShare(categories={"a": 1})])
    with pytest.raises(ValueError, match="one of them"):
        SourceShare(weight=1, amount=2)


def test_an_empty_source_is_no_reason_for_an_empty_mixture() -> None:
    two: dict[Found, int] = {(0, None): 9}
    with pytest.raises(LimitError, match="'s1' has a share of the mixture but can give nothing"):
        plan(two, [{"weight": 1}, {"weight": 1}])
    _, given = plan(two, [{"weight": 1}, {"weight": 0}])
    assert given == {"s0": 9, "s1": 0}
    _, given = plan(two, [{"weight": 1}, {"weight": 1}], allow_short=True)
    assert given == {"s0": 9, "s1": 0}


def test_weights_are_read_from_flags_and_from_yaml() -> None:
    assert MixOptions(categories=["a=b=0.5", "c=2"]).categories == {"a=b": 0.5, "c": 2}  # type: ignore[arg-type]
    assert MixOptions(categories={True: 1, 3: 2}).categories == {"true": 1, "3": 2}  # type: ignore[dict-item]
    with pytest.raises(ValueError, match="given twice"):
        MixOptions(categories=["a=1", "a=2"])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="NAME=WEIGHT"):
        MixOptions(categories=["a"])  # type: ignore[arg-type]
