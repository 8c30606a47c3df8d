"""Reads the columns of a two-pass recipe, so that every peer does what tidegate is told to do."""

import tomllib
from typing import NamedTuple


class TwoPass(NamedTuple):
    standard: list[str]
    min_max: list[str]
    mean: list[str]
    ordinal: list[str]


FIELDS = {
    "standard_scaler": "standard",
    "min_max_scaler": "min_max",
    "simple_imputer": "mean",
    "ordinal_encoder": "ordinal",
}


def read(path):
    """Columns by step. Refuses what the peers' scripts do not do: other steps or parameters, globs, a column twice."""
    with open(path, "rb") as file:
        steps = tomllib.load(file)["steps"]
    columns = {field: [] for field in TwoPass._fields}
    for step in steps:
        use, names = step.pop("use"), step.pop("columns")
        if use not in FIELDS or step not in ({}, {"strategy": "mean"}):
            raise SystemExit(f"{path}: no peer does {use} with {step}; known are {', '.join(FIELDS)} with defaults")
        columns[FIELDS[use]] += names
    every = sum(columns.values(), [])
    if len(set(every)) < len(every) or any(set(name) & set("*?[@") for name in every):
        raise SystemExit(f"{path}: peers need each column by name, and once: {', '.join(every)}")
    return TwoPass(**columns)
