from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.signals.test_classifier import JUNK, PROSE, texts
from thresher.errors import ConfigError, InputError
from thresher.signals.scorer import load_scorer, score_texts
from thresher_jobs.train_classifier import TrainParams, train_classifier

PARAMS = TrainParams(bits=14, max_bytes=2048, text_column="body", name="prose")


@pytest.fixture
def folders(tmp_path: Path) -> tuple[str, str]:
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.mkdir()
    bad.mkdir()
    prose = texts(PROSE, 300, 1, JUNK)
    for part in range(2):
        table = pa.table({"id": range(150), "body": prose.slice(part * 150, 150)})
        pq.write_table(table, good / f"part-{part}.parquet")
    junk = texts(JUNK, 200, 2, PROSE).to_pylist()
    lines = [json.dumps({"n": n, "body": body}) for n, body in enumerate(junk)]
    lines += [json.dumps({"n": 200, "body": None}), "{broken"]
    (bad / "junk.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return str(good), str(bad)


def test_folders_become_a_model_that_scores(folders: tuple[str, str], tmp_path: Path) -> None:
    out = tmp_path / "models" / "prose.npz"
    report = train_classifier([folders[0]], [folders[1]], str(out), PARAMS)
    assert report["auc"] > 0.97 and report["good"] == 300 and report["bad"] == 200
    assert report["inputs"]["good"]["files"] == 2
    assert report["inputs"]["bad"] == {
        "files": 1,
        "rows": 202,
        "null_texts": 1,
        "unreadable_rows": 1,
        "unreadable_files": [],
    }
    assert json.loads(json.dumps(report)) == report
    scorer = load_scorer(str(out), None, out.read_bytes())
    assert scorer.digest == report["digest"] and scorer.name == "prose"
    found = score_texts(scorer, texts(PROSE, 20, 5)).columns["prose"]
    assert min(found.to_pylist()) > 0.5


def test_the_model_does_not_depend_on_how_inputs_are_cut(
    folders: tuple[str, str], tmp_path: Path
) -> None:
    one, other = tmp_path / "one.npz", tmp_path / "other.npz"
    train_classifier([folders[0]], [folders[1]], str(one), PARAMS)
    parts = [f"{folders[0]}/part-1.parquet", f"{folders[0]}/part-0.parquet"]
    small = PARAMS.model_copy(update={"split_bytes": 2000})
    train_classifier(parts, [folders[1]], str(other), small)
    assert one.read_bytes() == other.read_bytes()
    train_classifier([folders[0]], [folders[1]], str(other), PARAMS)  # replaces a model


def test_a_file_that_is_no_model_is_not_overwritten(
    folders: tuple[str, str], tmp_path: Path
) -> None:
    out = tmp_path / "mine.npz"
    out.write_bytes(b"something else")
    with pytest.raises(ConfigError, match="something else than a classifier"):
        train_classifier([folders[0]], [folders[1]], str(out), PARAMS)
    assert out.read_bytes() == b"something else"
    with pytest.raises(ConfigError, match=r"ends in \.npz"):
        train_classifier([folders[0]], [folders[1]], str(tmp_path / "model.bin"), PARAMS)


def test_a_missing_column_is_named(folders: tuple[str, str], tmp_path: Path) -> None:
    wrong = PARAMS.model_copy(update={"text_column": "bodi"})
    for sides in (folders, folders[::-1]):
        with pytest.raises(InputError, match=r"no column 'bodi'.*did you mean 'body'"):
            train_classifier([sides[0]], [sides[1]], str(tmp_path / "m.npz"), wrong)


def test_an_unreadable_file_is_left_out_only_when_asked(
    folders: tuple[str, str], tmp_path: Path
) -> None:
    (Path(folders[0]) / "part-9.parquet").write_bytes(b"PAR1 cut short")
    out = str(tmp_path / "m.npz")
    with pytest.raises(InputError, match=r"part-9\.parquet"):
        train_classifier([folders[0]], [folders[1]], out, PARAMS)
    skipping = PARAMS.model_copy(update={"skip_unreadable": True})
    report = train_classifier([folders[0]], [folders[1]], out, skipping)
    assert report["good"] == 300
    assert len(report["inputs"]["good"]["unreadable_files"]) == 1
