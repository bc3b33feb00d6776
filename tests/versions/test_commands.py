"""`thresher versions`, `diff`, `rollback`, `gc`, `export`, `doctor --store`: what users see."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.jobs.runs import Command
from tests.versions.stores import at, commit, store
from thresher.versions import collecting
from thresher.versions.history import History
from thresher.versions.manifest import Changes, encode, record_name
from thresher.versions.writing import Writer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A store of three versions."""
    history = store(tmp_path / "store")
    with Writer(history, at(0)) as writer:
        writer.put("data/a", b"12345")
        writer.commit(rows={"kept": 5}, inputs=Changes(added=("x", "y")), settings={"seed": 1})
    with Writer(history, at(24)) as writer:
        writer.keep("data/a")
        writer.put("data/b", b"678")
        writer.commit(rows={"kept": 8}, inputs=Changes(added=("z",)), settings={"seed": 1})
    with Writer(history, at(48)) as writer:
        writer.put("data/b", b"6789")
        changes = Changes(changed=("y",), removed=("x",))
        writer.commit(rows={"kept": 4}, inputs=changes, settings={"seed": 2}, note="new seed")
    return tmp_path / "store"


def test_versions_are_listed(folder: Path, thresher: Command) -> None:
    code, out, _ = thresher("versions", folder)
    assert code == 0
    assert out.splitlines() == [
        "     1  2026-11-20 12:00:00  5 kept; 1 file, 5 B; inputs +2",
        "     2  2026-11-21 12:00:00  8 kept; 2 files, 8 B; inputs +1",
        "     3  2026-11-22 12:00:00  4 kept; 1 file, 4 B; inputs ~1 -1; new seed  <- latest",
    ]


@pytest.mark.parametrize(
    "command", [("versions",), ("gc",), ("gc", "--dry-run"), ("rollback", 1), ("diff", 1)]
)
def test_what_holds_no_versions_is_wrong_configuration_for_every_command(
    tmp_path: Path, thresher: Command, command: tuple[object, ...]
) -> None:
    (tmp_path / "inputs").mkdir()
    (tmp_path / "inputs" / "a.jsonl").write_text("{}")
    name, *more = command
    for folder in (tmp_path / "inputs", tmp_path / "absent"):
        code, out, err = thresher(name, folder, *more)
        assert (code, out) == (2, "")
        assert f"{folder}: no versions here (run 'thresher rebuild' first)" in err
    assert not (tmp_path / "absent").exists()


def test_a_damaged_version_is_found_and_named(folder: Path, thresher: Command) -> None:
    path = min(folder.glob("files/*/*"))
    assert thresher("versions", folder, "--verify")[0] == 0
    path.write_bytes(b"?" * path.stat().st_size)
    code, out, err = thresher("versions", folder, "--verify")
    assert code == 3
    assert "DAMAGED" in out
    assert path.name in out
    assert "versions that are not whole" in err


def test_two_versions_are_compared(folder: Path, thresher: Command) -> None:
    code, out, _ = thresher("diff", folder, 1, "latest")
    assert code == 0
    assert out.splitlines() == [
        "from version 1 to version 3",
        "rows kept: 5 -> 4 (-1)",
        "inputs added: 1",
        "  z",
        "inputs changed: 1",
        "  y",
        "inputs removed: 1",
        "  x",
        "settings: seed was 1, is 2",
        "files added: 1",
        "  data/b  4 B",
        "files removed: 1",
        "  data/a  5 B",
    ]
    assert "files are the same" in thresher("diff", folder, 2, 2).out


def test_a_comparison_goes_back_through_a_rollback(folder: Path, thresher: Command) -> None:
    code, out, _ = thresher("rollback", folder, "2026-11-20", "--note", "seed 2 was wrong")
    assert code == 0
    assert out.splitlines() == [
        "version 4 has the content of version 1",
        "the next 'thresher rebuild' makes a version of what the sources hold then",
    ]
    assert "content of 1; seed 2 was wrong  <- latest" in thresher("versions", folder).out
    assert "files are the same" in thresher("diff", folder, 1, 4).out
    out = thresher("diff", folder, 3, 4).out
    assert "inputs added: 1\n  x\ninputs changed: 1\n  y\ninputs removed: 1\n  z\n" in out


def test_a_clean_up_says_first_what_would_go(folder: Path, thresher: Command) -> None:
    old = ("--keep", 1, "--keep-days", 0, "--grace-hours", 0)
    code, out, _ = thresher("gc", folder, "--dry-run", *old)
    assert code == 0
    assert out.count("would remove  files/") == 2
    assert "versions would be removed: 1, 2\n2 objects would be removed, 8 B\n" in out
    assert "readable from version 3 on" in out
    assert len(list(folder.glob("files/*/*"))) == 3
    code, out, _ = thresher("gc", folder, *old)
    assert "versions removed: 1, 2\n2 objects removed, 8 B\n" in out
    assert len(list(folder.glob("files/*/*"))) == 1
    lines = thresher("versions", folder).out.splitlines()
    assert "removed by gc" in lines[0]
    assert "<- latest" in lines[2]
    assert lines[3].endswith("clean-up: 2 objects taken; readable from 3 on")
    code, _, err = thresher("export", folder, "--as-of", 1, "--out", folder / "x")
    assert code == 2
    assert "version 1 was removed by 'thresher gc'" in err


