from __future__ import annotations

import hashlib
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from thresher.errors import ConfigError, EngineError
from thresher.signals.classifier import ClassifierParams, Model
from thresher.signals.scorer import Scorer, is_function, load_scorer, score_texts
from thresher.signals.signal import Kind, Signal

LENGTH = Signal("letters", Kind.NUMBER, "text", "letters")
SHARE = Signal("vowels", Kind.SHARE, "text", "share of vowels")
LABEL = Signal("first_letter", Kind.LABEL, "text", "first letter")


class Letters:
    """Counts letters; fails on a text that says so."""

    name = "letters"
    version = "1"
    digest = "0" * 64
    columns: tuple[Signal, ...] = (LENGTH, SHARE, LABEL)

    def score(self, texts: pa.Array) -> dict[str, pa.Array]:
        rows = texts.to_pylist()
        if any("fail" in row for row in rows):
            raise RuntimeError("it said\nfail")
        shares = [2.0 if row == "two" else row.count("a") / max(len(row), 1) for row in rows]
        return {
            "letters": pa.array([float("nan") if row == "nan" else len(row) for row in rows]),
            "vowels": pa.array(shares),
            "first_letter": pa.array([row[:1] or None for row in rows], pa.large_string()),
        }


def make_letters(columns: int = 3) -> Letters:
    """Make a scorer, as a user's own function would."""
    made = Letters()
    made.columns = Letters.columns[:columns]
    return made


def not_a_scorer() -> object:
    """Make something else."""
    return object()


def strings(values: Any) -> pa.Array:
    return pa.array(values, pa.large_string())


def test_columns_have_their_types_and_null_texts_have_no_score() -> None:
    found = score_texts(make_letters(), pa.array(["abc", None, ""]).slice(0, 3))
    assert found.failures == 0 and found.error == ""
    assert found.columns["letters"].to_pylist() == [3.0, None, 0.0]
    assert found.columns["first_letter"].to_pylist() == ["a", None, None]
    types = [column.type for column in found.columns.values()]
    assert types == [signal.kind.type for signal in Letters.columns]


def test_a_row_that_fails_is_null_and_counted_and_the_others_are_not() -> None:
    found = score_texts(make_letters(), strings(["abc", "fail", None, "de", "fail too"]))
    assert found.failures == 2 and found.error == "RuntimeError: it said fail"
    assert found.columns["letters"].to_pylist() == [3.0, None, None, 2.0, None]
    alone = [score_texts(make_letters(), strings([text])) for text in ("abc", "fail", "de")]
    assert [one.columns["letters"][0].as_py() for one in alone] == [3.0, None, 2.0]


def test_numbers_that_are_none_are_failures() -> None:
    found = score_texts(make_letters(), strings(["abc", "nan", "two"]))
    assert found.failures == 2
    assert found.columns["letters"].to_pylist() == [3.0, None, None]
    assert found.columns["first_letter"].to_pylist() == ["a", None, None]


def test_a_scorer_that_loses_rows_or_columns_fails_on_them() -> None:
    class Short(Letters):
        def score(self, texts: pa.Array) -> dict[str, pa.Array]:
            return {name: column[:0] for name, column in super().score(texts).items()}

    class Silent(Letters):
        def score(self, texts: pa.Array) -> dict[str, pa.Array]:
            return {}

    for scorer in (Short(), Silent()):
        found = score_texts(scorer, strings(["a", "b"]))
        assert found.failures == 2 and found.columns["letters"].null_count == 2


def test_no_rows_are_no_failures() -> None:
    for rows in (strings([]), strings([None, None])):
        found = score_texts(make_letters(), rows)
        assert found.failures == 0 and len(found.columns["vowels"]) == len(rows)


def test_a_function_makes_a_scorer_from_options() -> None:
    scorer = load_scorer(f"{__name__}:make_letters", {"columns": 1})
    assert isinstance(scorer, Scorer) and scorer.columns == (LENGTH,)
    assert is_function("a.b:c") and not is_function("a/b.npz") and not is_function("C:model.npz")


