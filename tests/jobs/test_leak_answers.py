"""Known answers: what becomes of rows that hold an item, a piece of one, or only its like."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.jobs import leak_cases as cases
from tests.jobs.leaks import run
from tests.jobs.runs import Row, jsonl, parquet, resumed, rows_of, status, texts, tree
from tests.jobs.scores import chat
from thresher.engines.local import LocalEngine
from thresher.errors import InputError, Stopped
from thresher.run import Event
from thresher.testing.chaos import Flaky


class Answer(NamedTuple):
    """What became of a row."""

    verdict: str
    matches: list[dict[str, Any]]

    @property
    def kinds(self) -> set[str]:
        """Which kinds of match the row has."""
        return {match["match_kind"] for match in self.matches}

    @property
    def benchmarks(self) -> set[str]:
        """Which benchmarks the row has items of."""
        return {match["benchmark"] for match in self.matches}


def answer(out: Path, row_id: str) -> Answer:
    """Look a row up in the outputs."""
    matches = [match for match in rows_of(out, "matches") if match["_row_id"] == row_id]
    if row_id in {row["_row_id"] for row in rows_of(out, "removed")}:
        return Answer("contaminated", matches)
    assert row_id in {row["id"] for row in rows_of(out, "data")}
    return Answer("suspect" if matches else "clean", matches)


Ask = Callable[[str], Answer]
WORDY = cases.filler(250)
TEXTS = {
    "between paragraphs": f"{WORDY}\n\n{cases.QUESTION}\n\n{WORDY}",
    "other numbers": (
        cases.PENS.replace("14", "17").replace("9 ", "6 ").replace(" 2 ", " 5 ")
        .replace("11", "23").replace("3 d", "8 d").replace("4 d", "7 d")
    ),
    "option list": f"Decide about each pair of claims. {cases.LISTED} Mark one letter a line.",
    "template": f"{cases.TABLES}\nP \u2283 (Q \u2228 R)\nS \u2261 ~Q / P",
    "address": f"On that day Lincoln said: {cases.ADDRESS} {cases.CLEAN}",
    "short in a document": f"{WORDY} {cases.SHORT} {WORDY}",
    "answer letter": "B",
    "answer letter of many": "The answer is B.",
    "passage": f"{cases.CLEAN} {cases.PASSAGE}",
    "passage and question": f"{cases.PASSAGE}\n\n{cases.FROM_PASSAGE} The psalter.",
    "chinese": f"请回答：{cases.CJK}？",
    "other chinese": "下列鸡品种中，在高原地区最耐寒的是什么品种，为什么农户愿意饲养它",
    "no commas": cases.LARGE.replace(",", ""),
    "tens as words": cases.PENS.replace("14", "fourteen").replace(" 9 ", " nine "),
    "trivial solution": "def f(x, y):\n    return x + y\n",
    "trivial with its docstring": cases.ADD + "    return x + y\n",
    "renamed": cases.RENAMED,
    "code": f"{cases.CODE}    return sorted(numbers)\n",
    "nothing": cases.CLEAN,
}  # fmt: skip
CHATS: dict[str, Row] = {
    "short with answer": chat(cases.SHORT, "It is 56."),
    "short with another": chat(cases.SHORT, "That is for you to find out."),
    "letter": chat("Which one?", "B"),
    "question and label": chat(cases.PENS, "She pays 100 dollars."),
    "question alone": chat(cases.PENS, "I would rather talk about the weather."),
    "two turns": {
        "messages": [
            {"role": "user", "content": cases.TURNS[0]},
            {"role": "assistant", "content": "Go on."},
            {"role": "user", "content": cases.TURNS[1] + "?"},
            {"role": "assistant", "content": "I could not say."},
        ]
    },
}


@pytest.fixture(scope="module")
def against(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Six benchmarks."""
    return cases.benchmarks(tmp_path_factory.mktemp("benchmarks"))


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory, against: list[str]) -> Path:
    """All texts, searched in one run."""
    folder = tmp_path_factory.mktemp("texts")
    rows = [{"id": name, "text": text} for name, text in TEXTS.items()]
    parquet(folder / "in.parquet", rows)
    run(folder / "in.parquet", folder / "out", *against, id_column="id")
    return folder / "out"


@pytest.fixture(scope="module")
def text(searched: Path) -> Ask:
    """What became of a text."""
    return lambda name: answer(searched, name)


def _chats(folder: Path, against: list[str], **params: Any) -> Path:
    jsonl(folder / "in.jsonl", [{"id": name, **row} for name, row in CHATS.items()])
    run(folder / "in.jsonl", folder / "out", *against, id_column="id", **params)
    return folder / "out"


