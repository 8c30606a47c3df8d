"""Makes flights-expected.json: what pandas and scikit-learn give for flights.toml.

    python make_flights_expected.py nycflights13-flights-10k.csv > flights-expected.json

Takes the whole file of 336 776 rows as well. Needs pandas and scikit-learn; the committed figures are
scikit-learn 1.9.1's. What a step learns is held against sums that `math.fsum` rounds once; the run stops
if the two differ by more than TOLERANCE.
"""

import json
import math
import pathlib
import sys
import tomllib

import pandas as pd
import sklearn
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder, StandardScaler

RECIPE = pathlib.Path(__file__).with_name("flights.toml")
TOLERANCE = 1e-12
EDGE_ROWS = 5


def impute(table, columns, parameters):
    imputer = SimpleImputer(**parameters).fit(table[columns])
    for name, mean in zip(columns, imputer.statistics_, strict=True):
        check(f"mean of {name}", mean, exact_mean(table[name].dropna()))
    table[columns] = imputer.transform(table[columns])
    return table, {"statistics": dict(zip(columns, imputer.statistics_.tolist(), strict=True))}


def standardize(table, columns, parameters):
    scaler = StandardScaler(**parameters).fit(table[columns])
    for name, mean, scale in zip(columns, scaler.mean_, scaler.scale_, strict=True):
        exact = exact_mean(table[name])
        check(f"mean of {name}", mean, exact)
        check(f"scale of {name}", scale, math.sqrt(exact_mean((table[name] - exact) ** 2)))
    table[columns] = scaler.transform(table[columns])
    return table, {
        "mean": dict(zip(columns, scaler.mean_.tolist(), strict=True)),
        "scale": dict(zip(columns, scaler.scale_.tolist(), strict=True)),
    }


def one_hot(table, columns, parameters):
    encoder = OneHotEncoder(sparse_output=False, **parameters).fit(table[columns])
    encoded = pd.DataFrame(encoder.transform(table[columns]), columns=encoder.get_feature_names_out())
    # What a step makes takes the place of the column it came from.
    parts = []
    for name in table.columns:
        if name in columns:
            categories = encoder.categories_[columns.index(name)]
            parts.append(encoded[[f"{name}_{category}" for category in categories]])
        else:
            parts.append(table[[name]])
    categories = {name: list(found) for name, found in zip(columns, encoder.categories_, strict=True)}
    return pd.concat(parts, axis=1), {"categories": categories}


STEPS = {"simple_imputer": impute, "standard_scaler": standardize, "one_hot_encoder": one_hot}


def exact_mean(values):
    return math.fsum(values) / len(values)


def check(what, found, expected):
    if not math.isclose(found, expected, rel_tol=TOLERANCE):
        sys.exit(f"{what}: scikit-learn gives {found!r}, a sum rounded once {expected!r}")


def summarise(name, values):
    """Numbers as floats, anything else as the text of the file; nulls are null."""
    numeric = pd.api.types.is_numeric_dtype(values)
    plain = [None if pd.isna(value) else float(value) if numeric else str(value) for value in values]
    present = [value for value in plain if value is not None]
    return {
        "name": name,
        "count": len(present),
        "nulls": len(plain) - len(present),
        "sum": math.fsum(present) if numeric else None,
        "min": min(present),
        "max": max(present),
        "first": plain[:EDGE_ROWS],
        "last": plain[-EDGE_ROWS:],
    }


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    source = pathlib.Path(sys.argv[1])
    table = pd.read_csv(source, keep_default_na=False, na_values=["NA", ""])
    learnt = []
    for step in tomllib.loads(RECIPE.read_text())["steps"]:
        use, columns = step.pop("use"), step.pop("columns")
        table, state = STEPS[use](table, columns, step)
        learnt.append({"use": use, **state})

    facts = {
        "input": source.name,
        "recipe": RECIPE.name,
        "options": {"null-values": ["NA"]},
        "versions": {"pandas": pd.__version__, "scikit-learn": sklearn.__version__},
        "rtol": TOLERANCE,
        "atol": TOLERANCE,
        # A standardized column sums to nothing but the rounding of every row.
        "sum_atol": TOLERANCE * len(table),
        "rows": len(table),
    }
    columns = [summarise(name, table[name]) for name in table.columns]
    lines = [f" {json.dumps(key)}: {json.dumps(value)},\n" for key, value in facts.items()]
    lines += [listed("learnt", learnt), ",\n", listed("columns", columns), "\n"]
    sys.stdout.write("{\n" + "".join(lines) + "}\n")


def listed(key, items):
    """One item a line, so that a difference shows where it is."""
    return f" {json.dumps(key)}: [\n" + ",\n".join("  " + json.dumps(item, allow_nan=False) for item in items) + "\n ]"


if __name__ == "__main__":
    main()
