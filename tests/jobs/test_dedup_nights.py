"""The step `dedup` remembers the night before, and decides as if it did not."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.jobs.dedup_nights import Night, Source, night
from tests.jobs.sentences import WORDS as LEXICON
from thresher.steps.few_keys import FewKeys
from thresher_jobs import dedup_collapse_night, dedup_night

WORDS = LEXICON[:12]
NIGHTS = 4
QUICK = settings(
    max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
LONG = settings(QUICK, max_examples=60)


def near_texts(rng: random.Random, count: int) -> list[str | None]:
    """Return texts of which many are near copies of each other, by chains of small changes."""
    found = [" ".join(rng.choices(WORDS, k=12)) for _ in range(max(1, count // 8))]
    while len(found) < count:
        found.append(altered(rng, rng.choice(found)))
    return [*found]


def altered(rng: random.Random, text: str) -> str:
    """Return a text with one word of another."""
    words = text.split()
    words[rng.randrange(len(words))] = rng.choice(WORDS)
    return " ".join(words)


def all_texts(sources: list[Source]) -> list[str]:
    """Return the texts of all files."""
    return [t for source in sources for values in source.values() for t in values if t]


def next_night(rng: random.Random, sources: list[Source], gone: list[tuple[str, Any]]) -> None:
    """Change inputs at random: add, take away, bring back, rename, change, or copy."""
    source = rng.choice(sources)
    known = all_texts(sources)
    name = f"{rng.choice('abcdefgh')}{rng.randrange(100)}"
    kind = rng.choice(
        ["add", "near", "copy", "copy", "delete", "delete", "back", "rename", "change"]
    )
    some = rng.randrange(1, 8)
    old = rng.choice(sorted(source)) if source else None
    if kind == "add" or not known:
        source[name] = near_texts(rng, some)
    elif kind == "near":
        source[name] = [altered(rng, rng.choice(known)) for _ in range(some)]
    elif kind == "copy":
        copies = rng.choices(known, k=some)
        source[name] = [t.upper() if rng.random() < 0.2 else t for t in copies]
    elif kind == "back" and gone:
        source.update([gone.pop(rng.randrange(len(gone)))])
    elif old is not None and len(sources[0]) + len(sources[1]) > 1:
        values = source.pop(old)
        if kind == "delete":
            gone.append((old, values))
        elif kind == "rename":
            source[name] = values
        else:
            source[old] = [v if rng.random() < 0.7 else altered(rng, v or "a b") for v in values]


def history(rng: random.Random, nights: int) -> Iterator[tuple[list[Source], str | None]]:
    """Yield the inputs of some nights, and a word whose texts an earlier step removes."""
    sources: list[Source] = [{}, {}]
    for name in "cfm":
        sources[rng.randrange(2)][name] = near_texts(rng, rng.randrange(3, 14))
    gone: list[tuple[str, Any]] = []
    for _ in range(nights):
        yield deepcopy(sources), rng.choice([None, None, *WORDS[:2]])
        for _ in range(rng.randrange(1, 3)):
            next_night(rng, sources, gone)


def check_history(folder: Path, seed: int, arrival: bool = False, **params: Any) -> list[Night]:
    """Hold every night of a random history against one that remembers nothing but the ledger."""
    shutil.rmtree(folder, ignore_errors=True)
    nights: list[Night] = []
    for number, (sources, hidden) in enumerate(history(random.Random(seed), NIGHTS)):
        before = nights[-1] if nights else None
        how = {"hidden": hidden, "before": before, **params}
        if arrival:
            how["number"] = 2 * number + 1
        tonight = night(folder / f"night-{number}", sources, **how)
        scratch = night(folder / f"scratch-{number}", sources, remember=False, **how)
        assert tonight.verdicts.equals(scratch.verdicts), (seed, number)
        assert tonight.ledger.equals(scratch.ledger)
        nights.append(tonight)
    return nights


def test_noted_shingles_decide_as_the_text_does(tmp_path: Path) -> None:
    rng = random.Random(1)
    sources: list[Source] = [{"a": [*near_texts(rng, 90), None, "one"], "b": near_texts(rng, 80)}]
    by_text = night(tmp_path / "text", sources, remember=False, audit_rows=50, threshold=0.5)
    noted = night(
        tmp_path / "noted", sources, remember=False, shingles=True, audit_rows=50, threshold=0.5
    )
    assert noted.verdicts.equals(by_text.verdicts)
    assert noted.facts == by_text.facts
    assert len(noted.verdicts) > 30


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no night be too large to remember the one before."""
    for module in (dedup_night, dedup_collapse_night):
        monkeypatch.setattr(module, "MOST_CHOSEN", 1.0)


