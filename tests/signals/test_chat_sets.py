"""Profiles on real sets: what is broken is found, and little of what is good goes."""

from __future__ import annotations

import gzip
import io
from importlib import resources
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.json as pj
import pytest
import yaml

from tests.formats.batches import DATA, sample
from tests.signals.dialogues import figures
from thresher.formats.catalogue import FORMATS
from thresher.signals.chat import SIGNALS as CHAT
from thresher.signals.phrases import PHRASES
from thresher.signals.preference import SIGNALS as PREFERENCE
from thresher.signals.profile import Profile, check_rules
from thresher.signals.rules import Judgement, judge
from thresher.signals.tokens import SIGNALS as TOKENS
from thresher.signals.turn_phrases import phrase_catalogue, phrase_signals
from thresher.signals.unpaired import SIGNALS as UNPAIRED

PROFILES = ("sft", "sft-strict", "preference", "kto", "alpaca", "lima", "magpie", "hermes",
            "nemotron", "tulu")  # fmt: skip
DEMOS = "llamafactory_demos"


def profile(name: str) -> Profile:
    """Read a shipped profile."""
    folder = resources.files("thresher.signals") / "profiles"
    loaded = yaml.safe_load((folder / f"{name}.yaml").read_text(encoding="utf-8"))
    return Profile.model_validate(loaded)


def zipped(name: str) -> pa.RecordBatch:
    """Return the rows of a compressed set, or skip the test."""
    path = DATA / name
    if not path.exists():
        pytest.skip(f"the sample data set {name} is not here")
    text = io.BytesIO(gzip.decompress(path.read_bytes()))
    return pj.read_json(text).combine_chunks().to_batches()[0]


def judged(name: str, form: str, data: pa.RecordBatch) -> tuple[Judgement, dict[str, pa.Array]]:
    """Apply a shipped profile to the rows of a batch."""
    rules = profile(name).rules
    rows = FORMATS[form].read_all(data).rows
    found = figures(rows) | phrase_signals(rows, PHRASES.values())
    return judge(tuple(rules.values()), found, len(rows)), found


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_is_well_formed_and_names_signals_that_it_computes(name: str) -> None:
    made = profile(name)
    known: dict[str, Any] = {
        "chat": CHAT,
        "preference": PREFERENCE,
        "unpaired": UNPAIRED,
        "tokens": TOKENS,
        "phrases": phrase_catalogue(PHRASES.values()),
    }
    check_rules(made, [signal for group in made.groups for signal in known[group]])
    assert made.about and made.rules


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "form", "most"),
    [
        ("alpaca_en_demo", "alpaca", 0.01),
        ("alpaca_zh_demo", "alpaca", 0.01),
        ("glaive_toolcall_en_demo", "sharegpt", 0.01),
        ("glaive_toolcall_zh_demo", "sharegpt", 0.01),
        ("reason_tool_use_demo_50", "llamafactory-v1", 0.02),
        ("v1_sft_demo", "llamafactory-v1", 0.01),
        ("kto_en_demo", "kto-messages", 0.02),
        ("c4_demo", "text", 0.0),
    ],
)
def test_sft_removes_little_of_good_sets(name: str, form: str, most: float) -> None:
    found, _ = judged("sft", form, sample(f"{DEMOS}/{name}.jsonl"))
    assert found.removed.mean() <= most


@pytest.mark.slow
def test_sft_keeps_the_answers_of_gsm8k() -> None:
    for form, data in (
        ("question-answer", sample("evals/gsm8k_official_test.jsonl")),
        ("alpaca", zipped("contamination/gsm8k_train_alpaca_format.jsonl.gz")),
    ):
        found, _ = judged("sft", form, data)
        assert found.removed.mean() <= 0.01


def test_refusals_are_few_in_alpaca() -> None:
    _, found = judged("sft", "alpaca", sample(f"{DEMOS}/alpaca_en_demo.jsonl"))
    assert np.mean([count > 0 for count in found["refusals"].to_pylist()]) <= 0.03


@pytest.mark.slow
def test_all_empty_answers_of_alpaca_are_found() -> None:
    empty = removed = 0
    for part in range(4):
        data = zipped(f"alpaca52k/alpaca_en-{part:05d}.jsonl.gz")
        found, signals = judged("sft", "alpaca", data)
        lost = np.array([not text.strip() for text in data.column("output").to_pylist()])
        assert (np.array(signals["empty_response"].to_pylist()) == lost).all()
        assert found.removed[lost].all()
        empty += int(lost.sum())
        removed += int(found.removed.sum())
    assert empty == 49
    assert removed < 0.005 * 52_002


@pytest.mark.slow
@pytest.mark.parametrize(("name", "most"), [("dpo_en_demo", 0.01), ("dpo_zh_demo", 0.01)])
def test_preferences_of_good_sets_stay(name: str, most: float) -> None:
    found, _ = judged("preference", "sharegpt-preference", sample(f"{DEMOS}/{name}.jsonl"))
    assert found.removed.mean() <= most


def test_loops_of_models_are_found() -> None:
    _, signals = judged("kto", "kto-messages", sample(f"{DEMOS}/kto_en_demo.jsonl"))
    loops = [row for row, run in enumerate(signals["sentence_run"].to_pylist()) if run and run > 3]
    assert loops == [65]
    assert signals["compressed_share"][65].as_py() < 0.02
