"""A recipe gives what its steps give one after another, in one reading of the text."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from tests.jobs import leaks, runs, scores
from tests.jobs.converts import run as convert
from tests.jobs.recipes import run, write
from tests.jobs.runs import Command, Row, jsonl, parquet, rows_of, tree
from thresher.errors import ConfigError, InputError, LimitError, Stopped
from thresher_jobs.recipe import load_recipe, resolved, typed_steps, with_languages
from thresher_jobs.verify import verify

WORDS = [f"{a}{b}" for a in "bcdfgklmnprst" for b in ("arn", "eld", "ill", "oat", "ust")]
DEDUP = {"on": "conversation", "threshold": 0.6, "ngram": 2}
SCORE = {"profile": "sft", "rules": {"short": {"signal": "response_words", "min": 6}}}


@pytest.fixture(scope="module")
def chats(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sources of conversations: copies, near copies, short and missing answers, broken rows."""
    folder = tmp_path_factory.mktemp("chats")
    rng = random.Random(5)
    rows: list[Row] = []
    for number in range(160):
        words = rng.choices(WORDS, k=rng.randint(2, 30))
        rows.append(_chat(number, "What of it?" if number % 3 else f"Which {number}?", words))
        if number % 4 == 0:
            near = [*words]
            near[0] = rng.choice(WORDS)
            rows.append(_chat(1000 + number, rows[-1]["instruction"], near))
        if number % 9 == 0:
            rows.append({**rows[-1], "id": 2000 + number})
    jsonl(folder / "a.jsonl", rows)
    parquet(folder / "b.parquet", [{**row, "id": 5000 + row["id"]} for row in rows[::5]])
    return folder


def _chat(number: int, prompt: str, words: list[str]) -> Row:
    answer = " ".join(words) + "."
    return {"id": number, "instruction": prompt, "output": "" if number % 40 == 7 else answer}


def data(out: Path) -> pa.Table:
    return pa.concat_tables(pq.read_table(p) for p in sorted((out / "data").glob("*.parquet")))


@pytest.mark.slow
def test_steps_in_a_recipe_give_what_commands_one_after_another_give(
    chats: Path, tmp_path: Path
) -> None:
    steps = [{"dedup": DEDUP}, {"score": SCORE}, {"convert": {"to": "messages"}}]
    recipe = write(tmp_path / "r.yaml", [chats / "a.jsonl", chats / "b.parquet"], steps)
    report = run(recipe, tmp_path / "at-once")
    runs.run([chats / "a.jsonl", chats / "b.parquet"], tmp_path / "1", **DEDUP)
    scores.run(tmp_path / "1" / "data", tmp_path / "2", **SCORE)
    convert(tmp_path / "2" / "data", tmp_path / "3", to="messages")
    assert data(tmp_path / "at-once").equals(data(tmp_path / "3"))
    flow = report["plan"]["flow"]
    gone = {name: sum(s["left_out"][name] for s in flow["sources"]) for name in flow["steps"]}
    assert gone["dedup"] > 20 and gone["score"] > 20
    assert report["rows_removed"] == gone["dedup"] + gone["score"]


@pytest.mark.slow
def test_a_later_step_does_not_see_what_an_earlier_one_removed(chats: Path, tmp_path: Path) -> None:
    once = {"on": "prompt", "ngram": 1}
    first_score = write(tmp_path / "s.yaml", [chats], [{"score": SCORE}, {"dedup": once}])
    run(first_score, tmp_path / "at-once")
    scores.run(chats, tmp_path / "1", **SCORE)
    runs.run(tmp_path / "1" / "data", tmp_path / "2", **once)
    assert data(tmp_path / "at-once").sort_by("id").equals(data(tmp_path / "2").sort_by("id"))


@pytest.mark.slow
def test_the_order_of_steps_matters(tmp_path: Path) -> None:
    answers = [_chat(n, f"Which {n // 2}?", WORDS[: 20 if n % 4 else 3]) for n in range(80)]
    jsonl(tmp_path / "a.jsonl", answers)
    once = {"on": "prompt", "ngram": 1}
    kept = []
    for steps in ([{"score": SCORE}, {"dedup": once}], [{"dedup": once}, {"score": SCORE}]):
        out = tmp_path / str(len(kept))
        run(write(tmp_path / "r.yaml", [tmp_path / "a.jsonl"], steps), out)
        kept.append(data(out).num_rows)
    assert kept == [40, 20]  # the first answer to every other prompt is short


