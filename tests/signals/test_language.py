from __future__ import annotations

import gzip
import importlib.metadata
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from thresher.errors import EngineError
from thresher.signals.exponential import falling
from thresher.signals.language import (
    SIGNALS,
    LanguageOptions,
    asks_for_language,
    language_signals,
    languages,
)
from thresher.signals.language_model import Detector, detector_id, load_model
from thresher.text.kernel import allocating

DATA = Path(__file__).parents[3] / "shared" / "data"
DETECTORS: tuple[Detector, ...] = ("py3langid", "pycld2")
KNOWN = {
    "en": "The committee met on Tuesday to discuss the new bridge over the river.",
    "de": "Der Ausschuss traf sich am Dienstag, um über die neue Brücke zu sprechen.",
    "fr": "Le comité s'est réuni mardi pour parler du nouveau pont sur la rivière.",
    "es": "El comité se reunió el martes para hablar del nuevo puente sobre el río.",
    "ru": "Комитет собрался во вторник, чтобы обсудить новый мост через реку.",
    "zh": "委员会星期二开会讨论河上的新桥，并决定了建设的时间和费用。",
    "ja": "委員会は火曜日に集まり、川にかかる新しい橋について話し合いました。",
    "ar": "اجتمعت اللجنة يوم الثلاثاء لمناقشة الجسر الجديد فوق النهر.",
    "hi": "समिति की बैठक मंगलवार को नदी पर नए पुल पर चर्चा के लिए हुई।",
}
ODD = [None, "", " ", "12345 67890", "short", "\x00\x01", "\ufffd" * 40, "a\rb" * 30, "x" * 10_000]


def needs(detector: str) -> None:
    pytest.importorskip(detector)


def strings(values: Any) -> pa.Array:
    return pa.array(values, pa.large_string())


@pytest.mark.parametrize("detector", DETECTORS)
def test_languages_are_told(detector: Detector) -> None:
    needs(detector)
    found, sure = languages(
        strings(list(KNOWN.values())), LanguageOptions(language_detector=detector)
    )
    assert found.to_pylist() == list(KNOWN)
    assert all(0.5 < value <= 1 for value in sure.to_pylist())
    assert detector_id(detector) == f"{detector} {importlib.metadata.version(detector)}"


@pytest.mark.parametrize("detector", DETECTORS)
def test_a_label_depends_on_its_row_alone(detector: Detector) -> None:
    needs(detector)
    options = LanguageOptions(language_detector=detector)
    rows = strings([*KNOWN.values(), *ODD, "THE COMMITTEE MET ON TUESDAY TO DISCUSS THE BRIDGE"])
    whole = languages(rows, options)
    for row in range(len(rows)):
        alone = languages(rows.slice(row, 1), options)
        assert [one.equals(many.slice(row, 1)) for one, many in zip(alone, whole, strict=True)]
    sliced = languages(rows.slice(3, 9).cast(pa.string()), options)
    assert all(a.equals(b.slice(3, 9)) for a, b in zip(sliced, whole, strict=True))
    assert [len(part) for part in languages(rows.slice(0, 0), options)] == [0, 0]


@pytest.mark.parametrize("detector", DETECTORS)
def test_texts_of_few_letters_have_no_language(detector: Detector) -> None:
    needs(detector)
    found, sure = languages(
        strings([None, "", "Hi!", "1234567 89 0123456", "3 + 4 = 7; " * 9, "你好"]),
        LanguageOptions(language_detector=detector),
    )
    assert found.null_count == sure.null_count == len(found)