@pytest.mark.parametrize(
    ("reference", "options", "message"),
    [
        ("no_such_module:make", {}, "No module named"),
        (f"{__name__}:no_such_function", {}, "no_such_function"),
        (f"{__name__}:make_letters", {"rows": 3}, "rows"),
        (f"{__name__}:not_a_scorer", {}, "has no name, version, digest, columns, score"),
        ("model.onnx", {}, "neither package.module:factory nor a model file"),
    ],
)
def test_what_cannot_be_loaded_is_named(
    reference: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        load_scorer(reference, options, b"")


def test_a_classifier_is_a_scorer() -> None:
    params = ClassifierParams(bits=10, name="fine_prose")
    model = Model(params, np.ones(1 << 10, np.float32), bias=0.0, slope=0.125, offset=0.0)
    loaded = load_scorer("folder/fine.npz", None, model.save())
    assert isinstance(loaded, Scorer) and loaded.digest == model.digest
    found = score_texts(loaded, strings(["a b c", None, ""]))
    assert found.columns["fine_prose"].to_pylist() == [pytest.approx(0.7310586), None, None]
    with pytest.raises(ConfigError, match="takes no options"):
        load_scorer("fine.npz", {"label": "x"}, model.save())


def fasttext_model(words: list[str], labels: list[str], rows: Any, outputs: Any) -> bytes:
    """Write a supervised fastText model of one dimension a column, as its C++ code stores it."""
    dimensions = rows.shape[1]
    softmax, supervised = 3, 3
    settings = (dimensions, 5, 5, 1, 5, 1, softmax, supervised, 0, 0, 0, 100)
    parts = [struct.pack("<2i", 793712314, 12), struct.pack("<12id", *settings, 1e-4)]
    total = len(words) + len(labels)
    parts.append(struct.pack("<3i2q", total, len(words), len(labels), 100, -1))
    for kind, names in ((0, words), (1, labels)):
        parts += [name.encode() + b"\0" + struct.pack("<qb", 10, kind) for name in names]
    for matrix in (rows, outputs):
        parts.append(b"\0" + struct.pack("<2q", *matrix.shape))
        parts.append(matrix.astype("<f4").tobytes())
    return b"".join(parts)


GOOD, BAD = "__label__good", "__label__bad"
WORDS = ["</s>", "river", "stone", "buy", "now"]
ROWS = np.array([[0, 0], [2, 0], [1, 0], [0, 2], [0, 1]], np.float64)


def probability(*places: int) -> float:
    """Return what softmax gives the good label: a text's words and its end, averaged."""
    hidden = ROWS[[*places, 0]].mean(axis=0)
    return float(1 / (1 + np.exp(hidden[1] - hidden[0])))


@pytest.fixture
def fasttext_file() -> bytes:
    pytest.importorskip("fasttext")
    return fasttext_model(WORDS, [GOOD, BAD], ROWS, np.eye(2))


def test_a_fasttext_model_gives_the_probability_of_a_label(fasttext_file: bytes) -> None:
    scorer = load_scorer("m.bin", {"label": GOOD, "name": "fine"}, fasttext_file)
    assert scorer.digest == hashlib.sha256(fasttext_file).hexdigest()
    texts = ["river stone", "buy\nnow\r\nbuy", None, "river\u2028stone", ""]
    found = score_texts(scorer, strings(texts))
    expected = [probability(1, 2), probability(3, 4, 3), None, probability(1, 2)]
    assert found.failures == 0 and list(found.columns) == ["fine"]
    for value, wanted in zip(found.columns["fine"].to_pylist(), expected, strict=False):
        assert value == (None if wanted is None else pytest.approx(wanted, abs=2e-4))


def test_a_fasttext_model_gives_its_likeliest_label(fasttext_file: bytes) -> None:
    found = score_texts(load_scorer("m.bin", {}, fasttext_file), strings(["river", "buy buy"]))
    assert found.columns["fasttext_score_label"].to_pylist() == [GOOD, BAD]
    assert found.columns["fasttext_score"][1].as_py() == pytest.approx(
        1 - probability(3, 3), abs=2e-4
    )


def test_a_bad_fasttext_file_or_label_is_named(fasttext_file: bytes) -> None:
    with pytest.raises(ConfigError, match=r"m\.bin: not a supervised fastText model"):
        load_scorer("m.bin", {}, b"something else entirely")
    with pytest.raises(ConfigError, match=f"no label 'good'.*{BAD}, {GOOD}"):
        load_scorer("m.bin", {"label": "good"}, fasttext_file)
    with pytest.raises(ConfigError, match="not 'threshold'"):
        load_scorer("m.ftz", {"threshold": 1}, fasttext_file)


def test_missing_fasttext_is_an_engine_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fasttext", None)
    with pytest.raises(EngineError, match=r"pip install 'thresher\[fasttext\]'"):
        load_scorer(str(Path("m.bin")), {}, b"")
