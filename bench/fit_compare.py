#!/usr/bin/env python3
"""`weightlab bench fit` against the PyTorch and JAX peers: alternating, on the same cores.

Every round runs each program once, in an order that turns from round to round, so that a busy
machine hurts all of them alike; ratios are taken within a round and their median is the result.
Writes to stdout only. Needs no package itself; --python names the interpreter that has the peers'.
"""

import argparse
import datetime
import json
import math
import os
import platform
import shlex
import signal
import statistics
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).resolve().parent
ROOT = BENCH.parent
OURS = "weightlab"
# name: (script, its arguments, further ones on CPUs, where blocking for the cache pays)
PEERS = {
    "torch": ("siren_torch.py", ["--variant", "autograd"], []),
    "torch-manual": ("siren_torch.py", ["--variant", "manual"], ["--chunk", "8"]),
    "torch-compile": ("siren_torch.py", ["--compile"], ["--layout", "points"]),
    "torch-graph": ("siren_torch.py", ["--variant", "autograd", "--cuda-graph"], []),
    "torch-points": ("siren_torch.py", ["--variant", "autograd", "--layout", "points"], []),
    "jax": ("siren_jax.py", [], []),
    "jax-points": ("siren_jax.py", ["--layout", "points"], []),
}


class RunFailed(Exception):
    """One run gave no usable figure; the text says why."""


def run(command, seconds):
    """stdout of a command that ends in time with status 0."""
    try:
        # A session of its own, so that a run over time ends with all its children.
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   errors="replace", cwd=ROOT, start_new_session=True)
    except OSError as error:
        raise RunFailed(f"{command[0]}: {error.strerror}") from error
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired as error:
        raise RunFailed(f"no end within {seconds} s (--timeout)") from error
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    if process.returncode != 0:
        last = (err.strip() or out.strip() or "no message").splitlines()[-1]
        raise RunFailed(f"exit status {process.returncode}: {last}")
    return out


