"""The trainers' sample sets: detected, converted to all they can become, back again, equal."""

from __future__ import annotations

import pyarrow as pa
import pytest

from tests.formats.batches import found_format, own_columns, rows, sample, to
from thresher.formats.catalogue import FORMATS
from thresher.formats.conversion import FORM_LOSSES
from thresher.formats.reshape import can_become

DEMOS = "llamafactory_demos/"
SETS = {
    DEMOS + "alpaca_en_demo.jsonl": "alpaca",
    DEMOS + "alpaca_zh_demo.jsonl": "alpaca",
    DEMOS + "c4_demo.jsonl": "text",
    DEMOS + "dpo_en_demo.jsonl": "sharegpt-preference",
    DEMOS + "dpo_zh_demo.jsonl": "sharegpt-preference",
    DEMOS + "glaive_toolcall_en_demo.jsonl": "sharegpt",
    DEMOS + "glaive_toolcall_zh_demo.jsonl": "sharegpt",
    DEMOS + "kto_en_demo.jsonl": "kto-messages",
    DEMOS + "reason_tool_use_demo_50.jsonl": "llamafactory-v1",
    DEMOS + "v1_sft_demo.jsonl": "llamafactory-v1",
    "hh_harmless/test.jsonl": "hh",
    "ifeval_kto/responses_en_half.jsonl": "kto-response",
    "sgd_multiturn/sgd_dev.jsonl": "messages",
    "codealpaca/code_alpaca_2k.jsonl": "alpaca",
    "codealpaca/new_codealpaca.jsonl": "alpaca",
}


@pytest.mark.parametrize("name", SETS)
def test_it_is_detected_without_doubt(name: str) -> None:
    assert found_format(sample(name)) == ((SETS[name],), 1.0)


FIRST = {source: name for name, source in reversed(SETS.items())}  # one set a format


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "count"),
    [
        *((name, 40) for name in FIRST.values()),
        *(pytest.param(name, None, marks=pytest.mark.slow) for name in SETS),
    ],
)
def test_it_comes_back_equal_from_every_format_that_can_hold_it(
    name: str, count: int | None
) -> None:
    source = SETS[name]
    data = own_columns(sample(name, count), source)
    tried = 0
    for target, known in FORMATS.items():
        if not can_become(FORMATS[source].kind, known.kind):
            continue
        there = to(data, source, target)
        kept = len(set(there.source.tolist()))
        refused = len(there.faults.counts()) and int((~there.faults.good).sum())
        assert kept + refused + int(there.removed.sum()) == len(data)
        if not len(there.batch) or not can_become(known.kind, FORMATS[source].kind):
            continue
        if known.kind is not FORMATS[source].kind and "ranked" not in known.kind:
            continue
        back = to(there.batch, target, source)
        assert back.faults.good.all()
        tried += 1
        if there.losses and source != target:
            continue  # told; the next test looks at what is lost
        before = data.take(pa.array(there.source[back.source]))
        assert rows(back.batch) == rows(before), target
    assert tried


@pytest.mark.parametrize("name", [name for name, source in SETS.items() if source == "alpaca"])
def test_alpaca_comes_back_with_its_input_as_a_line_of_the_instruction(name: str) -> None:
    data = own_columns(sample(name, 300), "alpaca")
    there = to(data, "alpaca", "sharegpt")
    assert set(there.losses) <= FORM_LOSSES
    back = rows(to(there.batch, "sharegpt", "alpaca").batch)
    for now, before in zip(back, rows(data), strict=True):
        asked = (
            [before["instruction"], before["input"]] if before["input"] else [now["instruction"]]
        )
        assert now == {
            "instruction": "\n".join(asked),
            "input": "",
            "output": before["output"],
        }


def test_both_spellings_of_codealpaca_give_the_same_conversations() -> None:
    data = sample("codealpaca/new_codealpaca.jsonl", 200)
    one = to(data, "alpaca", "messages").batch
    other = to(data.drop_columns(["output"]), "alpaca-response", "messages").batch
    assert one.equals(other)


def test_what_a_format_cannot_hold_is_counted() -> None:
    data = sample(DEMOS + "reason_tool_use_demo_50.jsonl")
    made = to(data, "llamafactory-v1", "sharegpt")
    assert made.losses == {"reasoning": 50}
    weighted = sample(DEMOS + "v1_sft_demo.jsonl", 20)
    assert to(weighted, "llamafactory-v1", "sharegpt").losses == {"per-message weights": 20}
    preferred = sample(DEMOS + "dpo_en_demo.jsonl")
    assert to(preferred, "sharegpt-preference", "messages").losses == {"rejected answer": 300}
    assert to(preferred, "sharegpt-preference", "hh").losses == {"system prompt": 80}


def test_rows_of_hh_whose_speakers_do_not_take_turns_are_refused() -> None:
    made = to(sample("hh_harmless/test.jsonl"), "hh", "preference-chat")
    assert len(made.batch) == 2303
    assert dict(made.faults.counts()) == {
        "roles are out of order: user and assistant must take turns": 9
    }
