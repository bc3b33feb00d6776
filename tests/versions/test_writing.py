"""Writers: races, lost answers, killed writers, clocks, rollbacks."""

from __future__ import annotations

import os
import pickle
import resource
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.versions.stores import at, commit, content_of, store
from thresher.errors import ConfigError, ResourceError, StorageError
from thresher.versions.collecting import Retention, collect
from thresher.versions.history import HINT, History
from thresher.versions.local_objects import LocalObjects
from thresher.versions.manifest import FILES, Changes, record_name
from thresher.versions.reading import Version
from thresher.versions.settings import differing
from thresher.versions.writing import Conflict, Writer, check_settings, roll_back, write

EVERYTHING = Retention(1, -1, -1e9)


@pytest.fixture
def history(tmp_path: Path) -> History:
    return store(tmp_path / "store")


def test_the_loser_of_a_race_is_told_and_plans_again_on_top(history: History) -> None:
    first, second = Writer(history, at()), Writer(history, at())
    first.put("a", b"1")
    second.put("b", b"2")
    assert first.commit().number == 1
    with pytest.raises(Conflict) as caught:
        second.commit()
    assert caught.value.version == 1
    assert pickle.loads(pickle.dumps(caught.value)).version == 1

    def plan(writer: Writer) -> object:
        writer.keep(*(writer.base.files if writer.base else ()))
        writer.put("b", b"2")
        return writer.commit()

    write(history, at, plan)  # type: ignore[arg-type]
    assert content_of(history.resolve()) == {"a": b"1", "b": b"2"}


@pytest.mark.slow
def test_a_run_that_loses_every_time_gives_up_with_the_exit_code_of_storage(
    history: History,
) -> None:
    def plan(writer: Writer) -> None:
        commit(history, {"a": writer.id.encode()})
        writer.commit()

    with pytest.raises(Conflict) as caught:
        write(history, at, plan)
    assert caught.value.exit_code == StorageError.exit_code


@dataclass(frozen=True)
class Forgetful(LocalObjects):
    """Puts, and the answer is lost: an error, or what a driver that puts again is told."""

    answer: str = "error"

    def put_if_absent(self, name: str, data: bytes) -> bool:
        super().put_if_absent(name, data)
        if self.answer == "error":
            raise StorageError("the connection broke", path=name)
        return False


@pytest.mark.parametrize("answer", ["error", "taken"])
def test_a_commit_whose_answer_was_lost_is_recognised(tmp_path: Path, answer: str) -> None:
    history = History(Forgetful(str(tmp_path), answer=answer))
    assert [commit(history, {"a": b"x"}).number for _ in range(2)] == [1, 2]
    assert len(history.records()) == 2


@dataclass(frozen=True)
class Broken(LocalObjects):
    """Takes no record."""

    def put_if_absent(self, name: str, data: bytes) -> bool:
        raise StorageError("the connection broke", path=name)


def test_a_commit_that_never_arrived_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="the connection broke"):
        commit(History(Broken(str(tmp_path))), {"a": b"x"})
    assert history_is_empty(tmp_path)


def history_is_empty(folder: Path) -> bool:
    return History(LocalObjects(str(folder))).head() is None


def test_files_that_a_killed_writer_left_are_in_no_version(history: History) -> None:
    commit(history, {"a": b"1"})
    killed = Writer(history, at())
    killed.put("b", b"never committed")
    assert content_of(history.resolve()) == {"a": b"1"}
    cleanup = collect(history, EVERYTHING, at())
    assert [entry.bytes for entry in cleanup.files] == [len(b"never committed")]
    assert content_of(history.resolve()) == {"a": b"1"}


def test_a_writer_whose_file_was_taken_meanwhile_does_not_commit(history: History) -> None:
    commit(history, {"a": b"1"})
    slow = Writer(history, at())
    slow.put("b", b"2")
    collect(history, EVERYTHING, at())
    with pytest.raises(Conflict):
        slow.commit()
    assert history.resolve().number == 1


def test_a_writer_steps_over_a_clean_up_that_took_nothing_of_it(history: History) -> None:
    for n in range(3):
        commit(history, {"a": str(n).encode()})
    slow = Writer(history, at())
    slow.put("b", b"2")
    slow.keep("a")
    assert collect(history, Retention(1, -1, 0), at()).first == 3
    version = slow.commit()
    assert (version.number, version.manifest.parent, version.manifest.first) == (5, 3, 3)
    assert content_of(history.resolve()) == {"a": b"2", "b": b"2"}


