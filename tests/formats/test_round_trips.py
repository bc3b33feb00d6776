"""Properties of conversion, on rows made up by hypothesis.

A well-formed row comes back from its own format as it was, and from any other as long as nothing is
reported lost; what rows become does not depend on their neighbours.
"""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.examples import examples
from tests.formats.batches import Row, batch, present, rows, to
from thresher.formats.catalogue import FORMATS
from thresher.formats.conversion import Conversion, convert
from thresher.formats.format import Writing
from thresher.formats.lists import same_turns
from thresher.formats.messages import read_messages
from thresher.formats.rows import Faults, Kind
from thresher.formats.turns import in_order

QUICK = examples(20)
text = st.text(st.characters(codec="utf-8", exclude_characters="\x1e\ufdd0\ufdd1"), max_size=12)
ARGUMENTS = st.dictionaries(text, st.one_of(text, st.integers(-9, 9), st.booleans(), st.none()))


@st.composite
def conversations(draw: st.DrawFn, *, calls: bool = False, pairs: int = 3) -> list[Row]:
    """Draw messages in order: perhaps a system prompt, then pairs, some with a call of a tool."""
    turns: list[Row] = []
    if draw(st.booleans()):
        turns.append({"role": "system", "content": draw(text.filter(bool))})
    for _ in range(draw(st.integers(1, pairs))):
        turns.append({"role": "user", "content": draw(text)})
        if calls and draw(st.booleans()):
            turns += draw(tool_use())
        turns.append({"role": "assistant", "content": draw(text)})
    return turns


@st.composite
def tool_use(draw: st.DrawFn) -> list[Row]:
    """Draw an assistant's call and the tool's answer."""
    arguments = json.dumps(draw(ARGUMENTS), ensure_ascii=draw(st.booleans()))
    function = {"name": draw(text), "arguments": arguments}
    call = {"role": "assistant", "tool_calls": [{"type": "function", "function": function}]}
    return [call, {"role": "tool", "content": draw(text)}]


def filled(turns: list[list[Row]]) -> pa.RecordBatch:
    """Return conversations as a batch of messages with a content that may be null."""
    return batch(*({"messages": row} for row in turns))


@pytest.mark.slow
@examples(5)
@given(st.lists(conversations(calls=True), min_size=1, max_size=4))
def test_messages_come_back_from_every_format_of_conversations(turns: list[list[Row]]) -> None:
    data = filled(turns)
    for target, known in FORMATS.items():
        if known.kind is not Kind.CHAT:
            continue
        there = to(data, "messages", target)
        if there.losses or not len(there.batch):
            continue
        back = to(there.batch, target, "messages")
        assert back.faults.good.all()
        assert rows(back.batch) == rows(data.take(pa.array(there.source))), target


@pytest.mark.slow
@examples(3)
@given(st.data())
def test_every_format_comes_back_from_itself(data: st.DataObject) -> None:
    turns = data.draw(st.lists(conversations(), min_size=1, max_size=3))
    chat = filled(turns)
    labels = data.draw(st.lists(st.booleans(), min_size=len(turns), max_size=len(turns)))
    for name, known in FORMATS.items():
        source = _made(chat, known.kind, labels)
        if source is None:
            continue
        first = to(source[1], source[0], name).batch
        if len(first):
            again = to(first, name, name)
            assert rows(again.batch) == rows(first), name
            assert not again.losses


def _made(
    chat: pa.RecordBatch, kind: Kind, labels: list[bool]
) -> tuple[str, pa.RecordBatch] | None:
    """Return rows of a kind in one of its formats."""
    if kind is Kind.CHAT:
        return "messages", chat
    if kind is Kind.UNPAIRED:
        return "kto-messages", chat.append_column("label", pa.array(labels))
    if kind is Kind.PROMPT:
        return "prompt-chat", to(chat, "messages", "prompt-chat").batch
    if kind is Kind.PREFERENCE:
        split = to(chat, "messages", "prompt-completion-chat").batch
        better = split.column("completion")
        worse = [[{**m, "content": m["content"] + "!"} for m in row] for row in better.to_pylist()]
        columns = [split.column("prompt"), better, pa.array(worse, better.type)]
        return "preference-chat", pa.record_batch(columns, ["prompt", "chosen", "rejected"])
    return None


