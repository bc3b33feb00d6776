"""Leaked rows are cut, shortened, removed or tagged, and what stays holds no item."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.jobs.leak_cases import CLEAN, LARGE, PENS, QUESTION, filler
from tests.jobs.leaks import run
from tests.jobs.runs import Row, jsonl, kept_texts, parquet, rows_of, texts
from thresher.errors import ConfigError, InputError, LimitError
from thresher.store import hash_file
from thresher_jobs.decontaminate_params import DecontaminateParams
from thresher_jobs.explain import explain
from thresher_jobs.verify import verify

PAGE = filler(120)  # 690 characters or so, of which no item has any
WIDE = "Über den Fluß 鸭🦆 zogen die Gänse — ‘früh’ und spät. " * 14


@pytest.fixture
def benchmark(tmp_path: Path) -> str:
    """Three word problems."""
    items: list[Row] = [
        {"question": QUESTION, "answer": "#### 72"},
        {"question": LARGE, "answer": "#### 3,500"},
        {"question": PENS, "answer": "#### 100"},
    ]
    return f"gsm8k={jsonl(tmp_path / 'bench' / 'gsm8k_test.jsonl', items)}"


def said(*turns: str, **more: Any) -> Row:
    """Return a conversation that the user begins."""
    roles = ("user", "assistant")
    listed = [{"role": roles[n % 2], "content": text} for n, text in enumerate(turns)]
    return {"messages": listed, **more}


def changes(out: Path) -> list[tuple[Any, ...]]:
    """Return row, start, end and length of what was taken out."""
    rows = rows_of(out, "changes")
    return [(r["_row_id"], r["start"], r["end"], r["length"]) for r in rows]


def reasons(out: Path) -> list[str]:
    """Return why rows were removed."""
    return [row["_reason"].partition("; ")[2] for row in rows_of(out, "removed")]


def verdicts(out: Path) -> list[tuple[str, str | None]]:
    """Return verdict and reason of every line of the ledger."""
    return [(line["verdict"], line["reason"]) for line in rows_of(out, "ledger")]


def restored(out: Path, source: str, column: str = "text") -> str:
    """Put a row's pieces and what was taken out of it together again."""
    kept = [line for line in rows_of(out, "ledger") if line["verdict"] == "kept"]
    owners = [line["matched_id" if line["reason"] == "added" else "_row_id"] for line in kept]
    data = zip(owners, kept_texts(out, column), strict=True)
    pieces = [text.encode() for owner, text in data if owner == source]
    mine = [row for row in rows_of(out, "changes") if row["_row_id"] == source]
    text = b""
    for change in mine:
        text += pieces.pop(0) if change["start"] > len(text) else b""
        assert len(text) == change["start"]
        text += change["removed"].encode()
    return (text + b"".join(pieces)).decode()


@pytest.mark.parametrize("page", [PAGE, WIDE], ids=["ascii", "wide"])
def test_an_item_in_the_middle_of_a_page_leaves_two_pieces(
    page: str, benchmark: str, tmp_path: Path
) -> None:
    text = f"{page} {QUESTION} {page}"
    texts(tmp_path / "in.parquet", [CLEAN, text, CLEAN])
    report = run(tmp_path / "in.parquet", tmp_path / "out", benchmark, action="cut")
    first, second = f"{page} "[:-200], f"? {page}"[200:]
    assert kept_texts(tmp_path / "out") == [CLEAN, first, second, CLEAN]
    size = len(text.encode())
    start, end = len(first.encode()), size - len(second.encode())
    assert changes(tmp_path / "out") == [("in.parquet:1", start, end, size)]
    assert restored(tmp_path / "out", "in.parquet:1") == text
    assert (report["rows_in"], report["rows_added"], report["rows_kept"]) == (3, 1, 4)
    assert report["text_bytes_removed"] == end - start
    leaks = report["plan"]["leaks"]
    assert leaks["rows_changed"] == 1 and leaks["sources"][0]["rows_changed"] == 1
    assert "changed: 1" in (tmp_path / "out" / "README.md").read_text()
    assert any("1 of them cut" in line for line in verify(str(tmp_path / "out")))


