"""Which files a run reads, what they are called, and that nothing is dropped without a word."""

from __future__ import annotations

import gzip
import os
import pickle
import uuid
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from thresher.errors import ConfigError, InputError, StorageError
from thresher.inputs import Inputs, check_unchanged, list_inputs, split_extension
from thresher.readers import read_split
from thresher.splits import cut

ROW = b'{"text": "a"}\n'


def _write(folder: Path, *names: str, data: bytes = ROW) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _names(inputs: Inputs) -> list[str]:
    return [file.name for file in inputs.files]


def _texts(inputs: Inputs) -> list[str]:
    return [
        text
        for split in cut(inputs).splits
        for block in read_split(inputs.files[split.file], split)
        for text in block.batch.column("text").to_pylist()
    ]


def test_a_folder_is_read_recursively_and_sorted_by_name(tmp_path: Path) -> None:
    _write(tmp_path, "b.jsonl", "a/z.jsonl", "a/c.ndjson", "d.json")
    assert _names(list_inputs([str(tmp_path)])) == ["a/c.ndjson", "a/z.jsonl", "b.jsonl", "d.json"]


def test_a_single_file_goes_by_its_base_name(tmp_path: Path) -> None:
    _write(tmp_path, "deep/er/x.jsonl")
    assert _names(list_inputs([str(tmp_path / "deep/er/x.jsonl")])) == ["x.jsonl"]


def test_several_sources_put_their_unique_name_first(tmp_path: Path) -> None:
    _write(tmp_path, "one/data/x.jsonl", "two/data/x.jsonl", "data-2/x.jsonl")
    addresses = [str(tmp_path / part) for part in ("one/data", "two/data", "data-2")]
    inputs = list_inputs(addresses)
    assert [source.name for source in inputs.sources] == ["data", "data-3", "data-2"]
    assert _names(inputs) == ["data/x.jsonl", "data-3/x.jsonl", "data-2/x.jsonl"]
    assert [file.source for file in inputs.files] == [0, 1, 2]


def test_names_below_a_glob_begin_where_its_wildcards_begin(tmp_path: Path) -> None:
    _write(tmp_path, "d/a/x.jsonl", "d/b/x.jsonl", "d/b/y.csv")
    inputs = list_inputs([str(tmp_path / "d" / "*" / "*.jsonl")])
    assert _names(inputs) == ["a/x.jsonl", "b/x.jsonl"]
    everything = list_inputs([str(tmp_path / "d" / "**")])
    assert _names(everything) == ["a/x.jsonl", "b/x.jsonl", "b/y.csv"]


def test_a_file_whose_name_looks_like_a_glob_is_found(tmp_path: Path) -> None:
    _write(tmp_path, "x[1].jsonl")
    assert _names(list_inputs([str(tmp_path / "x[1].jsonl")])) == ["x[1].jsonl"]


def test_hidden_and_unknown_files_are_listed_as_ignored_with_the_reason(tmp_path: Path) -> None:
    _write(tmp_path, "_x.parquet", ".x.parquet", "notes.txt", "m.feather", "_d/y.jsonl", "k.jsonl")
    inputs = list_inputs([str(tmp_path)])
    assert _names(inputs) == ["k.jsonl"]
    reasons = {os.path.relpath(i.path, tmp_path): i.reason for i in inputs.ignored}
    assert set(reasons) == {"_x.parquet", ".x.parquet", "notes.txt", "m.feather", "_d"}
    assert "unknown extension" in reasons["notes.txt"]
    assert "only read from a folder saved by datasets" in reasons["m.feather"]
    assert "'_'" in reasons["_x.parquet"]


def test_a_hidden_file_that_is_named_itself_is_read(tmp_path: Path) -> None:
    _write(tmp_path, "_x.jsonl")
    assert _names(list_inputs([str(tmp_path / "_x.jsonl")])) == ["_x.jsonl"]


def test_an_unknown_extension_named_itself_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    _write(tmp_path, "x.txt")
    with pytest.raises(InputError, match=r"x\.txt: unknown extension .*\.parquet.*\.csv"):
        list_inputs([str(tmp_path / "x.txt")])


@pytest.mark.parametrize("address", ["-", "/dev/stdin", "/dev/fd/63", "/proc/self/fd/0"])
def test_standard_input_is_refused_as_such(address: str) -> None:
    with pytest.raises(ConfigError, match="standard input and pipes cannot be read"):
        list_inputs([address])


@pytest.mark.parametrize("name", ["x.arrow", "x.feather"])
def test_arrow_files_from_anywhere_are_refused(tmp_path: Path, name: str) -> None:
    _write(tmp_path, name)
    with pytest.raises(InputError, match="only read from a folder saved by datasets"):
        list_inputs([str(tmp_path / name)])


def test_no_files_is_an_error_that_lists_what_was_ignored(tmp_path: Path) -> None:
    _write(tmp_path, "_x.parquet")
    with pytest.raises(InputError, match=r"no data file .*_x\.parquet.*'_' at the start"):
        list_inputs([str(tmp_path)])


