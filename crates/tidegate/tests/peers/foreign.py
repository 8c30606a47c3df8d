"""Makes files with pyarrow, pandas, Polars and DuckDB, and looks at what was made of them.

Usage: foreign.py write FOLDER, which leaves `manifest.json`: files, each with what it is refused with, if it is. And
foreign.py check FOLDER, which compares NAME.out.parquet and NAME.out.csv with what pyarrow reads of each file NAME that
is not refused.
"""

import datetime
import decimal
import json
import random
import struct
import sys
import uuid
from pathlib import Path

import duckdb
import pandas
import polars
import pyarrow as pa
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet as pq

ROWS = 3000
NANOSECONDS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


def some(make, every=7):
    """Values of which every seventh is null."""
    return [None if row % every == 3 else make(row) for row in range(ROWS)]


def mixed(row):
    return random.Random(row).getrandbits(63)


def numbers():
    arrays = {}
    for width in (8, 16, 32, 64):
        top = 2 ** (width - 1)
        arrays[f"i{width}"] = pa.array(some(lambda r: mixed(r) % (2 * top) - top), getattr(pa, f"int{width}")())
        arrays[f"u{width}"] = pa.array(some(lambda r: (2 * mixed(r) + 1) % (2 * top)), getattr(pa, f"uint{width}")())
    odd = [float("nan"), float("inf"), float("-inf"), -0.0, 5e-324, 1.7976931348623157e308, 0.1]
    arrays["f64"] = pa.array(
        some(lambda r: odd[r % 7] if r % 5 == 0 else random.Random(r).gauss(0, 1e6)), pa.float64()
    )
    arrays["f32"] = pa.array(some(lambda r: odd[r % 4] if r % 5 == 0 else (mixed(r) % 100_000) / 64), pa.float32())
    arrays["bool"] = pa.array(some(lambda r: mixed(r) % 3 == 0), pa.bool_())
    arrays["row"] = pa.array(range(ROWS), pa.int64())
    arrays["same"] = pa.array([7] * ROWS, pa.int32())
    arrays["nulls"] = pa.nulls(ROWS, pa.int16())
    arrays["few"] = pa.array([5 if row == 2900 else None for row in range(ROWS)], pa.int32())
    return pa.table(arrays)


def times(zone="Europe/Berlin", whole_seconds=True):
    second = lambda r: mixed(r) % 8_000_000_000 - 4_000_000_000
    arrays = {}
    for unit, per_second in (("s", 1), ("ms", 1000), ("us", 10**6), ("ns", 10**9)):
        if unit == "s" and not whole_seconds:
            continue
        values = some(lambda r: second(r) * per_second + (mixed(r) % per_second))
        arrays[unit] = pa.array(values, pa.timestamp(unit))
        arrays[f"{unit}_utc"] = pa.array(values, pa.timestamp(unit, "UTC"))
    arrays["zoned"] = pa.array(some(lambda r: second(r) * 1000), pa.timestamp("ms", zone))
    arrays["east"] = pa.array(some(lambda r: second(r) * 1000), pa.timestamp("ms", "+05:30"))
    arrays["date"] = pa.array(some(lambda r: mixed(r) % 90_000 - 45_000), pa.date32())
    arrays["date64"] = arrays["date"].cast(pa.date64())
    return pa.table(arrays)


def text(row):
    kinds = ["", 'a,"b"\nc', "NA", "é 中 🙂" * (row % 5), "007", f"word {mixed(row)}", "x" * (row % 40), " padded "]
    return kinds[mixed(row) % len(kinds)]


def texts(long=True):
    values = some(text)
    arrays = {
        "text": pa.array(values),
        "large": pa.array(values, pa.large_string()),
        "view": pa.array(values, pa.string_view()),
        "unique": pa.array([f"{mixed(row):020d}" for row in range(ROWS)]),
        "shared": pa.array([f"a long prefix that all have in common {row:06d}" for row in range(ROWS)]),
        "word": pa.array(some(lambda r: ["red", "green", "", "blue, or so"][mixed(r) % 4])),
        "no_texts": pa.nulls(ROWS, pa.string()),
        "empty": pa.array([""] * ROWS),
    }
    if long:
        arrays["long"] = pa.array([("long " * 20_000 if row % 1000 == 17 else "short") for row in range(ROWS)])
    return pa.table(arrays)