@pytest.mark.slow
def test_the_text_is_read_twice_and_written_once(chats: Path, tmp_path: Path) -> None:
    steps = [{"dedup": DEDUP}, {"score": SCORE}, {"dedup": {**DEDUP, "on": "prompt"}}]
    report = run(write(tmp_path / "r.yaml", [chats], steps), tmp_path / "out")
    maps = [s for s in report["stages"] if s["kind"] == "map" and s["name"] != "audit"]
    whole = [s["name"] for s in maps if s["bytes"] >= report["text_bytes_in"]]
    assert whole == ["read", "write"]


@pytest.mark.slow
def test_removed_rows_name_the_step_and_the_row_that_stayed(chats: Path, tmp_path: Path) -> None:
    steps = [{"dedup": DEDUP}, {"score": {**SCORE, "name": "quality"}}]
    run(write(tmp_path / "r.yaml", [chats], steps, id_column="id"), tmp_path / "out")
    removed = rows_of(tmp_path / "out", "removed")
    assert {row["_removed_by"] for row in removed} == {"dedup", "quality"}
    for row in removed:
        assert row["_row_id"] == str(row["id"])
        assert (row["_matched_id"] is not None) == (row["_removed_by"] == "dedup")
    assert any("copies checked" in line for line in verify(str(tmp_path / "out")))


@pytest.mark.slow
def test_rows_of_several_formats_become_one_data_set(tmp_path: Path, chats: Path) -> None:
    talk = [
        {
            "conversations": [
                {"from": "human", "value": f"Say {i}"},
                {"from": "gpt", "value": "x " * 9},
            ]
        }
        for i in range(20)
    ]
    talk[3] = {"conversations": [{"from": "gpt", "value": "an answer to nothing"}]}
    jsonl(tmp_path / "talk.jsonl", talk)
    steps = [{"score": {"profile": "sft", "rules": {}}}, {"convert": {"to": "messages"}}]
    sources = [{"path": str(chats / "a.jsonl"), "name": "asked", "licence": "mit"},
               {"path": str(tmp_path / "talk.jsonl"), "format": "sharegpt"}]  # fmt: skip
    report = run(write(tmp_path / "r.yaml", sources, steps), tmp_path / "out")
    assert (
        report["rows_in"]
        == report["rows_kept"] + report["rows_removed"] + (report["rows_quarantined"])
    )
    assert [s["name"] for s in report["sources"]] == ["asked", "talk.jsonl"]
    assert data(tmp_path / "out").column_names[0] == "messages"
    card = (tmp_path / "out" / "README.md").read_text()
    assert "| asked | mit |" in card


@pytest.mark.slow
def test_a_mixture_is_drawn_from_what_the_steps_left(chats: Path, tmp_path: Path) -> None:
    inputs = [chats / "a.jsonl", chats / "b.parquet"]
    shares = {"weights": {"a": 0.25, "b": 0.75}, "total": 60, "max_repeats": 3}
    steps = [{"score": SCORE}, {"mix": shares}, {"convert": {"to": "messages"}}]
    report = run(write(tmp_path / "r.yaml", inputs, steps), tmp_path / "at-once")
    wanted = [(s["name"], s["rows_out"]) for s in report["plan"]["flow"]["sources"]]
    assert wanted == [("a.jsonl", 15), ("b.parquet", 45)]
    assert report["rows_added"] > 0
    assert report["rows_in"] + report["rows_added"] == report["rows_kept"] + (
        report["rows_removed"] + report["rows_quarantined"]
    )
    scores.run(inputs, tmp_path / "1", **SCORE)
    left = {str(row["messages"]) for row in _converted(tmp_path / "1" / "data", tmp_path / "2")}
    drawn = [str(row["messages"]) for row in data(tmp_path / "at-once").to_pylist()]
    assert len(drawn) == 60 and set(drawn) <= left
    assert any("added" in line for line in verify(str(tmp_path / "at-once")))
    assert max(drawn.count(row) for row in set(drawn)) <= 3 * 2  # some rows are copies


def _converted(rows: Path, out: Path) -> list[Row]:
    convert(rows, out, to="messages")
    return rows_of(out, "data")