def test_other_columns_stand_beside_every_piece_and_ids_are_numbered(
    benchmark: str, tmp_path: Path
) -> None:
    rows = [
        {"name": "first", "body": CLEAN, "tags": ["x"]},
        {"name": "page", "body": f"{PAGE} {QUESTION} {PAGE} {LARGE} {PAGE}", "tags": ["a", "b"]},
    ]
    parquet(tmp_path / "in.parquet", rows)
    run(
        tmp_path / "in.parquet", tmp_path / "out", benchmark,
        action="cut_span", text_column="body", id_column="name",
    )  # fmt: skip
    data = rows_of(tmp_path / "out", "data")
    assert [row["name"] for row in data] == ["first", "page", "page", "page"]
    assert data[3]["tags"] == ["a", "b"] and list(data[0]) == ["name", "body", "tags"]
    ledger = rows_of(tmp_path / "out", "ledger")
    assert [line["_row_id"] for line in ledger] == ["first", "page", "page#2", "page#3"]
    assert ledger[2]["matched_id"] == "page" and ledger[2]["file"] == ledger[1]["file"]
    assert restored(tmp_path / "out", "page", "body") == rows[1]["body"]
    list(verify(str(tmp_path / "out")))
    told = "\n".join(explain(str(tmp_path / "out"), "page"))
    assert "kept, cut" in told and "stays as   page, page#2, page#3" in told
    assert f"of {len(rows[1]['body'].encode()):,} in column body" in told
    assert "a piece of page" in "\n".join(explain(str(tmp_path / "out"), "page#2"))


@pytest.mark.slow
def test_an_item_is_cut_out_wherever_it_stands_up_to_ten_pieces(
    benchmark: str, tmp_path: Path
) -> None:
    ten, eleven = (f" {QUESTION} ".join([PAGE] * n) for n in (10, 11))
    texts(tmp_path / "in.parquet", [ten, eleven])
    report = run(tmp_path / "in.parquet", tmp_path / "out", benchmark, action="cut")
    assert (report["rows_added"], report["rows_removed"]) == (9, 1)
    assert reasons(tmp_path / "out") == ["too many pieces"]
    assert rows_of(tmp_path / "out", "removed")[0]["text"] == eleven
    assert restored(tmp_path / "out", "in.parquet:0") == ten
    params = {"action": "cut", "cut": {"most_pieces": 11, "margin": 0, "least_piece": 1}}
    report = run(tmp_path / "in.parquet", tmp_path / "more", benchmark, **params)
    assert (report["rows_added"], report["rows_removed"]) == (19, 0)
    assert kept_texts(tmp_path / "more")[0] == f"{PAGE} "


def test_a_short_document_goes_and_one_end_of_a_page_may_go(benchmark: str, tmp_path: Path) -> None:
    short, front = f"{CLEAN} {QUESTION} {CLEAN}", f"{CLEAN} {QUESTION} {PAGE}"
    texts(tmp_path / "in.parquet", [short, front, QUESTION])
    report = run(tmp_path / "in.parquet", tmp_path / "out", benchmark, action="cut")
    assert (report["rows_kept"], report["rows_added"], report["rows_removed"]) == (1, 0, 2)
    assert reasons(tmp_path / "out") == ["no piece is long enough"] * 2
    assert kept_texts(tmp_path / "out") == [f"? {PAGE}"[200:]]
    list(verify(str(tmp_path / "out")))


