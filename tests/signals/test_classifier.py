from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from thresher.errors import ConfigError, InputError
from thresher.signals.classifier import ClassifierParams, Model, features, load
from thresher.signals.training import Sample, auc, train, train_on
from thresher.text.kernel import kernel

DATA = Path(__file__).parents[3] / "shared" / "data"
SMALL = ClassifierParams(bits=14, max_bytes=2048)
PROSE_WORDS = (
    "the a of and in to river stone house field winter morning teacher letter walked quiet "
    "slowly because before question answer reason water light people often never small old"
)
JUNK_WORDS = "buy cheap now click here free offer winner cart sign up terms of and the login"
PROSE, JUNK = PROSE_WORDS.split(), JUNK_WORDS.split()


def texts(words: list[str], count: int, seed: int, mixed: list[str] | None = None) -> pa.Array:
    """Make texts of some words, with a few of the other side's."""
    draw = random.Random(seed)
    made = []
    for _ in range(count):
        length = draw.randint(5, 60)
        row = [draw.choice(words if draw.random() < 0.8 else mixed or words) for _ in range(length)]
        made.append(" ".join(row) + draw.choice([".", "!!!", "\n"]))
    return pa.array(made, pa.large_string())


@pytest.fixture(scope="module")
def model() -> Model:
    return train(texts(PROSE, 400, 1, JUNK), texts(JUNK, 300, 2, PROSE), SMALL)


def score(model: Model, values: Any) -> pa.Array:
    return model.score(values)["classifier_score"]


def test_sides_are_told_apart_on_texts_that_were_held_out(model: Model) -> None:
    assert model.report["auc"] > 0.97 and model.report["accuracy"] > 0.9
    assert model.report["held_out_good"] == 40 and model.report["held_out_bad"] == 30
    good = score(model, texts(PROSE, 50, 8, JUNK)).to_numpy()
    bad = score(model, texts(JUNK, 50, 9, PROSE)).to_numpy()
    assert good.mean() > 0.9 and bad.mean() < 0.1
    assert good.min() >= 0 and good.max() <= 1


def test_the_model_does_not_depend_on_order_batches_or_copies(model: Model) -> None:
    good, bad = texts(PROSE, 400, 1, JUNK), texts(JUNK, 300, 2, PROSE)
    shuffled = good.take(pa.array(np.random.default_rng(0).permutation(400)))
    sides = Sample(SMALL), Sample(SMALL)
    for start in range(0, 400, 37):
        sides[0].add(shuffled.slice(start, 37))
    sides[0].add(shuffled.slice(0, 9).cast(pa.string()))
    sides[1].add(pa.concat_arrays([bad, pa.nulls(3, pa.large_string())]))
    again = train_on(*sides, SMALL)
    assert again.digest == model.digest and train(good, bad, SMALL).save() == model.save()
    assert again.report["good"] == 400 and again.report["good_seen"] == 409


def test_another_seed_gives_another_model(model: Model) -> None:
    other = SMALL.model_copy(update={"seed": 7})
    trained = train(texts(PROSE, 400, 1, JUNK), texts(JUNK, 300, 2, PROSE), other)
    assert trained.digest != model.digest and trained.report["auc"] > 0.97


def test_a_sample_is_the_same_however_its_texts_come() -> None:
    params = SMALL.model_copy(update={"max_documents": 50})
    whole = texts(PROSE, 500, 3)
    one, many = Sample(params), Sample(params)
    one.add(whole)
    for row in range(len(whole) - 1, -1, -1):
        many.add(whole.slice(row, 1))
    assert one.taken()[0].equals(many.taken()[0]) and len(one.taken()[0]) == 50


def test_a_score_depends_on_its_row_alone(model: Model) -> None:
    rows = pa.concat_arrays([texts(PROSE, 30, 4, JUNK), texts(JUNK, 30, 5, PROSE)])
    odd = [
        "",
        None,
        " \n",
        "\x00",
        "\ufffd",
        "a\rb",
        "ночь тиха",
        "水は青い。",
        "e\u0301",
        "x" * 9999,
    ]
    rows = pa.concat_arrays([rows, pa.array(odd, pa.large_string())])
    whole = score(model, rows)
    single = pa.concat_arrays([score(model, rows.slice(row, 1)) for row in range(len(rows))])
    assert whole.equals(single)
    assert score(model, rows.cast(pa.string())).equals(whole)
    assert score(model, rows.slice(7, 21)).equals(whole.slice(7, 21))
    assert len(score(model, rows.slice(0, 0))) == 0
    assert [value is None for value in whole.to_pylist()[60:]] == [True, True, False, True] + [
        False
    ] * 6