def test_content_that_a_clean_up_is_about_to_take_is_written_anew(history: History) -> None:
    killed = Writer(history, at())
    path = killed.put("a", b"content").path
    commit(history, {"other": b""})
    writer = Writer(history, at())
    assert writer.put("a", b"content").path != path
    history.objects.delete([path])  # by a clean-up that wakes up late
    assert content_of(writer.commit()) == {"a": b"content"}


def test_content_of_the_base_is_not_written_again(history: History) -> None:
    commit(history, {"a": b"content", "b": b"content"})
    path = history.resolve().file("a").path
    commit(history, {"c": b"content"})
    assert history.resolve().file("c").path == path
    assert len(list(history.objects.entries(FILES))) == 1


def test_versions_rise_when_the_clock_goes_back(history: History) -> None:
    for hours in (0, -24, 5, -1):
        commit(history, {"a": str(hours).encode()}, hours)
    assert [record.version for record in history.records()] == [1, 2, 3, 4]
    assert content_of(history.resolve()) == {"a": b"-1"}
    assert [history.resolve(at(h).isoformat()).number for h in (-24, -2, 2, 9)] == [2, 2, 4, 4]


def test_files_do_not_depend_on_the_clock(tmp_path: Path) -> None:
    one, other = store(tmp_path / "one"), store(tmp_path / "other")
    commit(one, {"a": b"1"}, 0)
    commit(other, {"a": b"1"}, -24)
    assert one.resolve().file("a").sha256 == other.resolve().file("a").sha256


def test_a_time_without_a_zone_is_refused(history: History) -> None:
    with pytest.raises(ValueError, match="zone"):
        Writer(history, datetime(2026, 11, 20))


def test_a_version_says_when_it_could_first_be_read_not_when_its_run_began(
    history: History,
) -> None:
    commit(history, {"a": b"1"}, 0)
    hours = 1

    def plan(writer: Writer) -> Version:
        nonlocal hours
        writer.put("a", b"2")
        hours = 3  # so long does the run take
        return writer.commit()

    write(history, lambda: at(hours), plan)
    assert history.resolve(at(2).isoformat()).number == 1
    assert history.resolve(at(3).isoformat()).number == 2


def test_a_rollback_is_a_new_version_and_the_history_stays(history: History) -> None:
    for n in range(3):
        commit(history, {"a": str(n).encode()})
    version = roll_back(history, 1, at, "2 lost rows")
    assert (version.number, version.manifest.kind, version.manifest.of) == (4, "rollback", 1)
    assert content_of(history.resolve()) == {"a": b"0"}
    assert content_of(history.resolve(3)) == {"a": b"2"}
    with pytest.raises(ConfigError, match="in force already"):
        roll_back(history, 4, at)


def test_a_rollback_to_a_version_that_goes_meanwhile_does_not_commit(history: History) -> None:
    for n in range(3):
        commit(history, {"a": str(n).encode()})
    slow, old = Writer(history, at()), history.resolve(1)
    collect(history, EVERYTHING, at())
    with pytest.raises(Conflict):
        slow.commit_rollback(old)
    with pytest.raises(ConfigError, match="was removed by 'thresher gc'"):
        roll_back(history, 1, at)


