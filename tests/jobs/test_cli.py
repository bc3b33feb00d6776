"""The command line: what it prints, exit codes, errors of one line, and the smaller commands."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.jobs import runs
from tests.jobs.nine_rows import write_rows
from tests.jobs.runs import Command
from thresher.engines.options import EngineOptions
from thresher.errors import ConfigError
from thresher.run import open_run


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rows(tmp_path_factory.mktemp("in") / "rows.parquet")


def test_dedup_prints_a_summary_and_a_line_a_stage(
    file: Path, tmp_path: Path, thresher: Command
) -> None:
    code, out, err = thresher("dedup", file, "--out", tmp_path / "out", "--id-column", "id")
    assert code == 0
    assert "rows in                 9" in out
    assert "removed                 3" in out
    assert f"thresher explain {tmp_path / 'out'} ROW_ID" in out
    lines = [
        line for line in err.splitlines() if not line.startswith("compiling")
    ]  # if it is the first
    stages = [line.split()[0] for line in lines]
    assert stages[0] == "attributes"
    assert stages[-1] == "select"


@pytest.mark.slow
def test_a_run_that_is_done_says_that_nothing_was_run(
    file: Path, tmp_path: Path, thresher: Command
) -> None:
    command = ("dedup", file, "--out", tmp_path / "out", "--id-column", "id")
    first = thresher(*command)
    assert "already done" not in first.err
    code, out, err = thresher(*command)
    assert (code, out) == (0, first.out)
    assert err.startswith("already done, nothing was run") and len(err.splitlines()) == 1
    assert thresher(*command, "--quiet") == (0, "", "")
    code, _, err = thresher(*command, "--json-logs")
    assert (code, json.loads(err)) == (0, {"event": "already done"})


@pytest.mark.parametrize("command", [("verify",), ("explain", "a:1"), ("report",)])
def test_a_store_of_versions_given_as_a_result_is_told_what_looks_into_it(
    tmp_path: Path, thresher: Command, command: tuple[str, ...]
) -> None:
    (tmp_path / "store" / "manifests").mkdir(parents=True)
    code, _, err = thresher(command[0], tmp_path / "store", *command[1:])
    assert code == 2
    assert "store of versions, not the folder of a run ('thresher versions STORE --verify'" in err


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


@pytest.mark.slow
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


@pytest.mark.slow
def test_status_tells_the_exit_code_of_a_failure(
    file: Path, tmp_path: Path, thresher: Command
) -> None:
    assert thresher("dedup", file, "--out", tmp_path / "out", "--text-column", "x").code == 3
    status = runs.status(tmp_path / "out")
    assert (status["state"], status["exit_code"]) == ("failed", 3)
    assert "no column 'x'" in status["error"]["message"]
    assert thresher("dedup", file, "--out", tmp_path / "out").code == 0
    assert runs.status(tmp_path / "out")["exit_code"] == 0


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


@pytest.mark.parametrize(
    ("below", "message"),
    [("", "the output is a file, not a folder"), ("/deep/x", "would lie in")],
)
def test_a_file_in_the_place_of_the_output_is_told_in_one_line(
    below: str, message: str, thresher: Command, tmp_path: Path
) -> None:
    rows = runs.texts(tmp_path / "in.parquet", ["a"])
    taken = tmp_path / "taken"
    taken.write_text("mine")
    said = thresher("dedup", str(rows), "--out", f"{taken}{below}")
    assert said.code == 2 and message in said.err
    assert len(said.err.strip().splitlines()) == 1


@pytest.mark.slow
def test_the_lines_at_the_end_can_be_pasted_and_say_what_was_quarantined(
    thresher: Command, tmp_path: Path
) -> None:
    rows = runs.texts(tmp_path / "in.parquet", ["a", "b", "c", None])
    out = thresher("dedup", rows, "--out", tmp_path / "out folder").out
    assert f"thresher explain '{tmp_path}/out folder' ROW_ID" in out
    assert "  1  the compared text is null" in out


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


@pytest.mark.slow
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


def test_two_runs_at_once_in_one_folder_are_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = open_run(str(out), EngineOptions(workers=1))
    second = open_run(str(out), EngineOptions(workers=1))
    with first.guard():
        assert not first.claim({"job": "x"})
        with second.guard(), pytest.raises(ConfigError, match="another run is writing"):
            second.claim({"job": "x"})


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
