"""pandas reads in chunks, narrows each and drops it: pandas_chunks.py INPUT CHUNK_ROWS"""

import json
import sys
import time

import pandas as pd
from pandas.api import types


def narrowed(chunk):
    """Integers to the narrowest width, text to categories where under half of the values are different."""
    for name in chunk.columns:
        values = chunk[name]
        if types.is_bool_dtype(values):
            continue
        if types.is_integer_dtype(values):
            chunk[name] = pd.to_numeric(values, downcast="integer")
        elif not types.is_numeric_dtype(values) and values.nunique() < 0.5 * len(chunk):
            chunk[name] = values.astype("category")
    return chunk


source, chunk_rows = sys.argv[1], int(sys.argv[2])
started = time.perf_counter()
rows = sum(len(narrowed(chunk)) for chunk in pd.read_csv(source, chunksize=chunk_rows))
print(json.dumps({"rows": rows, "job_s": time.perf_counter() - started}))
