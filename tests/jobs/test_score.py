"""Rows are judged by rules on their signals: what fails goes, and everything is accounted for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.jobs.runs import jsonl, parquet, rows_of, status
from tests.jobs.scores import again, chat, profile, run
from thresher.errors import ConfigError, InputError, LimitError
from thresher_jobs.explain import explain
from thresher_jobs.verify import verify

GOOD = "Barley is a grain that grows in cool places, and people bake with it."
LENGTHS = """
about: Lengths of answers.
text: response
groups: [chat]
rules:
  short_answer: {signal: response_words, min: 3}
  long_prompt: {signal: prompt_words, max: 50, action: tag}
"""
RANKED = """
groups: [chat, prompts]
text: response
rules:
  short_answer: {signal: response_words, min: 2}
  not_best: {signal: answer_rank, max: 0}
"""


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Chats: two good ones, a short answer, an empty one, a broken line, a null turn."""
    rows: list[Any] = [
        chat("What is barley?", GOOD, id="good"),
        chat("What is rye?", "A grain", id="short"),
        b'{"messages": [{"role": "us',
        chat("What is oat?", None, id="null"),
        chat("What is wheat?", GOOD.replace("Barley", "Wheat"), id="other"),
    ]
    jsonl(tmp_path / "in.jsonl", rows)
    return tmp_path / "in.jsonl"


def test_removed_rows_name_their_rules_and_figures(mixed: Path, tmp_path: Path) -> None:
    file = profile(tmp_path / "p.yaml", LENGTHS)
    report = run(mixed, tmp_path / "out", profile=file)
    assert [report[f"rows_{x}"] for x in ("in", "kept", "removed", "quarantined")] == [5, 2, 1, 2]
    (gone,) = rows_of(tmp_path / "out", "removed")
    assert gone["id"] == "short" and gone["_removed_by"] == "score"
    assert gone["_reason"] == "short_answer (response_words 2)" and gone["_score"] == 2
    assert [row["id"] for row in rows_of(tmp_path / "out", "data")] == ["good", "other"]
    bad = rows_of(tmp_path / "out", "quarantine")
    assert [row["row"] for row in bad] == [2, 3]
    assert json.loads(bad[1]["raw"])["id"] == "null"


def test_the_ledger_and_the_signals_have_a_line_for_every_row(mixed: Path, tmp_path: Path) -> None:
    run(mixed, tmp_path / "out", profile=profile(tmp_path / "p.yaml", LENGTHS))
    ledger, signals = (rows_of(tmp_path / "out", name) for name in ("ledger", "signals"))
    assert [line["_row_id"] for line in ledger] == [line["_row_id"] for line in signals]
    verdicts = [line["verdict"] for line in ledger]
    assert verdicts == ["kept", "removed", "quarantined", "quarantined", "kept"]
    assert [line["response_words"] for line in signals] == [14, 2, None, None, 14]


def test_annotated_rows_all_stay_with_verdict_and_figures(mixed: Path, tmp_path: Path) -> None:
    file = profile(tmp_path / "p.yaml", LENGTHS)
    report = run(mixed, tmp_path / "out", profile=file, annotate=True)
    assert (report["rows_kept"], report["rows_removed"]) == (3, 0)
    rows = rows_of(tmp_path / "out", "data")
    assert [row["_verdict"] for row in rows] == ["kept", "removed", "kept"]
    assert [row["_reason"] for row in rows] == [None, "short_answer", None]
    assert rows[1]["response_words"] == 2
    assert any("judged again" in line for line in verify(str(tmp_path / "out")))


@pytest.mark.slow
def test_select_changes_a_threshold_as_scoring_anew_would(mixed: Path, tmp_path: Path) -> None:
    file = profile(tmp_path / "p.yaml", LENGTHS)
    run(mixed, tmp_path / "scored", profile=file)
    rules = {"short_answer": {"min": 1}, "wordy": {"signal": "response_words", "max": 13}}
    again(tmp_path / "scored", tmp_path / "selected", rules=rules)
    run(mixed, tmp_path / "anew", profile=file, rules=rules)
    for folder in ("data", "removed", "quarantine", "ledger", "signals"):
        assert rows_of(tmp_path / "selected", folder) == rows_of(tmp_path / "anew", folder)
    assert [row["id"] for row in rows_of(tmp_path / "selected", "data")] == ["short"]
    assert any("judged again" in line for line in verify(str(tmp_path / "selected")))


