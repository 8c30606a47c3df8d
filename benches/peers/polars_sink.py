"""Polars streams CSV to Parquet: polars_sink.py INPUT OUT"""

import json
import sys
import time

import polars as pl

started = time.perf_counter()
pl.scan_csv(sys.argv[1], infer_schema_length=10_000).sink_parquet(sys.argv[2], compression="snappy")
print(json.dumps({"job_s": time.perf_counter() - started}))
