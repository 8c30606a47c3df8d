"""Polars reads every batch and drops it: polars_batches.py INPUT

Dates stay text and nothing is narrowed.
"""

import json
import sys
import time

import polars as pl

started = time.perf_counter()
frame = pl.scan_csv(sys.argv[1], infer_schema_length=10_000)
rows = sum(batch.height for batch in frame.collect_batches(chunk_size=50_000))
print(json.dumps({"rows": rows, "job_s": time.perf_counter() - started}))