def categories(null=True):
    words = some(lambda r: ["red", "green", "", "blue, or so"][mixed(r) % 4])
    many = some(lambda r: f"word {mixed(r) % 2500}")
    arrays = {}
    for key in (pa.int8(), pa.int32(), pa.uint16(), pa.int64()):
        arrays[f"by_{key}"] = pa.array(words).dictionary_encode().cast(pa.dictionary(key, pa.string()))
    arrays["many"] = pa.array(many).dictionary_encode()
    arrays["large"] = pa.array(words, pa.large_string()).dictionary_encode()
    arrays["ordered"] = pa.DictionaryArray.from_arrays(
        pa.array(some(lambda r: r % 3), pa.int8()), ["s", "m", "l"], ordered=True
    )
    # Parquet's writer has no such.
    if null:
        arrays["null_in_it"] = pa.DictionaryArray.from_arrays(
            pa.array([row % 3 for row in range(ROWS)], pa.int8()), ["s", None, "l"]
        )
    arrays["unused"] = pa.DictionaryArray.from_arrays(pa.array([1] * ROWS, pa.int8()), ["s", "m", "l"])
    return pa.table(arrays)


def coded_numbers(null=None):
    keys = pa.array(some(lambda r: mixed(r) % 4), pa.int8())
    values = {
        "ints": pa.array([3, -70_000, null, 2**53 + 1], pa.int64()),
        "floats": pa.array([0.5, float("nan"), -0.0, 1e300]),
        "bools": pa.array([True, False, null if null is None else False, True]),
        "dates": pa.array([1, 2, null, 20_000], pa.date32()),
        "times": pa.array([1, 2, null, 10**15], pa.timestamp("us", "UTC")),
        "nulls": pa.nulls(4),
    }
    return pa.table({name: pa.DictionaryArray.from_arrays(keys, v) for name, v in values.items()})


def column_of(values, data_type=None, name="odd"):
    return pa.table({"n": pa.array([1, 2]), name: pa.array(values, data_type)})


def not_read():
    """Columns of types that are not read, and what they are called."""
    instant = datetime.time(12, 30)
    return {
        "list": (column_of([[1], None]), "list"),
        "large_list": (column_of([[1], None], pa.large_list(pa.int8())), "list"),
        "fixed_list": (column_of([[1, 2], None], pa.list_(pa.int8(), 2)), "list"),
        "struct": (column_of([{"a": 1}, None]), "struct"),
        "map": (column_of([[("a", 1)], None], pa.map_(pa.string(), pa.int8())), "map"),
        "decimal": (column_of([decimal.Decimal("1.50"), None], pa.decimal128(10, 2)), "decimal128(10, 2)"),
        "short_decimal": (column_of([decimal.Decimal("1.50"), None], pa.decimal128(5, 2)), "decimal128(5, 2)"),
        "wide_decimal": (column_of([decimal.Decimal("1.50"), None], pa.decimal256(60, 2)), "decimal256(60, 2)"),
        "binary": (column_of([b"\xff", None]), "binary"),
        "large_binary": (column_of([b"\xff", None], pa.large_binary()), "largebinary"),
        "fixed": (column_of([b"\xff\x00\x01", None], pa.binary(3)), "fixedsizebinary(3)"),
        "time32": (column_of([instant, None], pa.time32("ms")), "time32(ms)"),
        "time64": (column_of([instant, None], pa.time64("us")), "time64(µs)"),
        "uuid": (column_of([uuid.UUID(int=5).bytes, None], pa.uuid()), "fixedsizebinary(16)"),
    }