@pytest.mark.slow
def test_nothing_that_is_kept_matches_when_it_is_searched_again(
    benchmark: str, tmp_path: Path
) -> None:
    dice = random.Random(7)
    parts = [PAGE, WIDE, CLEAN, QUESTION, LARGE, PENS, QUESTION.upper(), CLEAN * 3]
    pages = [" ".join(dice.choices(parts, k=dice.randint(1, 9))) for _ in range(60)]
    texts(tmp_path / "in.parquet", pages)
    report = run(tmp_path / "in.parquet", tmp_path / "out", benchmark, action="cut")
    assert report["plan"]["leaks"]["rows_changed"] > 10 and report["rows_removed"] > 3
    list(verify(str(tmp_path / "out")))
    for number in {row["_row_id"] for row in rows_of(tmp_path / "out", "changes")}:
        assert restored(tmp_path / "out", number) == pages[int(number.rpartition(":")[2])]
    again = run(tmp_path / "out" / "data", tmp_path / "again", benchmark)
    assert again["rows_removed"] == 0 and again["rows_in"] == report["rows_kept"]


def test_verify_sees_that_a_changed_row_was_put_back(benchmark: str, tmp_path: Path) -> None:
    texts(tmp_path / "in.parquet", [f"{PAGE} {QUESTION} {PAGE}"])
    out = tmp_path / "out"
    run(tmp_path / "in.parquet", out, benchmark, action="cut")
    part = out / "data" / "part-00000.parquet"
    table = pq.read_table(part)
    whole = table.set_column(0, "text", [[f"{PAGE} {QUESTION}", *kept_texts(out)[1:]]])
    pq.write_table(whole, part)
    manifest = json.loads((out / "manifest.json").read_text())
    for file in manifest["files"]:
        if file[0] == "data/part-00000.parquet":
            file[1:] = hash_file(part)
    (out / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=r"in\.parquet:0: what is kept and what was taken out"):
        list(verify(str(out)))


def test_conversations_are_no_texts_to_cut(benchmark: str, tmp_path: Path) -> None:
    texts(tmp_path / "in" / "a.parquet", [CLEAN])
    jsonl(tmp_path / "in" / "b.jsonl", [said("What is rye?", CLEAN)])
    with pytest.raises(ConfigError, match=r"b\.jsonl.*format 'messages'.*truncate"):
        run(tmp_path / "in", tmp_path / "out", benchmark, action="cut")
    with pytest.raises(ValueError, match="no turns to truncate"):
        DecontaminateParams(against=(benchmark,), action="truncate", text_column="text")


TALK = ["Hello", "Good morning.", "What is rye?", CLEAN]
SYSTEM = {"role": "system", "content": "Be brief."}
THOUGHT = {"role": "assistant", "content": "Let me see.", "reasoning_content": f"Like {QUESTION}"}
KEPT_TURNS = {
    "turn 5": (said(*TALK, QUESTION, "It is 72.", "Thanks", "Welcome"), 4),
    "an answer": (said("Hello", "Good morning.", "Make one up", QUESTION, "Again", LARGE), 2),
    "the question before its answer goes too": (said(*TALK, "A problem?", PENS), 4),
    "turn 1": (said(QUESTION, "It is 72.", *TALK), 0),
    "turn 2": (said("Make one up.", QUESTION, *TALK), 0),
    "after a system prompt": ({"messages": [SYSTEM, *said(QUESTION, "72")["messages"]]}, 0),
    "with a system prompt": (
        {"messages": [SYSTEM, *said(*TALK, QUESTION, "72")["messages"]]}, 5),
    "in a system prompt": (
        {"messages": [{"role": "system", "content": QUESTION}, *said(*TALK)["messages"]]}, 0),
    "a thought": ({"messages": [*said(*TALK, "And now?")["messages"], THOUGHT]}, 4),
    "a thought before": (
        {"messages": [*said("Now?")["messages"], THOUGHT, *said(*TALK)["messages"]]}, 0),
    "an unanswered call": (
        {"messages": [
            *said(*TALK, "Look it up")["messages"],
            {"role": "assistant", "content": None, "tool_calls": [{"type": "function",
             "function": {"name": "look", "arguments": '{"what": "clips"}'}}]},
            {"role": "tool", "content": QUESTION},
            {"role": "assistant", "content": "There it is."}]}, 4),
    "nowhere": (said(*TALK), 4),
}  # fmt: skip


