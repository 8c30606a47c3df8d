"""DuckDB reads every Arrow batch and drops it: duckdb_batches.py INPUT MEMORY"""

import json
import sys
import time

import duckdb

source, memory = sys.argv[1:3]
started = time.perf_counter()
connection = duckdb.connect(config={"memory_limit": memory})
batches = connection.read_csv(source).to_arrow_reader(50_000)
rows = sum(batch.num_rows for batch in batches)
print(json.dumps({"rows": rows, "job_s": time.perf_counter() - started}))