def parquet_files():
    """Each a name, how it is written, and what it is refused with."""
    tables = {"numbers": numbers(), "times": times(), "texts": texts(), "categories": categories(null=False)}
    ways = {
        "default": {},
        "v1-plain": dict(use_dictionary=False, data_page_version="1.0", compression="none", version="1.0"),
        "v2-plain": dict(use_dictionary=False, data_page_version="2.0", compression="zstd"),
        "v2-dictionary": dict(data_page_version="2.0", compression="snappy", row_group_size=700),
        "small-pages": dict(data_page_size=600, write_batch_size=64, compression="gzip", row_group_size=1111),
        # Dictionaries that become too long, so that pages behind them have none.
        "overflow": dict(dictionary_pagesize_limit=500, data_page_size=600, write_batch_size=64, compression="lz4"),
        "overflow-v2": dict(
            dictionary_pagesize_limit=500, data_page_size=600, write_batch_size=64, data_page_version="2.0"
        ),
        "no-schema": dict(store_schema=False, version="2.6"),
        "checksums": dict(write_page_checksum=True, write_page_index=True, sorting_columns=[pq.SortingColumn(0)]),
    }
    for table_name, table in tables.items():
        for way, options in ways.items():
            if table_name == "times" and options.get("version") == "1.0":
                table = table.drop_columns(["ns", "ns_utc"])
            yield f"pyarrow-{table_name}-{way}.parquet", lambda p, t=table, o=options: pq.write_table(t, p, **o), None
    whole = [f"{sign}{width}" for sign in "iu" for width in (32, 64)] + ["row", "same", "few"]
    for version in ("1.0", "2.0"):
        for compression in ("none", "snappy"):
            by = dict(use_dictionary=False, data_page_version=version, compression=compression, data_page_size=4000)
            encodings = {
                "DELTA_BINARY_PACKED": (tables["numbers"].select(whole), {}),
                "BYTE_STREAM_SPLIT": (tables["numbers"].select(["f64", "f32", "i32", "i64"]), {}),
                "DELTA_LENGTH_BYTE_ARRAY": (tables["texts"], {}),
                "DELTA_BYTE_ARRAY": (tables["texts"], {}),
                "RLE": (tables["numbers"].select(["bool"]), {}),
            }
            for encoding, (table, _) in encodings.items():
                each = {name: encoding for name in table.column_names}
                write = lambda p, t=table, o=by, e=each: pq.write_table(t, p, column_encoding=e, **o)
                yield f"pyarrow-{encoding}-{version}-{compression}.parquet", write, None
    # Of zones in the schema that Arrow leaves, pyarrow knows nothing here.
    naive = times().select(["s", "ms", "us", "ns", "date"])
    yield "pyarrow-int96.parquet", lambda p: pq.write_table(naive, p, use_deprecated_int96_timestamps=True), None
    yield "pyarrow-spark.parquet", lambda p: pq.write_table(naive, p, flavor="spark"), None
    yield "pyarrow-int96-plain.parquet", lambda p: pq.write_table(
        times(), p, use_deprecated_int96_timestamps=True, use_dictionary=False, store_schema=False
    ), None
    required = pa.schema(
        [pa.field("a", pa.int32(), False), pa.field("t", pa.string(), False), pa.field("b", pa.bool_(), False)]
    )
    filled = pa.table(
        [
            pa.array(range(ROWS), pa.int32()),
            [f"t{row % 9}" for row in range(ROWS)],
            [row % 3 == 0 for row in range(ROWS)],
        ],
        schema=required,
    )
    for version in ("1.0", "2.0"):
        yield f"pyarrow-required-{version}.parquet", lambda p, v=version: pq.write_table(
            filled, p, data_page_version=v
        ), None
    yield "pyarrow-float16.parquet", lambda p: pq.write_table(pa.table({"h": halves()}), p), None
    yield "pyarrow-float16-plain.parquet", lambda p: pq.write_table(
        pa.table({"h": halves()}), p, use_dictionary=False
    ), None
    yield "pyarrow-float16-split.parquet", lambda p: pq.write_table(
        pa.table({"h": halves()}), p, use_dictionary=False, column_encoding={"h": "BYTE_STREAM_SPLIT"}
    ), None
    yield "pyarrow-coded-numbers.parquet", lambda p: pq.write_table(
        coded_numbers(null=0).drop_columns(["nulls"]), p
    ), None
    yield "pyarrow-null-type.parquet", lambda p: pq.write_table(column_of([None, None], pa.null()), p), None
    yield "pyarrow-no-rows.parquet", lambda p: pq.write_table(texts().slice(0, 0), p), None
    yield "pyarrow-some-groups-empty.parquet", groups_without_rows, None
    yield "pyarrow-json.parquet", lambda p: pq.write_table(
        pa.table({"j": pa.array(['{"a": 1}', None], pa.json_())}), p
    ), None
    yield "pyarrow-no-columns.parquet", lambda p: pq.write_table(pa.table({}), p), "a table without columns"
    yield "pyarrow-brotli.parquet", lambda p: pq.write_table(numbers(), p, compression="brotli"), "Brotli"
    yield "pyarrow-cut.parquet", lambda p: cut(p, lambda q: pq.write_table(numbers(), q)), "Parquet"
    for name, (table, called) in not_read().items():
        refused = f'column "odd": is of type {called}, which is not read'
        yield f"pyarrow-{name}.parquet", lambda p, t=table: pq.write_table(t, p), refused
    yield "pyarrow-duration.parquet", lambda p: pq.write_table(column_of([5, None], pa.duration("s")), p), "duration"

    frame = pandas.DataFrame(
        {
            "a": [1, 2, None],
            "t": ["x", None, "y"],
            "c": pandas.Categorical(["u", "v", "u"]),
            "d": pandas.to_datetime(["2024-01-01 12:00:00.5", None, "2024-02-03 00:00:00.0"]),
        }
    )
    frame["i"] = pandas.array([1, None, 3], dtype="Int64")
    frame["when"] = frame["d"].dt.tz_localize("America/New_York")
    frame["n"] = pandas.Categorical([10, 20, None])
    yield "pandas.parquet", lambda p: frame.to_parquet(p), None
    yield "pandas-index.parquet", lambda p: frame.set_index("t").to_parquet(p, compression="gzip"), None
    yield "pandas-numbered.parquet", lambda p: pandas.DataFrame({"0": [1], "": ["x"]}).to_parquet(p), None

    for compression in ("zstd", "snappy", "lz4", "gzip", "uncompressed"):
        yield f"polars-{compression}.parquet", lambda p, c=compression: polars_frame().write_parquet(
            p, compression=c, row_group_size=1000, data_page_size=5000
        ), None
    yield "polars-lazy.parquet", lambda p: polars_frame().lazy().sink_parquet(p), None
    yield "polars-many-words.parquet", lambda p: polars_words().write_parquet(p), None
    yield "polars-time.parquet", lambda p: polars.DataFrame({"odd": [datetime.time(1)]}).write_parquet(
        p
    ), "time64(ns)"
    yield "polars-duration.parquet", lambda p: polars.DataFrame({"odd": [datetime.timedelta(1)]}).write_parquet(
        p
    ), "duration"
    yield "polars-decimal.parquet", lambda p: polars.DataFrame({"odd": [decimal.Decimal("1.5")]}).write_parquet(
        p
    ), "decimal128"
    yield "polars-list.parquet", lambda p: polars.DataFrame({"odd": [[1]]}).write_parquet(p), "list"
    yield "polars-empty.parquet", lambda p: polars_frame().head(0).write_parquet(p), None

    for compression in ("zstd", "snappy", "lz4_raw", "gzip", "uncompressed"):
        for version in ("V1", "V2"):
            yield f"duckdb-{compression}-{version}.parquet", lambda p, c=compression, v=version: by_duckdb(
                duckdb_rows(), p, f"compression {c}, parquet_version {v}, row_group_size 2048"
            ), None
    yield "duckdb-plain.parquet", lambda p: by_duckdb(duckdb_rows(), p, "dictionary_size_limit 1"), None
    yield "duckdb-brotli.parquet", lambda p: by_duckdb(duckdb_rows(), p, "compression brotli"), "Brotli"
    yield "duckdb-blob.parquet", lambda p: by_duckdb("select 'a'::blob odd", p, "compression zstd"), "type binary"
    yield "duckdb-uuid.parquet", lambda p: by_duckdb(
        "select uuid() odd", p, "compression zstd"
    ), "fixedsizebinary(16)"
    yield "duckdb-time.parquet", lambda p: by_duckdb("select time '12:30:00' odd", p, "compression zstd"), "time64"
    yield "duckdb-interval.parquet", lambda p: by_duckdb(
        "select interval 3 days odd", p, "compression zstd"
    ), "interval"
    yield "duckdb-struct.parquet", lambda p: by_duckdb("select {'a': 1} odd", p, "compression zstd"), "struct"
    yield "duckdb-list.parquet", lambda p: by_duckdb("select [1, 2] odd", p, "compression zstd"), "list"
    yield "duckdb-decimal.parquet", lambda p: by_duckdb(
        "select 1.5::decimal(9, 2) odd", p, "compression zstd"
    ), "decimal"


