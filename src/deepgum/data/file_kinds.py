"""The kinds of files that hold tables: which are read, and what to do about the others.

The content decides, not the name, where the first bytes are clear: a Parquet file may have any name, and an Excel file
that is called a.csv is named as what it is.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from deepgum.errors import InvalidDataError

__all__ = ["COMPRESSED", "compressed", "compression_of", "kind_of", "open_bytes", "refusal"]

COMPRESSED = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz", ".zst": "zstd"}
"""Compressions of text, by suffix."""

_COMPRESSION_MAGIC = ((b"\x1f\x8b", "gzip"), (b"BZh", "bz2"), (b"\xfd7zXZ\x00", "xz"), (b"\x28\xb5\x2f\xfd", "zstd"))

_TO_TEXT = "Save the table as CSV or Parquet"
_PANDAS = f"{_TO_TEXT}, for example by `pandas.read_{{}}(...).to_csv(...)`."
_REFUSED = (
    (b"PK\x03\x04", "an Excel or OpenDocument file, or a ZIP archive", f"{_TO_TEXT}, or unpack the archive."),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel file", f"{_TO_TEXT}."),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", _PANDAS.format("hdf")),
    (b"SQLite format 3\x00", "an SQLite database", _PANDAS.format("sql")),
    (b"\x80\x02", "a pickle", _PANDAS.format("pickle")),
    (b"\x80\x03", "a pickle", _PANDAS.format("pickle")),
    (b"\x80\x04", "a pickle", _PANDAS.format("pickle")),
    (b"\x80\x05", "a pickle", _PANDAS.format("pickle")),
    (b"ORC", "an ORC file", _PANDAS.format("orc")),
    (b"\x93NUMPY", "a NumPy file", f"{_TO_TEXT}, with names of the columns in the first line."),
    (b"%PDF", "a PDF file", f"{_TO_TEXT}."),
    (b"\x89PNG", "an image", "Name the table of labels."),
    (b"\xff\xd8\xff", "an image", "Name the table of labels."),
    (b"\x00\x00\x00", "a binary file", f"{_TO_TEXT}."),
    (b"\xff\xfe", "text in UTF-16", "Save it as UTF-8 (in Excel: CSV UTF-8)."),
    (b"\xfe\xff", "text in UTF-16", "Save it as UTF-8 (in Excel: CSV UTF-8)."),
)
"""First bytes of files that are no tables here, the kind of file, and what to do."""


def kind_of(path: Path) -> str:
    """Return the kind of a table: "parquet", "arrow", "feather", "json" or "text"; compressed text is text.

    Raises
    ------
    InvalidDataError
        If the file is of a kind that is not read. The message names the kind, and says what to do.
    """
    with open(path, "rb") as file:
        head = file.read(16)
    suffix = path.suffix.lower()
    if head.startswith(b"PAR1") or suffix in (".parquet", ".pq"):
        return "parquet"
    if head.startswith(b"ARROW1"):
        return "arrow"
    if head.startswith(b"FEA1") or suffix in (".feather", ".arrow"):
        return "feather"
    with open_bytes(path) as content:
        begin = content.read(4096)
    refused = refusal(path, begin)
    if refused is not None:
        raise refused
    stripped = begin.removeprefix(b"\xef\xbb\xbf").lstrip()
    return "json" if stripped.startswith((b"{", b"[")) else "text"


def refusal(path: Path, head: bytes) -> InvalidDataError | None:
    """Return an error if a file begins like a file of a kind that is not read, else None."""
    for magic, kind, what in _REFUSED:
        if head.startswith(magic):
            return InvalidDataError(f"'{path}' should be a table, CSV or Parquet. Found {kind}. {what}")
    if len(head) >= 4 and b"\x00" in head[:4]:
        words = "text in UTF-16" if head[1:2] == b"\x00" or head[:1] == b"\x00" else "a binary file"
        return InvalidDataError(f"'{path}' should be a table, CSV or Parquet. Found {words}. {_TO_TEXT} in UTF-8.")
    return None


def compression_of(path: Path) -> str:
    """Return how the content of a file is compressed: "gzip", "bz2", "xz" or "zstd"; empty if it is not."""
    with open(path, "rb") as file:
        head = file.read(8)
    return next((name for magic, name in _COMPRESSION_MAGIC if head.startswith(magic)), "")


def _zstd(path: Path) -> Any:
    # Imported late: no other file needs it.
    import pyarrow as pa

    return pa.CompressedInputStream(pa.OSFile(str(path)), "zstd")


_OPENERS: dict[str, Callable[[Path], Any]] = {
    "": lambda path: path.open("rb"),
    "gzip": gzip.open,
    "bz2": bz2.open,
    "xz": lzma.open,
    "zstd": _zstd,
}


@contextmanager
def open_bytes(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading, decompressed.

    Raises
    ------
    InvalidDataError
        If the file is damaged. An error while it is read is raised as this error too.
    """
    compression = compression_of(path)
    try:
        with _OPENERS[compression](path) as file:
            yield file
    except (EOFError, lzma.LZMAError, zlib.error, OSError, ValueError) as error:
        # Without a compression, these errors are those of the system or of the caller.
        if not compression or isinstance(error, UnicodeDecodeError | InvalidDataError):
            raise
        raise InvalidDataError(
            f"'{path}' should be a complete {compression} file. Found: {error or type(error).__name__}. Copy it again."
        ) from error


def compressed(content: bytes, compression: str) -> bytes:
    """Return bytes, compressed in the same way as a file; see `compression_of`."""
    if compression == "zstd":
        import pyarrow as pa

        sink = pa.BufferOutputStream()
        with pa.CompressedOutputStream(sink, "zstd") as stream:
            stream.write(content)
        return bytes(sink.getvalue())
    makers: dict[str, Callable[[bytes], bytes]] = {
        "": lambda each: each,
        "gzip": lambda each: gzip.compress(each, mtime=0),
        "bz2": bz2.compress,
        "xz": lzma.compress,
    }
    return makers[compression](content)
