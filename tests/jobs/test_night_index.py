"""What a night takes over from the one before: the result is that of a run from scratch, and only
tasks with new or changed files are read."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.jobs import recipes
from tests.jobs.histories import History, rows
from tests.jobs.runs import jsonl
from tests.jobs.sentences import WORDS
from thresher.errors import ConfigError, InputError
from thresher.run import Event
from thresher.steps.table_digests import digest_table
from thresher_jobs.planting import COST

STEPS: list[dict[str, Any]] = [
    {"dedup": {"on": "conversation", "threshold": 0.6, "ngram": 2}},
    {"score": {"profile": "sft", "rules": {"short": {"signal": "response_words", "min": 4}}}},
]
PLAIN: list[dict[str, Any]] = [{"dedup": {"threshold": 0.6, "ngram": 2}}]


class Stop(Exception):
    """A night that ends in the middle."""


def _walk(history: History, nights: int) -> None:
    """Let nights follow random changes, and check each of them."""
    for _ in range(6):
        history.add(15)
    before: dict[Any, int] = {}
    for _ in range(nights):
        night = history.night()
        now = history.tasks()
        new = now.keys() - before.keys()
        assert night.changed
        assert night.cost["tasks_read"] == len(new), night.cost
        assert len(history.known) == night.cost["tasks"] == len(now)
        history.same_as_from_scratch()
        before = now
        while history.tasks() == before:
            history.change()


@pytest.mark.slow
@pytest.mark.parametrize("order", ["content", "arrival"])
def test_every_night_of_a_random_history_equals_a_run_from_scratch_and_reads_what_is_new(
    order: str, tmp_path: Path
) -> None:
    _walk(History(tmp_path, 1, STEPS, order, split_bytes=4096), 3)


@pytest.mark.slow
@pytest.mark.parametrize(
    "seed", [2, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(3, 8))]
)
def test_long_random_histories_equal_runs_from_scratch(seed: int, tmp_path: Path) -> None:
    steps, more = [
        (STEPS, {}),
        (PLAIN, {"text_column": "output"}),
        ([{"score": {"profile": "auto"}}, {"dedup": {"on": "prompt"}}], {}),
        ([*STEPS, {"convert": {"to": "messages"}}], {}),
    ][seed % 4]
    order = ["content", "arrival"][seed % 2]
    _walk(History(tmp_path, seed, steps, order, split_bytes=4096, **more), 8)


@pytest.mark.slow
def test_a_new_file_alone_is_read_and_the_parts_of_others_stay(tmp_path: Path) -> None:
    history = History(tmp_path, 1, PLAIN, split_bytes=2000, text_column="output")
    for number in range(8):
        texts = [" ".join(history.rng.choices(WORDS, k=12)) for _ in range(40)]
        jsonl(history.inputs / f"{number}.jsonl", [{"output": text} for text in texts])
    history.night()
    jsonl(history.inputs / "31.jsonl", [{"output": "the only new row of the second night"}])
    cost = history.night().cost
    read = cost["text_bytes_read"]
    assert read["read"] == read["write"] == len("the only new row of the second night")
    assert sum(read.values()) == 2 * read["read"], "nothing else reads text"
    assert (cost["tasks_read"], cost["tasks_written"]) == (1, 1)
    assert 0 < cost["index_bytes_written"] < 0.5 * cost["index_bytes_read"]
    assert history.version.files[COST].bytes
    history.same_as_from_scratch()


@pytest.mark.slow
@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 6))]
)
def test_a_night_stopped_at_any_stage_goes_on_or_starts_anew_with_the_same_result(
    seed: int, tmp_path: Path
) -> None:
    history = History(tmp_path, seed, STEPS, split_bytes=4096)
    for _ in range(4):
        history.add(15)
    history.night()
    history.change()
    rng = random.Random(seed)
    for _ in range(2):
        left = rng.randrange(1, 20)

        def stop(event: Event) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise Stop

        with pytest.raises(Exception, match="Stop"):
            history.night(stop)
        if rng.random() < 0.5:
            history.change()
    assert history.version.number == 1
    assert history.night().version.number == 2
    history.same_as_from_scratch()


def _damage(history: History, name: str) -> None:
    path = Path(history.version.address_of(name))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.slow
@pytest.mark.parametrize(
    "what",
    [
        "index/tasks.parquet",
        pytest.param("index/notes/", marks=pytest.mark.slow),
        pytest.param("index/asides/", marks=pytest.mark.slow),
    ],
)
def test_a_damaged_file_of_the_index_is_refused_by_name_until_all_is_made_anew(
    what: str, tmp_path: Path
) -> None:
    history = History(tmp_path, 1, STEPS, split_bytes=4096)
    for _ in range(3):
        history.add(15)
    history.night()
    names = [n for n in history.version.names(what) if "shingles" not in n]
    for name in names:
        _damage(history, name)
    history.add(5)
    with pytest.raises(
        InputError, match=rf"{what}.* of version 1 is damaged: another hash.*--anew"
    ):
        history.night()
    assert history.version.number == 1
    assert history.night(anew=True).cost["tasks_read"] == len(history.tasks())
    history.same_as_from_scratch()
    history.version.verify()


def test_settings_that_differ_are_refused_and_both_are_told(tmp_path: Path) -> None:
    history = History(tmp_path, 1, PLAIN, text_column="output")
    history.add(5)
    history.night()
    history.settings = ["dedup.threshold=0.7"]
    with pytest.raises(ConfigError, match=r"recipe\.steps\.dedup\.threshold was 0\.6, is 0\.7"):
        history.night()


@pytest.mark.slow
def test_cuts_stay_as_the_first_night_chose_them_while_a_store_grows(tmp_path: Path) -> None:
    history = History(tmp_path, 1, PLAIN, text_column="output")
    jsonl(
        history.inputs / "500.jsonl", [{"output": text["output"]} for text in rows(history.rng, 9)]
    )
    first = history.night()
    chosen = first.version.manifest.settings["recipe"]["split_bytes"]
    assert chosen == 1 << 20
    words = ["grow"] * 60_000
    for number in range(20):
        text = " ".join([str(number), *words])
        jsonl(history.inputs / f"large-{number}.jsonl", [{"output": text}])
    second = history.night()
    assert second.version.manifest.settings["recipe"]["split_bytes"] == chosen
    assert second.cost["tasks_read"] == second.cost["tasks"] - 1
    history.settings = [f"split_bytes={chosen}"]
    history.same_as_from_scratch()


@pytest.mark.slow
def test_a_new_recipe_makes_everything_anew_and_a_new_source_does_not(tmp_path: Path) -> None:
    history = History(tmp_path, 1, PLAIN, split_bytes=4096, text_column="output")
    for _ in range(3):
        history.add(15)
    history.night()
    history.settings = ["dedup.threshold=0.9"]
    night = history.night(new_settings=True)
    assert night.cost["tasks_read"] == night.cost["tasks"]
    history.same_as_from_scratch()


def test_a_digest_of_a_table_goes_by_its_values_alone() -> None:
    table = pa.table(
        {
            "text": pa.array(["x", None, "yy"]),
            "score": pa.array([1.5, None, 2]),
            "flag": pa.array([True, False, None]),
            "list": pa.array([[1], [2, 3], []], pa.list_(pa.int64())),
            "keys": pa.array([[1, 2], [2, 3], [5, 6]], pa.list_(pa.uint64(), 2)),
        }
    )
    long = pa.concat_tables([table, table, table])
    assert digest_table(long.slice(3, 3)) == digest_table(table)
    assert digest_table(long) != digest_table(table)
    assert digest_table(table.slice(1)) != digest_table(table.slice(0, 2))
    buffers = [pa.py_buffer(b"\x05"), pa.py_buffer(np.array([1, 99, 3]).tobytes())]
    hidden = pa.Array.from_buffers(pa.int64(), 3, buffers)
    assert digest_table(pa.table({"n": hidden})) == digest_table(pa.table({"n": [1, None, 3]}))


def test_rows_of_histories_are_copies_of_each_other_now_and_then() -> None:
    texts = [row["output"] for row in rows(random.Random(1), 50)]
    assert 10 < len(set(texts)) < 45


@pytest.mark.slow
def test_damaged_shingles_are_refused_where_a_row_of_them_is_wanted(tmp_path: Path) -> None:
    history = History(tmp_path, 1, PLAIN, split_bytes=4096, text_column="output")
    for _ in range(3):
        history.add(15)
    history.night()
    for name in [n for n in history.version.names("index/notes/") if "shingles" in n]:
        path = Path(history.version.address_of(name))
        damaged = path.read_bytes()
        with pa.ipc.open_file(pa.BufferReader(damaged)) as file:
            values = file.get_batch(0).column("shingles").values.to_numpy().tobytes()
        place = damaged.index(values[:64])
        changed = bytes(byte ^ 4 for byte in values)
        path.write_bytes(damaged[:place] + changed + damaged[place + len(values) :])
    history.add(15)
    with pytest.raises(InputError, match=r"shingles are damaged .*another checksum.*--anew"):
        history.night()
    assert history.night(anew=True).changed
    history.same_as_from_scratch()


@pytest.mark.slow
@pytest.mark.parametrize("order", ["arrival", pytest.param("content", marks=pytest.mark.soak)])
def test_nights_of_a_recipe_of_every_step_equal_runs_from_scratch(
    order: str, tmp_path: Path
) -> None:
    history = History(tmp_path, 1, [], order)
    riddle = "Which of the four millers of the valley lent the widow a sieve before the rye"
    jsonl(tmp_path / "bench.jsonl", [{"question": f"{riddle} was ripe?", "answer": "The third."}])
    steps = [
        *STEPS,
        {"score": {"profile": "sft", "groups": ["prompts"], "per_prompt": 40, "prefer": "longest"}},
        {"decontaminate": {"against": [f"bench={tmp_path / 'bench.jsonl'}"], "preset": "audit"}},
        {"mix": {"weights": {"in": 2, "more": 1}, "max_repeats": 3, "seed": 5}},
        {"split": {"test": 0.2, "threshold": 0.95}},
        {"convert": {"to": "messages"}},
    ]
    sources = [{"path": str(tmp_path / name), "name": name} for name in ("in", "more")]
    leak = {"instruction": f"Tell me. {riddle} was ripe?", "output": "It was the third one."}
    jsonl(tmp_path / "more" / "leaks.jsonl", [leak, b'{"instruction": "cut', *rows(history.rng, 9)])
    history.recipe = recipes.write(tmp_path / "r.yaml", sources, steps, split_bytes=4096)
    for _ in range(4):
        history.add(15)
    for _ in range(4):
        history.night()
        history.same_as_from_scratch()
        before = history.tasks()
        while history.tasks() == before:
            history.change()