def test_weights_beside_the_sources_make_the_mixture(chats: Path, tmp_path: Path) -> None:
    sources = [
        {"path": str(chats / "a.jsonl"), "name": "much", "weight": 3},
        {"path": str(chats / "b.parquet"), "name": "little", "weight": 1},
    ]
    report = run(write(tmp_path / "r.yaml", sources, [{"mix": {"total": 40}}]), tmp_path / "out")
    assert [s["rows_out"] for s in report["plan"]["flow"]["sources"]] == [30, 10]
    assert report["removed_by"] == {"mix: not drawn": report["rows_in"] - 40}


@pytest.mark.slow
def test_leaks_are_looked_for_in_what_is_left(tmp_path: Path) -> None:
    asked = [
        {"instruction": f"{' '.join(WORDS[n : n + 14])} {n}?", "output": " ".join(WORDS[:n])}
        for n in range(2, 40)
    ]
    jsonl(tmp_path / "asked.jsonl", [*asked, *asked[5:9]])
    items = [{"question": row["instruction"], "answer": row["output"]} for row in asked[::3]]
    jsonl(tmp_path / "bench.jsonl", items)
    settings = {"against": [f"bench={tmp_path / 'bench.jsonl'}"]}
    once = {"on": "prompt", "threshold": 0.95, "ngram": 2}
    steps = [{"dedup": once}, {"decontaminate": settings}, {"score": SCORE}]
    recipe = write(tmp_path / "r.yaml", [tmp_path / "asked.jsonl"], steps)
    report = run(recipe, tmp_path / "at-once")
    runs.run(tmp_path / "asked.jsonl", tmp_path / "1", **once)
    leaks.run(tmp_path / "1" / "data", tmp_path / "2", *settings["against"])
    scores.run(tmp_path / "2" / "data", tmp_path / "3", **SCORE)
    assert data(tmp_path / "at-once").equals(data(tmp_path / "3"))
    (bench,) = report["plan"]["leaks"]["benchmarks"]
    assert bench["name"] == "bench" and report["removed_by"]["decontaminate"] >= len(items) - 1
    matches = rows_of(tmp_path / "at-once", "matches")
    assert len(matches) == len(rows_of(tmp_path / "2", "matches"))
    assert "index_hash" in (tmp_path / "at-once" / "README.md").read_text()


@pytest.mark.slow
def test_a_run_that_was_stopped_goes_on(chats: Path, tmp_path: Path) -> None:
    steps = [{"dedup": DEDUP}, {"score": SCORE}]
    recipe = write(tmp_path / "r.yaml", [chats], steps, split_bytes=8192)
    run(recipe, tmp_path / "whole")
    with pytest.raises(Stopped):
        run(recipe, tmp_path / "again", listener=runs.StopAfter(15))
    assert not (tmp_path / "again" / "manifest.json").exists()
    report = run(recipe, tmp_path / "again")
    assert sum(runs.resumed(report).values()) == 15
    assert tree(tmp_path / "again") == tree(tmp_path / "whole")


@pytest.mark.slow
def test_a_folder_of_other_settings_is_refused_with_their_names(
    chats: Path, tmp_path: Path
) -> None:
    recipe = write(tmp_path / "r.yaml", [chats], [{"dedup": {**DEDUP, "threshold": 0.7}}])
    run(recipe, tmp_path / "out")
    write(recipe, [chats], [{"dedup": {**DEDUP, "threshold": 0.8}}])
    told = r"another run: recipe\.steps\.dedup\.threshold was 0\.7, is now 0\.8"
    with pytest.raises(ConfigError, match=told):
        run(recipe, tmp_path / "out")


@pytest.mark.slow
def test_only_one_step_runs_when_asked(chats: Path, tmp_path: Path) -> None:
    steps = [{"dedup": DEDUP}, {"score": SCORE}]
    report = run(write(tmp_path / "r.yaml", [chats], steps), tmp_path / "out", only=["score"])
    assert report["plan"]["flow"]["steps"] == ["read", "score"]


def test_a_limit_stops_a_step_that_would_remove_too_much(chats: Path, tmp_path: Path) -> None:
    steps = [{"score": {**SCORE, "max_removed_fraction": 0.01}}]
    with pytest.raises(LimitError, match="step score would remove"):
        run(write(tmp_path / "r.yaml", [chats], steps), tmp_path / "out")
    assert not (tmp_path / "out" / "data").exists()


