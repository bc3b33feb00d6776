"""Benchmarks: described, well known or guessed, and taken apart into what is searched for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.leaks.read_sets import count, lines, one, texts_of
from thresher.leaks.benchmarks import Benchmark, Fields
from thresher.leaks.items import FIELDS
from thresher.leaks.options import Options, read_options, right_option, split_inline
from thresher.leaks.sub_items import informative, read_items, sub_items
from thresher.leaks.values import final_answer
from thresher_jobs.leak_items import read_benchmarks


def test_a_multiple_choice_item_gives_question_long_options_and_both_but_no_labels() -> None:
    benchmark = Benchmark(
        name="b",
        path=("b",),
        kind="mcq",
        fields=Fields(question=("q",), choices=("o",), answer=("a",)),
    )
    row = {"q": "Why is it dark?", "o": ["A) night", "B) the sun has gone under us"], "a": "B"}
    assert sub_items(benchmark, [row]) == [
        (0, 0, "Why is it dark?"),
        (0, 2, "night"),
        (0, 2, "the sun has gone under us"),
        (0, 3, "Why is it dark?\nnight"),
        (0, 3, "Why is it dark?\nthe sun has gone under us"),
    ]
    (item,) = read_items(benchmark, [row])
    assert item.answers == ("the sun has gone under us",)
    assert item.options == ("night", "the sun has gone under us")


def test_only_options_of_five_tokens_are_searched_for_alone(tmp_path: Path) -> None:
    row = {"question": "Why is it dark now?", "choices": ["night", "the sun has gone under"]}
    found = one(f"dark={lines(tmp_path / 'dark.jsonl', [row])}")
    options = [text for field, text in texts_of(found, 0) if field == "option"]
    assert options == ["the sun has gone under"]
    assert found.options.to_pylist() == [row["choices"]]


def test_an_option_fills_the_only_blank_of_a_question() -> None:
    benchmark = Benchmark(
        name="b", path=("b",), kind="mcq", fields=Fields(question=("s",), choices=("x", "y"))
    )
    rows = [{"s": "Sarah beat Maria since _ was weaker.", "x": "Sarah", "y": "Maria"}]
    completed = [text for _, field, text in sub_items(benchmark, rows) if field == 3]
    assert completed == [
        "Sarah beat Maria since Sarah was weaker.",
        "Sarah beat Maria since Maria was weaker.",
    ]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([["A)5", "B)6"]], (("5", "6"), ("A", "B"))),
        ([["A. yes", "C. no"]], (("A. yes", "C. no"), ())),
        ([[{"label": "A", "text": "x"}, {"label": "B", "text": "y"}]], (("x", "y"), ("A", "B"))),
        ([{"text": ["x", "y"], "label": ["1", "2"]}], (("x", "y"), ("1", "2"))),
        ([{"A": "x", "B": "y", "C": None}], (("x", "y"), ("A", "B"))),
        ([1.0, 2.5], (("1", "2.5"), ())),
        (["a ) 38 , b ) 27.675 , c ) 30"], (("38", "27.675", "30"), ())),
        (['["x", "y"]'], (("x", "y"), ())),
        ([None, "only"], (("only",), ())),
        ([None], ((), ())),
    ],
)
def test_options_are_read_however_they_are_written(
    values: list[Any], expected: tuple[tuple[str, ...], tuple[str, ...]]
) -> None:
    assert read_options(values) == Options(*expected)


@pytest.mark.parametrize(
    ("text", "stem", "options"),
    [
        ("Which? Answer Choices: (A) red (B) blue", "Which?", ("red", "blue")),
        ("Which?\nOptions:\n(A) red\n(B) blue\n(C) tan", "Which?", ("red", "blue", "tan")),
        ("Which?\nA. red\nB. blue", "Which?", ("red", "blue")),
        ("Which?\n\nAnswer1: red Answer2: blue", "Which?", ("red", "blue")),
        ("Figure (A) shows a cat", "Figure (A) shows a cat", ()),
        ("Vitamin (B) beats (A)", "Vitamin (B) beats (A)", ()),
    ],
)
def test_options_spelled_out_in_a_question_are_split_off(
    text: str, stem: str, options: tuple[str, ...]
) -> None:
    assert split_inline(text) == (stem, options)


@pytest.mark.parametrize(
    ("answer", "base", "right"),
    [
        ("B", None, "two"), ("b", None, "two"), ("(B)", None, "two"), ("B.", None, "two"),
        (1, 0, "two"), ("1", 0, "two"), (2, 1, "two"), ("answer2", None, "two"),
        ("two", None, "two"), ("two ", 0, "two"), (1, None, None), ("D", None, None),
        (7, 0, None), ("AB", None, None), (None, 0, None),
    ],
)  # fmt: skip
def test_an_answer_means_an_option_by_label_number_or_text(
    answer: Any, base: int | None, right: str | None
) -> None:
    assert right_option(answer, Options(("one", "two", "three")), base) == right


def test_an_option_that_looks_like_a_number_of_one_is_found_by_its_text(tmp_path: Path) -> None:
    rows = [{"question": f"How many are {n} and two?", "choices": ["0", "4", "2", "6"],
             "answer": "2"} for n in range(4)]  # fmt: skip
    found = one(f"sums={lines(tmp_path / 'sums.jsonl', rows)}")
    assert found.answers.to_pylist() == [["2"]] * 4


def test_a_trivial_solution_is_evidence_beside_its_docstring_and_not_searched_for() -> None:
    benchmark = Benchmark(
        name="b",
        path=("b",),
        kind="code",
        fields=Fields(question=("p",), solution=("s",), tests=("t",)),
    )
    long = "for index, part in enumerate(values):\n    total += part * weights[index]\nreturn total"
    rows: list[dict[str, Any]] = [
        {"p": "def add(x, y):\n    '''Add.'''", "s": "    return x + y\n", "t": ["assert 1"]},
        {"p": "def dot(values, weights):", "s": long, "t": "assert dot([1], [2]) == 2"},
    ]
    trivial, whole = read_items(benchmark, rows)
    assert trivial.trivial and not whole.trivial
    assert [FIELDS[field] for field, _ in trivial.texts] == ["question", "tests"]
    assert [FIELDS[field] for field, _ in whole.texts] == ["question", "solution", "tests"]
    assert trivial.answers == ("    return x + y\n",)
    assert informative("return x + y") == 2


def test_a_passage_alone_makes_no_usable_item(tmp_path: Path) -> None:
    passage = "The cat sat on the mat and looked out of the window all day."
    rows = [
        {"question": "Where did the cat sit?", "context": passage, "answers": {"text": ["mat"]}},
        {"question": "", "context": passage, "answers": {"text": ["cat"]}},
    ]
    found = one(f"squad={lines(tmp_path / 'x.jsonl', rows)}")
    assert found.benchmark.kind == "retrieval"
    assert texts_of(found, 0) == [("question", "Where did the cat sit?"), ("passage", passage)]
    assert found.answers.to_pylist() == [["mat"]]
    assert found.unusable == (("x.jsonl:1", "empty"),)


def test_a_worked_answer_is_searched_for_and_its_result_kept(tmp_path: Path) -> None:
    answer = "She sells 48/2 = <<48/2=24>>24 clips in May and so on.\n#### 1,072"
    row = {"question": "How many clips did she sell?", "answer": answer}
    found = one(f"gsm8k={lines(tmp_path / 'x.jsonl', [row])}")
    worked = "She sells 48/2 = 24 clips in May and so on."
    assert texts_of(found, 0)[1] == ("answer", worked)
    assert found.answers.to_pylist() == [["1,072", worked]]


def test_an_answer_that_names_little_is_no_text_of_its_own(tmp_path: Path) -> None:
    told = "def fib(n):\n    if n <= 1:\n        return n\n    return fib(n - 1) + fib(n - 2)"
    row = {"question": "Write the function of the numbers of Fibonacci.", "answer": told}
    found = one(f"own={lines(tmp_path / 'own.jsonl', [row])}")
    assert texts_of(found, 0) == [("question", row["question"])]
    assert found.answers.to_pylist() == [[told]]


@pytest.mark.parametrize(
    ("text", "final"),
    [
        (r"so $p=\boxed{\frac{1}{2}}$ kPa.", r"\frac{1}{2}"),
        ("9 * 2 = 18\n#### 18", "18"),
        ("She has 4. The answer is 4.0.", "4"),
        ("### A heading\nand text", None),
        ("", None),
        (r"\boxed{", None),
    ],
)
def test_the_result_of_a_worked_answer_is_found(text: str, final: str | None) -> None:
    assert final_answer(text) == final


def test_letters_are_no_answers_where_options_are_not_known(tmp_path: Path) -> None:
    rows = [{"question": f"Which one of the {n} is it?", "answer": "B"} for n in range(3)]
    found = one(f"letters={lines(tmp_path / 'x.jsonl', rows)}")
    assert found.answers.to_pylist() == [[], [], []]


def test_items_that_cannot_be_searched_for_are_named_with_the_reason(tmp_path: Path) -> None:
    questions = ["How many legs has a spider?", "Why?", None, "  ", "HOW many  legs has a spider?"]
    questions += [f"How many legs have {n} spiders?" for n in range(4)]
    rows = [{"question": question, "key": f"k{n}"} for n, question in enumerate(questions)]
    found = one(f"legs={lines(tmp_path / 'legs.jsonl', rows)}")
    assert found.uids.to_pylist() == ["k0", "k5", "k6", "k7", "k8"]
    assert found.unusable == (
        ("k1", "short"), ("k2", "empty"), ("k3", "empty"), ("k4", "duplicate"),
    )  # fmt: skip
    assert found.copies == (("k4", 0),)
    assert found.counts["rows"] == 9


def test_items_without_ids_of_their_own_are_named_by_file_and_row(tmp_path: Path) -> None:
    rows = [{"problem": f"What is {n} times seven?", "id": "same"} for n in range(4)]
    path = lines(tmp_path / "times.jsonl", rows)
    assert one(str(path)).uids.to_pylist() == [f"times.jsonl:{n}" for n in range(4)]
    described = tmp_path / "b.yaml"
    described.write_text(
        "benchmarks:\n- {name: t, path: times.jsonl, kind: math, fields: {question: problem,"
        " id: id}}\n"
    )
    found = one(str(described))
    assert found.uids[2].as_py() == "times.jsonl:2"
    assert found.reasons == ("id id repeats (same): items are named by file and row",)


def test_a_described_benchmark_reads_paths_filters_and_label(tmp_path: Path) -> None:
    rows = [
        {"messages": [{"role": "user", "content": f"Name {n} rivers of Spain."},
                      {"role": "assistant", "content": "Ebro"}],
         "meta": {"part": "test" if n % 2 else "train"}, "n": n}
        for n in range(1, 7)
    ]  # fmt: skip
    lines(tmp_path / "talk.jsonl", rows)
    described = tmp_path / "benchmarks.yaml"
    described.write_text(
        """
