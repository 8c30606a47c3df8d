"""Runs tidegate and what a user would pick instead on one file, in turn, and prints medians and ratios.

    python3 compare.py --tidegate target/release/tidegate --python venv/bin/python orders.csv

Needs the standard library alone; the peers need polars, duckdb, pandas, pyarrow and scikit-learn in the other Python.
Each round runs every tool once (A B C A B C ...), so that a machine that slows down slows all of them.
README.md says what the columns mean.
"""

import argparse
import json
import math
import os
import pathlib
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field

HERE = pathlib.Path(__file__).resolve().parent
RECIPE = HERE.parents[1] / "testdata" / "orders_two_pass.toml"
PANDAS_CHUNK_ROWS = "100000"

# Words in capitals are filled in by `Tool.command`.
PEERS = {
    "load": {
        "polars_batches": ["INPUT"],
        "duckdb_batches": ["INPUT", "MEMORY"],
        "pandas_chunks": ["INPUT", PANDAS_CHUNK_ROWS],
    },
    "convert": {
        "polars_sink": ["INPUT", "OUT"],
        "duckdb_copy": ["INPUT", "OUT", "MEMORY"],
    },
    "fit-transform": {
        "polars_two_pass": ["INPUT", "OUT", "RECIPE"],
        "duckdb_two_pass": ["INPUT", "OUT", "RECIPE", "MEMORY"],
        "sklearn_two_pass": ["INPUT", "OUT", "RECIPE", PANDAS_CHUNK_ROWS],
    },
}
LIBRARIES = ["polars", "duckdb", "pandas", "sklearn"]

TIDEGATE = {
    "load": ["bench", "INPUT", "--job", "load", "--batch-rows", "auto", "--memory", "MEMORY", "--json"],
    "convert": ["convert", "INPUT", "-o", "OUT", "--overwrite", "--memory", "MEMORY"],
    "fit-transform": ["fit-transform", "INPUT", "-r", "RECIPE", "-o", "OUT", "--overwrite", "--memory", "MEMORY"],
}


class Failed(Exception):
    """A run that ended badly, or whose answer is wrong."""


@dataclass
class Run:
    """One run of one tool. Seconds, and bytes of resident memory at the peak."""

    wall_s: float
    job_s: float
    cpu_s: float
    peak_rss_bytes: int


@dataclass
class Tool:
    name: str
    program: list[str]
    arguments: list[str]
    runs: list[Run] = field(default_factory=list)
    digest: dict | None = None
    failure: str | None = None

    def command(self, places):
        return self.program + [places.get(word, word) for word in self.arguments]

    def median(self, figure):
        return statistics.median(getattr(run, figure) for run in self.runs)


def main():
    options = parse_arguments()
    ours = shlex.split(options.tidegate)
    warm(options.input)
    print(f"memory {options.memory}, {os.cpu_count()} CPUs, medians; time and peak: tidegate's over the peer's\n")
    report, failed = [], False
    with tempfile.TemporaryDirectory(dir=options.scratch, prefix="compare-") as scratch:
        for job in options.jobs:
            tools = [Tool("tidegate", ours, TIDEGATE[job])]
            for name, arguments in PEERS[job].items():
                if any(name.startswith(prefix) for prefix in options.peers):
                    tools.append(Tool(name, [options.python, str(HERE / f"{name}.py")], arguments))
            measure(job, tools, options, scratch)
            compare_answers(tools)
            print_table(job, tools, options)
            failed |= any(tool.failure for tool in tools)
            report.append({"job": job, "tools": [asdict(tool) for tool in tools]})
    if options.json:
        facts = {"input": str(options.input), "bytes": options.input.stat().st_size, "memory": options.memory}
        options.json.write_text(json.dumps({**facts, "cpus": os.cpu_count(), "jobs": report}, indent=1) + "\n")
    sys.exit(1 if failed else 0)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", type=pathlib.Path, help="a CSV file that the recipe fits (`corpora orders ROWS`)")
    parser.add_argument("--tidegate", required=True, help="the binary, with arguments of its own if need be")
    parser.add_argument("--python", default=sys.executable, help="a Python that has the peers' packages")
    parser.add_argument("--jobs", type=words(TIDEGATE), default=list(TIDEGATE), help=f"default {','.join(TIDEGATE)}")
    parser.add_argument("--peers", type=words(LIBRARIES), default=LIBRARIES, help=f"default {','.join(LIBRARIES)}")
    parser.add_argument("--runs", type=int, default=5, help="rounds (default %(default)s)")
    parser.add_argument("--memory", default="512MiB", help="tidegate's budget, DuckDB's limit (default %(default)s)")
    parser.add_argument("--recipe", type=pathlib.Path, default=RECIPE, help="for fit-transform (default %(default)s)")
    parser.add_argument("--scratch", type=pathlib.Path, help="where outputs go (default: the temporary folder)")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write every run here")
    options = parser.parse_args()
    if options.runs < 1:
        parser.error("--runs: expected at least 1")
    for path in (options.input, options.recipe):
        if not path.is_file():
            parser.error(f"{path}: no such file")
    return options


def words(known):
    """A parser of comma-separated words, each of them one of `known`."""

    def parse(text):
        found = text.split(",")
        for word in found:
            if word not in known:
                raise argparse.ArgumentTypeError(f"{word!r} is none of {', '.join(known)}")
        return found

    return parse