def halves():
    import numpy

    return pa.array(
        [None if v is None else numpy.float16(v) for v in some(lambda r: (r % 500) / 8 - 3)], pa.float16()
    )


def groups_without_rows(path):
    table = texts(long=False)
    with pq.ParquetWriter(path, table.schema) as writer:
        for start, rows in ((0, 0), (0, 1000), (1000, 0), (1000, 2000), (0, 0)):
            writer.write_table(table.slice(start, rows))


def cut(path, write):
    write(path)
    path.write_bytes(path.read_bytes()[:-20])


def polars_frame():
    wide = polars.from_arrow(
        pa.table(
            {
                **dict(zip(numbers().column_names, numbers().columns)),
                **dict(zip(texts().column_names, texts().columns)),
            }
        )
    )
    times_ = polars.from_arrow(times(zone="UTC", whole_seconds=False).drop_columns(["east", "date64"]))
    words = polars.from_arrow(pa.array(some(lambda r: ["red", "green", "blue"][mixed(r) % 3])))
    more = [
        words.cast(polars.Categorical).alias("categorical"),
        words.cast(polars.Enum(["blue", "green", "red"])).alias("enum"),
    ]
    return wide.drop("nulls").hstack(times_).hstack(more)


def polars_words():
    return polars.DataFrame({"word": [f"word {mixed(row) % 2500}" for row in range(50_000)]})