@pytest.mark.slow
def test_a_large_clean_up_takes_several_records(
    folder: Path, thresher: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collecting, "AT_ONCE", 1)
    old = ("--keep", 1, "--keep-days", 0, "--grace-hours", 0)
    assert "1 object left for the next time" in thresher("gc", folder, *old).out
    assert "left for" not in thresher("gc", folder, *old).out
    assert "0 objects removed" in thresher("gc", folder, *old).out
    assert len(list(folder.glob("files/*/*"))) == 1
    assert thresher("versions", folder, "--verify")[0] == 0


def test_a_record_that_names_files_outside_the_store_is_refused(
    folder: Path, thresher: Command
) -> None:
    history = store(folder)
    record = history.resolve().manifest
    (file,) = record.files
    for wrong in ({"name": "../../evil"}, {"name": "/evil"}, {"path": "../secret"}):
        evil = record.model_copy(update={"files": (file.model_copy(update=wrong),)})
        history.objects.put(record_name(3), encode(evil))
        code, _, err = thresher("export", folder, "--out", folder / "out")
        assert code == 7
        assert "damaged record" in err
        assert not (folder / "out").exists()


def test_by_default_a_clean_up_takes_nothing_young(folder: Path, thresher: Command) -> None:
    with Writer(store(folder), at()) as writer:
        writer.put("data/c", b"under way")
    code, out, _ = thresher("gc", folder)
    assert code == 0
    assert "0 objects removed" in out
    assert "1 object of no version left, too young, 9 B" in out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("as_of", "names"),
    [
        ("1", ["a"]),
        ("2", ["a", "b"]),
        ("latest", ["b"]),
        ("2026-11-21", ["a", "b"]),
        ("2026-11-21T11:59:59", ["a"]),
        ("2026-11-21T13:00:00+01:00", ["a", "b"]),
    ],
)
def test_a_version_is_exported_by_number_or_date(
    folder: Path, tmp_path: Path, thresher: Command, as_of: str, names: list[str]
) -> None:
    out = tmp_path / "out"
    assert thresher("export", folder, "--as-of", as_of, "--out", out)[0] == 0
    found = sorted(p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file())
    assert found == ["SHA256SUMS", *(f"data/{name}" for name in names)]
    code, said, _ = thresher("export", folder, "--as-of", as_of, "--out", out)
    assert code == 0
    assert "already in" in said
    (out / "data" / names[0]).write_bytes(b"x")
    code, _, err = thresher("export", folder, "--as-of", as_of, "--out", out)
    assert code == 2
    assert "is not empty, and holds other data" in err


@pytest.mark.parametrize("as_of", ["0", "4", "2026-11-19", "yesterday", "-1"])
def test_a_version_that_is_not_there_is_wrong_configuration(
    folder: Path, tmp_path: Path, thresher: Command, as_of: str
) -> None:
    code, _, err = thresher("export", folder, f"--as-of={as_of}", "--out", tmp_path / "out")
    assert code == 2
    assert len(err.splitlines()) == 1


@pytest.mark.slow
def test_a_damaged_record_is_refused(folder: Path, thresher: Command) -> None:
    record = folder / "manifests" / "00000002.json"
    text = record.read_text()
    for broken in (text.replace('"kept": 8', '"kept": 9'), text[:-40], "[]", "null", ""):
        record.write_text(broken)
        code, _, err = thresher("diff", folder, 1, 2)
        assert code == 7, broken
        assert "00000002.json: damaged record" in err
    record.unlink()
    code, _, err = thresher("versions", folder)
    assert code == 7
    assert "record 2 is missing" in err


def test_a_record_of_a_newer_format_is_refused(folder: Path, thresher: Command) -> None:
    record = folder / "manifests" / "00000003.json"
    record.write_text(record.read_text().replace('"format": 1', '"format": 2'))
    code, _, err = thresher("versions", folder)
    assert code == 7
    assert "format 2" in err


@pytest.mark.slow
def test_doctor_says_what_a_store_can_do(tmp_path: Path, thresher: Command) -> None:
    code, out, _ = thresher("doctor", "--out", tmp_path, "--store", tmp_path)
    assert code == 0
    assert "put-if-absent, raced   yes  8 at once, 6 times: one of them wins" in out
    assert not list(tmp_path.rglob("*.*"))


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("http://example.org/store", "http:// cannot hold a store"),
        ("ftp://example.org/store", "is not allowed"),
        ("s3://", "no bucket"),
        ("zip::s3://bucket/x", "chained"),
    ],
)
def test_what_cannot_hold_a_store_is_wrong_configuration(
    tmp_path: Path, thresher: Command, address: str, told: str
) -> None:
    code, _, err = thresher("versions", address)
    assert code == 2
    assert told in err


def test_inputs_folded(folder: Path) -> None:
    """Three nights at once tell what they would tell apart."""
    from thresher.versions.comparing import compare

    history: History = store(folder)
    commit(history, {"a": b""})
    found = compare(history, history.resolve(1), history.resolve(4))
    assert found.inputs == Changes(added=("z",), changed=("y",), removed=("x",))
