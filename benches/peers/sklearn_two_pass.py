"""pandas chunks and scikit-learn's partial fits: sklearn_two_pass.py INPUT OUT RECIPE CHUNK_ROWS

SimpleImputer and OrdinalEncoder have no partial_fit, so their part is written out.
"""

import json
import sys
import time

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import recipe
from sklearn.preprocessing import MinMaxScaler, StandardScaler

source, out, recipe_path, chunk_rows = *sys.argv[1:4], int(sys.argv[4])
columns = recipe.read(recipe_path)

started = time.perf_counter()
standard, min_max = StandardScaler(), MinMaxScaler()
sums, counts = np.zeros(len(columns.mean)), np.zeros(len(columns.mean))
categories = {name: set() for name in columns.ordinal}
for chunk in pd.read_csv(source, chunksize=chunk_rows):
    standard.partial_fit(chunk[columns.standard].to_numpy())
    min_max.partial_fit(chunk[columns.min_max].to_numpy())
    values = chunk[columns.mean].to_numpy()
    sums += np.nansum(values, axis=0)
    counts += np.count_nonzero(~np.isnan(values), axis=0)
    for name in columns.ordinal:
        categories[name].update(chunk[name].unique())
means = dict(zip(columns.mean, sums / counts, strict=True))
codes = {name: {category: code for code, category in enumerate(sorted(found))} for name, found in categories.items()}

writer = None
for chunk in pd.read_csv(source, chunksize=chunk_rows):
    chunk[columns.standard] = standard.transform(chunk[columns.standard].to_numpy())
    chunk[columns.min_max] = min_max.transform(chunk[columns.min_max].to_numpy())
    for name in columns.mean:
        chunk[name] = chunk[name].astype("float64").fillna(means[name])
    for name in columns.ordinal:
        chunk[name] = chunk[name].map(codes[name]).astype("int32")
    table = pa.Table.from_pandas(chunk, preserve_index=False)
    if writer is None:
        writer = pq.ParquetWriter(out, table.schema, compression="snappy")
    writer.write_table(table)
writer.close()
print(json.dumps({"job_s": time.perf_counter() - started}))
