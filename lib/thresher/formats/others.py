"""Formats of their own: plain text, transcripts, judged steps, ranked answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.formats.arrays import children, column, nulls, parts_of, strings, truth
from thresher.formats.flat import lose_boundary
from thresher.formats.format import Format, Shape, Writing, Written, lifted_system, texts_of
from thresher.formats.lists import shared_prompt
from thresher.formats.messages import LOST_FIELDS, Dropped, one_text
from thresher.formats.prefixes import cut_texts, shared_bytes
from thresher.formats.rows import ANSWERS, Faults, Kind, Read, Rows
from thresher.formats.turns import ASSISTANT, STRING, USER, Turns, join, turns_of

Column = np.ndarray[Any, Any]
MARK = "\x1e"
ANSWER_BOUNDARY = "boundary of prompt and answer"
SPEAKERS = {USER: "\n\nHuman: ", ASSISTANT: "\n\nAssistant: "}


def read_text(batch: pa.RecordBatch) -> Read:
    """Read a column `text`."""
    faults = Faults(len(batch))
    text = texts_of(batch, "text", faults)
    return Read(Rows(Kind.TEXT, len(batch), {}, {"text": text}), faults)


def write_text(rows: Rows, how: Writing) -> Written:
    """Write a column `text`."""
    return Written({"text": rows.column("text")}, Faults(len(rows)), {})


def read_transcript(array: pa.Array, what: str, faults: Faults) -> Turns:
    """Read dialogues in one string: turns begin with `\\n\\nHuman: ` and `\\n\\nAssistant: `."""
    faults.add(nulls(array), f"column '{what}' is null")
    text = pc.fill_null(strings(array), "")
    faults.add(truth(pc.match_substring(text, MARK)), f"'{what}' holds a record separator")
    for role, speaker in SPEAKERS.items():
        text = pc.replace_substring(text, speaker, f"{MARK}{role}")
    faults.add(~truth(pc.starts_with(text, MARK)), f"'{what}' does not begin with a speaker")
    offsets, pieces = parts_of(pc.split_pattern(text, MARK))
    speaking = np.ones(len(pieces), bool)
    speaking[offsets[:-1]] = False  # what stands before the first speaker
    spoken = pieces.filter(pa.array(speaking))
    codes = pc.utf8_slice_codeunits(spoken, 0, 1)
    known = pc.index_in(codes, pa.array([str(r) for r in range(6)], codes.type))
    roles = pc.fill_null(known, -1).to_numpy(zero_copy_only=False).astype(np.int8)
    content = strings(pc.utf8_slice_codeunits(spoken, 1))
    return Turns(offsets - np.arange(len(offsets)), roles, {"content": content})


def write_transcript(turns: Turns, faults: Faults, lost: Dropped) -> pa.Array:
    """Write dialogues as one string each."""
    faults.add(turns.any(~np.isin(turns.roles, list(SPEAKERS))), "only two can speak in it")
    faults.add(turns.any(nulls(turns.field("content"))), "a turn without text does not fit")
    for mark in (MARK, *SPEAKERS.values()):
        forged = truth(pc.match_substring(turns.field("content"), mark))
        faults.add(turns.any(forged), "a turn's text holds the beginning of another turn")
    for name, what in {**LOST_FIELDS, "parts": "content parts that are not text"}.items():
        values = turns.fields.get(name)
        if values is not None and values.null_count < len(values):
            lost[what] = lost.get(what, np.zeros(len(turns), bool)) | turns.any(~nulls(values))
    names = pa.array([SPEAKERS.get(role, "") for role in range(6)], STRING)
    heads = names.take(pa.array(np.maximum(turns.roles, 0)))
    lines = pc.binary_join_element_wise(
        heads, pc.fill_null(turns.field("content"), ""), pa.scalar("", STRING)
    )
    lists = pa.LargeListArray.from_arrays(pa.array(turns.offsets), lines)
    return _joined(lists, "")


def _joined(lists: pa.Array, separator: str) -> pa.Array:
    """Join the strings of each list."""
    small = lists.cast(pa.list_(STRING)) if pa.types.is_large_list(lists.type) else lists
    return pc.binary_join(small, pa.scalar(separator, STRING))


def read_hh(batch: pa.RecordBatch) -> Read:
    """Read preferences between two transcripts that begin alike."""
    faults = Faults(len(batch))
    sides = [read_transcript(column(batch, n), n, faults) for n in ("chosen", "rejected")]
    return Read(Rows(Kind.PREFERENCE, len(batch), shared_prompt(*sides)), faults)


def write_hh(rows: Rows, how: Writing) -> Written:
    """Write preferences as two transcripts."""
    faults = Faults(len(rows))
    lost: Dropped = {}
    rows = _spoken_only(rows, "prompt", lost)
    lose_boundary(rows, lost)
    prompt = rows.turns["prompt"]
    sides = {
        name: write_transcript(join([prompt, rows.turns[name]]), faults, lost)
        for name in ("chosen", "rejected")
    }
    good = pa.array(faults.good)
    return Written({name: text.filter(good) for name, text in sides.items()}, faults, lost)


def read_alike(batch: pa.RecordBatch) -> Read:
    """Read preferences between two texts that begin alike: the prompt is what they share, less a
    last space, as TRL takes it."""
    faults = Faults(len(batch))
    sides = [texts_of(batch, name, faults) for name in ("chosen", "rejected")]
    texts = [pc.fill_null(side, "") for side in sides]
    heads = shared_bytes(*texts)
    faults.add(heads == 0, "chosen and rejected share no prompt")
    (asked, chosen), (_, rejected) = (cut_texts(text, heads) for text in texts)
    turns = {
        "prompt": turns_of(asked, USER),
        "chosen": turns_of(chosen, ASSISTANT),
        "rejected": turns_of(rejected, ASSISTANT),
    }
    return Read(Rows(Kind.PREFERENCE, len(batch), turns), faults)


def write_alike(rows: Rows, how: Writing) -> Written:
    """Write a prompt of one turn in front of both answers."""
    faults = Faults(len(rows))
    lost: Dropped = {}
    rows = _spoken_only(rows, "prompt", lost)
    lose_boundary(rows, lost)
    sides = [rows.turns[name] for name in ("prompt", "chosen", "rejected")]
    for turns in sides:
        faults.add(turns.lengths != 1, "several turns do not fit: the format holds one question")
        faults.add(turns.any(turns.roles > ASSISTANT), "tools' turns do not fit a column of text")
        faults.add(turns.any(nulls(turns.field("content"))), "a turn without text does not fit")
    asked, *answers = (pc.fill_null(one_text(turns), "") for turns in sides)
    texts = [pc.binary_join_element_wise(asked, text, pa.scalar("", STRING)) for text in answers]
    heads = shared_bytes(*texts)
    faults.add(heads == 0, "chosen and rejected would share no prompt")
    moved = heads != pc.binary_length(asked).to_numpy(zero_copy_only=False)
    if moved.any():
        lost[ANSWER_BOUNDARY] = moved
    good = pa.array(faults.good)
    columns = [text.filter(good) for text in texts]
    return Written(dict(zip(("chosen", "rejected"), columns, strict=True)), faults, lost)


def _spoken_only(rows: Rows, name: str, lost: Dropped) -> Rows:
    system, rest = lifted_system(rows, name)
    if system.null_count < len(system):
        lost["system prompt"] = ~nulls(system)
    tools = rows.columns.get("tools")
    if tools is not None and tools.null_count < len(tools):
        lost["tools"] = ~nulls(tools)
    return rest


def read_steps(batch: pa.RecordBatch) -> Read:
    """Read a prompt and the steps of its answer, each judged."""
    faults = Faults(len(batch))
    prompt = turns_of(texts_of(batch, "prompt", faults), USER)
    steps, labels = column(batch, "completions"), column(batch, "labels")
    columns: dict[str, pa.Array] = {}
    for name, what, array, kind in (
        ("steps", "completions", steps, STRING),
        ("step_labels", "labels", labels, pa.bool_()),
    ):
        faults.add(nulls(array), f"column '{what}' is null")
        offsets, values = parts_of(array)
        row = np.repeat(np.arange(len(batch)), np.diff(offsets))
        faults.add(np.unique(row[nulls(values)]), f"a value in '{what}' is null")
        if name == "step_labels" and not pa.types.is_boolean(values.type):
            faults.add(np.diff(offsets) > 0, "a value in 'labels' is neither true nor false")
            values = pa.nulls(len(values), pa.bool_())
        columns[name] = pa.LargeListArray.from_arrays(pa.array(offsets), values.cast(kind))
    counts = [pc.list_value_length(columns[name]) for name in ("steps", "step_labels")]
    faults.add(~truth(pc.equal(*counts)), "'completions' and 'labels' differ in length")
    return Read(Rows(Kind.STEPS, len(batch), {"prompt": prompt}, columns), faults)


def write_steps(rows: Rows, how: Writing) -> Written:
    """Write judged steps."""
    columns = {
        "prompt": one_text(rows.turns["prompt"]),
        "completions": rows.column("steps"),
        "labels": rows.column("step_labels"),
    }
    return Written(columns, Faults(len(rows)), {})


def read_ranked(batch: pa.RecordBatch) -> Read:
    """Read a prompt and its ranked answers; the prompt may be a transcript that ends open."""
    faults = Faults(len(batch))
    dropped: Dropped = {}
    prompt = turns_of(texts_of(batch, "prompt", faults), USER)
    array = column(batch, "answers")
    faults.add(nulls(array), "column 'answers' is null")
    offsets, flat = parts_of(array)
    row = np.repeat(np.arange(len(batch)), np.diff(offsets))
    found = children(flat)
    text, rank = (found.get(name, pa.nulls(len(flat))) for name in ("answer", "rank"))
    faults.add(np.unique(row[nulls(text)]), "an answer is null")
    faults.add(np.unique(row[nulls(rank)]), "a rank is null")
    faults.add(np.diff(offsets) == 0, "there are no answers")
    try:
        ranks = rank.cast(pa.int64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        faults.add(np.unique(row), "a rank is not a whole number")
        ranks = pa.nulls(len(flat), pa.int64())
    for name, child in found.items():
        if name not in ("answer", "rank") and child.null_count < len(child):
            mask = np.zeros(len(batch), bool)
            mask[row[~nulls(child)]] = True
            dropped[f"answer field '{name}'"] = mask
    values = pa.StructArray.from_arrays([strings(text), ranks], fields=list(ANSWERS.value_type))
    columns = {"answers": pa.LargeListArray.from_arrays(pa.array(offsets), values)}
    return Read(Rows(Kind.RANKED, len(batch), {"prompt": prompt}, columns), faults, dropped)


def read_nectar(batch: pa.RecordBatch) -> Read:
    """Read ranked answers to a transcript whose last speaker, the assistant, has not spoken yet."""
    made = read_ranked(batch)
    turns = read_transcript(column(batch, "prompt"), "prompt", made.faults)
    blank = truth(pc.equal(turns.field("content"), "")) & (turns.roles == ASSISTANT)
    final = np.zeros(len(turns.roles), bool)
    final[turns.offsets[1:][turns.lengths > 0] - 1] = True
    made.faults.add(~turns.any(blank & final), "'prompt' does not end with the assistant's turn")
    prompt, _ = turns.split(np.maximum(turns.lengths - 1, 0))
    rows = made.rows.replaced(turns={"prompt": prompt})
    return Read(rows, made.faults, made.dropped)


def write_ranked(rows: Rows, how: Writing) -> Written:
    """Write ranked answers to a prompt of one turn."""
    faults = Faults(len(rows))
    lost: Dropped = {}
    rows = _spoken_only(rows, "prompt", lost)
    prompt = rows.turns["prompt"]
    faults.add(prompt.lengths != 1, "several turns do not fit: the format holds one question")
    good = np.flatnonzero(faults.good)
    mine = rows.take(good)
    columns = {"prompt": one_text(mine.turns["prompt"]), "answers": mine.column("answers")}
    return Written(columns, faults, lost)


def write_nectar(rows: Rows, how: Writing) -> Written:
    """Write ranked answers to a transcript."""
    faults = Faults(len(rows))
    lost: Dropped = {}
    rows = _spoken_only(rows, "prompt", lost)
    prompt = rows.turns["prompt"]
    open_end = turns_of(pa.array([""] * len(rows), STRING), ASSISTANT)
    text = write_transcript(join([prompt, open_end]), faults, lost)
    good = pa.array(faults.good)
    columns = {"prompt": text.filter(good), "answers": rows.column("answers").filter(good)}
    return Written(columns, faults, lost)


_ANSWERED = {"prompt": Shape("text"), "answers": Shape("answers")}
_SIDES = {"chosen": Shape("text"), "rejected": Shape("text")}
_STEPS = {"prompt": Shape("text"), "completions": Shape("texts"), "labels": Shape("labels")}
TEXT = Format(
    "text", Kind.TEXT, "text: plain text", {"text": Shape("text")}, read=read_text, write=write_text
)
HH = Format(
    "hh", Kind.PREFERENCE, "chosen, rejected: whole transcripts 'Human: ... Assistant: ...'",
    _SIDES, read=read_hh, write=write_hh,
)  # fmt: skip
ALIKE = Format(
    "preference-text", Kind.PREFERENCE, "chosen, rejected: texts that begin with the prompt (TRL)",
    _SIDES, read=read_alike, write=write_alike,
)  # fmt: skip
STEPS = Format(
    "stepwise", Kind.STEPS, "prompt, completions, labels: judged steps", _STEPS,
    read=read_steps, write=write_steps,
)  # fmt: skip
NECTAR = Format(
    "nectar", Kind.RANKED, "prompt (a transcript), answers: ranked answers", _ANSWERED,
    read=read_nectar, write=write_nectar,
)  # fmt: skip
RANKED = Format(
    "ranked", Kind.RANKED, "prompt, answers[answer, rank]: ranked answers", _ANSWERED,
    read=read_ranked, write=write_ranked,
)  # fmt: skip