@pytest.mark.slow
@pytest.mark.usefixtures("always")
@pytest.mark.parametrize(
    ("clusters", "arrival"),
    [
        ("greedy", False),
        pytest.param("transitive", False, marks=pytest.mark.slow),
        pytest.param("greedy", True, marks=pytest.mark.slow),
    ],
)
@QUICK
@given(seed=st.integers(0, 10**9))
def test_nights_decide_as_from_scratch(
    clusters: str, arrival: bool, seed: int, tmp_path: Path
) -> None:
    nights = check_history(tmp_path / "h", seed, arrival, clusters=clusters, threshold=0.6)
    assert all("rows_chosen" in tonight.facts for tonight in nights[1:])


@pytest.mark.slow
@pytest.mark.soak
@pytest.mark.usefixtures("always")
@LONG
@given(
    seed=st.integers(0, 10**9), arrival=st.booleans(), threshold=st.sampled_from([0.4, 0.7, 1.0])
)
def test_many_nights_decide_as_from_scratch(
    seed: int, arrival: bool, threshold: float, tmp_path: Path
) -> None:
    priority = seed % 2 == 0
    check_history(tmp_path / "h", seed, arrival, threshold=threshold, source_priority=priority)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "kept"), [("exact", {"judged", "copies", "rules"}), ("bloom", set())]
)
def test_methods_without_near_copies_remember_the_exact_ones_alone(
    method: str, kept: set[str], tmp_path: Path
) -> None:
    for tonight in check_history(tmp_path / "h", 5, method=method, filter_bytes=1024):
        assert {name for _, name in tonight.kept} == kept


@pytest.mark.slow
def test_a_night_decides_about_what_is_new_and_what_it_touches(tmp_path: Path) -> None:
    rng = random.Random(2)
    first: Source = {name: [] for name in "abc"}
    for texts in first.values():
        texts += [" ".join(rng.sample(LEXICON, 12)) for _ in range(50)]
    known = first["a"][0] or ""
    chain = [*known.split()[:-1], "other"]
    before = night(tmp_path / "0", [first])
    assert "rows_chosen" not in before.facts
    second: Source = {**first, "d": [" ".join(chain), " ".join(rng.sample(LEXICON, 12))]}
    tonight = night(tmp_path / "1", [second], before=before)
    assert tonight.facts["rows_chosen"] == 3
    assert tonight.facts["rows_met"] == tonight.facts["rows_compared"] - 2 == 150
    assert len(tonight.verdicts) == 1
    third = night(tmp_path / "2", [first], before=tonight)
    assert third.facts["rows_chosen"] == 1
    assert third.verdicts.equals(before.verdicts)


def test_a_night_that_changes_much_decides_everything(tmp_path: Path) -> None:
    rng = random.Random(3)
    few: Source = {"a": near_texts(rng, 20)}
    before = night(tmp_path / "0", [few])
    sources: list[Source] = [{"a": near_texts(rng, 20), "b": near_texts(rng, 20)}]
    tonight = night(tmp_path / "1", sources, before=before)
    assert "rows_chosen" not in tonight.facts
    assert set(tonight.kept) == set(before.kept) != set()


def test_other_rules_remember_nothing(tmp_path: Path) -> None:
    sources: list[Source] = [{"a": near_texts(random.Random(4), 40)}]
    before = night(tmp_path / "0", sources)
    assert night(tmp_path / "1", sources, before=before).facts["rows_chosen"] == 0
    assert "rows_chosen" not in night(tmp_path / "2", sources, before=before, ngram=3).facts