def test_select_refuses_inputs_that_were_changed(mixed: Path, tmp_path: Path) -> None:
    run(mixed, tmp_path / "scored", profile=profile(tmp_path / "p.yaml", LENGTHS))
    jsonl(mixed, [chat("Why?", GOOD)])
    with pytest.raises(InputError, match="not as they were when they were scored"):
        again(tmp_path / "scored", tmp_path / "out")


def test_select_can_drop_a_rule_and_refuses_unknown_ones(mixed: Path, tmp_path: Path) -> None:
    run(mixed, tmp_path / "scored", profile=profile(tmp_path / "p.yaml", LENGTHS))
    report = again(tmp_path / "scored", tmp_path / "out", rules={"short_answer": None})
    assert report["rows_removed"] == 0
    with pytest.raises(ConfigError, match=r"no rule 'short_anser'.*did you mean 'short_answer'"):
        again(tmp_path / "scored", tmp_path / "other", rules={"short_anser": {"min": 2}})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rules: {a: {signal: respons_words, min: 1}}", "did you mean 'response_words'"),
        ("rules: {a: {signal: response_words}}", "no bound"),
        ("rules: {a: {signal: response_words, min: 3, max: 2}}", "every row would fail"),
        ("rules: {a: {signal: last_role, min: 3}}", "is a label, not a number"),
        ("rules: {a: {signal: response_words, is: true}}", "is a count, not a flag"),
        ("rules: {a: {signal: response_words, mni: 3}}", "mni"),
        ("rule: {}", "unknown setting 'rule'.*did you mean 'rules'"),
        ("groups: [chta]", "chta"),
    ],
)
def test_a_profile_that_cannot_be_meant_is_refused_before_anything_is_read(
    mixed: Path, tmp_path: Path, text: str, message: str
) -> None:
    if "groups" not in text:
        text += "\ngroups: [chat]"
    with pytest.raises(ConfigError, match=message):
        run(mixed, tmp_path / "out", profile=profile(tmp_path / "p.yaml", text))
    assert not (tmp_path / "out" / "data").exists()


def test_an_unknown_profile_names_the_nearest_and_all_there_are(
    mixed: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"no profile 'stf'.*did you mean 'sft'"):
        run(mixed, tmp_path / "out", profile="stf")


def test_rules_that_would_empty_a_source_stop_the_job_and_are_named(
    mixed: Path, tmp_path: Path
) -> None:
    rules = {"short_answer": {"min": 1000}}
    with pytest.raises(LimitError, match=r"3 of 5 rows .* first of all by short_answer \(3\)"):
        run(
            mixed, tmp_path / "out", profile=profile(tmp_path / "p.yaml", LENGTHS), rules=rules,
            max_removed_fraction=0.5,
        )  # fmt: skip
    assert status(tmp_path / "out")["exit_code"] == 4
    assert not (tmp_path / "out" / "data").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("prefer", "kept"),
    [
        ("longest", ["long", "alone"]),
        ("shortest", ["mid", "alone"]),
        ("best:score", ["mid", "alone"]),
        ("worst:score", ["long", "alone"]),
        ("order:model=small,large", ["mid", "alone"]),
        ("order:model=large", ["long", "alone"]),
    ],
)
def test_of_several_answers_to_a_prompt_the_preferred_one_stays(
    tmp_path: Path, prefer: str, kept: list[str]
) -> None:
    rows = [
        chat("Why?", "one two three four", id="long", score=1, model="large"),
        chat("Why?", "one two three", id="mid", score=5, model="small"),
        chat("Why?", "one", id="broken", score=9, model="small"),
        chat("How?", "one two", id="alone", score=0, model="other"),
    ]
    jsonl(tmp_path / "in.jsonl", rows)
    file = profile(tmp_path / "p.yaml", RANKED)
    run(tmp_path / "in.jsonl", tmp_path / "out", profile=file, prefer=prefer)
    assert [row["id"] for row in rows_of(tmp_path / "out", "data")] == kept
    reasons = {row["id"]: row["_reason"] for row in rows_of(tmp_path / "out", "removed")}
    assert reasons["broken"] == "short_answer (response_words 1)"