def test_a_text_past_its_limit_is_not_looked_at(model: Model) -> None:
    head = ("winter morning " * 200)[:2048]
    pair = pa.array([head, head + "buy cheap now click " * 500_000], pa.large_string())
    assert len(set(score(model, pair).to_pylist())) == 1


def test_a_model_comes_back_from_its_file(model: Model) -> None:
    again = load(model.save())
    rows = texts(PROSE, 20, 6, JUNK)
    assert again.digest == model.digest and again.report == model.report
    assert score(again, rows).equals(score(model, rows))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not a zip", b"\x93NUMPY"])
def test_a_file_that_is_no_model_is_named(content: bytes) -> None:
    with pytest.raises(ConfigError, match=r"x\.npz: not a classifier"):
        load(content, "x.npz")


def test_a_changed_file_is_noticed(model: Model) -> None:
    changed = Model(model.params, model.weights * 2, model.bias, model.slope, model.offset)
    object.__setattr__(changed, "digest", model.digest)
    with pytest.raises(ConfigError, match="changed"):
        load(changed.save())


def test_too_few_texts_are_refused() -> None:
    with pytest.raises(InputError, match="the bad side has 1 different texts"):
        train(texts(PROSE, 40, 1), pa.array(["same"] * 40), SMALL)


def test_pairs_that_share_their_text_are_refused() -> None:
    # Each half of a pair is learnt by heart, and names its other half wrongly.
    draw = random.Random(5)
    stems = [" ".join(f"w{draw.randrange(9**9)}" for _ in range(9)) for _ in range(400)]
    letters = [stem.translate(str.maketrans("0123456789", "abcdefghij")) for stem in stems]
    good, bad = (pa.array([f"{stem} x{tail}" for stem in letters]) for tail in ("", " "))
    with pytest.raises(InputError, match="cannot be told apart"):
        train(good, bad, SMALL)


def test_auc_counts_pairs() -> None:
    draw = np.random.default_rng(0)
    scores, good = draw.integers(0, 9, 60) / 8, draw.random(60) < 0.4
    pairs = [(a > b) + (a == b) / 2 for a in scores[good] for b in scores[~good]]
    assert auc(scores, good) == pytest.approx(np.mean(pairs))


@kernel
def _count(data: Any, places: Any) -> Any:
    return features(data, 0, len(data), 14, places)


def places_of(text: str) -> list[int]:
    data = np.frombuffer(text.encode(), np.uint8)
    places = np.zeros(4096, np.int64)
    found: list[int] = places[: _count(data, places)].tolist()
    return found


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("The RIVER", "the river"),
        ("in 1984", "in 2024"),
        ("wow !!!!", "wow !!!!!!!"),
        ("a\tb", "a   b"),
    ],
)
def test_spellings_that_are_one_word_to_it(left: str, right: str) -> None:
    assert places_of(left) == places_of(right)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("the river", 2),
        ("don't", 3),
        ("a\n\nb", 3),
        ("水は青い。", 5),
        ("naïve façade", 2),
        ("tiếng Việt", 2),
        ("ночь тиха", 2),
        ("wow!!! 😀😀", 4),
        ("“so”", 3),
    ],
)
def test_words_of_scripts(text: str, words: int) -> None:
    assert len(places_of(text)) == 2 * words - 1


@pytest.mark.slow
@pytest.mark.skipif(not DATA.exists(), reason="the sample sets are not here")
def test_real_answers_are_told_from_code_and_from_shuffled_words() -> None:
    with gzip.open(
        DATA / "alpaca52k" / "alpaca_en-00000.jsonl.gz", "rt", encoding="utf-8"
    ) as lines:
        answers = [json.loads(line)["output"] for line in lines]
    answers = [answer for answer in answers if len(answer) > 200][:3000]
    draw = random.Random(0)
    shuffled = []
    for answer in answers[1500:]:
        words = answer.split(" ")
        draw.shuffle(words)
        shuffled.append(" ".join(words))
    codes = (DATA / "codealpaca" / "new_codealpaca.jsonl").read_text(encoding="utf-8")
    code = [json.loads(line).get("output") for line in codes.splitlines()]
    good = pa.array(answers[:1500], pa.large_string())
    for bad, least in ((shuffled, 0.97), (code, 0.97)):
        made = train(good, pa.array(bad, pa.large_string()), ClassifierParams())
        assert made.report["auc"] > least
