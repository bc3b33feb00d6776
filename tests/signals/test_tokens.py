from __future__ import annotations

import gzip
import hashlib
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from thresher.errors import ConfigError, EngineError
from thresher.formats.catalogue import FORMATS
from thresher.signals import tokens as module
from thresher.signals.estimate import estimated_tokens
from thresher.signals.tokens import (
    SIGNALS,
    Estimate,
    TokenizerFile,
    text_token_signals,
    token_signals,
)

DATA = Path(__file__).parents[3] / "shared" / "data"
LINES = [
    "The committee met on Tuesday, to discuss the new bridge.",
    "def area(width: int, height: int) -> int:\n    return width * height\n",
    "12,345.67 + 89 = 12434.67",
    "Комитет собрался во вторник. 委员会星期二开会。 😀",
    "camelCaseNames and CAPITALS   and\t\ttabs\n\n\n",
]


def strings(values: Any) -> pa.Array:
    return pa.array(values, pa.large_string())


def trained(lines: list[str], size: int = 600) -> bytes:
    """Train a byte-level tokenizer on the spot and return its tokenizer.json."""
    pytest.importorskip("tokenizers")
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<s>"],
        show_progress=False,
    )
    made.train_from_iterator(lines, trainer)
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 0)]
    )
    made.enable_truncation(8)
    made.enable_padding(length=8)
    return str(made.to_str()).encode()


class Words:
    """Counts words: what the tests below can check by eye."""

    name = "words"
    digest: str | None = None
    exact = False

    def count(self, texts: pa.Array) -> Any:
        return np.array([len((text or "").split()) for text in texts.to_pylist()], np.int64)


def test_a_file_counts_what_its_tokenizer_gives() -> None:
    content = trained(LINES * 5)
    counter = TokenizerFile(content)
    from tokenizers import Tokenizer

    judge = Tokenizer.from_str(content.decode())
    judge.no_truncation()
    judge.no_padding()
    rows = [*LINES, None, "", "\x00\ufffd", "a" * 5000]
    expected = [len(judge.encode(row or "", add_special_tokens=False).ids) for row in rows]
    assert counter.count(strings(rows)).tolist() == expected
    assert counter.digest == hashlib.sha256(content).hexdigest() and counter.exact
    assert counter.name.startswith("tokenizers ")


def test_counts_do_not_depend_on_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    counter = TokenizerFile(trained(LINES * 5))
    rows = strings([*LINES * 7, None])
    whole = counter.count(rows)
    monkeypatch.setattr(module, "_BATCH_BYTES", 100)
    monkeypatch.setattr(module, "_BATCH_TEXTS", 3)
    assert (counter.count(rows) == whole).all()
    assert (counter.count(rows.slice(4, 9)) == whole[4:13]).all()
    assert counter.count(rows.slice(0, 0)).tolist() == []


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xfe", b'{"model": 3}'])
def test_a_file_that_is_no_tokenizer_is_named(content: bytes) -> None:
    pytest.importorskip("tokenizers")
    with pytest.raises(ConfigError, match=r"t\.json: not a tokenizer"):
        TokenizerFile(content, "t.json")


def test_a_missing_package_is_an_engine_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tokenizers", None)
    with pytest.raises(EngineError, match=r"pip install 'thresher\[tokens\]'"):
        TokenizerFile(b"{}")


def test_plain_text_has_a_total_alone() -> None:
    found = text_token_signals(pa.array(["two words", None, ""]), Words())
    assert list(found) == [signal.name for signal in SIGNALS]
    assert [array.type for array in found.values()] == [signal.kind.type for signal in SIGNALS]
    assert found["tokens"].to_pylist() == [2, None, 0]
    assert all(found[name].null_count == 3 for name in list(found)[:3])


def counts(name: str, rows: list[dict[str, Any]]) -> dict[str, list[int | None]]:
    made = FORMATS[name].read(pa.RecordBatch.from_pylist(rows))
    assert made.faults.good.all()
    found = token_signals(made.rows, Words())
    for row in range(len(rows)):
        alone = token_signals(made.rows.take(np.array([row])), Words())
        assert all(alone[key][0] == found[key][row] for key in found)
    return {key: array.to_pylist() for key, array in found.items()}