@pytest.mark.slow
def test_at_most_k_answers_a_prompt(tmp_path: Path) -> None:
    jsonl(tmp_path / "in.jsonl", [chat("Why?", f"{GOOD} {i}") for i in range(5)])
    report = run(tmp_path / "in.jsonl", tmp_path / "out", profile="sft", per_prompt=2)
    assert report["rows_kept"] == 2


@pytest.mark.slow
def test_contradicting_labels_and_pairs_are_found(tmp_path: Path) -> None:
    kto = [chat("Why?", "Since.", label=True), chat("Why?", "Since.", label=False)]
    jsonl(tmp_path / "kto.jsonl", kto + [chat("Why?", "So.", label=True)] * 2)
    run(tmp_path / "kto.jsonl", tmp_path / "a", profile="kto", groups=("prompts",), annotate=True)
    found = [row["conflicting_label"] for row in rows_of(tmp_path / "a", "data")]
    assert found == [True, True, False, False]
    answers = {name: [{"role": "assistant", "content": name}] for name in "ABCD"}
    ask = [{"role": "user", "content": "Which?"}]
    pairs = ["AB", "BC", "CA", "AD", "DA"[::-1]]
    jsonl(
        tmp_path / "dpo.jsonl",
        [{"prompt": ask, "chosen": answers[x], "rejected": answers[y]} for x, y in pairs],
    )
    run(tmp_path / "dpo.jsonl", tmp_path / "b", profile="preference", groups=("prompts",),
        annotate=True)  # fmt: skip
    found = [row["conflicting_pair"] for row in rows_of(tmp_path / "b", "data")]
    assert found == [True, True, True, False, False]


def test_explain_shows_the_figures_beside_the_rules(mixed: Path, tmp_path: Path) -> None:
    run(mixed, tmp_path / "out", profile=profile(tmp_path / "p.yaml", LENGTHS))
    told = "\n".join(explain(str(tmp_path / "out"), "in.jsonl:1"))
    assert "failed    short_answer: response_words 2; passes: response_words >= 3" in told
    told = "\n".join(explain(str(tmp_path / "out"), "in.jsonl:3"))
    assert "verdict   quarantined" in told and "error" in told


def test_verify_finds_a_verdict_that_does_not_follow(mixed: Path, tmp_path: Path) -> None:
    run(mixed, tmp_path / "out", profile=profile(tmp_path / "p.yaml", LENGTHS))
    manifest = tmp_path / "out" / "manifest.json"
    value = json.loads(manifest.read_bytes())
    value["profile"]["rules"]["short_answer"]["min"] = 2
    manifest.write_text(json.dumps(value))
    with pytest.raises(InputError, match=r"row in.jsonl:1: its verdict does not follow"):
        list(verify(str(tmp_path / "out")))


def test_the_users_own_ids_are_used(tmp_path: Path) -> None:
    parquet(tmp_path / "in.parquet", [chat("Why?", "No", id="a"), chat("Who?", GOOD, id="b")])
    file = profile(tmp_path / "p.yaml", LENGTHS)
    run(tmp_path / "in.parquet", tmp_path / "out", profile=file, id_column="id")
    assert [row["_row_id"] for row in rows_of(tmp_path / "out", "signals")] == ["a", "b"]
    assert [row["_row_id"] for row in rows_of(tmp_path / "out", "removed")] == ["a"]


def test_a_column_named_like_a_signal_is_refused_when_annotating(tmp_path: Path) -> None:
    jsonl(tmp_path / "in.jsonl", [chat("Why?", GOOD, turns=3)])
    with pytest.raises(InputError, match="column 'turns' has the name of a signal"):
        run(tmp_path / "in.jsonl", tmp_path / "out", profile="sft", annotate=True)


