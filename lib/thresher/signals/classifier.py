"""A small classifier of texts, trained on the spot: which of two folders does a text look like?

Logistic regression on hashed words and pairs of words, after Xie et al., "Data Selection for
Language Models via Importance Resampling" (2023), who hash 1-2-grams, and Joulin et al., "Bag of
Tricks for Efficient Text Classification" (2017), who average their weights over a text. A word is a
run of letters and digits in lower case, every digit read as 0; a run of one punctuation mark, and a
line break, are words too; characters of scripts written without spaces, and symbols, stand alone.

A row's score depends on the row alone: weights are added up in the order of the text, in float64,
and the probability is made of plain float64 steps, so the same model gives the same bits on every
machine. The model file holds nothing but arrays.

Shapes: R rows, W = 2^bits weights.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from thresher.errors import ConfigError
from thresher.formats.arrays import nulls
from thresher.signals.exponential import sigmoid
from thresher.signals.signal import Group, Kind, Signal
from thresher.signals.spans import Spans, spans
from thresher.text.digests import fmix64
from thresher.text.kernel import allocating, inlined

Column = np.ndarray[Any, Any]
GROUP: Group = "text"
FORMAT = "thresher-classifier-1"  # raised when the same file gives other scores
SCALE = 8.0  # of the mean weight: lets weights stay small while the logit spans what it needs

_U = np.uint64
_START, _STEP = _U(0xCBF29CE484222325), _U(0x00000100000001B3)  # FNV-1a, finished by fmix64
_PAIR = _U(0x9E3779B97F4A7C15)
_MOST_REPEATS = 4  # of a punctuation mark that make different words
# What a byte does: ends a word, is part of one, is a mark, begins a character that stands alone,
# or continues a character.
_GAP, _WORD, _MARK, _ALONE, _MORE = range(5)


def _byte_classes() -> Column:
    """(256,) what each byte does, and (256,) how it is read inside a word."""
    classes = np.full(256, _GAP, np.uint8)
    classes[33:127] = _MARK
    classes[10] = _MARK  # the line break
    for first, last in (("0", "9"), ("A", "Z"), ("a", "z")):
        classes[ord(first) : ord(last) + 1] = _WORD
    classes[0x80:0xC0] = _MORE
    # Latin with marks, Greek, Cyrillic, Hebrew, Arabic (2 bytes); Indic, Thai, Vietnamese (3).
    classes[0xC3:0xE2] = _WORD
    classes[0xC2] = _ALONE
    classes[0xE2:0xF5] = _ALONE  # punctuation, symbols, Han, kana, Hangul, emoji
    return classes


def _byte_values() -> Column:
    values = np.arange(256, dtype=np.uint64)
    values[ord("A") : ord("Z") + 1] += 32
    values[ord("0") : ord("9") + 1] = ord("0")
    return values


_CLASSES, _VALUES = _byte_classes(), _byte_values()


class ClassifierParams(BaseModel):
    """How a classifier is trained and what it looks at."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field("classifier_score", pattern=r"^[a-z][a-z0-9_]*$", description="Its column.")
    seed: int = Field(0, ge=0, lt=2**63, description="Order of training and the held-out split.")
    bits: int = Field(20, ge=10, le=24, description="2^bits weights.")
    epochs: int = Field(5, ge=1, le=100, description="Passes over the training texts.")
    learning_rate: float = Field(0.5, gt=0, description="AdaGrad's first step.")
    max_bytes: int = Field(
        16_384, ge=64, le=1 << 24, description="Bytes of a text that are looked at, from its start."
    )
    max_documents: int = Field(
        100_000, ge=20, description="Texts of either side; more are sampled by hash."
    )