def test_a_full_disk_leaves_the_store_as_it_was(tmp_path: Path) -> None:
    history = store(tmp_path / "store")
    commit(history, {"a": b"1"})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, before[1]))
    try:
        writer = Writer(history, at())
        with pytest.raises(ResourceError) as caught:
            writer.put("b", b"x" * 6000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.exit_code == 6
    assert content_of(history.resolve()) == {"a": b"1"}
    assert not [e for e in history.objects.entries("") if ".tmp-" in e.name]
    commit(history, {"b": b"x" * 6000})


def test_other_settings_are_refused_with_both_values(history: History) -> None:
    with Writer(history, at()) as writer:
        version = writer.commit(settings={"seed": 1, "bands": 26, "engine": "ray"})
    check_settings(version, {"seed": 1, "bands": 26, "engine": "spark"}, ignore=["engine"])
    with pytest.raises(ConfigError, match=r"\n  bands was 26, is absent\n  seed was 1, is 2\n"):
        check_settings(version, {"seed": 2}, ignore=["engine"])


def test_settings_that_differ_are_told_key_by_key_and_steps_by_name() -> None:
    def recipe(*steps: dict[str, Any], paths: tuple[str, ...] = ("a", "b")) -> dict[str, Any]:
        return {"recipe": {"sources": [{"path": path} for path in paths], "steps": list(steps)}}

    dedup: dict[str, Any] = {"dedup": {"name": "dedup", "threshold": 0.7, "seed": 1}}
    other = {"dedup": {"seed": 1, "threshold": 0.8, "name": "dedup"}}
    score = {"score": {"name": "score", "rules": {"short": "x" * 200}}}
    assert differing(recipe(dedup), recipe({"dedup": {**dedup["dedup"]}})) == []
    assert differing(recipe(dedup, score), recipe(score, other, paths=("a", "c"))) == [
        'recipe.sources.1.path was "b", is "c"',
        "recipe.steps.dedup.threshold was 0.7, is 0.8",
        "recipe.steps was in the order dedup, score, is in the order score, dedup",
    ]
    (line,) = differing(recipe(dedup, score), recipe(dedup))
    assert line.startswith('recipe.steps.score was {"name": "score"') and len(line) < 140
    assert line.endswith("..., is absent")
    many = differing({str(n): n for n in range(20)}, {})
    assert (len(many), many[-1]) == (13, "and 8 more")


def test_a_record_tells_what_changed(history: History) -> None:
    with Writer(history, at()) as writer:
        writer.put("a", b"1", rows=7)
        writer.commit(rows={"in": 9, "kept": 7}, inputs=Changes(added=("x", "y")), note="first")
    record = history.resolve().manifest
    assert (record.rows, record.inputs.added, record.note) == (
        {"in": 9, "kept": 7},
        ("x", "y"),
        "first",
    )
    assert (record.files[0].rows, record.parent, record.total_bytes) == (7, 0, 1)


@pytest.mark.parametrize("name", ["/a", "../a", "a/../b", "", "a//b", "a\\b", "a\n", "./a"])
def test_names_that_would_leave_a_folder_are_refused(history: History, name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        Writer(history, at()).put(name, b"")


def test_a_local_file_is_copied_or_taken(history: History, tmp_path: Path) -> None:
    path = tmp_path / "part.parquet"
    path.write_bytes(b"rows")
    writer = Writer(history, at())
    stored = writer.put("data/a.parquet", path)
    assert path.exists()
    assert stored.path.endswith(".parquet")
    path.write_bytes(b"more rows")
    writer.put("data/b.parquet", path, move=True)
    assert not path.exists()
    assert content_of(writer.commit()) == {
        "data/a.parquet": b"rows",
        "data/b.parquet": b"more rows",
    }


def test_a_file_of_a_version_that_is_gone_or_changed_is_named(history: History) -> None:
    version = commit(history, {"a": b"12", "b": b"34"})
    path = Path(version.address_of("a"))
    path.write_bytes(b"1x")
    with pytest.raises(Exception, match="a of version 1 is damaged: another hash") as caught:
        version.read("a")
    assert getattr(caught.value, "exit_code", 0) == 3
    with pytest.raises(Exception, match="another hash"):
        version.verify()
    os.unlink(path)
    with pytest.raises(StorageError, match="a of version 1 is missing"):
        version.open("a")


@pytest.mark.parametrize(
    "hint", [b"", b"garbage", b"99999", b"1", b"0", b"-3", b"2\n", b"9" * 5000], ids=range(8)
)
def test_the_newest_version_is_found_whatever_the_hint_says(history: History, hint: bytes) -> None:
    for n in range(6):
        commit(history, {"a": str(n).encode()})
    history.objects.put(HINT, hint)
    assert history.resolve().number == 6
    history.objects.delete([HINT])
    assert history.resolve().number == 6


@dataclass(frozen=True)
class Stale(LocalObjects):
    """Lists nothing but the first record, as a cache would that was never refreshed."""

    def entries(self, folder: str):  # type: ignore[no-untyped-def]
        return (e for e in super().entries(folder) if e.name == record_name(1))


def test_the_newest_version_is_found_whatever_the_listing_says(tmp_path: Path) -> None:
    history = History(Stale(str(tmp_path)))
    for n in range(20):
        assert commit(history, {"a": str(n).encode()}).number == n + 1
        history.objects.delete([HINT])
        assert history.resolve().number == n + 1
