#!/usr/bin/env python3
"""Do the peers do the same job? Every variant starts from the same parameters as a float64
reference in numpy, which has its own gradient and Adam, and must reach its mean loss.

Run it with the interpreter that has the peers' packages; exit status 1 if one disagrees.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np

import common
from common import BETA1, BETA2, EPSILON, OFFSET, OMEGA

# Relative, on the mean loss. Float32 rounding, carried through 50 updates, gives up to about 1e-6;
# a wrong constant in Adam, a missing factor in the gradient or TF32 products give 1e-4 and more.
TOLERANCE = 1e-5

VARIANTS = [
    ("siren_torch.py", ["--variant", "autograd", "--layout", "points"]),
    ("siren_torch.py", ["--variant", "autograd", "--layout", "features"]),
    ("siren_torch.py", ["--variant", "autograd", "--adam", "loop", "--chunk", "3"]),
    ("siren_torch.py", ["--variant", "manual", "--layout", "points"]),
    ("siren_torch.py", ["--variant", "manual", "--layout", "features", "--chunk", "3"]),
    ("siren_jax.py", ["--layout", "points"]),
    ("siren_jax.py", ["--layout", "features"]),
]


def reference(nets, steps, seed, rate):
    """Mean loss over nets after `steps` updates, all in float64."""
    x = common.grid().astype(np.float64)
    goal = common.targets(nets, seed)[:, :, 0].astype(np.float64)
    total = 0.0
    for net in range(nets):
        params = [t[net].astype(np.float64) for layer in common.initial(nets, seed) for t in layer]
        m, v = [np.zeros_like(p) for p in params], [np.zeros_like(p) for p in params]
        for t in range(steps + 1):
            w1, b1, w2, b2, w3, b3 = params
            z1 = OMEGA * (x @ w1.T + b1)
            z2 = OMEGA * (np.sin(z1) @ w2.T + b2)
            error = (np.sin(z2) @ w3.T + b3)[:, 0] + OFFSET - goal[net]
            if t == steps:
                total += np.mean(error**2)
                break
            d3 = (2.0 / len(x) * error)[:, None]
            d2 = OMEGA * np.cos(z2) * (d3 @ w3)
            d1 = OMEGA * np.cos(z1) * (d2 @ w2)
            grads = [d1.T @ x, d1.sum(0), d2.T @ np.sin(z1), d2.sum(0), d3.T @ np.sin(z2), d3.sum(0)]
            for i, g in enumerate(grads):
                m[i] = BETA1 * m[i] + (1 - BETA1) * g
                v[i] = BETA2 * v[i] + (1 - BETA2) * g * g
                corrected = m[i] / (1 - BETA1 ** (t + 1))
                params[i] = params[i] - rate * corrected / (np.sqrt(v[i] / (1 - BETA2 ** (t + 1))) + EPSILON)
    return total / nets


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--nets", type=int, default=8)
    p.add_argument("--steps", type=int, default=50)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--compile", action="store_true", help="torch.compile too (half a minute on a CPU)")
    p.add_argument("--device", default="cpu")
    args = p.parse_args()
    rate = 5e-4
    wanted = reference(args.nets, args.steps, args.seed, rate)
    print(f"numpy float64: {wanted:.9g}")
    variants = list(VARIANTS)
    if args.compile:
        variants.append(("siren_torch.py", ["--compile"]))
    if args.device == "cuda":
        variants.append(("siren_torch.py", ["--cuda-graph"]))
    bad = 0
    for script, own in variants:
        warmup = min(10, args.steps - 1)
        command = [sys.executable, str(Path(__file__).parent / script), "--nets", str(args.nets), "--warmup", str(warmup),
                   "--steps", str(args.steps - warmup), "--seed", str(args.seed), "--lr", str(rate),
                   "--device", args.device, *own]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=600)
        name = " ".join([script, *own])
        try:
            found = json.loads(done.stdout)["final_mse_mean"]
            off = abs(found / wanted - 1)
        except (ValueError, TypeError, KeyError):
            print(f"FAIL {name}: no result, exit status {done.returncode}")
            bad += 1
            continue
        bad += off > TOLERANCE
        print(f"{'FAIL' if off > TOLERANCE else 'ok  '} {name}: {found:.9g}, off by {off:.1e}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
