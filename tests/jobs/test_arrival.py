"""The order `arrival`: what was published stays until it goes itself, and a ledger says since when
it is there."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.jobs import recipes
from tests.jobs.histories import History, lines, rows
from tests.jobs.runs import Row, jsonl
from tests.jobs.test_night_index import _walk
from thresher.errors import ConfigError, InputError
from thresher_jobs import dedup_night
from thresher_jobs.arrival import LEDGER, Arriving
from thresher_jobs.versions import export, rollback

STEPS: list[dict[str, Any]] = [
    {"dedup": {"on": "conversation", "threshold": 0.6, "ngram": 2}},
    {"score": {"profile": "sft", "rules": {"short": {"signal": "response_words", "min": 4}}}},
]
TWO: list[dict[str, Any]] = [
    {"dedup": {"on": "conversation", "method": "bloom", "filter_bytes": 4096}},
    {"score": {"profile": "sft", "groups": ["prompts"], "per_prompt": 3, "prefer": "longest"}},
    {
        "dedup": {
            "on": "response",
            "threshold": 0.6,
            "ngram": 2,
            "clusters": "transitive",
            "keep": "longest",
        }
    },
]
NAMES = ("one", "two", "ten")


def published(history: History) -> set[str]:
    """Return the ids of the rows in force."""
    out = history.folder / f"seen-{history.version.number}"
    export(history.store, "latest", str(out))
    return {
        row["id"]
        for part in sorted((out / "data").glob("*.parquet"))
        for row in pq.read_table(part, columns=["id"]).to_pylist()
    }


def ledger(history: History) -> list[dict[str, int]]:
    """Return the lines of the ledger in force."""
    ledgers, _ = Arriving(history.version, 1).ledgers()
    (table,) = ledgers.values()
    assert table.schema.equals(LEDGER)
    lines: list[dict[str, int]] = table.to_pylist()
    return lines


def with_ids(made: list[Row], name: str) -> list[Row]:
    """Give every row an id of its own."""
    return [{"id": f"{name}-{number}", **row} for number, row in enumerate(made)]


@pytest.mark.slow
def test_no_published_row_is_withdrawn_by_additions(tmp_path: Path) -> None:
    history = History(tmp_path, 1, STEPS, "arrival", split_bytes=4096)
    before: set[str] = set()
    for number in range(5):
        name = f"{history.rng.choice('aez')}{number}"
        made = rows(history.rng, 25, kinds=60)
        jsonl(history.inputs / f"{name}.jsonl", with_ids(made, name))
        history.night()
        now = published(history)
        assert before <= now
        history.same_as_from_scratch()
        before = now
    assert len(before) > 30


@pytest.mark.slow
def test_the_ledger_grows_by_what_is_new_and_forgets_what_is_gone(tmp_path: Path) -> None:
    history = History(tmp_path, 2, STEPS, "arrival", split_bytes=4096)
    for name in NAMES:
        jsonl(history.inputs / f"{name}.jsonl", with_ids(rows(history.rng, 40), name))
    history.night()
    whole = ledger(history)
    assert len(whole) == 120 and {line["text_night"] for line in whole} == {1}
    bases = history.version.names("index/ledger-dedup/")
    jsonl(history.inputs / "a.jsonl", with_ids(rows(history.rng, 2), "a"))
    history.night()
    assert len(ledger(history)) == 122
    assert len({*bases} & {*history.version.names("index/ledger-dedup/")}) >= len(bases) - 3
    (history.inputs / "one.jsonl").unlink()
    (history.inputs / "two.jsonl").rename(history.inputs / "moved.jsonl")
    history.night()
    left = ledger(history)
    assert len(left) == 82
    assert {(line["text_night"], line["place_night"]) for line in left} == {(1, 1), (2, 2)}
    history.same_as_from_scratch()


def texts(history: History) -> Counter[tuple[str, str]]:
    """Return the kept texts and the sources that they are of."""
    out = history.folder / f"texts-{history.version.number}"
    export(history.store, "latest", str(out))
    return Counter(
        (row["_row_id"].partition("/")[0], row["output"])
        for name in sorted((out / "data").glob("*.parquet"))
        for row in joined(name, out / "ledger" / name.name)
    )


def joined(data: Path, ledger: Path) -> list[Row]:
    """Return the kept rows of a part with their ids."""
    kept = [row for row in pq.read_table(ledger).to_pylist() if row["verdict"] == "kept"]
    rows_of = pq.read_table(data).to_pylist()
    assert len(rows_of) == len(kept)
    return [{**a, "_row_id": b["_row_id"]} for a, b in zip(rows_of, kept, strict=True)]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, *(pytest.param(s, marks=pytest.mark.soak) for s in (1, 2, 3))])
def test_renamed_cut_and_shuffled_files_change_no_published_text(seed: int, tmp_path: Path) -> None:
    history = History(tmp_path, seed, STEPS[:1], "arrival", split_bytes=4096)
    folders = [tmp_path / "curated", tmp_path / "web"]
    recipes.write(tmp_path / "r.yaml", folders, STEPS[:1], split_bytes=4096)
    shared = rows(history.rng, 30)
    for folder, upper in zip(folders, (True, False), strict=True):
        folder.mkdir()
        own = [*shared, *rows(history.rng, 10)]
        loud = [{**row, "output": row["output"].upper()} for row in own]
        jsonl(folder / "one.jsonl", loud if upper else own)
        jsonl(folder / "two.jsonl", rows(history.rng, 20))
    history.night()
    before = texts(history)
    for number in range(4):
        folder = folders[number % 2]
        every = [line for path in sorted(folder.iterdir()) for line in lines(path)]
        for path in folder.iterdir():
            path.unlink()
        history.rng.shuffle(every)
        cut = history.rng.randrange(len(every))
        jsonl(folder / f"{history.rng.choice('az')}{number}.jsonl", every[:cut])
        jsonl(folder / f"m{number}.jsonl", every[cut:])
        history.night()
        assert texts(history) == before
        history.same_as_from_scratch()


@pytest.mark.slow
def test_a_renamed_file_keeps_its_place_before_a_copy_that_comes_in_the_same_night(
    tmp_path: Path,
) -> None:
    history = History(tmp_path, 1, STEPS[:1], "arrival")
    curated, web = tmp_path / "curated", tmp_path / "web"
    recipes.write(tmp_path / "r.yaml", [curated, web], STEPS[:1])
    made = rows(history.rng, 20, kinds=1000)
    jsonl(curated / "other.jsonl", rows(history.rng, 3, kinds=9))
    path = jsonl(web / "b.jsonl", made)
    history.night()
    before = texts(history)
    path.rename(web / "renamed.jsonl")
    jsonl(curated / "copies.jsonl", made)
    history.night()
    assert texts(history) == before


@pytest.mark.slow
def test_a_version_of_another_order_is_refused_unless_it_is_meant(tmp_path: Path) -> None:
    history = History(tmp_path, 3, STEPS, "content", split_bytes=4096)
    history.add(20)
    history.night()
    history.order = "arrival"
    history.add(5)
    with pytest.raises(ConfigError, match=r'"content".*"arrival"'):
        history.night()
    history.night(new_settings=True)
    assert {line["text_night"] for line in ledger(history)} == {2}
    history.same_as_from_scratch()


@pytest.mark.slow
def test_nights_go_on_from_the_ledger_of_a_version_that_was_rolled_back_to(tmp_path: Path) -> None:
    history = History(tmp_path, 4, STEPS, "arrival", split_bytes=4096)
    for _ in range(3):
        history.add(15)
        history.night()
    first = len(ledger(history))
    rollback(history.store, "1", "back")
    assert len(ledger(history)) < first
    history.add(5)
    history.night()
    assert {line["text_night"] for line in ledger(history)} == {1, 5}
    history.same_as_from_scratch()


@pytest.mark.slow
def test_a_damaged_ledger_is_refused_by_name(tmp_path: Path) -> None:
    history = History(tmp_path, 5, STEPS, "arrival", split_bytes=4096)
    history.add(20)
    history.night()
    name = next(n for n in history.version.names("index/ledger-dedup/") if "base" in n)
    path = Path(history.version.address_of(name))
    path.write_bytes(path.read_bytes()[:-9])
    history.add(5)
    with pytest.raises(InputError, match="index/ledger-dedup"):
        history.night()


@pytest.mark.slow
@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(1, 4))]
)
def test_two_steps_that_look_for_copies_remember_apart(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dedup_night, "MOST_CHOSEN", 1.0)
    order = ["content", "arrival"][seed % 2]
    _walk(History(tmp_path, seed, TWO, order, split_bytes=4096), 6)
