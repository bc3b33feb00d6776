"""Commands that read a result: explain, verify, report; and what they find in a forged one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.jobs import runs
from tests.jobs.nine_rows import COPIED, SHOUTED, write_rows
from tests.jobs.runs import Command
from tests.jobs.sentences import BASE


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rows(tmp_path_factory.mktemp("in") / "rows.parquet")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, file: Path) -> Path:
    out = tmp_path_factory.mktemp("done") / "out"
    runs.run(file, out, id_column="id")
    return out


@pytest.fixture
def out(done: Path, tmp_path: Path) -> Path:
    """A copy of the finished result, to tamper with."""
    return shutil.copytree(done, tmp_path / "copy")


def test_explain_shows_the_pair_of_a_near_copy(done: Path, thresher: Command) -> None:
    partner = runs.partners(done)
    near = next(r for r in runs.rows_of(done, "removed") if r["_reason"] == "near_copy")
    code, out, _ = thresher("explain", done, near["_row_id"])
    assert code == 0
    assert f"kept      {partner[near['_row_id']]}" in out
    assert f"similarity {near['_score']:.6f}, threshold 0.7" in out
    assert "[-" in out
    assert "{+" in out


def test_explain_shows_what_went_in_favour_of_a_kept_row(done: Path, thresher: Command) -> None:
    partner = runs.partners(done)
    kept = next(iter(partner.values()))
    code, out, _ = thresher("explain", done, kept)
    assert code == 0
    assert "verdict   kept" in out
    assert f"{list(partner.values()).count(kept)} rows were removed in its favour" in out


def test_explain_of_an_unknown_row_shows_what_ids_look_like(done: Path, thresher: Command) -> None:
    code, _, err = thresher("explain", done, "nope")
    assert code == 2
    assert "ids look like r0, r1, r2" in err


def test_explain_finds_quarantined_rows(tmp_path: Path, thresher: Command) -> None:
    file = runs.jsonl(tmp_path / "in.jsonl", [{"text": "a"}, b"{cut", {"text": "b"}])
    runs.run(file, tmp_path / "out")
    code, out, _ = thresher("explain", tmp_path / "out", "in.jsonl:1")
    assert code == 0
    assert "verdict   quarantined" in out


def test_verify_checks_hashes_rows_and_every_removal(done: Path, thresher: Command) -> None:
    code, out, _ = thresher("verify", done)
    assert code == 0
    assert "9 in = 6 kept, 3 removed, 0 quarantined" in out
    assert "removals    3 checked" in out


@pytest.mark.parametrize("folder", ["data", "removed", "ledger", "quarantine"])
def test_verify_finds_a_changed_byte(folder: str, out: Path, thresher: Command) -> None:
    victim = out / folder / "part-00000.parquet"
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    code, _, err = thresher("verify", out)
    assert code == 3
    assert str(victim) in err


def test_verify_finds_a_missing_file(out: Path, thresher: Command) -> None:
    (out / "removed" / "part-00000.parquet").unlink()
    assert thresher("verify", out).code == 3


def forge(out: Path, name: str, table: pa.Table) -> None:
    """Replace a part and state its new hash in the manifest, as a careful forger would."""
    pq.write_table(table, out / name)
    manifest = json.loads((out / "manifest.json").read_bytes())
    sha = runs.tree(out)[name]
    manifest["files"] = [
        [n, (out / n).stat().st_size, sha] if n == name else [n, size, old]
        for n, size, old in manifest["files"]
    ]
    (out / "manifest.json").write_text(json.dumps(manifest))


def replaced(table: pa.Table, column: str, row: int, value: object) -> pa.Table:
    values = table.column(column).to_pylist()
    values[row] = value
    at = table.schema.get_field_index(column)
    return table.set_column(
        at, table.schema.field(at), pa.array(values, table.schema.field(at).type)
    )


@pytest.mark.parametrize(
    ("folder", "reason", "column", "value", "message"),
    [
        ("removed", "near_copy", "_score", 0.99, "is not the real one"),
        ("removed", "near_copy", "text", BASE + " more", "is not the real one"),
        ("removed", "near_copy", "_matched_id", "r1", "is not the real one"),
        ("removed", "near_copy", "_matched_id", "nobody", "is not among the kept rows"),
        ("removed", "exact_copy", "text", COPIED + "!", "do not have equal bytes"),
        ("removed", "same_words", "text", SHOUTED + " z", "do not have equal words"),
        ("data", None, "text", "replaced", ""),
    ],
)
def test_verify_finds_a_statement_that_does_not_hold(
    folder: str,
    reason: str | None,
    column: str,
    value: object,
    message: str,
    out: Path,
    thresher: Command,
) -> None:
    name = f"{folder}/part-00000.parquet"
    table = pq.read_table(out / name)
    rows = table.to_pylist()
    if folder == "removed":
        place = next(i for i, row in enumerate(rows) if row["_reason"] == reason)
    else:
        leader = next(iter(runs.partners(out).values()))
        place = next(i for i, row in enumerate(rows) if row["id"] == leader)
    forge(out, name, replaced(table, column, place, value))
    code, _, err = thresher("verify", out)
    assert code == 3
    assert message in err


def test_verify_refuses_a_manifest_that_leads_outside(out: Path, thresher: Command) -> None:
    manifest = json.loads((out / "manifest.json").read_bytes())
    manifest["files"][0][0] = "../../etc/passwd"
    (out / "manifest.json").write_text(json.dumps(manifest))
    code, _, err = thresher("verify", out)
    assert code == 3
    assert "../../etc/passwd" in err


def test_report_builds_the_page_again(out: Path, thresher: Command) -> None:
    before = (out / "report.html").read_bytes()
    (out / "report.html").unlink()
    assert thresher("report", out).code == 0
    assert (out / "report.html").read_bytes() == before


@pytest.mark.parametrize("command", ["explain", "verify", "report"])
def test_a_folder_without_a_result_is_exit_2(
    command: str, tmp_path: Path, thresher: Command
) -> None:
    more = ["row"] if command == "explain" else []
    code, _, err = thresher(command, tmp_path, *more)
    assert code == 2
    assert "manifest.json is absent" in err


def test_verify_refuses_a_file_that_no_job_wrote(thresher: Command, tmp_path: Path) -> None:
    file = runs.texts(tmp_path / "in.parquet", ["a"])
    assert thresher("dedup", file, "--out", tmp_path / "out")[0] == 0
    (tmp_path / "out" / "data" / "part-00099.parquet").write_bytes(b"PAR1")
    code, _, err = thresher("verify", tmp_path / "out")
    assert code == 3
    assert "part-00099" in err


@pytest.mark.slow
def test_a_damaged_manifest_is_bad_input_not_a_bug(thresher: Command, tmp_path: Path) -> None:
    file = runs.texts(tmp_path / "in.parquet", ["a"])
    assert thresher("dedup", file, "--out", tmp_path / "out")[0] == 0
    for text in ("{}", "not json"):
        (tmp_path / "out" / "manifest.json").write_text(text)
        code, _, err = thresher("verify", tmp_path / "out")
        assert code == 3
        assert "manifest.json: damaged" in err


def test_explain_shows_control_characters_instead_of_sending_them(
    thresher: Command, tmp_path: Path
) -> None:
    file = runs.texts(tmp_path / "in.parquet", ["bold \x1b[1m text"])
    assert thresher("dedup", file, "--out", tmp_path / "out")[0] == 0
    _, out, _ = thresher("explain", tmp_path / "out", "in.parquet:0")
    assert "\x1b" not in out
    assert "\\x1b[1m" in out


def test_another_run_in_the_same_folder_is_exit_2_and_says_what_differs(
    file: Path, out: Path, thresher: Command
) -> None:
    code, _, err = thresher("dedup", file, "--out", out, "--id-column", "id", "--threshold", "0.8")
    assert code == 2
    assert "params.threshold was 0.7, is now 0.8" in err
