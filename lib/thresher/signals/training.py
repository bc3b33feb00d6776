"""Train the classifier: the same texts give the same model, in whatever order they come.

Texts are sorted by a hash of their bytes and the seed; copies count once. By another hash a tenth
of either side is held out to measure, a tenth to calibrate. The rest is gone through in the order
of the first hash by stochastic gradient descent with AdaGrad's steps (Duchi et al., 2011), both
sides weighing the same; probabilities are calibrated as Platt (1999) does, for a text that is as
likely to be good as bad.

Shapes: R rows, W weights.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.errors import InputError
from thresher.formats.arrays import strings
from thresher.signals.classifier import SCALE, ClassifierParams, Model, features, logits_of
from thresher.signals.exponential import sigmoid
from thresher.signals.spans import spans
from thresher.text.kernel import kernel
from thresher.text.sketch import sketch

Column = np.ndarray[Any, Any]
SMALLEST = 20  # texts of a side; fewer leave nothing to measure with
HELD_OUT = 10  # one text in so many is measured, and one calibrated
_NEWTON_STEPS = 40
_MIXERS = (np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53))
_SEED_STEP = 0x9E3779B97F4A7C15


class Sample:
    """Different texts of one side, at most `max_documents`: those of the smallest hashes.

    Which texts those are depends neither on their order nor on how they came in batches.
    """

    def __init__(self, params: ClassifierParams) -> None:
        self._params = params
        self._texts: list[pa.Array] = []
        self._keys: list[Column] = []
        self._held = 0
        self.seen = 0

    def add(self, texts: pa.Array) -> None:
        """Take in texts; nulls and ill-formed UTF-8 are passed over."""
        texts = strings(texts).drop_null()
        found = sketch(texts, with_words=False)
        if not found.ok.all():
            texts = texts.filter(pa.array(found.ok == 1))
        self.seen += len(texts)
        keys = _keys(found.bytes_hash[found.ok == 1], self._params.seed)
        # No byte past the limit is looked at, and a character has one byte at least.
        self._texts.append(pc.utf8_slice_codeunits(texts, 0, self._params.max_bytes))
        self._keys.append(keys)
        self._held += len(texts)
        if self._held >= 2 * self._params.max_documents:
            self._prune()

    def taken(self) -> tuple[pa.Array, Column]:
        """Return the texts in the order of their hashes, and the (R, 2) hashes."""
        if not self._texts:
            return pa.array([], pa.large_string()), np.zeros((0, 2), np.uint64)
        self._prune()
        return self._texts[0], self._keys[0]

    def _prune(self) -> None:
        keys = np.concatenate(self._keys)
        order = np.lexsort((keys[:, 1], keys[:, 0]))
        ranked = keys[order]
        fresh = np.ones(len(ranked), bool)
        fresh[1:] = (ranked[1:] != ranked[:-1]).any(axis=1)
        kept = order[fresh][: self._params.max_documents]
        texts = pa.chunked_array(self._texts, pa.large_string()).take(pa.array(kept))
        self._texts, self._keys = [texts.combine_chunks()], [keys[kept]]
        self._held = len(kept)


def train(good: pa.Array, bad: pa.Array, params: ClassifierParams) -> Model:
    """Train a classifier from texts of two sides.

    Raises:
        InputError: A side has too few different texts, or they cannot be told apart.
    """
    sides = (Sample(params), Sample(params))
    for side, texts in zip(sides, (good, bad), strict=True):
        side.add(texts)
    return train_on(*sides, params)


def train_on(good: Sample, bad: Sample, params: ClassifierParams) -> Model:
    """Train a classifier from two samples; its report holds what was measured on held-out texts.

    Raises:
        InputError: A side has too few different texts, or they cannot be told apart.
    """
    taken = [side.taken() for side in (good, bad)]
    for name, (texts, _) in zip(("good", "bad"), taken, strict=True):
        if len(texts) < SMALLEST:
            raise InputError(
                f"the {name} side has {len(texts)} different texts, too few to train on",
                remedy=f"give at least {SMALLEST}, better some thousands",
            )
    parts = _split(taken)
    model = Model(params, *_descend(parts[0], params), slope=1.0, offset=0.0)
    logits, _ = logits_of(model, spans(parts[1].texts))
    slope, offset = _calibrate(logits, parts[1].good, *_side_weights(parts[1].good))
    if slope <= 0:
        raise InputError(
            "the two sides cannot be told apart: on held-out texts the classifier is no better "
            "than chance",
            remedy="give sides that differ in kind; pairs that share most of their text do not",
        )
    model = Model(params, model.weights, model.bias, slope, offset)
    report = {
        "good": len(taken[0][0]),
        "bad": len(taken[1][0]),
        "good_seen": good.seen,
        "bad_seen": bad.seen,
        "on_both_sides": _shared(taken[0][1], taken[1][1]),
        "trained": len(parts[0].good),
        "calibrated": len(parts[1].good),
        **_measure(model, parts[2]),
    }
    return Model(params, model.weights, model.bias, slope, offset, report)


class _Part(NamedTuple):
    """Texts in the order of training, and the (R,) mask of the good ones."""

    texts: pa.Array
    good: Column


def _keys(hashes: Column, seed: int) -> Column:
    keys: Column = hashes ^ np.uint64(seed * _SEED_STEP % (1 << 64))
    for mixer in _MIXERS:
        keys = (keys ^ (keys >> np.uint64(33))) * mixer
    mixed: Column = keys ^ (keys >> np.uint64(33))
    return mixed


def _shared(left: Column, right: Column) -> int:
    pairs = np.concatenate([left, right])
    return len(pairs) - len(np.unique(pairs, axis=0))


def _split(taken: list[tuple[pa.Array, Column]]) -> list[_Part]:
    """Return the parts to train on, to calibrate with and to measure with."""
    rows: list[list[Column]] = [[], [], []]
    first = 0
    for texts, keys in taken:
        order = np.argsort(keys[:, 1], kind="stable") + first
        tenth = len(order) // HELD_OUT
        for part, piece in zip(
            rows, (order[2 * tenth :], order[tenth : 2 * tenth], order[:tenth]), strict=True
        ):
            part.append(piece)
        first += len(texts)
    whole = pa.chunked_array([texts for texts, _ in taken], pa.large_string())
    keys = np.concatenate([keys for _, keys in taken])
    num_good = len(taken[0][0])
    parts = []
    for pieces in rows:
        picked = np.concatenate(pieces)
        # A text on both sides: the good one first.
        picked = picked[np.lexsort((picked >= num_good, keys[picked, 1], keys[picked, 0]))]
        texts = whole.take(pa.array(picked)).combine_chunks()
        parts.append(_Part(texts, picked < num_good))
    return parts


def _side_weights(good: Column) -> tuple[float, float]:
    """Return what a bad and a good text weigh, so that the sides weigh the same."""
    num_good = int(good.sum())
    return len(good) / (2 * (len(good) - num_good)), len(good) / (2 * num_good)


def _descend(part: _Part, params: ClassifierParams) -> tuple[Column, float]:
    weights = np.zeros(1 << params.bits, np.float64)
    squares = np.zeros(1 << params.bits, np.float64)
    places = np.empty(2 * params.max_bytes, np.int64)
    bias = _sgd(
        *spans(part.texts),
        part.good,
        *_side_weights(part.good),
        weights,
        squares,
        params.bits,
        params.epochs,
        params.learning_rate,
        places,
    )
    return weights.astype(np.float32), float(bias)


@kernel
def _sgd(
    data: Column,
    starts: Column,
    ends: Column,
    good: Column,
    bad_weight: float,
    good_weight: float,
    weights: Column,
    squares: Column,
    bits: int,
    epochs: int,
    rate: float,
    places: Column,
) -> float:
    bias, bias_square = 0.0, 0.0
    for _ in range(epochs):
        for row in range(len(starts)):
            count = features(data, starts[row], ends[row], bits, places)
            if count == 0:
                continue
            total = 0.0
            for index in range(count):
                total += weights[places[index]]
            share = SCALE / count
            slip = sigmoid(total * share + bias)
            slip = (slip - 1.0) * good_weight if good[row] else slip * bad_weight
            step = slip * share
            for index in range(count):
                place = places[index]
                squares[place] += step * step
                weights[place] -= rate * step / (np.sqrt(squares[place]) + 1e-8)
            bias_square += slip * slip
            bias -= 0.1 * rate * slip / (np.sqrt(bias_square) + 1e-8)
    return bias


@kernel
def _calibrate(
    logits: Column, good: Column, bad_weight: float, good_weight: float
) -> tuple[float, float]:
    """Fit probability = sigmoid(slope * logit + offset) by Newton's method, Platt's targets."""
    num_good = 0
    for row in range(len(good)):
        num_good += good[row]
    high = (num_good + 1.0) / (num_good + 2.0)
    low = 1.0 / (len(good) - num_good + 2.0)
    slope, offset = 1.0, 0.0
    for _ in range(_NEWTON_STEPS):
        # A little of the identity keeps the step finite where one logit is all there is.
        first, second = 0.0, 0.0
        aa, ab, bb = 1e-9, 0.0, 1e-9
        for row in range(len(logits)):
            weight = good_weight if good[row] else bad_weight
            value = sigmoid(slope * logits[row] + offset)
            slip = weight * (value - (high if good[row] else low))
            bend = weight * value * (1.0 - value)
            first += slip * logits[row]
            second += slip
            aa += bend * logits[row] * logits[row]
            ab += bend * logits[row]
            bb += bend
        across = aa * bb - ab * ab
        if across <= 0.0:
            break
        by_slope = (bb * first - ab * second) / across
        by_offset = (aa * second - ab * first) / across
        # Newton may leap where the sigmoid is flat.
        most = max(abs(by_slope), abs(by_offset))
        damping = 1.0 / most if most > 1.0 else 1.0
        slope -= damping * by_slope
        offset -= damping * by_offset
        if most < 1e-12:
            break
    return slope, offset


def _measure(model: Model, part: _Part) -> dict[str, Any]:
    """Return accuracy and AUC on held-out texts; a text without words counts as undecided."""
    scores = model.score(part.texts)[model.name].fill_null(0.5).to_numpy(zero_copy_only=False)
    num_good = int(part.good.sum())
    num_bad = len(part.good) - num_good
    right = [int((scores[part.good] >= 0.5).sum()), int((scores[~part.good] < 0.5).sum())]
    return {
        "held_out_good": num_good,
        "held_out_bad": num_bad,
        "accuracy": round((right[0] / num_good + right[1] / num_bad) / 2, 6),
        "auc": round(auc(scores, part.good), 6),
    }


def auc(scores: Column, good: Column) -> float:
    """Return how often a good row scores above a bad one; equal scores count half.

    Args:
        scores: (R,).
        good: (R,) mask; both sides are there.
    """
    _, place = np.unique(scores, return_inverse=True)
    wins = np.bincount(place, ~good).astype(np.int64)
    below = np.cumsum(wins) - wins
    twice = int((2 * below + wins)[place[good]].sum())
    num_good = int(good.sum())
    return twice / (2 * num_good * (len(good) - num_good))