def additions(rng: random.Random, nights: int) -> Iterator[list[Source]]:
    """Yield inputs that only grow, with copies and near copies before and after what was there."""
    sources: list[Source] = [{"m": near_texts(rng, 6)}, {"m": near_texts(rng, 12)}]
    for _ in range(nights):
        yield deepcopy(sources)
        source = rng.choice(sources)
        name = f"{rng.choice('aqz')}{len(sources[0]) + len(sources[1])}"
        known = all_texts(sources)
        made = [altered(rng, rng.choice(known)) for _ in range(rng.randrange(1, 6))]
        source[name] = [*made, *rng.choices(known, k=rng.randrange(4)), *near_texts(rng, 2)]


@pytest.mark.slow
@QUICK
@given(
    seed=st.integers(0, 10**9),
    keep=st.sampled_from(["first", "longest"]),
    method=st.sampled_from(["minhash", "minhash", "exact"]),
)
def test_additions_withdraw_nothing_that_stayed(
    seed: int, keep: str, method: str, tmp_path: Path
) -> None:
    shutil.rmtree(tmp_path / "h", ignore_errors=True)
    before: Night | None = None
    for number, sources in enumerate(additions(random.Random(seed), 4), 1):
        tonight = night(
            tmp_path / "h" / str(number),
            sources,
            before=before,
            number=number,
            keep=keep,
            method=method,
            threshold=0.6,
        )
        assert before is None or before.kept_texts.items() <= tonight.kept_texts.items()
        before = tonight


@pytest.mark.slow
def test_what_came_first_stays_until_it_goes(tmp_path: Path) -> None:
    words = LEXICON[100:120]
    one, two = " ".join(words), " ".join([*words[:-1], "other"])

    def stays(folder: str, source: Source, number: int, before: Night | None) -> Night:
        return night(tmp_path / folder, [source], before=before, number=number, threshold=0.6)

    for first, second in ((one, two), (two, one)):
        place = tmp_path / str(first == one)
        shutil.rmtree(place, ignore_errors=True)
        begun = stays(f"{place.name}/1", {"m": [first]}, 1, None)
        later = stays(f"{place.name}/2", {"m": [first], "a": [second, first]}, 2, begun)
        assert later.kept_texts == {"m.parquet:0": first}
        moved = stays(f"{place.name}/3", {"a": [second, first]}, 3, later)
        assert moved.kept_texts == {"a.parquet:1": first}
        alone = stays(f"{place.name}/4", {"a": [second]}, 4, moved)
        assert alone.kept_texts == {"a.parquet:0": second}
        back = stays(f"{place.name}/5", {"a": [second], "m": [first]}, 5, alone)
        assert back.kept_texts == {"a.parquet:0": second}
        assert len(back.ledger) == 2


@pytest.mark.slow
def test_a_ledger_is_read_in_nights_alone_in_which_rows_are_gone(tmp_path: Path) -> None:
    rng = random.Random(6)
    first: Source = {"b": near_texts(rng, 20), "d": near_texts(rng, 20)}
    begun = night(tmp_path / "1", [first], number=1)
    second: Source = {**first, "a": rng.sample(first["b"], 5), "c": near_texts(rng, 5)}
    grown = night(tmp_path / "2", [second], number=2, before=begun)
    same = night(tmp_path / "3", [second], number=3, before=grown)
    assert (begun.asked, grown.asked, same.asked) == (1, 0, 0)
    nights = grown.ledger.select(["text_night", "place_night"]).to_pylist()
    assert (
        sorted((n["text_night"], n["place_night"]) for n in nights)[40:]
        == [(1, 2)] * 5 + [(2, 2)] * 5
    )
    assert same.ledger.equals(grown.ledger)
    fewer = night(tmp_path / "4", [first], number=4, before=same)
    assert fewer.asked == 1 and fewer.ledger.equals(begun.ledger)


@given(
    keys=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=20),
    rows=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=40),
)
def test_rows_are_found_by_both_halves_of_their_keys(
    keys: list[tuple[int, int]], rows: list[tuple[int, int]]
) -> None:
    few = FewKeys(np.array(keys, np.uint64).reshape(-1, 2))
    places, numbers = few.find(np.array(rows, np.uint64).reshape(-1, 2))
    assert places.tolist() == [place for place, row in enumerate(rows) if row in keys]
    assert [tuple(k) for k in few.keys[numbers].tolist()] == [rows[p] for p in places]
    assert [tuple(k) for k in few.keys[few.numbers].tolist()] == keys