def test_rows_of_kinds_that_no_one_profile_suits_are_told_apart(tmp_path: Path) -> None:
    jsonl(tmp_path / "in" / "a.jsonl", [chat("Why?", GOOD)])
    jsonl(tmp_path / "in" / "b.jsonl", [{"prompt": "Why?", "chosen": "a", "rejected": "b"}])
    with pytest.raises(ConfigError, match="no one profile suits them"):
        run(tmp_path / "in", tmp_path / "out", union_columns=True)


def test_ids_that_repeat_are_refused(tmp_path: Path) -> None:
    jsonl(tmp_path / "in.jsonl", [chat("Why?", GOOD, id="a"), chat("Who?", GOOD, id="a")])
    with pytest.raises(InputError, match=r"id column 'id' is not unique: 1 rows .*in.jsonl:1"):
        run(tmp_path / "in.jsonl", tmp_path / "out", profile="sft", id_column="id")


def test_a_bound_that_is_no_number_is_refused(mixed: Path, tmp_path: Path) -> None:
    file = profile(tmp_path / "p.yaml", LENGTHS)
    for bound in (float("nan"), float("inf")):
        with pytest.raises(ConfigError, match="finite"):
            run(mixed, tmp_path / "out", profile=file, rules={"short_answer": {"min": bound}})


def test_a_list_of_phrases_that_is_no_text_is_refused(mixed: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.txt").write_bytes(b"\xff\xfe\n")
    text = f"groups: [chat, phrases]\nphrases: {{mine: {tmp_path / 'bad.txt'}}}\n"
    with pytest.raises(ConfigError, match="not UTF-8"):
        run(mixed, tmp_path / "out", profile=profile(tmp_path / "p.yaml", text))
    text = text.replace(str(tmp_path / "bad.txt"), "/dev/zero")
    with pytest.raises(ConfigError, match="is no file"):
        run(mixed, tmp_path / "out", profile=profile(tmp_path / "q.yaml", text))


@pytest.mark.slow
def test_unreadable_files_are_left_out_on_request(mixed: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.jsonl.gz"
    jsonl(cut, [chat("Why?", f"{GOOD} {i}") for i in range(300)])
    cut.write_bytes(cut.read_bytes()[:-30])
    with pytest.raises(InputError):
        run([mixed, cut], tmp_path / "a", profile="sft", union_columns=True)
    report = run(
        [mixed, cut], tmp_path / "b", profile="sft", union_columns=True, skip_unreadable=True
    )
    assert report["rows_in"] == 5 and len(report["unreadable_files"]) == 1


@pytest.mark.slow
def test_a_result_is_not_selected_into_itself(mixed: Path, tmp_path: Path) -> None:
    run(mixed, tmp_path / "scored", profile="sft")
    with pytest.raises(ConfigError, match="lies inside the scored result"):
        again(tmp_path / "scored", tmp_path / "scored" / "sub")


def test_rows_without_the_text_column_are_told_apart_from_null_texts(tmp_path: Path) -> None:
    jsonl(tmp_path / "in.jsonl", [{"content": GOOD}] * 3)
    with pytest.raises(InputError, match="no column 'text'"):
        run(tmp_path / "in.jsonl", tmp_path / "out", profile="web")


@pytest.mark.slow
def test_a_text_column_is_never_ignored(tmp_path: Path) -> None:
    chats = jsonl(tmp_path / "chats.jsonl", [chat("Why?", GOOD)])
    with pytest.raises(InputError, match="no column 'txt'"):
        run(chats, tmp_path / "out", text_column="txt")
    with pytest.raises(ConfigError, match="'sft' reads conversations, not the column 'txt'"):
        run(chats, tmp_path / "other", profile="sft", text_column="txt")
    texts = jsonl(tmp_path / "texts.jsonl", [{"txt": GOOD}])
    report = run(texts, tmp_path / "web", text_column="txt", max_removed_fraction=1.0)
    assert report["rows_in"] == 1