@dataclass(frozen=True)
class Model:
    """A trained classifier; a `Scorer`.

    Args:
        params: How it was trained.
        weights: (W,) float32.
        bias: Added to SCALE times the mean weight.
        slope: Of the calibration: probability = sigmoid(slope * logit + offset).
        offset: Of the calibration.
        report: What training measured: texts, accuracy and AUC on held-out texts.
    """

    params: ClassifierParams
    weights: Column
    bias: float
    slope: float
    offset: float
    report: Mapping[str, Any] = field(default_factory=dict)

    version = FORMAT

    @property
    def name(self) -> str:
        """The name of its column."""
        return self.params.name

    @property
    def columns(self) -> tuple[Signal, ...]:
        """The one signal that it makes."""
        about = "probability that the text belongs to the good side, by a trained classifier"
        return (Signal(self.name, Kind.SHARE, GROUP, about),)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything that scores depend on."""
        facts = json.dumps(self._facts(), sort_keys=True).encode()
        return hashlib.sha256(facts + b"\0" + self.weights.astype("<f4").tobytes()).hexdigest()

    def _facts(self) -> dict[str, Any]:
        numbers = {"bias": self.bias, "slope": self.slope, "offset": self.offset}
        return {"format": FORMAT, "params": self.params.model_dump(mode="json"), **numbers}

    def score(self, texts: pa.Array) -> dict[str, pa.Array]:
        """Return the probability of each text; null for a null text and one without words."""
        where = spans(texts)
        logits, counts = logits_of(self, where)
        values = _probabilities(logits, self.slope, self.offset)
        return {self.name: pa.array(values, mask=nulls(texts) | (counts == 0))}

    def save(self) -> bytes:
        """Return the model file: an .npz of the facts and the weights that are not zero."""
        held = np.flatnonzero(self.weights).astype(np.uint32)
        header = {**self._facts(), "digest": self.digest, "report": dict(self.report)}
        buffer = io.BytesIO()
        np.savez(
            buffer,
            header=np.frombuffer(json.dumps(header, sort_keys=True).encode(), np.uint8),
            places=held,
            weights=self.weights[held],
        )
        return buffer.getvalue()


def load(content: bytes, path: str | None = None) -> Model:
    """Read a model file.

    Args:
        content: Its bytes.
        path: Its name, for messages.

    Raises:
        ConfigError: It is no model of this version, or it was changed.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            header = json.loads(stored["header"].tobytes())
            params = ClassifierParams.model_validate(header["params"])
            weights = np.zeros(1 << params.bits, np.float32)
            weights[stored["places"]] = stored["weights"]
            bias, slope, offset = (float(header[name]) for name in ("bias", "slope", "offset"))
            found = (header["format"], header["digest"])
            model = Model(params, weights, bias, slope, offset, header["report"])
    except (
        ValueError,
        KeyError,
        TypeError,
        IndexError,
        EOFError,
        OSError,
        zipfile.BadZipFile,
    ) as error:
        raise ConfigError(
            f"not a classifier's file ({error})",
            path=path,
            remedy="make one with thresher train-classifier",
        ) from error
    if found != (FORMAT, model.digest):
        raise ConfigError(
            "the classifier was made by another version of Thresher, or its file was changed",
            path=path,
            remedy="train it again with thresher train-classifier",
        )
    return model


def logits_of(model: Model, where: Spans) -> tuple[Column, Column]:
    """Return the (R,) logits before calibration, and the (R,) words and pairs they are made of."""
    params = model.params
    places = np.empty(2 * params.max_bytes, np.int64)
    return _logits(*where, model.weights, model.bias, params.bits, places)


@inlined
def _place(word: Any, shift: Any) -> Any:
    return np.int64(fmix64(word) >> shift)


@inlined
def features(data: Any, start: Any, end: Any, bits: Any, places: Any) -> Any:
    """Write the weights' places of a text's words and pairs, in the order of the text.

    Returns:
        How many places there are; as many bytes are looked at as there is room for two places each.
    """
    end = min(end, start + len(places) // 2)
    shift = _U(64 - bits)
    before, count = _U(0), 0
    at = start
    while at < end:
        byte = data[at]
        kind = _CLASSES[byte]
        at += 1
        if kind in (_GAP, _MORE):
            continue
        word = (_START ^ _VALUES[byte]) * _STEP
        if kind == _WORD:
            while at < end and (_CLASSES[data[at]] == _WORD or _CLASSES[data[at]] == _MORE):
                word = (word ^ _VALUES[data[at]]) * _STEP
                at += 1
        elif kind == _MARK:
            repeats = 1
            while at < end and data[at] == byte:
                repeats += 1
                at += 1
            word = (word ^ _U(min(repeats, _MOST_REPEATS))) * _STEP
        else:
            while at < end and _CLASSES[data[at]] == _MORE:
                word = (word ^ _U(data[at])) * _STEP
                at += 1
        places[count] = _place(word, shift)
        count += 1
        if count > 1:
            places[count] = _place(before * _PAIR + word, shift)
            count += 1
        before = word
    return count


@allocating
def _logits(
    data: Column,
    starts: Column,
    ends: Column,
    weights: Column,
    bias: float,
    bits: int,
    places: Column,
) -> tuple[Column, Column]:
    logits = np.zeros(len(starts), np.float64)
    counts = np.zeros(len(starts), np.int64)
    for row in range(len(starts)):
        count = features(data, starts[row], ends[row], bits, places)
        total = 0.0
        for index in range(count):
            total += np.float64(weights[places[index]])
        if count > 0:
            logits[row] = SCALE * total / count + bias
        counts[row] = count
    return logits, counts


@allocating
def _probabilities(logits: Column, slope: float, offset: float) -> Column:
    values = np.empty(len(logits), np.float64)
    for row in range(len(logits)):
        values[row] = sigmoid(slope * logits[row] + offset)
    return values
