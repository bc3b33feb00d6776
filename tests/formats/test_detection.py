"""Detection says what a file is, how sure it is, and what else it might be."""

from __future__ import annotations

import pytest

from tests.formats.batches import Row, batch, found_format
from thresher.errors import ConfigError
from thresher.formats.catalogue import FORMATS, find_format
from thresher.formats.detection import Evidence, detect, gather

CHAT = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
SHARE = [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]
ANSWER = {"role": "assistant", "content": "b"}
CASES: dict[str, Row] = {
    "alpaca": {"instruction": "a", "input": "", "output": "b"},
    "alpaca-response": {"instruction": "a", "input": "", "response": "b"},
    "dolly": {"instruction": "a", "context": "", "response": "b"},
    "open-orca": {"system_prompt": "s", "question": "a", "response": "b"},
    "problem-solution": {"problem": "a", "solution": "b", "answer": "c"},
    "question-solution": {"question": "a", "solution": "b"},
    "context-answer": {"question": "a", "context": "CREATE TABLE t", "answer": "b"},
    "question-answer": {"question": "a", "answer": "b"},
    "metharme": {"prompt": "a", "generation": "b"},
    "oasst": {"INSTRUCTION": "a", "RESPONSE": "b"},
    "tldr": {"article": "a", "summary": "b"},
    "prompt-completion": {"prompt": "a", "completion": "b"},
    "prompt-response": {"prompt": "a", "response": "b"},
    "prompt-completion-chat": {"prompt": CHAT[:1], "completion": CHAT[1:]},
    "sharegpt": {"conversations": SHARE, "id": 7},
    "messages": {"messages": CHAT, "prompt": "a", "prompt_id": "x"},
    "messages-parts": {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}]},
    "llamafactory-v1": {
        "messages": [{"role": "user", "content": [{"type": "text", "value": "a"}]}]
    },
    "argilla": {"instruction": "a", "chosen_response": "b", "rejected_response": "c"},
    "alpaca-preference": {"instruction": "a", "input": "", "chosen": "b", "rejected": "c"},
    "intel": {"system": "s", "question": "a", "chosen": "b", "rejected": "c"},
    "icr": {"input": "a", "chosen": "b", "rejected": "c"},
    "preference": {"prompt": "a", "chosen": "b", "rejected": "c", "score_chosen": 1.0},
    "preference-chat": {"prompt": CHAT[:1], "chosen": [ANSWER], "rejected": [ANSWER]},
    "preference-messages": {"messages": CHAT[:1], "chosen": ANSWER, "rejected": ANSWER},
    "sharegpt-preference": {"conversations": SHARE[:1], "chosen": SHARE[1], "rejected": SHARE[1]},
    "ultra": {"prompt": "a", "chosen": CHAT, "rejected": [*CHAT[:1], {**ANSWER, "content": "c"}]},
    "preference-whole": {"chosen": CHAT, "rejected": CHAT},
    "hh": {"chosen": "\n\nHuman: a\n\nAssistant: b", "rejected": "\n\nHuman: a\n\nAssistant: c"},
    "preference-text": {"chosen": "Why? Because", "rejected": "Why? So"},
    "alpaca-kto": {"instruction": "a", "input": "", "output": "b", "kto_tag": True},
    "argilla-kto": {"instruction": "a", "completion": "b", "label": True},
    "intel-kto": {"question": "a", "completion": "b", "label": True},
    "kto": {"prompt": "a", "completion": "b", "label": True},
    "kto-response": {"prompt": "a", "response": "b", "label": True},
    "kto-chat": {"prompt": CHAT[:1], "completion": CHAT[1:], "label": True},
    "kto-messages": {"messages": CHAT, "label": True},
    "kto-sharegpt": {"conversations": SHARE, "label": True},
    "stepwise": {"prompt": "a", "completions": ["b"], "labels": [True]},
    "nectar": {"prompt": "\n\nHuman: a\n\nAssistant: ", "answers": [{"answer": "b", "rank": 1.0}]},
    "ranked": {"prompt": "a", "answers": [{"answer": "b", "rank": 1}]},
    "text": {"text": "a", "url": "x"},
    "prompt": {"prompt": "a"},
    "prompt-chat": {"prompt": CHAT[:1]},
}


def test_every_format_has_a_case() -> None:
    assert set(CASES) == set(FORMATS)


@pytest.mark.parametrize("name", CASES)
def test_a_format_is_told_from_all_others(name: str) -> None:
    formats, confidence = found_format(batch(CASES[name], CASES[name]))
    assert formats[0] == name
    assert confidence >= 0.6


def test_two_answer_columns_that_differ_leave_it_open() -> None:
    row = {"instruction": "a", "input": "", "output": "b", "response": "c"}
    found = detect(gather(batch(row)))
    assert found.confidence == 0.5
    assert {found.formats[0], *found.rivals} >= {"alpaca", "alpaca-response"}
    assert detect(gather(batch({**row, "response": "b"}))).confidence == 1.0


@pytest.mark.parametrize(
    ("column", "value"),
    [("choices", ["c", "d"]), ("reasoning", "since"), ("thinking", "hm"), ("passage", "text")],
)
def test_content_that_would_be_left_out_leaves_it_open(column: str, value: str | list[str]) -> None:
    row = CASES["question-answer"]
    found = detect(gather(batch({**row, column: value})))
    assert (found.formats, found.confidence) == (("question-answer",), 0.5)
    assert f"column '{column}' holds text and would be left out" in found.reasons
    assert detect(gather(batch({**row, column: value[:0]}))).confidence == 1.0


def test_rows_that_cannot_be_read_lower_the_confidence() -> None:
    good = CASES["alpaca"]
    rows = [good, good, {**good, "output": None}, {**good, "output": None}]
    found = detect(gather(batch(*rows)))
    assert found.confidence == 0.5
    assert "2 of 4 rows can be read" in found.reasons


def test_a_file_of_two_formats_is_both() -> None:
    rows = [CASES["alpaca"], CASES["alpaca"], CASES["sharegpt"]]
    assert found_format(batch(*rows)) == (("alpaca", "sharegpt"), 1.0)


def test_unknown_columns_are_no_format() -> None:
    found = detect(gather(batch({"premise": "a", "hypothesis": "b"})))
    assert not found.formats
    assert "hypothesis, premise" in found.reasons[0]


def test_evidence_adds_up_over_batches_and_survives_json() -> None:
    rows = [CASES["alpaca"], CASES["sharegpt"], {**CASES["alpaca"], "output": None}]
    whole = gather(batch(*rows))
    parts = Evidence()
    for row in rows:
        only = batch(row, *rows).slice(0, 1)
        parts.add(Evidence.from_json(gather(only).to_json()))
    assert detect(parts) == detect(whole)


def test_a_misspelt_format_is_told_the_right_one() -> None:
    with pytest.raises(ConfigError, match="did you mean 'sharegpt'"):
        find_format("sharegtp")


def test_a_broken_row_is_not_taken_for_a_weaker_format() -> None:
    preference = CASES["preference"]
    rows = [preference, {**preference, "chosen": None}]
    assert detect(gather(batch(*rows))).formats == ("preference",)
    judged = CASES["kto"]
    labels = ["true", "false", "maybe", "0.7"]
    data = batch(*({**judged, "label": label} for label in labels))
    assert detect(gather(data)).formats == ("kto",)


def test_scores_in_the_place_of_labels_leave_it_open() -> None:
    found = detect(gather(batch({**CASES["kto"], "label": 0.7})))
    assert found.confidence == 0
    assert found.formats == ("prompt-completion",)
    assert found.rivals == ("kto",)