@pytest.mark.parametrize("case", KEPT_TURNS)
def test_a_conversation_keeps_the_exchanges_before_the_leak(
    case: str, benchmark: str, tmp_path: Path
) -> None:
    row, turns = KEPT_TURNS[case]
    other = said("Where is the barn?", CLEAN)
    jsonl(tmp_path / "in.jsonl", [{**row, "n": 1}, {**other, "n": 2}])
    report = run(tmp_path / "in.jsonl", tmp_path / "out", benchmark, action="truncate")
    data = rows_of(tmp_path / "out", "data")
    assert [row["n"] for row in data] == ([1, 2] if turns else [2])
    length = len(row["messages"])
    if turns:
        texts_of = [message["content"] for message in data[0]["messages"]]
        assert texts_of == [message["content"] for message in row["messages"][:turns]]
    if 0 < turns < length:
        assert changes(tmp_path / "out") == [("in.jsonl:0", turns, length, length)]
        gone = json.loads(rows_of(tmp_path / "out", "changes")[0]["removed"])
        assert [m["content"] for m in gone if "content" in m] == [
            m["content"] for m in row["messages"][turns:] if m["content"]
        ]
        assert verdicts(tmp_path / "out")[0] == ("kept", "truncated")
    assert report["rows_in"] == report["rows_kept"] + report["rows_removed"]
    assert sum(report[f"text_bytes_{k}"] for k in ("kept", "removed")) == report["text_bytes_in"]
    list(verify(str(tmp_path / "out")))


def test_other_spellings_are_shortened_and_a_system_column_is_not_a_turn(
    benchmark: str, tmp_path: Path
) -> None:
    def shared(*turns: str, **more: Any) -> Row:
        names = ("human", "gpt")
        listed = [{"from": names[n % 2], "value": text} for n, text in enumerate(turns)]
        return {"conversations": listed, **more}

    rows = [
        shared(*TALK, QUESTION, "72", system="Be brief."),
        shared(*TALK, system=f"Never answer this: {QUESTION}"),
        shared(*TALK, QUESTION, "72", system=None),
    ]
    jsonl(tmp_path / "in.jsonl", rows)
    run(tmp_path / "in.jsonl", tmp_path / "out", benchmark, action="truncate_conversation")
    assert rows_of(tmp_path / "out", "data") == [
        shared(*TALK, system="Be brief."), shared(*TALK, system=None)
    ]  # fmt: skip
    assert reasons(tmp_path / "out") == ["it is not in one turn alone"]


def test_a_question_asked_in_two_turns_is_no_turn(benchmark: str, tmp_path: Path) -> None:
    first, second = QUESTION[:80], QUESTION[80:]
    jsonl(tmp_path / "in.jsonl", [said(*TALK, first, "Go on.", second, "72"), said(*TALK)])
    report = run(
        tmp_path / "in.jsonl", tmp_path / "out", benchmark,
        action="truncate", join_user_turns=True, roles=("user",),
    )  # fmt: skip
    if report["rows_removed"]:
        assert reasons(tmp_path / "out") == ["it is not in one turn alone"]
    else:
        assert len(rows_of(tmp_path / "out", "data")[0]["messages"]) == 4
    again = run(tmp_path / "out" / "data", tmp_path / "again", benchmark, join_user_turns=True)
    assert again["rows_removed"] == 0