def test_weights_without_a_mixture_are_refused(chats: Path, tmp_path: Path) -> None:
    sources = [{"path": str(chats), "weight": 0.5}]
    with pytest.raises(ConfigError, match="a weight is for a step mix, and there is none"):
        run(write(tmp_path / "r.yaml", sources, [{"dedup": DEDUP}]), tmp_path / "out")


@pytest.mark.parametrize(
    ("steps", "more", "message"),
    [
        ([{"dedupe": {}}], {}, "unknown step 'dedupe'"),
        ([{"dedup": {"treshold": 1}}], {}, "step dedup: unknown setting 'treshold'"),
        ([{"dedup": {"id_column": "x"}}], {}, "id_column is said once"),
        ([{"convert": {"to": "messages"}}, "dedup"], {}, "convert is the last step"),
        ([{"score": {"annotate": True}}], {}, "for 'thresher score' alone"),
        ([{"score": {"name": "x"}}, {"dedup": {"name": "x"}}], {}, "two steps have the name 'x'"),
        ([{"score": {"name": "A b"}}], {}, "expected small letters"),
        ([{"score": {"name": 5}}], {}, "its name 5 is not text"),
        ([{"mix": {}}, "dedup"], {}, "mix is the last step but split, convert, export"),
        ([{"mix": {"weights": {"c": 1}}}], {}, "weight of 'c'"),
        ([{"decontaminate": {"action": "tag", "against": ["x"]}}], {}, "a recipe drops rows"),
        ([], {}, "steps: name at least one"),
        ([{"dedup": {}}], {"source": []}, "unknown setting 'source'"),
        ([{"convert": {"to": "messages"}}], {"text_column": "t"}, "plain text are not converted"),
    ],
)
def test_a_wrong_recipe_is_refused_before_a_row_is_read(
    chats: Path, tmp_path: Path, steps: list[Any], more: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        run(write(tmp_path / "r.yaml", [chats], steps, **more), tmp_path / "out")
    assert not (tmp_path / "out" / "data").exists()


def test_what_explain_prints_is_a_recipe_of_the_same_run(chats: Path, tmp_path: Path) -> None:
    steps = ["dedup", {"score": SCORE}, {"convert": {"to": "messages"}}]
    first = load_recipe(str(write(tmp_path / "r.yaml", [chats], steps)))
    told = resolved(first, typed_steps(first))
    (tmp_path / "told.yaml").write_text(yaml.safe_dump(told))
    again = load_recipe(str(tmp_path / "told.yaml"))
    assert resolved(again, typed_steps(again)) == told


@pytest.mark.parametrize("dedup", [{"columns": ["instruction", "nothing"]}, {"keep": "best:votes"}])
def test_a_column_that_a_step_needs_and_files_lack_is_told(
    chats: Path, tmp_path: Path, dedup: dict[str, Any]
) -> None:
    with pytest.raises(InputError, match=r"nothing|votes"):
        run(write(tmp_path / "r.yaml", [chats], [{"dedup": dedup}]), tmp_path / "out")
    assert not (tmp_path / "out" / "data").exists()


def test_too_many_copies_are_shown_before_anything_is_written(chats: Path, tmp_path: Path) -> None:
    steps = [{"dedup": {**DEDUP, "max_removed_fraction": 0.0}}]
    with pytest.raises(LimitError, match="Largest clusters"):
        run(write(tmp_path / "r.yaml", [chats], steps), tmp_path / "out")


def test_what_cannot_be_converted_counts_as_the_steps_own(tmp_path: Path) -> None:
    rows: list[Row] = [
        {"messages": [{"role": "user", "content": f"Ask {n}"}]}
        if n % 3 == 0
        else {
            "messages": [
                {"role": "user", "content": f"Ask {n}"},
                {"role": "assistant", "content": f"Told {n}"},
            ]
        }
        for n in range(12)
    ]
    jsonl(tmp_path / "in" / "a.jsonl", rows)
    steps = [{"convert": {"to": "alpaca", "name": "into-alpaca"}}]
    recipe = write(tmp_path / "r.yaml", [tmp_path / "in"], steps)
    report = run(recipe, tmp_path / "out")
    (source,) = report["plan"]["flow"]["sources"]
    assert source["left_out"] == {"read": 0, "into-alpaca": 4} and source["rows_out"] == 8
    verify(str(tmp_path / "out"))
    limit = ["max_quarantined_fraction=0.3"]
    with pytest.raises(LimitError, match="cannot convert 4 of 12 rows of source"):
        run(recipe, tmp_path / "less", settings=limit)
    assert not (tmp_path / "less" / "data").exists()


def test_strict_refuses_a_loss(tmp_path: Path) -> None:
    row = {"instruction": "Say it", "output": "It.", "system": "Be blithe."}
    jsonl(tmp_path / "in" / "a.jsonl", [row] * 3)
    steps = [{"convert": {"to": "prompt-completion", "strict": True}}]
    with pytest.raises(LimitError, match="cannot hold all that there is"):
        run(write(tmp_path / "r.yaml", [tmp_path / "in"], steps), tmp_path / "out")


def test_settings_reach_a_step_by_its_name(chats: Path, tmp_path: Path) -> None:
    recipe = write(tmp_path / "r.yaml", [chats], [{"dedup": DEDUP}, {"dedup": {"on": "prompt"}}])
    read = load_recipe(str(recipe), ["dedup-2.threshold=0.9", "split_bytes=4096"])
    first, second = typed_steps(read)
    assert (first.params.threshold, second.params.threshold) == (0.6, 0.9)  # type: ignore[attr-defined]
    assert read.split_bytes == 4096


@pytest.mark.slow
def test_the_command_line_runs_explains_and_looks(
    chats: Path, tmp_path: Path, thresher: Command
) -> None:
    recipe = write(tmp_path / "r.yaml", [chats], ["dedup", {"score": SCORE}])
    said = thresher("run", str(recipe), "--explain")
    assert said.code == 0 and "threshold: 0.7" in said.out
    said = thresher("run", str(recipe), "--dry-run")
    assert said.code == 0 and "rows are written once" in said.out
    said = thresher("run", str(recipe))
    assert said.code == 2 and "--out DIR" in said.err
    out = str(tmp_path / "out")
    said = thresher("run", str(recipe), "--out", out, "--set", "dedup.threshold=0.6")
    assert said.code == 0 and "rows out" in said.out
    row = rows_of(out, "removed")[0]
    said = thresher("explain", out, row["_row_id"])
    assert said.code == 0 and row["_removed_by"] in said.out
    assert thresher("verify", out).code == 0


WORKED = sorted((Path(__file__).parents[2] / "jobs" / "recipes").glob("run-*.yaml"))


@pytest.mark.parametrize("recipe", WORKED, ids=lambda path: path.stem)
def test_what_explain_prints_of_a_worked_recipe_loads_again(
    recipe: Path, tmp_path: Path, thresher: Command
) -> None:
    said = thresher("run", recipe, "--explain")
    assert said.code == 0
    (tmp_path / "told.yaml").write_text(said.out)
    assert thresher("run", tmp_path / "told.yaml", "--explain").out == said.out


def test_languages_are_told_of_small_inputs_unless_the_recipe_says(
    chats: Path, tmp_path: Path
) -> None:
    unsaid = load_recipe(str(write(tmp_path / "r.yaml", [chats], ["dedup"])))
    assert with_languages(unsaid, 1 << 20).languages is True
    assert with_languages(unsaid, 1 << 30).languages is False
    said = load_recipe(str(tmp_path / "r.yaml"), ["languages=true"])
    assert with_languages(said, 1 << 30).languages is True


def test_texts_of_a_named_column_are_scored_by_a_profile_of_texts(tmp_path: Path) -> None:
    rows = jsonl(tmp_path / "in.jsonl", [{"text": f"Row {n} of a text of the sea."} for n in "ab"])
    step = {"score": {"max_removed_fraction": 1.0}}
    texts = write(tmp_path / "web.yaml", [rows], [step], text_column="text")
    assert run(texts, tmp_path / "out")["rows_in"] == 2
    chats = write(
        tmp_path / "sft.yaml", [rows], [{"score": {"profile": "sft"}}], text_column="text"
    )
    with pytest.raises(ConfigError, match="'sft' reads conversations"):
        run(chats, tmp_path / "other")
