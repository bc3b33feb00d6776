"""JSON lines: a byte range of a plain file, or a whole compressed one."""

from __future__ import annotations

from collections.abc import Iterator

from thresher.errors import InputError
from thresher.readers.block import Block, Request
from thresher.readers.json_rows import RowParser
from thresher.readers.lines import read_lines
from thresher.readers.streams import CHUNK_BYTES, decompress


def read_jsonl(request: Request) -> Iterator[Block]:
    """Read the lines that start inside the split."""
    file, split = request.file, request.split
    parser = RowParser(request, lambda offset: _line_number(request, offset))
    stop = None if file.compression else split.stop
    with decompress(file, max(0, split.start - 1)) as stream:
        lines = read_lines(stream, split.start, stop, request.batch_bytes, request.max_doc_bytes)
        for records in lines:
            if len(records.starts):
                yield parser.parse(records)


def _line_number(request: Request, offset: int) -> int:
    """Count the lines before an offset; reads the file again, for a message only."""
    with decompress(request.file) as stream:
        line = 1
        while offset > 0:
            data = stream.read(min(offset, CHUNK_BYTES))
            if not data:
                raise InputError("changed during the run", path=request.file.path)
            line += data.count(b"\n")
            offset -= len(data)
    return line
