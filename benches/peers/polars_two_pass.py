"""Polars, lazy and streaming, fits and applies a recipe: polars_two_pass.py INPUT OUT RECIPE"""

import json
import sys
import time

import polars as pl
import recipe

source, out, recipe_path = sys.argv[1:4]
columns = recipe.read(recipe_path)

started = time.perf_counter()
frame = pl.scan_csv(source, infer_schema_length=10_000, try_parse_dates=True)

learnt = (
    frame.select(
        [pl.col(name).mean().alias(f"{name} mean") for name in columns.standard + columns.mean]
        + [pl.col(name).std(ddof=0).alias(f"{name} std") for name in columns.standard]
        + [pl.col(name).min().alias(f"{name} min") for name in columns.min_max]
        + [pl.col(name).max().alias(f"{name} max") for name in columns.min_max]
        + [pl.col(name).unique().sort().implode().alias(f"{name} categories") for name in columns.ordinal]
    )
    .collect(engine="streaming")
    .row(0, named=True)
)


def standardized(name):
    return (pl.col(name) - learnt[f"{name} mean"]) / learnt[f"{name} std"]


def to_unit_range(name):
    low, high = learnt[f"{name} min"], learnt[f"{name} max"]
    return (pl.col(name) - low) / (high - low)


def imputed(name):
    return pl.col(name).cast(pl.Float64).fill_null(learnt[f"{name} mean"])


def encoded(name):
    codes = {category: code for code, category in enumerate(learnt[f"{name} categories"])}
    return pl.col(name).replace_strict(codes, return_dtype=pl.Int32)


frame.with_columns(
    [standardized(name) for name in columns.standard]
    + [to_unit_range(name) for name in columns.min_max]
    + [imputed(name) for name in columns.mean]
    + [encoded(name) for name in columns.ordinal]
).sink_parquet(out, compression="snappy")
print(json.dumps({"job_s": time.perf_counter() - started}))