@pytest.mark.parametrize("action", ["drop", "truncate"])
def test_rows_that_are_no_conversations_go_as_a_whole(
    action: str, benchmark: str, tmp_path: Path
) -> None:
    pair = {"prompt": "Which?", "chosen": "A long answer.", "rejected": "Another one."}
    leaked = [pair | {"rejected": QUESTION}, pair | {"prompt": LARGE}]
    jsonl(tmp_path / "in" / "dpo.jsonl", [*leaked, pair])
    one = {"prompt": "Which?", "completion": "This.", "label": True}
    jsonl(tmp_path / "in" / "kto.jsonl", [one, one | {"completion": PENS}])
    jsonl(tmp_path / "in" / "sft.jsonl", [said(*TALK, QUESTION, "72"), said(*TALK)])
    jsonl(tmp_path / "in" / "text.jsonl", [{"text": f"{PAGE} {QUESTION}"}, {"text": PAGE}])
    report = run(tmp_path / "in", tmp_path / "out", benchmark, action=action, union_columns=True)
    shortened = action == "truncate"
    assert (report["rows_in"], report["rows_removed"]) == (9, 4 if shortened else 5)
    assert report["plan"]["leaks"].get("rows_changed", 0) == shortened
    gone = {row["_row_id"] for row in rows_of(tmp_path / "out", "removed")}
    assert {"dpo.jsonl:0", "dpo.jsonl:1", "kto.jsonl:1", "text.jsonl:0"} == gone - {"sft.jsonl:0"}
    if shortened:
        assert reasons(tmp_path / "out") == ["no conversation to cut short"] * 4
    list(verify(str(tmp_path / "out")))


def test_a_tag_changes_nothing_but_two_columns(benchmark: str, tmp_path: Path) -> None:
    rows = [said(*TALK, QUESTION, "72"), said(*TALK), said(LARGE, "3500")]
    parquet(tmp_path / "in.parquet", rows)
    run(tmp_path / "in.parquet", tmp_path / "out", benchmark, action="tag_only")
    data = rows_of(tmp_path / "out", "data")
    assert [{"messages": row["messages"]} for row in data] == rows
    assert [row["_verdict"] for row in data] == ["contaminated", None, "contaminated"]
    assert not (tmp_path / "out" / "changes").exists()


def test_suspects_are_changed_where_they_are_to_go(benchmark: str, tmp_path: Path) -> None:
    begun = " ".join(QUESTION.split()[:12])
    texts(tmp_path / "in.parquet", [f"{PAGE} {begun} {PAGE}", PAGE])
    report = run(tmp_path / "in.parquet", tmp_path / "kept", benchmark, action="cut")
    assert report["plan"]["leaks"]["suspect_rows"] == 1 and report["rows_added"] == 0
    report = run(
        tmp_path / "in.parquet", tmp_path / "cut", benchmark, action="cut", remove="suspect"
    )
    assert (report["rows_added"], report["rows_removed"]) == (1, 0)
    list(verify(str(tmp_path / "cut")))


def test_what_is_cut_does_not_count_as_removed_and_a_refused_run_leaves_nothing(
    benchmark: str, tmp_path: Path
) -> None:
    texts(tmp_path / "in.parquet", [f"{PAGE} {QUESTION} {PAGE}"] * 3 + [QUESTION])
    report = run(
        tmp_path / "in.parquet", tmp_path / "out", benchmark,
        action="cut", max_removed_fraction=0.3,
    )  # fmt: skip
    assert report["rows_removed"] == 1
    with pytest.raises(LimitError):
        run(
            tmp_path / "in.parquet", tmp_path / "no", benchmark,
            action="cut", max_removed_fraction=0.2,
        )  # fmt: skip
    assert not (tmp_path / "no" / "changes").exists()


@pytest.mark.slow
def test_an_action_that_fits_no_row_is_refused_before_the_search(
    benchmark: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pairs = jsonl(tmp_path / "in" / "dpo.jsonl", [{"prompt": "a", "chosen": "b", "rejected": "c"}])
    with pytest.raises(ConfigError, match="rows of format preference have none"):
        run(tmp_path / "in", tmp_path / "out", benchmark, action="truncate")
    jsonl(tmp_path / "in" / "sft.jsonl", [said(*TALK)])
    run(tmp_path / "in", tmp_path / "fine", benchmark, action="truncate", union_columns=True)
    assert "1 of 2 files hold no lists of messages" in caplog.text
    leaked = jsonl(pairs, [{"prompt": QUESTION, "chosen": "b", "rejected": "c"}])
    run(leaked, tmp_path / "empty", benchmark)
    assert "none of 1 rows is left" in caplog.text
