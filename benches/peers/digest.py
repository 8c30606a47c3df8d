"""Prints what two right outputs have in common, whatever their types: digest.py OUT

Rows, and every column; of numbers and bools the nulls and the sum in float64, of anything else null.
"""

import json
import sys

import polars as pl

frame = pl.scan_parquet(sys.argv[1])
schema = frame.collect_schema()
numbers = [name for name, dtype in schema.items() if dtype.is_numeric() or dtype == pl.Boolean]
found = (
    frame.select(
        [pl.len().alias("rows")]
        + [pl.col(name).cast(pl.Float64).sum().alias(f"sum {name}") for name in numbers]
        + [pl.col(name).null_count().alias(f"nulls {name}") for name in numbers]
    )
    .collect(engine="streaming")
    .row(0, named=True)
)
columns = dict.fromkeys(schema)
columns.update({name: {"nulls": found[f"nulls {name}"], "sum": found[f"sum {name}"]} for name in numbers})
print(json.dumps({"rows": found["rows"], "columns": columns}))
