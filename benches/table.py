"""Makes the tables of the project's README from what the benches left behind, as Markdown.

    python3 benches/table.py load.json jobs.json scaling.json

Takes the JSON of `peers/compare.py` and of the binary `scaling`, and what `cargo bench -p benches --bench loader` wrote to
`target/criterion`. A figure that nobody has measured is `…`; of several files that have it, the last one counts.
"""

import argparse
import json
import pathlib
import statistics

HERE = pathlib.Path(__file__).resolve().parent
NONE = "…"
JOBS = {"load": "`load`", "convert": "`convert` to Parquet", "fit-transform": "`fit-transform` to Parquet"}
# Bench on one thread, bench on two.
STAGES = {
    "scan": ("loader/scan/threads/1", "loader/scan/threads/2"),
    "scan, AVX-512 index": ("loader/scan/avx512", None),
    "scan, AVX2 index": ("loader/scan/avx2", None),
    "scan, portable index": ("loader/scan/portable", None),
    "scan, state machine alone": ("loader/scan/state machine alone", None),
    "load": ("loader/load/threads/1", "loader/load/threads/2"),
    "load of no column: reading and index": ("loader/load/no column", None),
    "load of 6 columns of whole numbers": ("loader/load/whole numbers", None),
    "load of 4 columns of short floats": ("loader/load/short floats", None),
    "load of a column of floats of 17 digits": ("loader/load/floats of 17 digits", None),
    "load of a date and a timestamp": ("loader/load/dates and timestamps", None),
    "load of 4 columns of short texts": ("loader/load/short texts", None),
    "load of 2 columns of long texts": ("loader/load/long texts", None),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=pathlib.Path, help="JSON of compare.py and of scaling")
    default = HERE.parent / "target" / "criterion"
    parser.add_argument("--criterion", type=pathlib.Path, default=default, help="default: target/criterion")
    options = parser.parse_args()
    compared, scaled = {}, {}
    for path in options.files:
        report = json.loads(path.read_text())
        for job in report["jobs"]:
            if "tools" in job:
                compared[job["job"]] = (report, job["tools"])
            else:
                scaled[job["job"]] = job["threads"]
    rates = criterion_rates(options.criterion)
    print_jobs(compared)
    print_stages(rates)
    print_packed(rates)
    print_scaling(scaled)


def criterion_rates(folder):
    """Bytes a second by the bench's full name, from the median."""
    rates = {}
    for path in folder.glob("**/new/benchmark.json"):
        bench = json.loads(path.read_text())
        size = (bench["throughput"] or {}).get("Bytes")
        nanoseconds = json.loads(path.with_name("estimates.json").read_text())["median"]["point_estimate"]
        if size:
            rates[bench["full_id"]] = size / nanoseconds * 1e9
    return rates


def print_row(*cells):
    print("| " + " | ".join(cells) + " |")


def shown(rate):
    return NONE if rate is None else f"{rate / 1e9:.2f}"


def print_jobs(compared):
    print_row("job", "tidegate", "Polars", "ratio", "peak of each")
    print("|---|--:|--:|--:|--:|")
    for job, title in JOBS.items():
        if job not in compared:
            print_row(title, NONE, NONE, NONE, f"{NONE} and {NONE} MB")
            continue
        report, tools = compared[job]
        ours = next(tool for tool in tools if tool["name"] == "tidegate")
        theirs = next((tool for tool in tools if tool["name"].startswith("polars")), {"runs": []})
        times = [median(tool, "job_s") for tool in (ours, theirs)]
        peaks = [median(tool, "peak_rss_bytes") for tool in (ours, theirs)]
        ratio = NONE if None in times else f"{times[1] / times[0]:.2f}"
        seconds = [NONE if t is None else f"{t:.2f} s, {report['bytes'] / t / 1e9:.2f} GB/s" for t in times]
        peak = " and ".join(NONE if peak is None else f"{peak / 1e6:.0f}" for peak in peaks)
        print_row(f"{title}, {report['memory']}", *seconds, ratio, f"{peak} MB")
    print()


def median(tool, figure):
    """None for a tool that failed or did not run: it has no figure, however often it ran before."""
    if tool.get("failure") or not tool["runs"]:
        return None
    return statistics.median(run[figure] for run in tool["runs"])


def print_stages(rates):
    print_row("stage", "GB/s on one thread", "on two")
    print("|---|--:|--:|")
    for title, (one, two) in STAGES.items():
        print_row(title, shown(rates.get(one)), "" if two is None else shown(rates.get(two)))
    print()


def print_packed(rates):
    print_row("input", "unpacking alone, GB/s", "scan", "load", "load over unpacking")
    print("|---|--:|--:|--:|--:|")
    for name in ("gzip", "zstd"):
        bare, scan, load = (rates.get(f"compressed/{name}/{what}") for what in ("unpack", "scan", "load"))
        over = NONE if None in (bare, load) else f"{load / bare:.2f}"
        print_row(name, shown(bare), shown(scan), shown(load), over)
    print()


def print_scaling(scaled):
    print_row("", "two threads over one", "serial share", "64 cores, at most", "64 cores, at least")
    print("|---|--:|--:|--:|--:|")
    for job in ("scan", "load"):
        threads = {each["threads"]: each for each in scaled.get(job, [])}
        if 2 not in threads:
            print_row(job, NONE, NONE, NONE, NONE)
            continue
        two = threads[2]
        speed_up = f"{two['as_they_are']['speed_up']:.2f}"
        caller, both = two["serial"]["calling_thread"], two["serial"]["with_pieces"]
        share = f"{100 * caller['share']:.3f} %"
        print_row(job, speed_up, share + (f" to {100 * both['share']:.3f} %" if both else ""), last(caller), last(both))


def last(curve):
    return "not seen" if curve is None else f"{curve['curve'][-1]['speed_up']:.0f} times"


if __name__ == "__main__":
    main()
