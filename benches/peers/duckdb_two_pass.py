"""DuckDB fits and applies a recipe in SQL: duckdb_two_pass.py INPUT OUT RECIPE MEMORY"""

import json
import sys
import time

import duckdb
import recipe

source, out, recipe_path, memory = sys.argv[1:5]
columns = recipe.read(recipe_path)


def literal(text):
    return "'" + text.replace("'", "''") + "'"


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def learnt(name, what):
    return "learnt." + quoted(f"{name} {what}")


def statistics():
    for name in columns.standard + columns.mean:
        yield f"avg({quoted(name)}) as {quoted(f'{name} mean')}"
    for name in columns.standard:
        yield f"stddev_pop({quoted(name)}) as {quoted(f'{name} std')}"
    for name in columns.min_max:
        yield f"min({quoted(name)}) as {quoted(f'{name} min')}, max({quoted(name)}) as {quoted(f'{name} max')}"
    for name in columns.ordinal:
        yield f"list_sort(list(distinct {quoted(name)})) as {quoted(f'{name} categories')}"


def replacements():
    for name in columns.standard:
        yield f"({quoted(name)} - {learnt(name, 'mean')}) / {learnt(name, 'std')} as {quoted(name)}"
    for name in columns.min_max:
        low, high = learnt(name, "min"), learnt(name, "max")
        yield f"({quoted(name)} - {low}) / ({high} - {low}) as {quoted(name)}"
    for name in columns.mean:
        yield f"coalesce({quoted(name)}, {learnt(name, 'mean')}) as {quoted(name)}"
    for name in columns.ordinal:
        # Lists count from 1, codes from 0.
        yield f"(list_position({learnt(name, 'categories')}, {quoted(name)}) - 1)::integer as {quoted(name)}"


started = time.perf_counter()
connection = duckdb.connect(config={"memory_limit": memory})
table = f"read_csv({literal(source)})"
connection.execute(f"create temp table learnt as select {', '.join(statistics())} from {table}")
connection.execute(
    f"copy (select input.* replace ({', '.join(replacements())}) from {table} input, learnt)"
    f" to {literal(out)} (format parquet, compression snappy)"
)
print(json.dumps({"job_s": time.perf_counter() - started}))
