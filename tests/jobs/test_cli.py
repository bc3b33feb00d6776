"""The command line: what it prints, exit codes, errors of one line, and the smaller commands."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.jobs import runs
from tests.jobs.runs import Command
from tests.jobs.sentences import BASE, CLOSE, sentence
from thresher.engines.options import EngineOptions
from thresher.errors import ConfigError
from thresher.run import open_run

COPIED, SHOUTED = sentence(5), sentence(6)
ROWS = [BASE, sentence(2), CLOSE, COPIED, COPIED, SHOUTED, SHOUTED.upper(), "short", sentence(3)]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [{"id": f"r{n}", "text": text} for n, text in enumerate(ROWS)]
    return runs.parquet(tmp_path_factory.mktemp("in") / "rows.parquet", rows)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, file: Path) -> Path:
    out = tmp_path_factory.mktemp("done") / "out"
    runs.run(file, out, id_column="id")
    return out


@pytest.fixture
def out(done: Path, tmp_path: Path) -> Path:
    """A copy of the finished result, to tamper with."""
    return shutil.copytree(done, tmp_path / "copy")


def test_dedup_prints_a_summary_and_a_line_a_stage(
    file: Path, tmp_path: Path, thresher: Command
) -> None:
    code, out, err = thresher("dedup", file, "--out", tmp_path / "out", "--id-column", "id")
    assert code == 0
    assert "rows in                 9" in out
    assert "removed                 3" in out
    assert f"thresher explain {tmp_path / 'out'} ROW_ID" in out
    stages = [line.split()[0] for line in err.splitlines()]
    assert stages[0] == "attributes"
    assert stages[-1] == "select"


def test_quiet_prints_nothing(file: Path, tmp_path: Path, thresher: Command) -> None:
    assert thresher("dedup", file, "--out", tmp_path / "out", "--quiet") == (0, "", "")


def test_json_logs_are_one_object_a_line(file: Path, tmp_path: Path, thresher: Command) -> None:
    code, _, err = thresher("dedup", file, "--out", tmp_path / "out", "--quiet", "--json-logs")
    assert code == 0
    events = [json.loads(line) for line in err.splitlines()]
    assert {e["event"] for e in events} == {"start", "progress", "end"}
    ends = [e for e in events if e["event"] == "end"]
    assert ends[0]["stage"] == "attributes"
    assert (ends[0]["rows"], ends[0]["tasks_done"], ends[0]["tasks"]) == (9, 1, 1)


def test_parameters_come_from_the_file_the_flags_and_the_settings_in_that_order(
    file: Path, tmp_path: Path, thresher: Command
) -> None:
    (tmp_path / "c.yaml").write_text("threshold: 0.9\nngram: 3\nkeep: longest\n")
    more = ("--config", tmp_path / "c.yaml", "--threshold", "0.8", "--set", "keep=first")
    code, _, err = thresher("dedup", file, "--out", tmp_path / "out", *more)
    assert code == 0, err
    config = json.loads((tmp_path / "out" / "report.json").read_bytes())["config"]
    assert (config["threshold"], config["ngram"], config["keep"]) == (0.8, 3, "first")


def test_columns_are_given_as_a_list(tmp_path: Path, thresher: Command) -> None:
    file = runs.parquet(tmp_path / "in.parquet", [{"q": "a", "a": "b"}, {"q": "a", "a": "c"}])
    for flag in (("--columns", "q, a"), ("--set", "columns=[q, a]"), ("--set", "columns=q,a")):
        out = tmp_path / f"out{len(list(tmp_path.iterdir()))}"
        assert thresher("dedup", file, "--out", out, *flag).code == 0
        assert len(runs.rows_of(out, "data")) == 2


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--text-column", "txt"], 3, "no column 'txt' (did you mean 'text'? columns: id, text;"),
        (["--columns", "text,nope"], 3, "no column 'nope'"),
        (["--id-column", "ident"], 3, "no column 'ident'"),
        (["--keep", "best:score"], 3, "no column 'score'"),
        (["--threshold", "1.5"], 2, "setting threshold: "),
        (["--method", "simhash"], 2, "setting method: "),
        (["--set", "treshold=0.5"], 2, "unknown setting 'treshold' (did you mean 'threshold'?)"),
        (["--set", "threshold"], 2, "--set 'threshold' is not of the form key=value"),
        (["--config", "/no/such.yaml"], 2, "/no/such.yaml: cannot read the configuration"),
        (["--engine", "slurm"], 2, "Input should be 'local', 'ray' or 'spark' (given: 'slurm')"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(
    arguments: list[str], code: int, message: str, file: Path, tmp_path: Path, thresher: Command
) -> None:
    found = thresher("dedup", file, "--out", tmp_path / "out", *arguments)
    assert found.code == code
    assert message in found.err
    assert found.err.count("\n") == 1
    assert not (tmp_path / "out" / "data").exists()


def test_status_tells_the_exit_code_of_a_failure(
    file: Path, tmp_path: Path, thresher: Command
) -> None:
    assert thresher("dedup", file, "--out", tmp_path / "out", "--text-column", "x").code == 3
    status = runs.status(tmp_path / "out")
    assert (status["state"], status["exit_code"]) == ("failed", 3)
    assert "no column 'x'" in status["error"]["message"]
    assert thresher("dedup", file, "--out", tmp_path / "out").code == 0
    assert runs.status(tmp_path / "out")["exit_code"] == 0


def test_another_run_in_the_same_folder_is_exit_2_and_says_what_differs(
    file: Path, out: Path, thresher: Command
) -> None:
    code, _, err = thresher("dedup", file, "--out", out, "--id-column", "id", "--threshold", "0.8")
    assert code == 2
    assert "params.threshold was 0.7, is now 0.8" in err


def test_a_remote_out_is_refused(file: Path, thresher: Command) -> None:
    code, _, err = thresher("dedup", file, "--out", "s3://bucket/out")
    assert code == 2
    assert "results are written to a local folder" in err


def test_plan_says_bands_tasks_and_memory_and_writes_nothing(file: Path, thresher: Command) -> None:
    before = sorted(file.parent.iterdir())
    code, out, _ = thresher("plan", "dedup", file, "--set", "split_bytes=1024")
    assert code == 0
    assert "bands       17 of 4 rows, 68 permutations" in out
    assert "0.70: 0.99" in out
    assert "tasks       1 on 1 of" in out
    assert "9 rows" in out
    assert "memory      largest task" in out
    assert sorted(file.parent.iterdir()) == before


def test_plan_names_what_is_ignored(tmp_path: Path, thresher: Command) -> None:
    runs.texts(tmp_path / "in" / "a.parquet", ["x"])
    (tmp_path / "in" / "notes.txt").write_text("hello")
    assert "ignored" in thresher("plan", "dedup", tmp_path / "in").out


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


def test_doctor_probes_the_folder(tmp_path: Path, thresher: Command) -> None:
    code, out, _ = thresher("doctor", "--out", tmp_path)
    assert code == 0
    assert "put-if-absent holds" in out
    assert not list(tmp_path.iterdir())
    assert thresher("doctor", "--out", tmp_path / "absent").code == 7


def test_help_and_usage() -> None:
    from thresher_jobs import cli

    assert cli.run(["--version"]) == 0
    assert cli.run(["dedup", "--help"]) == 0
    assert cli.run(["dedup"]) == 2
    assert cli.run(["nonsense"]) == 2


def test_a_threshold_of_zero_is_refused_not_replaced(thresher: Command, tmp_path: Path) -> None:
    file = runs.texts(tmp_path / "in.parquet", ["a"])
    code, _, err = thresher("dedup", file, "--out", tmp_path / "out", "--threshold", "0")
    assert code == 2
    assert "threshold" in err


def test_an_output_folder_inside_an_input_is_refused(thresher: Command, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    runs.texts(tmp_path / "in" / "a.parquet", ["a"])
    code, _, err = thresher("dedup", tmp_path / "in", "--out", tmp_path / "in" / "out")
    assert code == 2
    assert "inside the input" in err


def test_an_empty_input_is_refused(thresher: Command, tmp_path: Path) -> None:
    code, _, err = thresher("dedup", "", "--out", tmp_path / "out")
    assert code == 2
    assert "input is empty" in err


def test_a_rerun_makes_a_lost_part_again(thresher: Command, tmp_path: Path) -> None:
    file = runs.texts(tmp_path / "in.parquet", ["a", "b", "a"])
    assert thresher("dedup", file, "--out", tmp_path / "out")[0] == 0
    part = tmp_path / "out" / "data" / "part-00000.parquet"
    before = part.read_bytes()
    part.unlink()
    assert thresher("verify", tmp_path / "out")[0] == 3
    assert thresher("dedup", file, "--out", tmp_path / "out")[0] == 0
    assert part.read_bytes() == before
    assert thresher("verify", tmp_path / "out")[0] == 0


def test_verify_refuses_a_file_that_no_job_wrote(thresher: Command, tmp_path: Path) -> None:
    file = runs.texts(tmp_path / "in.parquet", ["a"])
    assert thresher("dedup", file, "--out", tmp_path / "out")[0] == 0
    (tmp_path / "out" / "data" / "part-00099.parquet").write_bytes(b"PAR1")
    code, _, err = thresher("verify", tmp_path / "out")
    assert code == 3
    assert "part-00099" in err


def test_a_damaged_manifest_is_bad_input_not_a_bug(thresher: Command, tmp_path: Path) -> None:
    file = runs.texts(tmp_path / "in.parquet", ["a"])
    assert thresher("dedup", file, "--out", tmp_path / "out")[0] == 0
    for text in ("{}", "not json"):
        (tmp_path / "out" / "manifest.json").write_text(text)
        code, _, err = thresher("verify", tmp_path / "out")
        assert code == 3
        assert "manifest.json: damaged" in err


def test_two_runs_at_once_in_one_folder_are_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = open_run(str(out), EngineOptions(workers=1))
    second = open_run(str(out), EngineOptions(workers=1))
    with first.guard():
        assert not first.claim({"job": "x"})
        with second.guard(), pytest.raises(ConfigError, match="another run is writing"):
            second.claim({"job": "x"})


def test_explain_shows_control_characters_instead_of_sending_them(
    thresher: Command, tmp_path: Path
) -> None:
    file = runs.texts(tmp_path / "in.parquet", ["bold \x1b[1m text"])
    assert thresher("dedup", file, "--out", tmp_path / "out")[0] == 0
    _, out, _ = thresher("explain", tmp_path / "out", "in.parquet:0")
    assert "\x1b" not in out
    assert "\\x1b[1m" in out


def test_plan_warns_of_a_column_that_lines_do_not_have(thresher: Command, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"body": "a"}\n')
    code, out, _ = thresher("plan", "dedup", tmp_path / "in.jsonl")
    assert code == 0
    assert "no 'text' in the first rows (columns: body)" in out


def test_a_key_given_twice_in_a_configuration_is_refused(
    file: Path, tmp_path: Path, thresher: Command
) -> None:
    config = tmp_path / "dedup.yaml"
    config.write_text("threshold: 0.8\nngram: 3\nthreshold: 0.7\n")
    found = thresher("dedup", file, "--out", tmp_path / "out", "--config", config)
    assert found.code == 2
    assert "dedup.yaml: not valid YAML ('threshold' is given twice" in found.err
    assert "line 3" in found.err


def test_two_columns_of_one_name_are_refused_before_anything_is_read(
    tmp_path: Path, thresher: Command
) -> None:
    twice = tmp_path / "twice.parquet"
    pq.write_table(pa.Table.from_arrays([["a"], ["b"]], ["text", "text"]), twice)
    found = thresher("dedup", twice, "--out", tmp_path / "out")
    assert found.code == 3
    assert "twice.parquet: column 'text' occurs twice (rename one)" in found.err