def measurement(out, nets):
    """The fit line for `nets` nets in JSON lines; of several (repetitions) the median one.

    Other lines are passed over: progress, other benches, other sizes.
    """
    found, sizes = [], set()
    for text in out.splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if not isinstance(line, dict) or line.get("bench") != "fit":
            continue
        if line.get("n") != nets:
            sizes.add(line.get("n"))
            continue
        value = line.get("ms_per_net_step")
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value <= 0:
            raise RunFailed(f"ms_per_net_step is {value!r}, not a time")
        found.append(line)
    if not found:
        other = f"; lines for n = {sorted(sizes, key=str)}" if sizes else ""
        raise RunFailed(f'no JSON line with "bench": "fit" and "n": {nets} on stdout{other}')
    found.sort(key=lambda line: line["ms_per_net_step"])
    return found[(len(found) - 1) // 2]


def commands(args):
    """{name: argument list}, ours first."""
    counts = ["--nets", str(args.nets), "--steps", str(args.steps)]
    ours = [str(args.binary.resolve()), "bench", "fit", "--json", *counts]
    if args.adapter is not None:
        ours += ["--device", args.adapter]
    found = {OURS: ours + shlex.split(args.ours_args)}
    for name in args.peers:
        script, own, cpu_only = PEERS[name]
        found[name] = [args.python, str(BENCH / "peers" / script), *counts, "--warmup", str(args.warmup),
                       "--device", args.device, *own, *(cpu_only if args.device == "cpu" else [])]
    return found


def table(results, names):
    """One dict per program: median, extremes, and the ratios within rounds, peer over ours."""
    rows = []
    for name in names:
        lines = results[name]
        times = {i: line["ms_per_net_step"] for i, line in lines.items()}
        if not times:
            rows.append({"name": name, "runs": 0})
            continue
        row = {"name": name, "runs": len(times), "median": statistics.median(times.values()),
               "low": min(times.values()), "high": max(times.values()), "line": lines[max(lines)]}
        ours = {i: line["ms_per_net_step"] for i, line in results[OURS].items()}
        ratios = [times[i] / ours[i] for i in times if i in ours]
        if name != OURS and ratios:
            row |= {"ratio": statistics.median(ratios), "ratio_low": min(ratios), "ratio_high": max(ratios)}
        rows.append(row)
    return rows


def cells(row):
    if not row["runs"]:
        return [row["name"], "failed", "", "", "", "0"]
    line, version = row["line"], row["line"].get("version")
    name = row["name"] + (f" {version}" if version else "")
    speed = line.get("gflops")
    speed = f"{speed:.1f}" if isinstance(speed, (int, float)) else "-"
    ratio = f"{row['ratio']:.2f} ({row['ratio_low']:.2f} to {row['ratio_high']:.2f})" if "ratio" in row else "-"
    return [name, f"{row['median']:.4g}", f"{row['low']:.4g} to {row['high']:.4g}", speed, ratio, str(row["runs"])]


HEAD = ["program", "ms per net and step, median", "spread", "GFLOP/s (last run)", "its time / ours (spread)", "runs"]


def print_plain(rows):
    text = [HEAD, *map(cells, rows)]
    widths = [max(len(r[i]) for r in text) for i in range(len(HEAD))]
    for row in text:
        print("  ".join(c.ljust(w) for c, w in zip(row, widths)).rstrip())


def print_markdown(rows, args, cores, loads):
    print(f"### Fit, N = {args.nets}, {datetime.date.today().isoformat()}\n")
    print(f"2-32-32-1, 784 points, full batch, Adam, f32; {args.steps} steps a run, {args.rounds} alternating rounds.")
    ours = rows[0].get("line", {})
    gpus = {r["line"]["gpu"] for r in rows if r.get("line", {}).get("gpu")}
    peers_on = ", ".join(sorted(gpus)) if gpus else "the CPU"
    print(f"CPU: {cpu_model()}, {len(cores)} cores. Adapter: {ours.get('adapter', 'unknown')}. Peers on {peers_on}. "
          f"Load average before {loads[0]}, after {loads[1]}.\n")
    print("| " + " | ".join(HEAD) + " |\n|" + "---|" * len(HEAD))
    for row in rows:
        print("| " + " | ".join(cells(row)) + " |")
    print()


def peak_sentence(row):
    """Our share of the adapter's measured peak, if the bench reports both figures."""
    line = row.get("line", {})
    speed, peak = line.get("gflops"), line.get("peak_gflops")
    if not isinstance(speed, (int, float)) or not isinstance(peak, (int, float)) or peak <= 0:
        return "weightlab reported no GFLOP/s or no peak."
    return f"weightlab: {speed:.1f} GFLOP/s of a measured peak of {peak:.1f} ({100 * speed / peak:.0f} %)."


def cpu_model():
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine() or "unknown"


def load():
    """How busy the machine is, where the system tells."""
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"


def use_cores(args):
    """Binds this process, and so its children, to the cores; returns those in use."""
    if not hasattr(os, "sched_setaffinity"):
        return list(range(os.cpu_count() or 1))
    if args.cores:
        os.sched_setaffinity(0, {int(c) for c in args.cores.split(",")})
        # The peers' pools look at the binding; llvmpipe is told, lest it count the machine's cores.
        os.environ.setdefault("LP_NUM_THREADS", str(len(os.sched_getaffinity(0))))
    return sorted(os.sched_getaffinity(0))


def main(argv=None):
    def count(text):
        if int(text) < 1:
            raise argparse.ArgumentTypeError("must be at least 1")
        return int(text)

    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--nets", type=count, default=64)
    p.add_argument("--steps", type=count, default=100, help="timed steps a run (default 100)")
    p.add_argument("--warmup", type=int, default=10, help="the peers' untimed steps (default 10)")
    p.add_argument("--rounds", type=count, default=5, help="alternating rounds (default 5)")
    p.add_argument("--binary", type=Path, default=ROOT / "target/release/weightlab", help="our program")
    p.add_argument("--adapter", help="our adapter: passed on as --device")
    p.add_argument("--ours-args", default="", help="further arguments for `weightlab bench fit`, as one string")
    p.add_argument("--python", default=sys.executable, help="interpreter that has the peers' packages")
    p.add_argument("--peers", default="torch,torch-manual,jax",
                   help=f"comma-separated, of {', '.join(PEERS)} (default torch,torch-manual,jax)")
    p.add_argument("--device", default="cpu", choices=["cpu", "cuda"], help="of the peers")
    p.add_argument("--cores", help="comma-separated CPU numbers that every program is bound to")
    p.add_argument("--timeout", type=count, default=300, help="seconds a run may take (default 300)")
    p.add_argument("--markdown", action="store_true", help="print a section for bench/RESULTS.md")
    p.add_argument("--json", action="store_true", help="print one JSON line per program instead of a table")
    args = p.parse_args(argv)
    args.peers = [name for name in args.peers.split(",") if name]
    unknown = [name for name in args.peers if name not in PEERS]
    if unknown:
        p.error(f"--peers: no peer {unknown[0]!r}; there are {', '.join(PEERS)}")
    try:
        cores = use_cores(args)
    except (ValueError, OSError) as error:
        p.error(f"--cores {args.cores}: {error}; wanted CPU numbers such as 0,1")

    todo = commands(args)
    names = list(todo)
    results = {name: {} for name in names}
    failed = False
    loads = [load()]
    print(f"load before the run: {loads[0]}", file=sys.stderr)
    for turn in range(args.rounds):
        start = turn % len(names)
        for name in names[start:] + names[:start]:
            try:
                line = measurement(run(todo[name], args.timeout), args.nets)
            except RunFailed as error:
                failed = True
                print(f"round {turn + 1}, {name}: {error}", file=sys.stderr)
                continue
            results[name][turn] = line
            print(f"round {turn + 1}, {name}: {line['ms_per_net_step']:.4g} ms", file=sys.stderr)
    loads.append(load())
    print(f"load after the run: {loads[1]}", file=sys.stderr)

    rows = table(results, names)
    if args.json:
        for row in rows:
            print(json.dumps(row))
    elif args.markdown:
        print_markdown(rows, args, cores, loads)
        print(peak_sentence(rows[0]))
    else:
        print_plain(rows)
        print(peak_sentence(rows[0]))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
