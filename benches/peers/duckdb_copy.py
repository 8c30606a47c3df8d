"""DuckDB copies CSV to Parquet: duckdb_copy.py INPUT OUT MEMORY"""

import json
import sys
import time

import duckdb

source, out, memory = sys.argv[1:4]
started = time.perf_counter()
connection = duckdb.connect(config={"memory_limit": memory})
connection.read_csv(source).to_parquet(out, compression="snappy")
print(json.dumps({"job_s": time.perf_counter() - started}))