@examples(5)
@given(st.lists(conversations(calls=True), min_size=2, max_size=5), st.data())
def test_a_row_does_not_depend_on_its_neighbours(
    turns: list[list[Row]], draw: st.DataObject
) -> None:
    data = filled(turns)
    held = present(data, "messages")
    for target in ("sharegpt", "alpaca", "llamafactory-v1"):
        how = Conversion(("messages",), target, Writing(held))
        whole = convert(data, how)
        place = draw.draw(st.integers(0, len(turns) - 1))
        alone = convert(data.slice(place, 1), how)
        mine = whole.batch.filter(pa.array(whole.source == place))
        assert mine.equals(alone.batch)
        assert whole.faults.message(place) == alone.faults.message(0)


ROLES = st.lists(
    st.sampled_from(["system", "developer", "user", "assistant", "function_call", "tool"]),
    max_size=7,
)
FOLLOWERS: dict[str | None, set[str]] = {
    None: {"system", "developer", "user"},
    "system": {"user"},
    "developer": {"user"},
    "user": {"assistant", "function_call"},
    "assistant": {"user", "tool", "function_call"},
    "function_call": {"tool", "function_call"},
    "tool": {"tool", "assistant", "function_call"},
}


def ordered(roles: list[str]) -> bool:
    """The plain rule: who may follow whom."""
    before: str | None = None
    for role in roles:
        if role not in FOLLOWERS[before]:
            return False
        before = role
    return True


@QUICK
@given(st.lists(ROLES, min_size=1, max_size=6))
def test_order_is_judged_by_the_plain_rule(turns: list[list[str]]) -> None:
    kind = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
    lists = pa.array([[{"role": r, "content": ""} for r in row] for row in turns], kind)
    read = read_messages(lists, "messages", Faults(len(turns)), {})
    assert in_order(read).tolist() == [ordered(row) for row in turns]


@QUICK
@given(st.lists(st.tuples(conversations(pairs=1), conversations(pairs=1)), min_size=1, max_size=5))
def test_turns_are_equal_when_roles_and_texts_are(pairs: list[tuple[list[Row], list[Row]]]) -> None:
    sides = [
        read_messages(filled([*side]).column("messages"), "messages", Faults(len(side)), {})
        for side in zip(*pairs, strict=True)
    ]
    assert same_turns(*sides).tolist() == [left == right for left, right in pairs]


@pytest.mark.parametrize("name", FORMATS)
def test_no_rows_are_written_with_the_same_types_as_some(name: str) -> None:
    known = FORMATS[name]
    how = Conversion((name,), name)
    nothing = pa.RecordBatch.from_arrays(
        [pa.nulls(0, f.type) for f in how.schema], schema=how.schema
    )
    assert known.fits(how.schema)
    assert convert(nothing, how).batch.schema == how.schema


ANSWERS = st.lists(st.tuples(text, st.integers(1, 4)), min_size=1, max_size=5)


@QUICK
@given(st.lists(st.tuples(text, ANSWERS), min_size=1, max_size=3))
def test_pairs_of_ranked_answers_are_those_that_differ_in_rank_and_text(
    ranked: list[tuple[str, list[tuple[str, int]]]],
) -> None:
    data = batch(
        *({"prompt": p, "answers": [{"answer": a, "rank": r} for a, r in entries]}
          for p, entries in ranked)
    )  # fmt: skip
    made = to(data, "ranked", "preference", pairs="all", order="any")
    expected = sorted(
        (prompt, better, worse)
        for prompt, entries in ranked
        for better, high in entries
        for worse, low in entries
        if high < low and better != worse
    )
    found = sorted((r["prompt"], r["chosen"], r["rejected"]) for r in made.batch.to_pylist())
    assert found == expected


def test_values_of_any_type_survive_in_extra_columns() -> None:
    extra: dict[str, Any] = {"n": 3, "when": None, "tags": ["a", "b"], "deep": {"x": [1.5]}}
    data = batch({"instruction": "a", "input": "", "output": "b", **extra})
    schema = pa.schema([f for f in data.schema if f.name in extra])
    made = convert(data, Conversion(("alpaca",), "messages", extra=schema))
    assert {k: v for k, v in made.batch.to_pylist()[0].items() if k in extra} == extra
