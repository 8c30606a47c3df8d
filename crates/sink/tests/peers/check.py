"""Reads every file that `peers.rs` wrote with pandas, Polars, DuckDB, pyarrow and DataFusion, and compares values and types.

Usage: check.py FOLDER. It holds `manifest.json`: tables by name, each a list of columns with their kind and values, and
files, each with its format and the name of its table. Whole numbers, dates (days) and timestamps (nanoseconds) are numbers
as texts, floats are the hexadecimal digits of their bits.
"""

import json
import os
import struct
import sys
from pathlib import Path

# Polars panics on zones that are offsets, such as +05:30, unless it is told not to look at them.
os.environ["POLARS_IGNORE_TIMEZONE_PARSE_ERROR"] = "1"

import duckdb
import pandas
import polars
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.feather
import pyarrow.ipc
import pyarrow.parquet

try:
    import datafusion
except ImportError:
    datafusion = None

NANOSECONDS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
FLOATS = {pa.float32(): ("<f", "<I", 8), pa.float64(): ("<d", "<Q", 16)}


def expected_type(kind):
    """The Arrow type of a kind; timestamps are `timestamp UNIT [ZONE]`."""
    if kind.startswith("timestamp"):
        _, unit, *zone = kind.split()
        return pa.timestamp(unit, zone[0] if zone else None)
    return {"text": pa.string(), "bool": pa.bool_(), "date": pa.date32()}.get(kind) or getattr(pa, kind)()


def is_same_type(kind, found):
    if pa.types.is_dictionary(found):
        found = found.value_type
    expected = expected_type(kind)
    if kind == "text":
        return pa.types.is_string(found) or pa.types.is_large_string(found) or pa.types.is_string_view(found)
    if kind.startswith("timestamp"):
        # Tools have units of their own; the values tell whether one is too coarse.
        return pa.types.is_timestamp(found) and (found.tz is None) == (expected.tz is None)
    return found == expected


def canonical(column):
    """The values of a column as the manifest has them."""
    column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    found = column.type
    if pa.types.is_timestamp(found):
        scale = NANOSECONDS[found.unit]
        counts = column.cast(pa.int64())
        return [None if v is None else str(v * scale) for v in counts.to_pylist()]
    if pa.types.is_date32(found):
        return [None if v is None else str(v) for v in column.cast(pa.int32()).to_pylist()]
    if found in FLOATS:
        as_float, as_bits, digits = FLOATS[found]
        bits = lambda v: struct.unpack(as_bits, struct.pack(as_float, v))[0]
        # One NaN is as good as another.
        return [None if v is None else "nan" if v != v else f"{bits(v):0{digits}x}" for v in column.to_pylist()]
    if pa.types.is_integer(found):
        return [None if v is None else str(v) for v in column.to_pylist()]
    return column.to_pylist()


def schema(columns):
    return pa.schema([(c["name"], expected_type(c["kind"])) for c in columns])


def duckdb_types(columns):
    def name(kind):
        if kind.startswith("timestamp"):
            _, unit, *zone = kind.split()
            return "TIMESTAMPTZ" if zone else {"s": "TIMESTAMP_S", "ms": "TIMESTAMP_MS", "us": "TIMESTAMP", "ns": "TIMESTAMP_NS"}[unit]
        names = {"text": "VARCHAR", "bool": "BOOLEAN", "date": "DATE", "float32": "FLOAT", "float64": "DOUBLE"}
        widths = {"8": "TINYINT", "16": "SMALLINT", "32": "INTEGER", "64": "BIGINT"}
        return names.get(kind) or ("U" if kind.startswith("u") else "") + widths[kind.lstrip("uint")]

    return {c["name"]: name(c["kind"]) for c in columns}


def stream(path):
    with pa.ipc.open_stream(str(path)) as reader:
        return reader.read_all()


def by_pandas(frame):
    return pa.Table.from_pandas(frame, preserve_index=False)


def csv_options(columns):
    return pyarrow.csv.ConvertOptions(
        column_types=schema(columns), null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
    )


# By format: which tool reads it how. CSV has no types, so they are told.
READERS = {
    "parquet": {
        "pyarrow": lambda p, c: pyarrow.parquet.read_table(p),
        "polars": lambda p, c: polars.read_parquet(p, glob=False).to_arrow(),
        "polars lazily": lambda p, c: polars.scan_parquet(p, glob=False).collect(engine="streaming").to_arrow(),
        "duckdb": lambda p, c: duckdb.read_parquet(str(p)).to_arrow_table(),
        "pandas": lambda p, c: by_pandas(pandas.read_parquet(p, dtype_backend="pyarrow")),
        "datafusion": lambda p, c: datafusion.SessionContext().read_parquet(str(p)).to_arrow_table(),
    },
    "arrow": {
        "pyarrow": lambda p, c: pyarrow.feather.read_table(p),
        "polars": lambda p, c: polars.read_ipc(p).to_arrow(),
        "pandas": lambda p, c: by_pandas(pandas.read_feather(p, dtype_backend="pyarrow")),
    },
    "arrows": {
        "pyarrow": lambda p, c: stream(p),
        "polars": lambda p, c: polars.read_ipc_stream(p).to_arrow(),
    },
    "csv": {
        "pyarrow": lambda p, c: pyarrow.csv.read_csv(p, convert_options=csv_options(c)),
        "duckdb": lambda p, c: duckdb.read_csv(
            str(p), columns=duckdb_types(c), header=True, delimiter=",", quotechar='"', escapechar='"', na_values="",
            allow_quoted_nulls=False,
        ).to_arrow_table(),
    },
}


def differences(columns, table):
    if table.num_columns != len(columns):
        yield f"{table.num_columns} columns, expected {len(columns)}"
        return
    for column, name, found in zip(columns, table.schema.names, table.columns):
        if name != column["name"]:
            yield f"column {name} where {column['name']} should be"
        if not is_same_type(column["kind"], found.type):
            yield f"{column['name']}: type {found.type}, expected {column['kind']}"
            continue
        values = canonical(found)
        if values != column["values"]:
            pairs = [(e, f) for e, f in zip(column["values"], values) if e != f]
            yield f"{column['name']}: {len(values)} values, expected {len(column['values'])}; expected and found {pairs[:3]}"


def main(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    failures, checked = [], 0
    for file in manifest["files"]:
        columns = manifest["tables"][file["table"]]
        for tool, read in READERS[file["format"]].items():
            if tool == "datafusion" and datafusion is None:
                continue
            name = f"{file['path']} by {tool}"
            try:
                table = read(folder / file["path"], columns)
                failures += [f"{name}: {difference}" for difference in differences(columns, table)]
            except BaseException as error:  # Panics of Rust are no exceptions.
                failures.append(f"{name}: {type(error).__name__}: {str(error)[:300]}")
            checked += 1
    versions = [f"{t.__name__} {t.__version__}" for t in (pandas, polars, duckdb, pa, datafusion) if t]
    print(f"{checked} readings by {', '.join(versions)}")
    for failure in failures:
        print(failure)
    return 1 if failures or not checked else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
