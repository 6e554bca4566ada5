"""Mutations of files by their format, drawn from a seeded generator."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import re
import struct
import tomllib
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tomli_w
from PIL import Image

HOSTILE: list[Any] = [
    None, True, False, 0, -1, 1, 2**31, 2**53 + 1, 2**63, 2**64, 10**400, -0.0, 1e300, -1e308, 1e-320,
    float("inf"), float("nan"), "", "x", "é\u2028\x1b[31m", "a\0b", "../outside", "/dev/null", "1e999", "x" * 5000,
    [], [[]], [None], [1, "a"], {}, {"a": {"b": []}}, ["x"] * 3, [1.0] * 3, [[1.0]], [[1.0, 2.0], [3.0]], "sample",
    "table",
]  # fmt: skip
"""Values that a file may hold instead of the right one."""

_CELLS = [
    "", " ", "nan", "inf", "-inf", "1e999", "1e300", "-1e308", "1e39", "1e-320", "0", "-0", "0x10", "1_000", "1,5", '"',
    '""', '"a', "a\x00b", "\x1b[31m", "é", "\ufeff", "=1+1", "true", "None", "9" * 5000, "x" * 100000, "\r",
    "\u0661", "\U0001d7cf",
    "NA", "#N/A", "?", "1,234.5", "1.234,5", "1'234", "$5", "5 %", "#DIV/0!", "-9999", "# x", "sep=;",
]  # fmt: skip
_WHOLE_FILES = [
    b"", b"\n", b"\0" * 100, b"[" * 100000, b'{"a":' * 100000, b"a" + b".a" * 3000 + b"=1", b"x = " + b"[" * 5000,
    b'{"a": ' + b"9" * 5000 + b"}", b"a = " + b"9" * 5000, b"\xff\xfe", b"null", b"[]", b"3", b"PAR1PAR1", b"PAR1",
]  # fmt: skip
_WORDS = ["-1", "2", "7", "&a", "*a", "!!python/object/apply:os.system", "[", "{", "../..", "/"]
_FORMATS = ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"]
_MODES = ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I", "I;16", "F", "YCbCr"]


def mutate(path: Path, chance: Random) -> str:
    """Write a mutation of a file over it, and return words for the mutation."""
    if chance.random() < 0.04:
        content = chance.choice(_WHOLE_FILES)
        path.write_bytes(content)
        return f"whole file {content[:20]!r}"
    of_format = {
        ".json": _json, ".jsonl": _json_lines, ".toml": _toml, ".csv": _csv, ".parquet": _parquet, ".png": _image,
        ".gz": _gzip, ".h5": _hdf5, ".slp": _hdf5, ".txt": _words, ".pts": _words, ".yaml": _words,
    }.get(path.suffix)  # fmt: skip
    if of_format is None or chance.random() < 0.25:
        path.write_bytes(mutated_bytes(path.read_bytes(), chance))
        return "bytes"
    return of_format(path, chance)


def mutated_bytes(content: bytes, chance: Random) -> bytes:
    """Return bytes of which a few are changed, removed or added."""
    data = bytearray(content)
    for _ in range(chance.choice([1, 1, 2, 8])):
        place = chance.randrange(len(data) + 1)
        kind = chance.randrange(6)
        if kind <= 1:
            data[place : place + 1] = chance.randbytes(1)
        elif kind == 2:
            del data[place:]
        elif kind == 3:
            data[place:place] = chance.randbytes(5)
        elif kind == 4:
            data[place : place + 8] = b"\xff" * 8
        else:
            del data[place : place + 20]
    return bytes(data)


def mutated_values(values: Any, chance: Random) -> tuple[Any, str]:
    """Return a copy of nested lists and mappings with one changed place, and words for the change."""
    values, place, new = json.loads(json.dumps(values)), chance.choice(list(_places(values))), chance.choice(HOSTILE)
    words = f"{place}: {new!r:.60}"
    if not place:
        return new, words
    *outer, last = place
    at = values
    for key in outer:
        at = at[key]
    kind = chance.random()
    if kind < 0.12:
        del at[last]
        return values, f"{place} removed"
    if kind < 0.2 and isinstance(at, dict):
        at["unknown"] = new
    elif kind < 0.26 and isinstance(at, list):
        at.extend([new] * 3)
    else:
        at[last] = new
    return values, words


def _places(values: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    yield place
    inner = values.items() if isinstance(values, dict) else enumerate(values[:3]) if isinstance(values, list) else ()
    for key, value in inner:
        yield from _places(value, (*place, key))


def _json(path: Path, chance: Random) -> str:
    values, words = mutated_values(json.loads(path.read_bytes()), chance)
    path.write_text(json.dumps(values), encoding="utf-8")
    return words


def _json_lines(path: Path, chance: Random) -> str:
    lines = path.read_text(encoding="utf-8").splitlines()
    row, kind = chance.randrange(len(lines)), chance.random()
    if kind < 0.1:
        lines.insert(row, lines[row])
        words = "repeated"
    elif kind < 0.2:
        del lines[row]
        words = "removed"
    else:
        values, words = mutated_values(json.loads(lines[row]), chance)
        lines[row] = json.dumps(values)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return f"line {row + 1}, {words}"


def _toml(path: Path, chance: Random) -> str:
    values, words = mutated_values(tomllib.loads(path.read_text(encoding="utf-8")), chance)
    try:
        text = tomli_w.dumps(values)
    except (TypeError, ValueError, AttributeError):  # TOML has no such value
        path.write_bytes(mutated_bytes(path.read_bytes(), chance))
        return "bytes"
    path.write_text(text, encoding="utf-8")
    return words


def _csv(path: Path, chance: Random) -> str:
    text = path.read_text(encoding="utf-8")
    rows = [line.split(",") for line in text.splitlines()]
    row, column = chance.randrange(len(rows)), chance.randrange(len(rows[0]))
    kind, cell = chance.randrange(14), chance.choice(_CELLS)
    words = f"kind {kind}, line {row + 1}, column {column}"
    if kind <= 4:
        rows[row][column] = cell
        words = f"line {row + 1}, column {column}: {cell!r:.40}"
    elif kind == 5:
        rows = [[cell if place == column else value for place, value in enumerate(each)] for each in rows]
    elif kind == 6:
        rows = [[value for place, value in enumerate(each) if place != column] for each in rows]
    elif kind == 7:
        rows[0][column] = rows[0][chance.randrange(len(rows[0]))]
    elif kind == 8:
        rows[row] = rows[row][:column]
    elif kind == 9:
        rows = rows[: chance.choice([0, 1, 2, 9, 12])]
    elif kind == 10:
        rows = [rows[0], *([rows[1]] * (len(rows) - 1))]
    elif kind == 11:
        rows.insert(row, rows[row])
    text = "\n".join(map(",".join, rows)) + "\n"
    if kind == 12:
        old, new = chance.choice([(",", ";"), (",", "\t"), ("\n", "\r\n"), ("\n", "\r"), ("\n", "\n\n"), (",", '","')])
        text = text.replace(old, new)
    encoding = chance.choice(["utf-16", "utf-8-sig", "utf-32", "utf-7"]) if kind == 13 else "utf-8"
    path.write_bytes(text.encode(encoding))
    return words


def _gzip(path: Path, chance: Random) -> str:
    """Mutate the text in a compressed file, and compress it again, now and then in another way."""
    path.write_bytes(gzip.decompress(path.read_bytes()))
    words = _csv(path, chance)
    path.write_bytes(chance.choice([gzip.compress, gzip.compress, bz2.compress, lzma.compress])(path.read_bytes()))
    return words


def _parquet(path: Path, chance: Random) -> str:
    table = pq.read_table(path)
    column, n, kind = chance.randrange(table.num_columns), len(table), chance.randrange(10)
    name = table.column_names[column]
    if kind == 0:
        table = table.drop_columns([name])
    elif kind == 1:
        table = table.slice(0, chance.choice([0, 1, n // 2, n - 1]))
    elif kind == 2:
        metadata = {key: mutated_bytes(text, chance) for key, text in (table.schema.metadata or {}).items()}
        table = table.replace_schema_metadata(metadata if chance.random() < 0.8 else None)
    elif kind == 3:
        table = table.append_column(name, table.column(column))
    elif kind == 4 and table.schema.metadata and b"deepgum" in table.schema.metadata:
        values, _ = mutated_values(json.loads(table.schema.metadata[b"deepgum"]), chance)
        table = table.replace_schema_metadata({b"deepgum": json.dumps(values).encode()})
    elif kind == 5:
        table = pa.concat_tables([table, table.slice(0, 1)])
    else:
        table = table.set_column(column, name, chance.choice(_columns(n)))
    size = chance.choice([None, 1, 7])
    pq.write_table(table, path, row_group_size=size, compression=chance.choice(["snappy", "gzip", "none", "zstd"]))
    return f"kind {kind}, column {name}"


def _columns(n: int) -> list[pa.Array]:
    return [
        pa.nulls(n), pa.array(range(n)), pa.array(["x"] * n), pa.array([b"\xff"] * n), pa.array([[1.0]] * n),
        pa.array([[None]] * n), pa.array([[]] * n, pa.list_(pa.float64())), pa.array([float("nan")] * n),
        pa.array([1e300] * n), pa.array([True] * n), pa.array([{"a": 1}] * n), pa.array([float("inf")] * n),
        pa.array([-1.0] * n), pa.array([["a"]] * n), pa.array([[1e308, -1e308]] * n),
        pa.array(["1.5"] * n).dictionary_encode(), pa.array([0] * n, pa.timestamp("us")),
        pa.array([2**63] * n, pa.uint64()), pa.array([None, *range(n - 1)] if n else [], pa.int64()),
        pa.array([1] * n, pa.decimal128(38, 30)), pa.array([1.0] * n, pa.float16()),
    ]  # fmt: skip


def _image(path: Path, chance: Random) -> str:
    """Write an image of another format or mode, perhaps damaged, or a file that only has the name of an image."""
    kind = chance.randrange(8)
    if kind == 0:
        content, words = _huge_png(chance.choice([2**31 - 1, 65536, 20000])), "a size that no memory can hold"
    elif kind == 1:
        content, words = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n", "an EPS file"
    else:
        image = Image.open(path).convert("RGB")
        mode, form = chance.choice(_MODES), chance.choice(_FORMATS)
        try:
            content = _saved(
                image.convert("L").convert(mode) if mode in ("I", "I;16", "F") else image.convert(mode), form
            )
        except (OSError, ValueError):  # the format has no such mode
            mode, content = "RGB", _saved(image, form)
        words = f"{form}, {mode}"
    if kind >= 4:
        content, words = mutated_bytes(content, chance), f"{words}, damaged"
    path.write_bytes(content)
    return words


def _saved(image: Image.Image, form: str) -> bytes:
    file = io.BytesIO()
    image.save(file, form)
    return file.getvalue()


def _huge_png(side: int) -> bytes:
    """Return a PNG file that claims a number of pixels without holding them."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def _words(path: Path, chance: Random) -> str:
    """Change, remove or repeat a word or a line of a text of numbers."""
    text = path.read_text(encoding="utf-8")
    words = list(re.finditer(r"[^\s,\[\]{}:]+", text))
    word, kind = chance.choice(words), chance.randrange(8)
    new = chance.choice(
        [*_CELLS, "-1", "2", "7", "&a", "*a", "!!python/object/apply:os.system", "[", "{", "../..", "/"]
    )
    if kind == 0:
        new = ""
    elif kind == 1:
        new = f"{word[0]} {word[0]}"
    lines = text.splitlines(keepends=True)
    row = chance.randrange(len(lines))
    if kind == 2:
        del lines[row]
    elif kind == 3:
        lines.insert(row, lines[row])
    else:
        lines = [text[: word.start()] + new + text[word.end() :]]
    path.write_bytes("".join(lines).encode("utf-8", "surrogatepass"))
    return f"kind {kind}, {word[0]!r}: {new!r:.40}"