@pytest.fixture(scope="module")
def conversation(tmp_path_factory: pytest.TempPathFactory, against: list[str]) -> Ask:
    """What became of a conversation."""
    out = _chats(tmp_path_factory.mktemp("chats"), against)
    return lambda name: answer(out, name)


@pytest.mark.slow
def test_nothing_of_a_benchmark_is_clean(text: Ask) -> None:
    assert text("nothing").verdict == "clean"


def test_an_item_between_other_paragraphs_is_an_exact_match(text: Ask) -> None:
    found = text("between paragraphs")
    assert (found.verdict, found.kinds) == ("contaminated", {"exact"})


def test_an_item_with_other_numbers_is_a_template(text: Ask) -> None:
    assert text("other numbers").kinds <= {"templated", "near_verbatim"}
    assert text("other numbers").matches


def test_options_that_questions_share_do_not_remove(text: Ask) -> None:
    found = text("option list")
    assert found.verdict != "contaminated" and found.kinds <= {"options_only"}


def test_the_instruction_of_a_family_of_questions_does_not_remove(text: Ask) -> None:
    assert text("template").verdict != "contaminated"


def test_a_famous_text_that_an_item_quotes_does_not_remove(text: Ask) -> None:
    assert text("address").verdict != "contaminated"


def test_a_short_item_needs_its_answer_or_a_message_of_its_own(
    text: Ask, conversation: Ask
) -> None:
    assert text("short in a document").verdict == "clean"
    assert conversation("short with answer").verdict == "contaminated"


@pytest.mark.parametrize("name", ["answer letter", "answer letter of many"])
def test_the_letter_of_an_answer_alone_is_clean(name: str, text: Ask) -> None:
    assert text(name).verdict == "clean"


def test_the_letter_of_an_answer_in_a_chat_is_clean(conversation: Ask) -> None:
    assert conversation("letter").verdict == "clean"


def test_a_passage_stays_unless_its_question_is_there(text: Ask) -> None:
    alone, asked = text("passage"), text("passage and question")
    assert (alone.verdict, alone.kinds) == ("suspect", {"passage_only"})
    assert asked.verdict == "contaminated" and "exact" in asked.kinds


def test_an_answer_beside_the_question_is_told_apart(conversation: Ask) -> None:
    both, asked = conversation("question and label"), conversation("question alone")
    assert both.verdict == asked.verdict == "contaminated"
    assert all(match["answer_found"] for match in both.matches)
    assert not any(match["answer_found"] for match in asked.matches)


def test_a_question_asked_in_two_turns_is_found_when_they_are_joined(
    conversation: Ask, against: list[str], tmp_path: Path
) -> None:
    assert conversation("two turns").verdict != "contaminated"
    found = answer(_chats(tmp_path, against, join_user_turns=True), "two turns")
    assert found.verdict == "contaminated"
    exact = {match["segment"] for match in found.matches if match["match_kind"] == "exact"}
    assert exact == {-1}


def test_a_leak_in_the_rejected_answer_alone_drops_the_pair(
    against: list[str], tmp_path: Path
) -> None:
    pair = {"prompt": "Which?", "chosen": "A long answer.", "rejected": "Another one."}
    jsonl(tmp_path / "in.jsonl", [pair, pair | {"rejected": f"As they say: {cases.PENS}"}])
    report = run(tmp_path / "in.jsonl", tmp_path / "out", *against)
    assert (report["rows_kept"], report["rows_removed"]) == (1, 1)
    assert {match["role"] for match in rows_of(tmp_path / "out", "matches")} == {"rejected"}


def test_an_item_of_two_benchmarks_is_reported_for_both(text: Ask) -> None:
    assert text("between paragraphs").benchmarks == {"gsm8k", "mirror"}


def test_an_item_without_blanks_between_words_is_found(text: Ask) -> None:
    found = text("chinese")
    assert (found.verdict, found.benchmarks) == ("contaminated", {"cmmlu"})
    assert text("other chinese").verdict == "clean"


def test_thousands_separators_make_no_difference(text: Ask) -> None:
    found = text("no commas")
    assert (found.verdict, found.kinds) == ("contaminated", {"exact"})
    assert {match["numbers"] for match in found.matches} == {"3/3"}


def test_numbers_written_as_words_are_the_same_numbers(text: Ask) -> None:
    found = text("tens as words")
    assert found.verdict == "contaminated"
    assert {match["numbers"] for match in found.matches} == {"6/6"}


def test_a_trivial_solution_counts_beside_its_question_only(text: Ask) -> None:
    assert text("trivial solution").verdict == "clean"
    assert text("trivial with its docstring").verdict == "contaminated"


def test_code_is_found_and_code_with_other_names_is_suspect_at_most(text: Ask) -> None:
    assert text("code").verdict == "contaminated"
    assert text("renamed").verdict != "contaminated"


