"""The same protocol on `s3://`, against a real server, and a proxy that breaks what can break."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.jobs.runs import Command
from tests.versions.proxy import Proxy, proxying
from tests.versions.server import ACCESS, BUCKET, serving
from tests.versions.stores import at, commit, content_of
from thresher.errors import StorageError
from thresher.versions import remote_objects
from thresher.versions.collecting import Retention, collect
from thresher.versions.history import HINT, History, open_history
from thresher.versions.objects import open_objects
from thresher.versions.writing import Conflict, Writer, roll_back

pytest.importorskip("s3fs")
pytest.importorskip("moto.server")
boto3 = pytest.importorskip("boto3")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ACCESS.items():
            patch.setenv(name, value)
        with serving() as endpoint:
            yield endpoint


@pytest.fixture
def proxy(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    with proxying(server) as (endpoint, found):
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        monkeypatch.setattr(remote_objects, "FIRST_PAUSE_S", 0.01)
        remote_objects._connect.cache_clear()
        yield found
        remote_objects._connect.cache_clear()


@pytest.fixture
def address(request: pytest.FixtureRequest, proxy: Proxy) -> str:
    return f"s3://{BUCKET}/stores/{abs(hash(request.node.name))}"


@pytest.fixture
def history(address: str) -> History:
    return open_history(address)


@pytest.mark.slow
def test_a_store_on_s3_works_as_one_in_a_folder(
    address: str, history: History, tmp_path: Path, thresher: Command
) -> None:
    for n in range(3):
        commit(history, {"data/a": str(n).encode(), "same": b"same"}, n)
    assert content_of(history.resolve(2)) == {"data/a": b"1", "same": b"same"}
    assert history.resolve().verify() == 5
    first, second = Writer(history, at()), Writer(history, at())
    first.put("data/a", b"first")
    assert first.commit().number == 4
    with pytest.raises(Conflict):
        second.commit()
    roll_back(history, 2, at)
    done = collect(history, Retention(2, -1, -1e9), at())
    assert done.versions == (1, 2, 3)
    assert len(done.files) == 2  # those of versions 1 and 3; 5 has the content of 2
    code, out, _ = thresher("versions", address, "--verify")
    assert code == 0
    assert out.count("whole") == 2
    assert thresher("export", address, "--out", tmp_path / "out")[0] == 0
    assert (tmp_path / "out" / "data" / "a").read_bytes() == b"1"


@pytest.mark.slow
def test_a_commit_is_one_conditional_put(history: History, proxy: Proxy) -> None:
    commit(history, {"a": b"1"})
    assert [r.conditional for r in proxy.seen if r.is_record] == [True]


@pytest.mark.slow
def test_a_busy_server_is_tried_again(history: History, proxy: Proxy) -> None:
    proxy.first(3, "busy", lambda request: request.is_record)
    assert commit(history, {"a": b"1"}).number == 1
    proxy.first(3, "busy", lambda request: request.method in ("GET", "HEAD"))
    assert content_of(history.resolve()) == {"a": b"1"}


@pytest.mark.slow
@pytest.mark.parametrize("lost", [1, 2])
def test_a_commit_whose_answer_is_lost_is_our_own(
    history: History, proxy: Proxy, lost: int
) -> None:
    proxy.first(lost, "lost", lambda request: request.is_record)
    assert commit(history, {"a": b"1"}).number == 1
    assert len([r for r in proxy.seen if r.is_record]) > 1
    assert [record.version for record in history.records()] == [1]
    late = Writer(history, at())
    commit(history, {"a": b"2"})
    with pytest.raises(Conflict):
        late.commit()


@pytest.mark.slow
def test_a_server_that_stays_busy_is_exit_7_and_the_store_is_as_it_was(
    history: History, proxy: Proxy, address: str, thresher: Command
) -> None:
    for n in range(2):
        commit(history, {"a": str(n).encode()})
    proxy.rule = lambda request: "busy" if request.is_record else "pass"
    code, _, err = thresher("rollback", address, 1)
    assert code == 7
    assert err.startswith("StorageError: ")
    assert len(err.splitlines()) == 1
    proxy.rule = lambda request: "pass"
    assert history.resolve().number == 2
    assert thresher("rollback", address, 1)[0] == 0


@pytest.mark.slow
def test_the_head_is_found_behind_a_stale_listing(history: History, proxy: Proxy) -> None:
    commit(history, {"a": b"0"})
    history.objects.delete([HINT])
    assert history.resolve().number == 1
    proxy.rule = lambda request: "stale" if "list-type" in request.path else "pass"
    for n in range(2, 6):
        commit(history, {"a": str(n).encode()})
    history.objects.delete([HINT])
    assert history.resolve().number == 5
    assert content_of(history.resolve()) == {"a": b"5"}


@pytest.mark.slow
def test_doctor_takes_a_server_with_conditional_puts_and_leaves_nothing(
    address: str, tmp_path: Path, thresher: Command
) -> None:
    code, out, _ = thresher("doctor", "--out", tmp_path, "--store", address)
    assert code == 0
    assert "put-if-absent          yes" in out
    assert "put-if-absent, raced   yes" in out
    assert "listing                yes" in out
    client = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
    prefix = address.removeprefix(f"s3://{BUCKET}/")
    assert client.list_objects_v2(Bucket=BUCKET, Prefix=prefix)["KeyCount"] == 0
    client.close()


@pytest.mark.slow
def test_doctor_refuses_a_server_without(
    address: str, tmp_path: Path, proxy: Proxy, thresher: Command
) -> None:
    proxy.rule = lambda request: "plain"
    code, out, err = thresher("doctor", "--out", tmp_path, "--store", address)
    assert code == 7
    assert "put-if-absent          NO" in out
    assert "does not have: put-if-absent" in err
    assert "--single-writer" in err
    alone = ("doctor", "--out", tmp_path, "--store", address, "--single-writer")
    assert thresher(*alone)[0] == 0
    history = open_history(address, single_writer=True)
    assert [commit(history, {"a": b"1"}).number for _ in range(2)] == [1, 2]


@pytest.mark.slow
def test_a_bucket_that_is_not_there_is_named(proxy: Proxy, thresher: Command) -> None:
    with pytest.raises(StorageError, match="no such bucket"):
        commit(open_history("s3://no-such-bucket-here/x"), {"a": b"1"})


@pytest.mark.slow
def test_a_data_set_is_published_whole_or_refused(
    address: str, history: History, tmp_path: Path, thresher: Command
) -> None:
    commit(history, {"data/a": b"first", "README.md": b"card"})
    commit(history, {"data/a": b"second", "README.md": b"card"}, 1)
    place, beside = f"{address}-published", f"{address}-published-too"
    assert thresher("export", address, "--as-of", 1, "--out", place).code == 0
    assert "already in" in thresher("export", address, "--as-of", 1, "--out", place).out
    said = thresher("export", address, "--as-of", 2, "--out", place)
    assert said.code == 2 and "holds other data" in said.err
    assert thresher("export", address, "--as-of", 2, "--out", beside).code == 0
    found = open_objects(beside)
    assert found.get("data/a") == b"second" and found.get("README.md") == b"card"
    assert b"  data/a\n" in (found.get("SHA256SUMS") or b"")