def _hdf5(path: Path, chance: Random) -> str:
    """Change, remove or replace an array, a value or an attribute of an HDF5 file."""
    import h5py

    with h5py.File(path, "r+") as file:
        names: list[str] = []
        file.visit(names.append)
        name = chance.choice(names)
        place, kind = file[name], chance.randrange(9)
        if kind == 0:
            del file[name]
            return f"{name} removed"
        if kind <= 2 or not isinstance(place, h5py.Dataset):
            return f"{name}, {_attribute(place, chance)}"
        if kind == 3:
            shape = chance.choice([(), (0,), (1,), (3, 2), (10**12,)])
            kind_of = chance.choice(["f8", "i4", "S3", "u1"])
            del file[name]
            file.create_dataset(name, shape, kind_of, **({"chunks": (1000,)} if shape == (10**12,) else {}))
            return f"{name}: {shape} {kind_of}"
        if kind == 4 and place.ndim and len(place):
            content = place[...][: chance.randrange(len(place))]
            del file[name]
            file[name] = content
            return f"{name}: {len(content)} rows"
        return f"{name}, {_value(place, chance)}"


def _attribute(place: Any, chance: Random) -> str:
    names = list(place.attrs)
    if not names:
        place.attrs["unknown"] = 1
        return "an attribute more"
    name = chance.choice(names)
    old = place.attrs[name]
    if isinstance(old, bytes) and len(old) > 3 and chance.random() < 0.7:
        try:
            values, words = mutated_values(json.loads(old), chance)
            place.attrs[name] = np.bytes_(json.dumps(values))
        except (ValueError, RecursionError):
            place.attrs[name], words = np.bytes_(mutated_bytes(bytes(old), chance)), "bytes"
        return f"@{name}, {words}"
    if chance.random() < 0.3:
        del place.attrs[name]
        return f"@{name} removed"
    new = chance.choice([0, -1, 2**40, 1.5, float("nan"), "x", "frame", b"", [1, 2], "frame_table", 99])
    place.attrs[name] = new
    return f"@{name}: {new!r}"


def _value(place: Any, chance: Random) -> str:
    values = place[...]
    if not values.size:
        return "empty"
    row = chance.randrange(values.size) if values.ndim else 0
    if values.dtype == object:
        texts = values.reshape(-1).tolist()
        try:
            new, words = mutated_values(json.loads(texts[row]), chance)
            texts[row] = json.dumps(new)
        except (ValueError, TypeError):
            texts[row], words = b"x", "x"
        place[...] = np.array(texts, dtype=object).reshape(values.shape)
        return words
    numbers = [0, 1, -1, 3, 255, 2**31, 2**40, 2**63 - 1, 1e300, float("nan"), float("inf"), -float("inf")]
    new, flat = chance.choice(numbers), values.reshape(-1)
    field = chance.choice(values.dtype.names) if values.dtype.names else None
    target = flat[field] if field else flat
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            target[row] = new if target.dtype.kind != "S" else b"\xff" * 3
        except (OverflowError, ValueError):
            target[row] = 0
    place[...] = values
    return f"{field or ''}[{row}]: {new!r}"