def test_a_conversation_has_prompt_context_and_response_apart() -> None:
    messages = [
        ("system", "be kind"),
        ("user", "one two three"),
        ("assistant", "four"),
        ("user", "five six"),
        ("assistant", "seven eight nine ten"),
    ]
    rows = [
        {"messages": [{"role": role, "content": said} for role, said in messages]},
        {"messages": [{"role": role, "content": said} for role, said in messages[1:3]]},
    ]
    assert counts("messages", rows) == {
        "prompt_tokens": [2, 3],
        "context_tokens": [8, 3],
        "response_tokens": [4, 1],
        "tokens": [12, 4],
    }


def test_a_preference_counts_its_longer_answer() -> None:
    rows = [
        {"prompt": "one two", "chosen": "three", "rejected": "four five six"},
        {"prompt": "one", "chosen": "two three", "rejected": "four"},
    ]
    assert counts("preference", rows) == {
        "prompt_tokens": [2, 1],
        "context_tokens": [2, 1],
        "response_tokens": [3, 2],
        "tokens": [5, 3],
    }


def test_a_prompt_has_no_response() -> None:
    found = counts("prompt", [{"prompt": "one two three"}])
    assert found["response_tokens"] == [None] and found["context_tokens"] == [3]
    assert found["tokens"] == [3] and found["prompt_tokens"] == [3]


def test_calls_reasoning_and_tools_count() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "one two"},
        {"role": "assistant", "content": "three", "tool_calls": [call]},
        {"role": "tool", "content": "four", "tool_call_id": "1"},
        {"role": "assistant", "content": "five six", "reasoning_content": "so it is"},
    ]
    found = counts("messages", [{"messages": messages, "tools": '[{"a": 1}]'}])
    assert found["response_tokens"] == [5] and found["prompt_tokens"] == [2]
    # one two, three, {"name": "f", "arguments": {}}, four, [{"a": 1}]
    assert found["context_tokens"] == [2 + 1 + 4 + 1 + 2]
    assert found["tokens"] == [10 + 5]


@pytest.mark.parametrize(
    ("name", "row", "expected"),
    [
        ("kto", {"prompt": "one", "completion": "two three", "label": True}, [1, 1, 2, 3]),
        (
            "nectar",
            {
                "prompt": "\n\nHuman: one two\n\nAssistant: ",
                "answers": [{"answer": "a b c", "rank": 1.0}, {"answer": "d", "rank": 2.0}],
            },
            [2, 2, 3, 5],
        ),
        (
            "stepwise",
            {"prompt": "one", "completions": ["a b", "c"], "labels": [True, False]},
            [1, 1, 3, 4],
        ),
        (
            "alpaca",
            {"instruction": "one", "input": "two", "output": "", "system": "be brief"},
            [2, 4, 0, 4],
        ),
    ],
)
def test_every_kind_of_row_has_counts(name: str, row: dict[str, Any], expected: list[int]) -> None:
    assert [value for (value,) in counts(name, [row]).values()] == expected


def test_an_estimate_depends_on_its_row_alone() -> None:
    rows = strings([*LINES, None, "", "\x00", "\ufffd", "a\rb", "x" * 100_000])
    whole = estimated_tokens(rows)
    assert whole[5] == 0 and whole[6] == 0 and whole[7] >= 1
    for row in range(len(rows)):
        assert estimated_tokens(rows.slice(row, 1)).tolist() == [whole[row]]
    assert (estimated_tokens(rows.cast(pa.string()).slice(2, 5)) == whole[2:7]).all()
    assert not Estimate().exact and (Estimate().count(rows) == whole).all()


def test_an_estimate_grows_with_the_text() -> None:
    draw = random.Random(0)
    text = "".join(draw.choice("abcAB01 .\n-é水😀") for _ in range(400))
    found = estimated_tokens(strings([text[:end] for end in range(401)]))
    assert found[0] == 0 and (np.diff(found) >= -1).all() and 100 < found[-1] < 400


@pytest.mark.slow
@pytest.mark.skipif(not DATA.exists(), reason="the sample sets are not here")
def test_an_estimate_is_near_a_vocabulary_trained_on_other_rows() -> None:
    path = DATA / "alpaca52k" / "alpaca_en-00000.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line)["output"] for line in lines]
    counter = TokenizerFile(trained(rows[:10_000], 32_000))
    texts = strings(rows[10_000:])
    exact, guessed = counter.count(texts), estimated_tokens(texts)
    assert abs(guessed.sum() / exact.sum() - 1) < 0.08
    long = exact > 50
    assert np.median(abs(guessed[long] / exact[long] - 1)) < 0.08
