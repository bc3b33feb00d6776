"""The lease tells who is at work; it stops nobody, and no result depends on it."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.versions.stores import commit, content_of, store
from thresher.versions.history import History
from thresher.versions.lease import NAME, SPAN_S, Holder, Lease, at_work, holder


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def history(tmp_path: Path) -> History:
    return store(tmp_path / "store")


def test_a_second_run_is_told_who_is_at_work_and_since_when(history: History) -> None:
    with Lease(history.objects, now):
        found = holder(history.objects, now())
        assert found is not None
        assert found.process == os.getpid()
        assert str(found).startswith(f"process {os.getpid()} on ")
        assert f", since {found.since:%Y-%m-%d}" in str(found)
    assert holder(history.objects, now()) is None


def test_a_second_run_may_wait_or_go_on(history: History) -> None:
    asked: list[Holder] = []
    first = Lease(history.objects, now)
    first.__enter__()

    def wait(other: Holder) -> bool:
        asked.append(other)
        if len(asked) == 3:
            first.__exit__()
        return True

    with at_work(history.objects, now, wait) as other:
        assert other is None
        assert len(asked) == 3
    with Lease(history.objects, now), at_work(history.objects, now, lambda _: False) as other:
        assert other is not None
        commit(history, {"a": b"1"})
    assert content_of(history.resolve()) == {"a": b"1"}


@pytest.mark.slow
def test_the_lease_of_a_run_that_was_killed_is_in_nobodys_way(history: History) -> None:
    code = (
        "import os, signal, sys; from datetime import *; from thresher.versions.lease import Lease;"
        "from thresher.versions.objects import open_objects;"
        "Lease(open_objects(sys.argv[1]), lambda: datetime.now(UTC)).__enter__();"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, history.objects.address], check=False)
    assert history.objects.get(NAME)
    assert holder(history.objects, now()) is None
    value = json.loads(history.objects.get(NAME) or b"")
    history.objects.put(NAME, json.dumps({**value, "host": "another"}).encode())
    assert holder(history.objects, now()) is not None
    assert holder(history.objects, now() + timedelta(seconds=SPAN_S + 60)) is None


@pytest.mark.parametrize("text", [b"", b"null", b"{}", b"[1]", b'{"owner": 1}', b"\xff", b"1"])
def test_a_lease_that_cannot_be_read_is_none(history: History, text: bytes) -> None:
    history.objects.put(NAME, text)
    assert holder(history.objects, now()) is None


def test_a_lease_from_a_clock_that_is_far_ahead_is_not_believed(history: History) -> None:
    with Lease(history.objects, lambda: now() + timedelta(days=1)):
        assert holder(history.objects, now()) is None


def test_a_run_leaves_the_lease_of_another_alone(history: History) -> None:
    with Lease(history.objects, now):
        with Lease(history.objects, now) as second:
            assert holder(history.objects, now()) is not None
        assert history.objects.get(NAME) is None
        assert second.owner
        other = Lease(history.objects, now)
        other.__enter__()
    found = holder(history.objects, now())
    assert found is not None and found.owner == other.owner
    other.__exit__()


def test_stores_and_versions_travel_to_workers(history: History) -> None:
    version = commit(history, {"a": b"1"})
    assert content_of(pickle.loads(pickle.dumps(version))) == {"a": b"1"}
    assert pickle.loads(pickle.dumps(history)).resolve().number == 1