def warm(path):
    """Brings the file into the page cache: the first tool must not pay for the disk."""
    with open(path, "rb", buffering=0) as file:
        while file.read(1 << 20):
            pass


def measure(job, tools, options, scratch):
    """Rounds of all tools; a tool that fails once sits out the rest."""
    for _ in range(options.runs):
        for tool in tools:
            if tool.failure:
                continue
            out = pathlib.Path(scratch, f"{tool.name}.parquet")
            files = {"INPUT": str(options.input), "OUT": str(out), "RECIPE": str(options.recipe)}
            places = {**files, "MEMORY": options.memory}
            try:
                run, printed = run_once(tool.command(places))
                if tool.name != "tidegate":
                    run.job_s = read_json(printed)["job_s"]
                elif job == "load":
                    take_bench(run, read_json(printed))
                tool.runs.append(run)
                if tool.digest is None:
                    loaded = job == "load"
                    tool.digest = {"rows": read_json(printed)["rows"]} if loaded else digest(options.python, out)
            except Failed as failure:
                tool.failure = f"failed: {failure}"
            except (KeyError, TypeError, IndexError) as missing:
                tool.failure = f"failed: what it printed lacks {missing}"
            out.unlink(missing_ok=True)


def run_once(command):
    """Runs a command by itself. Gives its figures and what it printed."""
    # What an earlier run wrote must not be written back at this one's cost.
    os.sync()
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        started = time.perf_counter()
        try:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr)
        except OSError as error:
            raise Failed(f"{command[0]}: {error.strerror}") from error
        try:
            # wait4 gives the figures of this child and its descendants; getrusage mixes all children so far.
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            process.wait()
            raise
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            last_line = (text_of(stderr).splitlines() or ["nothing on standard error"])[-1]
            raise Failed(f"exit {process.returncode}: {last_line[:300]}")
        printed = text_of(stdout)
    # Linux counts in KiB, macOS in bytes. On Linux the peak includes this process as it was when it forked,
    # so nothing below this interpreter's own size (some 15 MB) can be seen.
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Run(wall, wall, usage.ru_utime + usage.ru_stime, peak), printed


def text_of(file):
    file.seek(0)
    return file.read().decode(errors="replace").strip()


def read_json(text):
    try:
        return json.loads(text)
    except ValueError:
        raise Failed(f"standard output is no JSON: {text[:100]!r}") from None


def take_bench(run, printed):
    """`tidegate bench` runs the job in processes of its own, after a scan for types: its own figures count."""
    job = printed["runs"][0]
    run.job_s, run.cpu_s, run.peak_rss_bytes = job["wall_s"], job["cpu_s"], job["peak_rss_bytes"]


def digest(python, out):
    if not out.is_file():
        raise Failed(f"no output at {out.name}")
    done = subprocess.run([python, HERE / "digest.py", out], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"the output cannot be read: {done.stderr.strip().splitlines()[-1][:300]}")
    return json.loads(done.stdout)


def compare_answers(tools):
    """Holds each peer's output against tidegate's; a fast wrong answer is a failure, whosever it is."""
    ours = tools[0].digest
    if ours is None:
        return
    for tool in tools[1:]:
        if tool.digest is not None and not tool.failure:
            found = difference(ours, tool.digest)
            tool.failure = found and f"answers differ: {found}"


def difference(ours, theirs):
    """What two digests disagree on, or None. Columns that only one of them has as numbers are left alone: Polars
    makes a number of a postcode with a leading zero, and tidegate must not."""
    if ours["rows"] != theirs["rows"]:
        return f"rows: {theirs['rows']}, tidegate has {ours['rows']}"
    mine, other = ours.get("columns", {}), theirs.get("columns", {})
    if list(mine) != list(other):
        return f"columns: {', '.join(other)}; tidegate has {', '.join(mine)}"
    for name, facts in other.items():
        if facts is None or mine[name] is None:
            continue
        # A standardized column sums to the rounding of its rows, hence the absolute part.
        close = math.isclose(mine[name]["sum"], facts["sum"], rel_tol=1e-9, abs_tol=1e-9 * ours["rows"])
        if mine[name]["nulls"] != facts["nulls"] or not close:
            return f"column {name}: {facts}, tidegate has {mine[name]}"
    return None


def print_table(job, tools, options):
    size = options.input.stat().st_size
    print(f"{job}: {options.input.name}, {size / 1e6:.1f} MB, {options.runs} runs")
    print(f"{'':18}{'wall s':>9}{'job s':>9}{'MB/s':>9}{'cpu s':>9}{'peak MB':>9}   tidegate:{'time':>8}{'peak':>7}")
    ours = tools[0]
    for tool in tools:
        if tool.failure:
            print(f"{tool.name:18}{tool.failure}")
            continue
        job_s, peak = tool.median("job_s"), tool.median("peak_rss_bytes")
        line = f"{tool.name:18}{tool.median('wall_s'):9.2f}{job_s:9.2f}{size / 1e6 / job_s:9.0f}"
        line += f"{tool.median('cpu_s'):9.2f}{peak / 1e6:9.0f}"
        if tool is not ours and not ours.failure:
            time_ratio = ours.median("job_s") / job_s
            peak_ratio = ours.median("peak_rss_bytes") / peak
            line += f"{'':12}{time_ratio:7.2f}x{peak_ratio:6.2f}x"
        print(line)
    print(flush=True)


if __name__ == "__main__":
    main()