@pytest.mark.slow
def test_labels_and_confidences_are_those_of_the_package() -> None:
    package = pytest.importorskip("py3langid.langid")
    judge = package.LanguageIdentifier.from_model_file(package.MODEL_FILE, norm_probs=True)
    rows = [*KNOWN.values(), *(text.upper() for text in KNOWN.values())]
    rows += [a[: len(a) // 2] + b for a in KNOWN.values() for b in KNOWN.values()]
    if DATA.exists():
        path = DATA / "alpaca52k" / "alpaca_en-00000.jsonl.gz"
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            rows += [json.loads(next(lines))["output"] for _ in range(500)]
    rows = [row for row in rows if "```" not in row]
    found, sure = languages(strings(rows), LanguageOptions(language_letters=1))
    for row, label, confidence in zip(rows, found.to_pylist(), sure.to_pylist(), strict=True):
        if label is not None:
            expected = judge.classify(row[:1000])
            assert label == expected[0] and confidence == pytest.approx(expected[1], abs=1e-4)


def test_only_the_first_characters_count_and_no_fenced_code() -> None:
    needs("py3langid")
    code = "```python\nfor index in range(10):\n    print(index, file=sys.stderr)\n```"
    rows = [KNOWN["de"], KNOWN["de"] + KNOWN["ru"] * 1000, code * 20 + KNOWN["de"], code[:-3]]
    options = LanguageOptions(language_characters=len(KNOWN["de"]))
    found, sure = languages(strings(rows), options)
    assert found.to_pylist() == ["de", "de", "de", None]
    assert sure[0] == sure[1]


def test_an_answer_in_another_language_is_told_unless_it_was_asked_for() -> None:
    needs("py3langid")
    cases = [
        (KNOWN["en"], KNOWN["fr"], True),
        (KNOWN["en"], KNOWN["en"], False),
        ("Translate this: " + KNOWN["en"], KNOWN["fr"], False),
        ("Write a short story about a bridge in French, please.", KNOWN["fr"], False),
        (KNOWN["en"], "Oui.", None),
        (KNOWN["en"], None, None),
        (None, KNOWN["en"], None),
    ]
    prompts, responses, expected = (list(column) for column in zip(*cases, strict=True))
    prompt, response = strings(prompts), strings(responses)
    found = language_signals(response, LanguageOptions(), prompt=prompt, response=response)
    assert found["language_differs"].to_pylist() == expected
    assert found["prompt_language"].to_pylist()[0] == "en"
    assert found["response_language"].to_pylist()[0] == "fr"


def test_plain_text_has_a_language_alone() -> None:
    needs("py3langid")
    found = language_signals(strings([KNOWN["es"], None]), LanguageOptions())
    assert list(found) == [signal.name for signal in SIGNALS]
    assert [array.type for array in found.values()] == [signal.kind.type for signal in SIGNALS]
    assert found["language"].to_pylist() == ["es", None]
    assert all(found[name].null_count == 2 for name in list(found)[2:])


@pytest.mark.parametrize(
    ("prompt", "asks"),
    [
        ("Translate the following sentence.", True),
        ("Übersetze den Satz.", True),
        ("请把这句话翻译一下", True),
        ("用英文回答", True),
        ("Compose a French sentence", True),
        ("Localize the passage", True),
        ("Write a poem about germs and Frenchmen's hats", False),
        ("Explain how bridges are built.", False),
    ],
)
def test_prompts_that_ask_for_a_language(prompt: str, asks: bool) -> None:
    assert asks_for_language(strings([prompt, None])).to_pylist() == [asks, None]


@pytest.mark.slow
@pytest.mark.skipif(not DATA.exists(), reason="the sample sets are not here")
def test_english_answers_to_english_prompts_are_hardly_ever_flagged() -> None:
    needs("py3langid")
    path = DATA / "alpaca52k" / "alpaca_en-00000.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines][:5000]
    prompt = strings([row["instruction"] + "\n" + row["input"] for row in rows])
    response = strings([row["output"] for row in rows])
    found = language_signals(response, LanguageOptions(), prompt=prompt, response=response)
    assert found["language_differs"].sum().as_py() in (None, 0, 1, 2)
    assert found["language"].drop_null().to_pylist().count("en") > 0.95 * 4000


def test_a_missing_detector_is_an_engine_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", absent)
    with pytest.raises(EngineError, match=r"pip install 'thresher\[langid\]'") as caught:
        detector_id("py3langid")
    assert caught.value.exit_code == 5
    with pytest.raises(EngineError, match="pip install pycld2"):
        languages(strings([KNOWN["en"]]), LanguageOptions(language_detector="pycld2"))


@allocating
def _falling(values: Any) -> Any:
    return np.array([falling(value) for value in values])


def test_the_exponential_is_right_to_the_last_digits() -> None:
    values = -np.concatenate([np.linspace(0, 40, 20_001), np.logspace(-300, 1, 500)])
    assert np.allclose(_falling(values), np.exp(values), rtol=1e-14, atol=0)
    assert _falling(np.array([0.0, -41.0, -np.inf])).tolist() == [1.0, 0.0, 0.0]


@pytest.mark.slow
def test_the_model_is_kept_and_made_anew_where_it_was_cut(tmp_path: Path) -> None:
    def equal(left: Any, right: Any) -> bool:
        return all(np.array_equal(a, b) for a, b in zip(left, right, strict=True))

    made = load_model(tmp_path)
    (kept,) = tmp_path.iterdir()
    mapped = load_model(tmp_path)
    assert equal(made, mapped)
    owner = mapped.weights
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    assert isinstance(owner, np.memmap)
    assert not mapped.weights.flags.writeable and not made.weights.flags.writeable
    weights = kept / "weights.npy"
    weights.write_bytes(weights.read_bytes()[:1000])
    assert equal(load_model(tmp_path), made)
    assert weights.stat().st_size > 1000
    kept.rename(tmp_path / "elsewhere")
    kept.write_text("a file in its place")
    assert equal(load_model(tmp_path), made)