@pytest.mark.parametrize("empty", ["none", "none/*.jsonl", "full/*.jsnl", "hidden"])
def test_an_input_without_a_data_file_is_refused_beside_others_that_have_some(
    empty: str, tmp_path: Path
) -> None:
    _write(tmp_path, "full/a.jsonl", "hidden/_x.jsonl")
    (tmp_path / "none").mkdir()
    both = [str(tmp_path / "full"), str(tmp_path / empty)]
    name = "full-2" if empty.startswith("full") else empty.partition("/")[0]
    with pytest.raises(InputError, match=f"no data file is found for source '{name}'") as told:
        list_inputs(both)
    assert told.value.path == both[1]
    with pytest.raises(InputError, match="source 'mine'"):
        list_inputs(both, [None, "mine"])
    inputs = list_inputs(both, ["x", "y"], [both[1]])
    assert _names(inputs) == ["x/a.jsonl"]
    assert [source.name for source in inputs.sources] == ["x", "y"]


def test_a_glob_below_a_folder_that_is_not_there_names_the_nearest_folder(tmp_path: Path) -> None:
    _write(tmp_path, "crawl/a.jsonl")
    wrong = str(tmp_path / "crowl" / "*.jsonl")
    with pytest.raises(InputError, match=r"crowl: does not exist .did you mean .*crawl"):
        list_inputs([str(tmp_path / "crawl"), wrong])
    absent = [wrong, str(tmp_path / "absent"), f"memory://{uuid.uuid4().hex}/x"]
    found = list_inputs([str(tmp_path / "crawl"), *absent], (), absent)
    assert _names(found) == ["crawl/a.jsonl"]
    with pytest.raises(InputError, match="no data file"):
        list_inputs(absent, (), absent)


def test_files_without_rows_are_files(tmp_path: Path) -> None:
    _write(tmp_path, "a/x.jsonl")
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "none.parquet")
    assert len(list_inputs([str(tmp_path / "a"), str(tmp_path / "none.parquet")]).files) == 2


def test_a_name_that_was_given_begins_the_names_of_files_however_many_sources_there_are(
    tmp_path: Path,
) -> None:
    _write(tmp_path, "a/x.jsonl", "b/a/x.jsonl", "y.jsonl")
    folder, other, file = (str(tmp_path / part) for part in ("a", "b/a", "y.jsonl"))
    assert _names(list_inputs([folder], ["mine"])) == ["mine/x.jsonl"]
    assert _names(list_inputs([file], ["mine"])) == ["mine"]
    assert _names(list_inputs([folder, file], ["mine", "more"])) == ["mine/x.jsonl", "more"]
    assert _names(list_inputs([folder], [None])) == ["x.jsonl"]
    # a source without a name gives way, wherever it stands
    assert _names(list_inputs([folder, other], [None, "a"])) == ["a-2/x.jsonl", "a/x.jsonl"]


def test_a_missing_path_names_its_nearest_sibling(tmp_path: Path) -> None:
    _write(tmp_path, "train.jsonl")
    with pytest.raises(InputError, match=r"does not exist .*did you mean .*train\.jsonl"):
        list_inputs([str(tmp_path / "trian.jsonl")])


def test_links_out_of_the_folder_are_ignored_and_those_inside_are_not_read_twice(
    tmp_path: Path,
) -> None:
    _write(tmp_path, "in/a.jsonl", "secret.jsonl")
    (tmp_path / "in/out.jsonl").symlink_to(tmp_path / "secret.jsonl")
    (tmp_path / "in/again.jsonl").symlink_to(tmp_path / "in/a.jsonl")
    (tmp_path / "in/up").symlink_to(tmp_path)
    (tmp_path / "in/dead.jsonl").symlink_to(tmp_path / "gone.jsonl")
    inputs = list_inputs([str(tmp_path / "in")])
    assert _names(inputs) == ["a.jsonl"]
    reasons = {os.path.basename(i.path): i.reason for i in inputs.ignored}
    assert "outside the folder" in reasons["out.jsonl"]
    assert "outside the folder" in reasons["up"]
    assert "a link to a.jsonl" in reasons["again.jsonl"]
    assert "nowhere" in reasons["dead.jsonl"]
    named = list_inputs([str(tmp_path / "in/out.jsonl")])
    assert _names(named) == ["out.jsonl"]


def test_one_file_by_two_addresses_is_refused_naming_both(tmp_path: Path) -> None:
    _write(tmp_path, "d/a.jsonl")
    both = [str(tmp_path / "d"), str(tmp_path / "d" / "a.jsonl")]
    with pytest.raises(InputError, match=r"reached twice, by '.*/d' and '.*a\.jsonl'"):
        list_inputs(both)


