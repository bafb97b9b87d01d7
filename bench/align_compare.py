#!/usr/bin/env python3
"""`weightlab bench align` against the reference algorithm in NumPy and SciPy: alternating, on the same cores.

The peer is this file too (--peer): weight matching as the reference code does it, a cost matrix by matrix products and
SciPy's linear_sum_assignment per visit, in float32 with the networks of the bench, which it draws itself by the same
generator. It works with as many processes as there are cores. Every round runs each program once; ratios are taken
within a round and their median is the result. Needs NumPy and SciPy under --python; this process needs nothing.
"""

import argparse
import json
import math
import os
import statistics
import sys
import time
from pathlib import Path

from fit_compare import ROOT, RunFailed, cpu_model, load, run, use_cores

OURS, PEER = "weightlab", "NumPy and SciPy"


def philox(counters, key):
    """Philox4x32-10 of counters [n, 4]: four words each."""
    import numpy as np
    x = [np.asarray(counters[:, k], np.uint64) for k in range(4)]
    low, keys = np.uint64(0xFFFFFFFF), [np.uint64(key & 0xFFFFFFFF), np.uint64(key >> 32)]
    for turn in range(10):
        if turn:
            keys = [(keys[0] + np.uint64(0x9E3779B9)) & low, (keys[1] + np.uint64(0xBB67AE85)) & low]
        p, q = np.uint64(0xD2511F53) * x[0], np.uint64(0xCD9E8D57) * x[2]
        x = [(q >> np.uint64(32)) ^ x[1] ^ keys[0], q & low, (p >> np.uint64(32)) ^ x[3] ^ keys[1], p & low]
    return np.stack(x, axis=1)