def by_duckdb(query, path, options):
    with duckdb.connect() as connection:
        connection.execute(f"copy ({query}) to '{path}' (format parquet, {options})")


def duckdb_rows():
    return """
        select (i % 100)::tinyint as tiny, case when i % 7 = 3 then null else i * 1000 end::bigint as big,
            i::usmallint as us, (i * 77777777777)::ubigint as ub, sin(i) as f64, (i / 8)::float as f32, i % 3 = 0 as b,
            case when i % 7 = 3 then null else 'word ' || (i % 5) end as word, 'unique ' || hash(i) as uniq,
            date '2000-01-01' + (i % 9000)::int as d, timestamp '2000-01-01' + interval (i) second as ts,
            (timestamp '2000-01-01' + interval (i) second)::timestamp_s as ts_s,
            (timestamp '2000-01-01' + interval (i) second)::timestamp_ms as ts_ms,
            (timestamp '2000-01-01' + interval (i) second)::timestamp_ns as ts_ns,
            (timestamp '2000-01-01' + interval (i) second)::timestamptz as tz,
            ['s', 'm', 'l'][1 + i % 3]::enum('s', 'm', 'l') as size, i::hugeint as huge, null::integer as nothing
        from range(5000) t(i) where i < 100 or i > 100
    """


def write_ipc(path, table, chunk=None, stream=False, **options):
    new = pa.ipc.new_stream if stream else pa.ipc.new_file
    with new(path, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        for batch in table.to_batches(max_chunksize=chunk):
            writer.write_batch(batch)


def ipc_files():
    tables = {"numbers": numbers(), "times": times(), "texts": texts(), "categories": categories()}
    for name, table in tables.items():
        for stream in (False, True):
            extension = "arrows" if stream else "arrow"
            for compression in (None, "lz4", "zstd"):
                write = lambda p, t=table, s=stream, c=compression: write_ipc(p, t, 1000, s, compression=c)
                yield f"pyarrow-{name}-{compression}.{extension}", write, None
            # Rows that begin within a byte of bits, and buffers that begin behind their start.
            yield f"pyarrow-{name}-sliced.{extension}", lambda p, t=table, s=stream: write_ipc(
                p, t.slice(13, 2011), 501, s
            ), None
    yield "pyarrow-legacy.arrow", lambda p: write_ipc(p, numbers(), 999, use_legacy_format=True), None
    yield "pyarrow-v4.arrow", lambda p: write_ipc(p, numbers(), 999, metadata_version=pa.ipc.MetadataVersion.V4), None
    yield "pyarrow-deltas.arrows", lambda p: words_that_grow(p, True, emit_dictionary_deltas=True), None
    yield "pyarrow-deltas.arrow", lambda p: words_that_grow(p, False, emit_dictionary_deltas=True), None
    yield "pyarrow-replaced.arrows", lambda p: words_that_change(p), None
    yield "pyarrow-unified.arrow", lambda p: write_ipc(p, categories(), 500, unify_dictionaries=True), None
    yield "pyarrow-coded-numbers.arrow", lambda p: write_ipc(p, coded_numbers()), None
    yield "pyarrow-coded-numbers.arrows", lambda p: write_ipc(p, coded_numbers(), 700, True, compression="zstd"), None
    yield "pyarrow-coded-views.arrow", lambda p: write_ipc(
        p,
        pa.table(
            {
                "v": pa.DictionaryArray.from_arrays(
                    pa.array([row % 2 for row in range(ROWS)], pa.int8()),
                    pa.array(["short", "long enough to stand elsewhere"], pa.string_view()),
                )
            }
        ),
    ), None
    yield "pyarrow-float16.arrow", lambda p: write_ipc(p, pa.table({"h": halves()})), None
    yield "pyarrow-null-type.arrow", lambda p: write_ipc(p, column_of([None, None], pa.null())), None
    yield "pyarrow-only-nulls.arrow", lambda p: write_ipc(
        p, pa.table({"a": pa.nulls(ROWS), "b": pa.nulls(ROWS)}), 1000
    ), None
    yield "pyarrow-no-rows.arrow", lambda p: write_ipc(p, categories().slice(0, 0)), None
    yield "pyarrow-no-rows.arrows", lambda p: write_ipc(p, texts().slice(0, 0), None, True), None
    yield "pyarrow-no-batches.arrows", lambda p: pa.ipc.new_stream(p, categories().schema).close(), None
    yield "pyarrow-no-batches.arrow", lambda p: pa.ipc.new_file(p, texts().schema).close(), None
    yield "pyarrow-no-columns.arrow", lambda p: write_ipc(p, pa.table({})), "a table without columns"
    yield "pyarrow-metadata.arrow", lambda p: write_ipc(p, column_of(["{}", None], pa.json_())), None
    for name, (table, called) in not_read().items():
        refused = f'column "odd": is of type {called}, which is not read'
        yield f"pyarrow-{name}.arrow", lambda p, t=table: write_ipc(p, t), refused
    yield "pyarrow-duration.arrow", lambda p: write_ipc(p, column_of([5, None], pa.duration("s"))), "duration"
    yield "pyarrow-list-view.arrows", lambda p: write_ipc(
        p, column_of([[5], None], pa.list_view(pa.int8())), None, True
    ), "list"
    runs = pa.RunEndEncodedArray.from_arrays(pa.array([1, 2], pa.int32()), pa.array([1, 2], pa.int8()))
    yield "pyarrow-runs.arrow", lambda p: write_ipc(p, pa.table({"odd": runs})), "run"
    union = pa.UnionArray.from_sparse(pa.array([0, 1], pa.int8()), [pa.array([1, 2]), pa.array(["a", "b"])])
    yield "pyarrow-union.arrow", lambda p: write_ipc(p, pa.table({"odd": union})), "union"

    frame = pandas.DataFrame({"a": [1.5, None], "t": ["x", None], "c": pandas.Categorical(["u", "v"])})
    yield "pandas.feather", lambda p: frame.to_feather(p), None
    for compression in ("uncompressed", "lz4", "zstd"):
        for level in ("newest", "oldest"):
            yield f"polars-{compression}-{level}.arrow", lambda p, c=compression, l=level: polars_frame().write_ipc(
                p, compression=c, compat_level=getattr(polars.CompatLevel, l)(), record_batch_size=800
            ), None
        yield f"polars-{compression}.arrows", lambda p, c=compression: polars_frame().write_ipc_stream(
            p, compression=c
        ), None
    yield "polars-many-words.arrow", lambda p: polars_words().write_ipc(p), None
    yield "polars-lazy.arrow", lambda p: polars_frame().lazy().sink_ipc(p), None


def coded(words, keys):
    return pa.record_batch({"word": pa.DictionaryArray.from_arrays(pa.array(keys, pa.int32()), words)})


def words_that_grow(path, stream, **options):
    words = [f"word {number}" for number in range(50)]
    batches = [coded(words[: 10 * step], [row % (10 * step) for row in range(100)]) for step in range(1, 6)]
    new = pa.ipc.new_stream if stream else pa.ipc.new_file
    with new(path, batches[0].schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        for batch in batches:
            writer.write_batch(batch)


def words_that_change(path):
    batches = [
        coded([f"{step} {number}" for number in range(7)], [row % 7 for row in range(100)]) for step in range(5)
    ]
    with pa.ipc.new_stream(path, batches[0].schema) as writer:
        for batch in batches:
            writer.write_batch(batch)


def write(folder):
    files = []
    for name, make, refused in [*parquet_files(), *ipc_files()]:
        try:
            make(folder / name)
            files.append({"name": name, "refused": refused})
        except BaseException as error:  # Panics of Rust are no exceptions.
            # A version of the package that does not write it.
            print(f"{name} is not written: {type(error).__name__}: {str(error)[:200]}")
    (folder / "manifest.json").write_text(json.dumps(files))


def canonical(column):
    """The values of a column: whole numbers, nanoseconds, days, the bits of floats, texts."""
    column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if pa.types.is_dictionary(column.type):
        values = column.dictionary
        # Not all is done for views.
        values = values.cast(pa.string()) if pa.types.is_string_view(values.type) else values
        column = values.take(column.indices)
    found = column.type
    if pa.types.is_timestamp(found):
        return [None if v is None else v * NANOSECONDS[found.unit] for v in column.cast(pa.int64()).to_pylist()]
    if pa.types.is_date(found):
        return column.cast(pa.date32()).cast(pa.int32()).to_pylist()
    if pa.types.is_floating(found):
        bits = lambda v: "nan" if v != v else struct.pack("<d", v).hex()
        return [None if v is None else bits(v) for v in column.to_pylist()]
    return column.to_pylist()


def kind(found):
    if isinstance(found, pa.BaseExtensionType):
        found = found.storage_type
    if pa.types.is_dictionary(found):
        found = found.value_type
    if pa.types.is_timestamp(found):
        return "timestamp" if found.tz is None else "timestamp with a zone"
    kinds = {
        "whole number": pa.types.is_integer,
        "float": pa.types.is_floating,
        "bool": pa.types.is_boolean,
        "date": pa.types.is_date,
    }
    return next((name for name, is_one in kinds.items() if is_one(found)), "text")


def original(path):
    if path.suffix == ".parquet":
        return pq.ParquetFile(path).read()
    if path.suffix == ".arrows":
        with pa.ipc.open_stream(str(path)) as reader:
            return reader.read_all()
    with pa.ipc.open_file(str(path)) as reader:
        return reader.read_all()


def differences(expected, found, has_types=True):
    if expected.num_columns != found.num_columns:
        yield f"{found.num_columns} columns, expected {expected.num_columns}"
        return
    for name, before, after in zip(expected.column_names, expected.columns, found.columns):
        if before.null_count == len(before):
            if after.null_count != len(after) or len(after) != len(before):
                yield f"{name}: {len(after) - after.null_count} values of {len(after)}, expected none of {len(before)}"
            continue
        if has_types and kind(before.type) != kind(after.type):
            yield f"{name}: type {after.type}, expected {before.type}"
            continue
        values, others = canonical(before), canonical(after)
        if values != others:
            pairs = [(row, e, f) for row, (e, f) in enumerate(zip(values, others)) if e != f]
            some = str(pairs[:3])[:500]
            yield f"{name}: {len(others)} values, expected {len(values)}; row, expected and found {some}"


def read_csv(path, schema):
    # Of Arrow's own types; what is a dictionary is text.
    plain = lambda t: t.value_type if pa.types.is_dictionary(t) else t
    names = [f"column {place}" for place in range(len(schema))]
    types = {name: plain(field.type) for name, field in zip(names, schema)}
    convert = pa.csv.ConvertOptions(
        column_types=types, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
    )
    parse = pa.csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=len(schema) > 1)
    read = pa.csv.ReadOptions(column_names=names, skip_rows=1, block_size=64 << 20)
    return pa.csv.read_csv(path, convert_options=convert, parse_options=parse, read_options=read).rename_columns(
        schema.names
    )


def check(folder):
    failures, checked = [], 0
    for file in json.loads((folder / "manifest.json").read_text()):
        if file["refused"]:
            continue
        name = file["name"]
        try:
            expected = original(folder / name)
            parquet = pq.ParquetFile(folder / f"{name}.out.parquet").read()
            failures += [f"{name} to Parquet: {difference}" for difference in differences(expected, parquet)]
            csv = read_csv(folder / f"{name}.out.csv", parquet.schema)
            failures += [f"{name} to CSV: {difference}" for difference in differences(parquet, csv)]
        except Exception as error:
            failures.append(f"{name}: {type(error).__name__}: {str(error)[:300]}")
        checked += 1
    versions = [f"{t.__name__} {t.__version__}" for t in (pandas, polars, duckdb, pa)]
    print(f"{checked} files by {', '.join(versions)}")
    print("\n".join(failures))
    return 1 if failures or not checked else 0


if __name__ == "__main__":
    action, folder = sys.argv[1], Path(sys.argv[2])
    sys.exit(write(folder) if action == "write" else check(folder))