benchmarks:
  - name: rivers
    path: talk.jsonl
    kind: generic
    fields: {question: "messages[0].content", answer: "messages[-1].content", id: [meta.part, n]}
    split: test
    where: meta.part == test
    overrides: {ngram_ratio: {threshold: 0.6}}
  - name: third
    path: [talk.jsonl]
    fields: {question: "messages[*].content"}
    where: n == 3
"""
    )
    rivers, third = read_benchmarks([str(described)], count)
    assert rivers.uids.to_pylist() == ["test:1", "test:3", "test:5"]
    assert rivers.answers.to_pylist() == [["Ebro"]] * 3
    assert rivers.counts["filtered"] == 3
    assert rivers.benchmark.split == "test"
    assert rivers.benchmark.overrides == {"ngram_ratio": {"threshold": 0.6}}
    assert third.texts.to_pylist() == ["Name 3 rivers of Spain.\nEbro"]
    assert third.benchmark.kind == "generic"


def test_columns_of_several_types_are_read(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"question": "How many legs has a spider?", "answer": 8, "choices": ["6", "8"]},
        {"question": "What do spiders eat at night?", "answer": "flies", "choices": ["flies"]},
    ]
    found = one(f"spiders={lines(tmp_path / 'x.jsonl', rows)}")
    assert found.counts["usable"] == 2
    assert found.answers[1].as_py() == ["flies"]
    assert found.options.to_pylist() == [["6", "8"], ["flies"]]


def test_rows_keep_their_numbers_over_many_splits(tmp_path: Path) -> None:
    rows = [{"question": f"What is the square of the number {n}?"} for n in range(1000)]
    table = pa.Table.from_pylist(rows)
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=10)
    pq.write_table(table.slice(0, 5), tmp_path / "b.parquet")
    described = tmp_path / "b.yaml"
    described.write_text(
        "benchmarks: [{name: squares, path: '*.parquet', fields: {question: question}}]"
    )
    found = one(str(described))
    assert found.uids[999].as_py() == "a.parquet:999"
    assert found.copies == tuple((f"b.parquet:{n}", n) for n in range(5))


def test_the_result_is_the_same_every_time(tmp_path: Path) -> None:
    rows = [{"question": f"Which of the {n} is it?", "choices": ["one", "two"]} for n in range(50)]
    path = lines(tmp_path / "x.jsonl", rows)
    first, second = one(f"x={path}"), one(f"x={path}")
    assert first.texts.equals(second.texts) and first.uids.equals(second.uids)
    assert first.benchmark == second.benchmark and first.counts == second.counts


def test_later_turns_are_searched_for_apart_where_the_user_speaks(tmp_path: Path) -> None:
    first, second = "Name three rivers of Asia.", "Now sort those rivers by their length in miles."
    rows: list[dict[str, Any]] = [
        {"question_id": 1, "turns": [first, second]},
        {"question_id": 2, "turns": ["Write a sonnet about the sea.", "Shorter, please."]},
    ]
    found = one(f"mt_bench={lines(tmp_path / 'mt.jsonl', rows)}")
    assert texts_of(found, 0) == [("question", first), ("turn", second)]
    assert [field for field, _ in texts_of(found, 1)] == ["question"]
    assert "turns = turns[1]" in found.told
    assert "1 later turns of fewer than 8 tokens not searched for" in found.told
    said = [("user", first), ("assistant", "Yes. " * 9), ("user", second)]
    chats = [{"messages": [{"role": role, "content": text} for role, text in said]}]
    found = one(str(lines(tmp_path / "chats.jsonl", chats)))
    assert texts_of(found, 0) == [("question", first), ("turn", second)]
    assert "turns = messages[2].content" in found.told
