"""JSON arrays of objects, an element at a time."""

from __future__ import annotations

from collections.abc import Iterator

from thresher.errors import InputError
from thresher.readers.block import Block, Request
from thresher.readers.json_rows import RowParser
from thresher.readers.scan import CLOSED, new_state, read_records, scan_array
from thresher.readers.streams import CHUNK_BYTES, decompress


def read_json_array(request: Request) -> Iterator[Block]:
    """Read the elements of the array; an array that does not end is a damaged file."""
    parser = RowParser(request, lambda offset: _line_number(request, offset))
    state = new_state()
    path = request.file.path
    with decompress(request.file) as stream:
        blocks = read_records(stream, scan_array, state, request.batch_bytes, request.max_doc_bytes)
        for records in blocks:
            yield parser.parse(records)
    if state[CLOSED] == 3:
        raise InputError(
            "is not one JSON array: something stands outside its brackets",
            path=path,
            remedy="write rows as JSON lines, or leave it out with --skip-unreadable",
        )
    if state[CLOSED] != 2:
        raise InputError(
            "the JSON array is cut short: its closing bracket is missing",
            path=path,
            remedy="fetch it again, or leave it out with --skip-unreadable",
        )


def _line_number(request: Request, offset: int) -> int:
    with decompress(request.file) as stream:
        line = 1
        while offset > 0 and (data := stream.read(min(offset, CHUNK_BYTES))):
            line += data.count(b"\n")
            offset -= len(data)
    return line