def networks(dims, count, seed):
    """[[(weight, bias), ..]]: those of `weightlab bench align`, of stream 1 and up."""
    import numpy as np
    size = sum(i * o + o for i, o in zip(dims, dims[1:]))
    blocks = np.arange((size + 3) // 4, dtype=np.uint64)
    nets = []
    for net in range(count):
        counters = np.zeros((len(blocks), 4), np.uint64)
        counters[:, 0], counters[:, 1], counters[:, 3] = blocks, net + 1, 0xFFFFFFFF
        words = philox(counters, seed).ravel()[:size]
        u = (words >> np.uint64(8)).astype(np.float32) / np.float32(8388608.0) - np.float32(1)
        layers, at = [], 0
        for index, (i, o) in enumerate(zip(dims, dims[1:])):
            last = index == len(dims) - 2
            bound = 1 / math.sqrt(i) if last else math.sqrt(6 / i) / 30
            weight = np.float32(1.2 * bound) * u[at:at + i * o].reshape(o, i)
            layers.append((weight, np.float32(0.05) * u[at + i * o:at + i * o + o]))
            at += i * o + o
        nets.append(layers)
    return nets


def matched(a, b, rng):
    """Permutations of b's hidden layers towards a, and sweeps: coordinate ascent, at most 100 sweeps."""
    import numpy as np
    from scipy.optimize import linear_sum_assignment
    hidden = len(a) - 1
    places = [np.arange(len(bias)) for _, bias in a[:-1]]
    for sweep in range(100):
        progress = False
        for layer in rng.permutation(hidden):
            (wa, ba), (wb, bb) = a[layer], b[layer]
            if layer > 0:
                wb = wb[:, places[layer - 1]]
            next_b = b[layer + 1][0]
            if layer + 1 < hidden:
                next_b = next_b[places[layer + 1]]
            gain = wa @ wb.T + np.outer(ba, bb) + a[layer + 1][0].T @ next_b
            rows, columns = linear_sum_assignment(gain, maximize=True)
            progress |= bool(gain[rows, columns].sum() > gain[rows, places[layer]].sum() + 1e-12)
            places[layer] = columns
        if not progress:
            break
    return places, sweep + 1


def squared_distance(a, b, places):
    import numpy as np
    total, below = 0.0, None
    for layer, ((wa, ba), (wb, bb)) in enumerate(zip(a, b)):
        if below is not None:
            wb = wb[:, below]
        if layer < len(places):
            wb, bb = wb[places[layer]], bb[places[layer]]
            below = places[layer]
        total += float(np.square((wa - wb).astype(np.float64)).sum() + np.square((ba - bb).astype(np.float64)).sum())
    return total


def work(job):
    """All pairs of one process."""
    import numpy as np
    nets, seed = job
    rng = np.random.default_rng(seed)
    return [matched(nets[i], nets[i + 1], rng) for i in range(0, len(nets), 2)]


def peer(args):
    """Aligns and prints one JSON line."""
    import multiprocessing
    import numpy as np
    import scipy
    dims = [int(d) for d in args.dims.split(",")]
    nets = networks(dims, 2 * args.pairs, args.seed)
    jobs = args.jobs or len(os.sched_getaffinity(0))
    each = math.ceil(args.pairs / jobs)
    parts = [(nets[2 * i:2 * (i + each)], args.seed + i) for i in range(0, args.pairs, each)]
    with multiprocessing.get_context("fork").Pool(jobs) as pool:
        # Imports and first calls are not measured.
        pool.map(work, [(nets[:4], 0)] * jobs, chunksize=1)
        begun = time.perf_counter()
        found = [one for part in pool.map(work, parts, chunksize=1) for one in part]
        seconds = time.perf_counter() - begun
    ends = [(nets[2 * i], nets[2 * i + 1]) for i in range(args.pairs)]
    same = [np.arange(d) for d in dims[1:-1]]
    print(json.dumps({
        "bench": "align", "version": f"NumPy {np.__version__}, SciPy {scipy.__version__}, {jobs} processes",
        "n": args.pairs, "dims": "-".join(map(str, dims)), "pairs_per_s": args.pairs / seconds,
        "sweeps": statistics.fmean(s for _, s in found),
        "squared_distance_before": statistics.fmean(squared_distance(a, b, same) for a, b in ends),
        "squared_distance_after": statistics.fmean(squared_distance(a, b, p) for (a, b), (p, _) in zip(ends, found)),
    }))


def measurement(out, pairs):
    """The align line for `pairs` pairs, of several the one of median speed."""
    found = []
    for text in out.splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and line.get("bench") == "align" and line.get("n") == pairs:
            rate = line.get("pairs_per_s")
            if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not math.isfinite(rate) or rate <= 0:
                raise RunFailed(f"pairs_per_s is {rate!r}, not a rate")
            found.append(line)
    if not found:
        raise RunFailed(f'no JSON line with "bench": "align" and "n": {pairs} on stdout')
    found.sort(key=lambda line: line["pairs_per_s"])
    return found[(len(found) - 1) // 2]


def disagreement(ours, theirs):
    """Why two lines cannot be about the same work, or None."""
    # The same networks: f32 sums only. Random orders of one's own: other local optima, equally good on average.
    for what, tolerance in [("squared_distance_before", 1e-4), ("squared_distance_after", 0.01)]:
        x, y = ours[what], theirs[what]
        if abs(x - y) > tolerance * abs(y):
            return f"{what}: {x:.5g} and {y:.5g} differ by more than {100 * tolerance:g} %"
    return None


def span(values):
    return f"{statistics.median(values):.3g} ({min(values):.3g} to {max(values):.3g})"


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--dims", default="2,32,32,1", help="widths (default 2,32,32,1)")
    p.add_argument("--pairs", type=int, default=512)
    p.add_argument("--seed", type=int, default=0, help="of networks and orders")
    p.add_argument("--rounds", type=int, default=4, help="alternating rounds (default 4)")
    p.add_argument("--method", default="weight-matching", choices=["weight-matching", "signed"],
                   help="of ours; the peer knows no signs")
    p.add_argument("--binary", type=Path, default=ROOT / "target/release/weightlab", help="our program")
    p.add_argument("--adapter", help="our adapter: passed on as --device")
    p.add_argument("--python", default=sys.executable, help="interpreter that has NumPy and SciPy")
    p.add_argument("--cores", help="comma-separated CPU numbers that every program is bound to")
    p.add_argument("--jobs", type=int, default=0, help="processes of the peer (default: one per core)")
    p.add_argument("--timeout", type=int, default=300, help="seconds a run may take (default 300)")
    p.add_argument("--peer", action="store_true", help="be the peer: align once and print one JSON line")
    args = p.parse_args(argv)
    if args.pairs < 1 or args.rounds < 1:
        p.error("--pairs and --rounds are at least 1")
    if args.peer:
        return peer(args)
    cores = use_cores(args)
    # The peer's own threads would be one more per process.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    counts = ["--dims", args.dims, "--pairs", str(args.pairs), "--seed", str(args.seed)]
    ours = [str(args.binary.resolve()), "bench", "align", "--native", "--rounds", "2", "--method", args.method, *counts]
    ours += ["--device", args.adapter] if args.adapter is not None else []
    theirs = [args.python, str(Path(__file__).resolve()), "--peer", "--jobs", str(args.jobs), *counts]
    results, failed, before = {OURS: {}, PEER: {}}, False, load()
    for turn in range(args.rounds):
        for name, command in [(OURS, ours), (PEER, theirs)][::1 if turn % 2 else -1]:
            try:
                results[name][turn] = measurement(run(command, args.timeout), args.pairs)
            except RunFailed as error:
                failed = True
                print(f"round {turn + 1}, {name}: {error}", file=sys.stderr)
    both = [(results[OURS][i], results[PEER][i]) for i in results[OURS] if i in results[PEER]]
    if not both:
        return 1
    for line, other in both:
        reason = disagreement(line, other) if args.method == "weight-matching" else None
        if reason:
            print(f"not the same work: {reason}", file=sys.stderr)
            return 1
    line, other = both[-1]
    print(f"{line['dims']}, {args.pairs} pairs, {args.method}; {args.rounds} alternating rounds on {cpu_model()}, {len(cores)} "
          f"cores; adapter {line['adapter']}; load before {before}, after {load()}")
    print(f"squared distance {line['squared_distance_before']:.4f} -> {line['squared_distance_after']:.4f} "
          f"(peer {other['squared_distance_after']:.4f}); sweeps {line['sweeps']:.2f} (peer {other['sweeps']:.2f})\n")
    print("| program | pairs per second | ours / its |\n|---|---|---|")
    print(f"| weightlab | {span([a['pairs_per_s'] for a, _ in both])} | - |")
    print(f"| {other['version']} | {span([b['pairs_per_s'] for _, b in both])} "
          f"| {span([a['pairs_per_s'] / b['pairs_per_s'] for a, b in both])} |")
    print(f"| native Rust with lapjv, f64, all cores | {span([a['native_pairs_per_s'] for a, _ in both])} "
          f"| {span([a['pairs_per_s'] / a['native_pairs_per_s'] for a, _ in both])} |")
    print(f"\naligned MixUp of the whole batch: {span([a['mix_ms'] for a, _ in both])} ms")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
