"""Items of benchmarks are found in training rows, and rows without any stay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.jobs.leaks import run
from tests.jobs.runs import jsonl, rows_of, texts
from tests.jobs.scores import chat
from thresher.errors import ConfigError, InputError
from thresher_jobs.explain import explain
from thresher_jobs.verify import verify

QUESTION = (
    "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in "
    "May. How many clips did Natalia sell altogether in April and May?"
)
OTHER = (
    "Weng earns 12 dollars an hour for babysitting. Yesterday, she just did 50 minutes of "
    "babysitting. How much did she earn in total for the work?"
)
CLEAN = "The harvest began early that year, and the barns were full before the first rain came."


@pytest.fixture
def benchmark(tmp_path: Path) -> str:
    """Two word problems with answers."""
    rows: list[Any] = [
        {"question": QUESTION, "answer": "48/2 = 24 clips in May.\n#### 72"},
        {"question": OTHER, "answer": "She earned 10.\n#### 10"},
    ]
    return f"gsm8k={jsonl(tmp_path / 'bench' / 'gsm8k_test.jsonl', rows)}"


def found(out: Path) -> list[str]:
    """Return the removed texts."""
    return [row["text"] for row in rows_of(out, "removed")]


WRAPPED = {
    "verbatim": QUESTION,
    "upper case": QUESTION.upper(),
    "curly quotes and markdown": f"**{QUESTION}**".replace("'", "\u2019"),
    "embedded": f"{CLEAN} {CLEAN}\n\n{QUESTION}\n\n{CLEAN}",
    "re-wrapped": "\n".join(
        " ".join(QUESTION.split()[i : i + 8]) for i in range(0, len(QUESTION.split()), 8)
    ),
    "spaced operators": QUESTION.replace("48", " 48 ").replace(",", " , "),
}


def test_columns_that_are_not_searched_stand_in_the_record(benchmark: str, tmp_path: Path) -> None:
    row = {"instruction": "See the note.", "output": "Done.", "note": QUESTION, "n": 1}
    run(jsonl(tmp_path / "in.jsonl", [row]), tmp_path / "out", benchmark)
    card = (tmp_path / "out" / "README.md").read_text()
    assert "Columns outside the formats are not searched: n, note." in card


def test_columns_with_text_that_is_not_searched_are_told_by_name(
    benchmark: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    row = {"instruction": "See the note.", "output": "Done.", "n": 1, "kind": "word problem"}
    notes = {"note": QUESTION, "注": "他在四月卖了多少个夹子", "deep": [{"said": QUESTION}]}
    run(jsonl(tmp_path / "in.jsonl", [row | notes]), tmp_path / "out", benchmark)
    assert "are not searched: deep, note, 注 (" in caplog.text
    caplog.clear()
    run(jsonl(tmp_path / "clean.jsonl", [row]), tmp_path / "silent", benchmark)
    assert "not searched" not in caplog.text


@pytest.mark.parametrize("case", WRAPPED)
def test_a_copy_is_found_however_it_is_dressed(case: str, benchmark: str, tmp_path: Path) -> None:
    texts(tmp_path / "in.parquet", [CLEAN, WRAPPED[case], CLEAN + " Nothing else."])
    run(tmp_path / "in.parquet", tmp_path / "out", benchmark)
    (gone,) = rows_of(tmp_path / "out", "removed")
    assert gone["text"] == WRAPPED[case] and gone["_matched_id"].startswith("gsm8k:")
    assert gone["_reason"] == "exact (exact)" and gone["_score"] == 1.0
    assert len(rows_of(tmp_path / "out", "data")) == 2


def test_a_match_names_the_bytes_of_the_original_text(benchmark: str, tmp_path: Path) -> None:
    text = f"Übung \u2019\u2019 {CLEAN} {QUESTION} {CLEAN}"
    texts(tmp_path / "in.parquet", [text])
    run(tmp_path / "in.parquet", tmp_path / "out", benchmark)
    match = rows_of(tmp_path / "out", "matches")[0]
    span = text.encode()[match["byte_start"] : match["byte_end"]].decode()
    assert span == QUESTION.rstrip("?")
    assert (match["benchmark"], match["field"], match["role"]) == ("gsm8k", "question", "text")


def test_chat_rows_are_searched_message_by_message(benchmark: str, tmp_path: Path) -> None:
    rows: list[Any] = [
        chat(f"Solve this. {QUESTION}", "It is 72."),
        chat("Where is my barn?", f"Behind the hill. {OTHER}"),
        chat("What is rye?", CLEAN),
    ]
    jsonl(tmp_path / "in.jsonl", rows)
    report = run(tmp_path / "in.jsonl", tmp_path / "out", benchmark)
    assert report["rows_removed"] == 2
    roles = {m["_row_id"]: m["role"] for m in rows_of(tmp_path / "out", "matches")}
    assert roles == {"in.jsonl:0": "user", "in.jsonl:1": "assistant"}
    assert any("leaked items" in line for line in verify(str(tmp_path / "out")))
    told = "\n".join(explain(str(tmp_path / "out"), "in.jsonl:0"))
    assert told.count("contaminated gsm8k:") == 1 and "its answer beside it" in told


@pytest.mark.parametrize("side", ["prompt", "chosen", "rejected"])
def test_a_pair_goes_when_any_side_of_it_leaks(side: str, benchmark: str, tmp_path: Path) -> None:
    pair = {"prompt": "Which?", "chosen": "A long answer.", "rejected": "Another one."}
    jsonl(tmp_path / "in.jsonl", [pair, pair | {side: QUESTION}])
    report = run(tmp_path / "in.jsonl", tmp_path / "out", benchmark)
    assert (report["rows_kept"], report["rows_removed"]) == (1, 1)


def test_tagged_rows_all_stay_with_verdict_and_item(benchmark: str, tmp_path: Path) -> None:
    texts(tmp_path / "in.parquet", [CLEAN, QUESTION])
    run(tmp_path / "in.parquet", tmp_path / "out", benchmark, action="tag")
    rows = rows_of(tmp_path / "out", "data")
    assert [row["_verdict"] for row in rows] == [None, "contaminated"]
    assert rows[1]["_matched_id"].startswith("gsm8k:")
    assert any("leaked items" in line for line in verify(str(tmp_path / "out")))


def test_another_question_of_the_same_family_is_no_leak(benchmark: str, tmp_path: Path) -> None:
    sibling = (
        "Tina sold cakes to 31 of her neighbours in June, and twice as many cakes in July. How "
        "many boxes does she need if each box holds 3 cakes?"
    )
    texts(tmp_path / "in.parquet", [sibling, CLEAN])
    report = run(tmp_path / "in.parquet", tmp_path / "out", benchmark)
    assert report["rows_removed"] == 0


def test_a_benchmark_of_one_item_can_be_found(tmp_path: Path) -> None:
    file = jsonl(tmp_path / "one.jsonl", [{"question": QUESTION, "answer": "72"}])
    texts(tmp_path / "in.parquet", [CLEAN, QUESTION])
    assert run(tmp_path / "in.parquet", tmp_path / "out", f"gsm8k={file}")["rows_removed"] == 1


def test_rows_of_files_with_one_name_are_told_apart(benchmark: str, tmp_path: Path) -> None:
    texts(tmp_path / "in" / "a" / "part-0.parquet", [CLEAN, QUESTION])
    texts(tmp_path / "in" / "b" / "part-0.parquet", [OTHER, CLEAN, CLEAN + "!"])
    run(tmp_path / "in", tmp_path / "out", benchmark)
    gone = {row["_row_id"] for row in rows_of(tmp_path / "out", "removed")}
    assert gone == {"a/part-0.parquet:1", "b/part-0.parquet:0"}


def test_what_cannot_be_searched_for_is_an_error_and_never_a_pass(tmp_path: Path) -> None:
    texts(tmp_path / "in.parquet", [CLEAN])
    empty = jsonl(tmp_path / "empty.jsonl", [{"question": "", "answer": "1"}])
    wrong = jsonl(tmp_path / "wrong.jsonl", [{"quest": QUESTION, "answer": "1"}])
    with pytest.raises(ConfigError, match="no usable item"):
        run(tmp_path / "in.parquet", tmp_path / "a", f"gsm8k={empty}")
    stated = tmp_path / "benchmarks.yaml"
    stated.write_text(
        f"benchmarks: [{{name: mine, path: {wrong}, kind: math, fields: {{question: question}}}}]"
    )
    with pytest.raises((ConfigError, InputError), match="quest"):
        run(tmp_path / "in.parquet", tmp_path / "b", stated)
    with pytest.raises(InputError, match="does not exist"):
        run(tmp_path / "in.parquet", tmp_path / "c", f"gsm8k={tmp_path / 'none.jsonl'}")


def test_what_is_wrong_with_a_benchmark_is_said_in_a_line(tmp_path: Path) -> None:
    texts(tmp_path / "in.parquet", [CLEAN])
    rows: list[Any] = [{"question": QUESTION, "answer": "72", "set": "test"}]
    some = jsonl(tmp_path / "some" / "one.jsonl", rows)
    jsonl(tmp_path / "some" / "two.jsonl", [{"problem": OTHER}])
    (tmp_path / "none.jsonl").write_bytes(b"")
    stated = tmp_path / "benchmarks.yaml"
    stated.write_text(f"benchmarks: [{{name: mine, path: {some}, where: set == dev}}]")
    for against, told in {
        "gsm8k=": "names no file",
        f"mine={tmp_path / 'some'}": "all 2 files are one benchmark",
        f"mine={tmp_path / 'none.jsonl'}": "a benchmark is never left out",
        str(stated): "leaves none of 1 rows; there are test",
    }.items():
        with pytest.raises((ConfigError, InputError)) as caught:
            run(tmp_path / "in.parquet", tmp_path / "out", against)
        assert told in str(caught.value) and "--skip" not in str(caught.value)


def test_the_card_holds_the_record(benchmark: str, tmp_path: Path) -> None:
    texts(tmp_path / "in.parquet", [CLEAN, QUESTION])
    run(tmp_path / "in.parquet", tmp_path / "out", benchmark)
    card = (tmp_path / "out" / "README.md").read_text()
    assert "Decontamination record" in card and "gsm8k" in card


def test_a_copy_of_an_item_is_hit_with_the_item(tmp_path: Path) -> None:
    rows: list[Any] = [
        {"id": name, "question": question, "answer": "#### 72"}
        for name, question in (("a", QUESTION), ("b", f"  {QUESTION.upper()} "), ("c", OTHER))
    ]
    stated = tmp_path / "benchmarks.yaml"
    stated.write_text(
        f"benchmarks: [{{name: mine, path: {jsonl(tmp_path / 'b.jsonl', rows)}, kind: math, "
        "fields: {question: question, answer: answer, id: id}}]"
    )
    texts(tmp_path / "in.parquet", [CLEAN, QUESTION])
    report = run(tmp_path / "in.parquet", tmp_path / "out", stated)
    (found,) = report["plan"]["leaks"]["benchmarks"]
    assert (found["items"], found["indexed"]) == (3, 2)
    assert found["contaminated"] == {"exact": ["a", "b"]}
    assert [one["id"] for one in found["examples"]] == ["a"]
    assert [one["items"] for one in found["by_source"]] == [2]


@pytest.mark.slow
def test_similar_texts_are_found_by_minhash_where_it_is_asked_for(
    benchmark: str, tmp_path: Path
) -> None:
    words = QUESTION.split()
    edited = " ".join("so" if n % 9 == 8 else word for n, word in enumerate(words))
    texts(tmp_path / "in.parquet", [CLEAN, edited])
    modes: dict[str, Any] = {
        name: {"enabled": False}
        for name in (
            "ngram_ratio", "short_ngram_ratio", "fuzzy_idf", "longest_span", "number_match",
            "templated",
        )
    }  # fmt: skip
    how = modes | {"minhash": {"threshold": "1/2", "action": "suspect"}}
    run(tmp_path / "in.parquet", tmp_path / "off", benchmark, modes=modes)
    run(tmp_path / "in.parquet", tmp_path / "on", benchmark, modes=how)
    assert rows_of(tmp_path / "off", "matches") == []
    (match,) = rows_of(tmp_path / "on", "matches")
    assert (match["mode"], match["verdict"]) == ("minhash", "suspect")
    assert match["match_kind"] == "near_verbatim" and match["row"] == 1


def test_a_match_says_which_turn_of_an_item_it_is(tmp_path: Path) -> None:
    items: list[Any] = [
        {"turns": [QUESTION, "Shorter, please.", OTHER]},
        {"turns": [CLEAN, f"{CLEAN} Say it again with other names in it.", CLEAN]},
    ]
    bench = jsonl(tmp_path / "mt.jsonl", items)
    said = [QUESTION, OTHER, items[1]["turns"][1]]
    jsonl(tmp_path / "in.jsonl", [chat(text, "Of course, here it is.") for text in said])
    run(tmp_path / "in.jsonl", tmp_path / "out", f"mt={bench}", action="tag")
    matches = [m for m in rows_of(tmp_path / "out", "matches") if m["match_kind"] == "exact"]
    fields = {(m["row"], m["item_id"], m["field"]) for m in matches}
    assert {(0, "mt.jsonl:0", "question"), (1, "mt.jsonl:0", "turn 3")} <= fields
    assert (2, "mt.jsonl:1", "turn 2") in fields
    told = "\n".join(explain(str(tmp_path / "out"), "in.jsonl:1"))
    assert "mt:mt.jsonl:0  (turn 3, exact)" in told