@pytest.mark.slow
def test_an_item_in_a_document_of_a_million_words_is_found_where_it_is(
    against: list[str], tmp_path: Path
) -> None:
    before = cases.filler(700_000)
    text = f"{before} {cases.QUESTION} {cases.filler(300_000)}"
    texts(tmp_path / "in.parquet", [cases.CLEAN, text])
    run(tmp_path / "in.parquet", tmp_path / "out", *against)
    matches = rows_of(tmp_path / "out", "matches")
    assert {match["benchmark"] for match in matches} == {"gsm8k", "mirror"}
    for match in matches:
        assert (match["match_kind"], match["row"]) == ("exact", 1)
        assert match["byte_start"] == len(before) + 1
        assert text[match["byte_start"] : match["byte_end"]] == cases.QUESTION.rstrip("?")


def test_null_and_empty_texts_and_files_without_rows_pass(
    against: list[str], tmp_path: Path
) -> None:
    texts(tmp_path / "in" / "a.parquet", [None, "", cases.PENS, "  ", cases.CLEAN])
    texts(tmp_path / "in" / "b.parquet", [])
    report = run(tmp_path / "in", tmp_path / "out", *against, text_column="text")
    assert report["rows_in"] == 5 and report["rows_removed"] == 1
    assert report["rows_kept"] + report["rows_quarantined"] == 4
    assert {row["_row_id"] for row in rows_of(tmp_path / "out", "removed")} == {"a.parquet:2"}


def test_a_missing_column_is_an_error_that_names_file_and_column(
    against: list[str], tmp_path: Path
) -> None:
    texts(tmp_path / "in.parquet", [cases.CLEAN])
    with pytest.raises(InputError, match="body") as caught:
        run(tmp_path / "in.parquet", tmp_path / "out", *against, text_column="body")
    assert caught.value.path and caught.value.path.endswith("in.parquet")


def test_a_cut_line_is_counted(against: list[str], tmp_path: Path) -> None:
    rows: list[Row | bytes] = [{"text": cases.CLEAN}, b'{"text": "cut', {"text": cases.PENS}]
    jsonl(tmp_path / "in.jsonl", rows)
    report = run(tmp_path / "in.jsonl", tmp_path / "out", *against)
    assert (report["rows_kept"], report["rows_removed"], report["rows_quarantined"]) == (1, 1, 1)
    (bad,) = rows_of(tmp_path / "out", "quarantine")
    assert bad["row"] == 1


def test_a_file_with_a_damaged_footer_fails_the_job(against: list[str], tmp_path: Path) -> None:
    texts(tmp_path / "in" / "good.parquet", [cases.CLEAN])
    bad = texts(tmp_path / "in" / "bad.parquet", [cases.PENS])
    bad.write_bytes(bad.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"bad\.parquet"):
        run(tmp_path / "in", tmp_path / "out", *against)
    assert status(tmp_path / "out")["exit_code"] == 3
    assert not (tmp_path / "out" / "manifest.json").exists()


@pytest.mark.slow
def test_a_benchmark_given_as_training_data_goes_whole(against: list[str], tmp_path: Path) -> None:
    names = dict(one.split("=", 1) for one in against)
    for name, column in {"gsm8k": "question", "mmlu": "question", "cmmlu": "Question"}.items():
        report = run(names[name], tmp_path / name, f"{name}={names[name]}", text_column=column)
        kept = [row[column] for row in rows_of(tmp_path / name, "data")]
        assert report["rows_removed"] == report["rows_in"], kept


class StopWhileWriting:
    """Stops when so many tasks have written their rows."""

    def __init__(self, tasks: int) -> None:
        self.tasks = tasks

    def __call__(self, event: Event) -> None:
        if event.kind == "progress" and event.stage == "write" and event.done == self.tasks:
            raise Stopped(15)


@pytest.mark.slow
def test_a_stopped_and_resumed_run_gives_the_same_bytes(against: list[str], tmp_path: Path) -> None:
    rows = [{"text": (cases.PENS if n % 7 == 3 else f"{n} {cases.CLEAN}")} for n in range(60)]
    file = parquet(tmp_path / "in.parquet", pa.Table.from_pylist(rows), 10)
    how: dict[str, Any] = {"split_bytes": 600}
    run(file, tmp_path / "calm", *against, **how)
    with pytest.raises(Stopped):
        run(file, tmp_path / "out", *against, listener=StopWhileWriting(2), **how)
    report = run(file, tmp_path / "out", *against, engine=Flaky(LocalEngine(2)), **how)
    assert resumed(report)["search"] == report["plan"]["tasks"] and resumed(report)["write"] >= 2
    assert tree(tmp_path / "out", "matches") == tree(tmp_path / "calm", "matches")
    assert pq.read_metadata(file).num_row_groups == report["plan"]["tasks"]