@pytest.mark.parametrize(
    ("address", "what"),
    [("ftp://h/x.jsonl", "not allowed"), ("simplecache::s3://b/x.jsonl", "chained")],
)
def test_foreign_protocols_and_chains_are_refused(address: str, what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        list_inputs([address])


def test_memory_addresses_read_like_local_ones() -> None:
    root = f"memory://{uuid.uuid4().hex}"
    memory = fsspec.filesystem("memory")
    for name in ("a.jsonl", "sub/b.jsonl", "_c.jsonl"):
        memory.pipe_file(f"{root}/{name}", ROW)
    memory.pipe_file(f"{root}/c.jsonl.gz", gzip.compress(ROW))
    inputs = list_inputs([root])
    assert _names(inputs) == ["a.jsonl", "c.jsonl.gz", "sub/b.jsonl"]
    assert [i.path for i in inputs.ignored] == [f"{root}/_c.jsonl"]
    assert _texts(inputs) == ["a", "a", "a"]
    assert _names(list_inputs([f"{root}/*.jsonl"])) == ["a.jsonl"]
    assert _names(list_inputs([f"{root}/sub/b.jsonl"])) == ["b.jsonl"]
    check_unchanged(inputs.files[0])
    memory.pipe_file(f"{root}/a.jsonl", ROW + ROW)
    with pytest.raises(InputError, match="changed during the run"):
        check_unchanged(inputs.files[0])
    with pytest.raises(InputError, match="does not exist"):
        list_inputs([f"{root}/none"])


def test_remote_parquet_reads_like_local(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    path = tmp_path / "x.parquet"
    table = pa.table({"n": range(500), "text": [f"text {i}" for i in range(500)]})
    pq.write_table(table, path, row_group_size=100)
    address = f"memory://{uuid.uuid4().hex}/x.parquet"
    fsspec.filesystem("memory").pipe_file(address, path.read_bytes())
    assert _texts(list_inputs([address])) == _texts(list_inputs([str(path)]))


def test_a_changed_file_is_named(tmp_path: Path) -> None:
    _write(tmp_path, "a.jsonl", "b.jsonl")
    first, second = list_inputs([str(tmp_path)]).files
    check_unchanged(first)
    (tmp_path / "a.jsonl").write_bytes(ROW * 2)
    (tmp_path / "b.jsonl").unlink()
    with pytest.raises(InputError, match=r"a\.jsonl: changed during the run"):
        check_unchanged(first)
    with pytest.raises(InputError, match=r"b\.jsonl: was removed during the run"):
        check_unchanged(second)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_a_storage_error(tmp_path: Path) -> None:
    _write(tmp_path, "a.jsonl")
    (tmp_path / "a.jsonl").chmod(0)
    with pytest.raises(StorageError, match=r"a\.jsonl"):
        list_inputs([str(tmp_path)])


def test_json_files_are_told_apart_by_their_first_byte(tmp_path: Path) -> None:
    _write(tmp_path, "lines.json", data=b"\xef\xbb\xbf \n" + ROW)
    _write(tmp_path, "array.json", data=b' [{"text": "a"}]')
    _write(tmp_path, "lines.json.gz", data=gzip.compress(ROW))
    formats = {file.name: file.format for file in list_inputs([str(tmp_path)]).files}
    assert formats == {"lines.json": "jsonl", "array.json": "json", "lines.json.gz": "jsonl"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("x.JSONL.GZ", ("jsonl", "gzip")),
        ("x.csv.zst", ("csv", "zstd")),
        ("x.pq", ("parquet", None)),
        ("x.parquet.gz", (None, None)),
        ("x.gz", (None, None)),
    ],
)
def test_extensions(name: str, expected: tuple[str | None, str | None]) -> None:
    assert split_extension(name) == expected


def test_inputs_survive_pickling(tmp_path: Path) -> None:
    _write(tmp_path, "a.jsonl")
    inputs = list_inputs([str(tmp_path)])
    assert pickle.loads(pickle.dumps(inputs)) == inputs


@pytest.mark.slow
def test_a_folder_saved_by_datasets_is_read_in_the_order_of_its_state(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    made = datasets.Dataset.from_dict({"text": [f"t{i}" for i in range(10)]})
    datasets.DatasetDict({"train": made}).save_to_disk(str(tmp_path / "s"), num_shards={"train": 3})
    inputs = list_inputs([str(tmp_path / "s")])
    assert {file.format for file in inputs.files} == {"arrow"}
    assert _names(inputs)[0] == "train/data-00000-of-00003.arrow"
    assert _texts(inputs) == [f"t{i}" for i in range(10)]
    assert len(inputs.ignored) == 3
    assert sum(split.rows or 0 for split in cut(inputs).splits) == 10


def test_a_state_file_cannot_lead_out_of_its_folder(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    _write(tmp_path, "s/dataset_info.json", data=b"{}")
    _write(tmp_path, "s/state.json", data=b'{"_data_files": [{"filename": "../x.arrow"}]}')
    with pytest.raises(InputError, match="no data file"):
        list_inputs([str(tmp_path / "s")])
