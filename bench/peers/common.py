"""What the two Python peers share: the job, in numpy, and the line that they print.

Initial parameters and targets come from numpy alone, so that PyTorch and JAX start from the same
bits and can be held against each other (check_agreement.py).
"""

import argparse
import json
import math
import platform

import numpy as np

DIMS = (2, 32, 32, 1)
OMEGA = 30.0
OFFSET = 0.5
SIDE = 28
POINTS = SIDE * SIDE
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
PARAMETERS = sum(i * o + o for i, o in zip(DIMS, DIMS[1:]))


def parser(peer):
    """The options that both peers have."""
    p = argparse.ArgumentParser(
        description=f"Fits N SIRENs 2-32-32-1 to {POINTS} points each, full batch, Adam, float32, with {peer}. "
        "Prints one JSON line.")
    p.add_argument("--nets", type=positive, default=64, help="networks fitted together (default 64)")
    p.add_argument("--steps", type=positive, default=100, help="timed Adam updates (default 100)")
    p.add_argument("--warmup", type=int, default=10,
                   help="updates before the clock starts; they count towards the final loss (default 10)")
    p.add_argument("--seed", type=int, default=0, help="of the initial parameters and targets (default 0)")
    p.add_argument("--lr", type=float, default=5e-4, help="learning rate (default 5e-4)")
    p.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    return p


def positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not a count of at least 1")
    return value


def grid():
    """Coordinates [POINTS, 2]: both axes from -1 to 1 including both ends, x varies fastest."""
    line = np.linspace(-1.0, 1.0, SIDE)
    y, x = np.meshgrid(line, line, indexing="ij")
    return np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float32)


def targets(nets, seed):
    """Smooth pictures [nets, POINTS, 1] with values in [0, 1]: a few plane waves each."""
    rng = np.random.Generator(np.random.PCG64([seed, 1]))
    xy = grid().astype(np.float64)
    out = np.zeros((nets, POINTS))
    for _ in range(4):
        wave = rng.uniform(-6.0, 6.0, (nets, 2))
        phase = rng.uniform(0.0, 2.0 * math.pi, (nets, 1))
        out += np.sin(wave @ xy.T + phase)
    return (0.5 + out / 8.0).astype(np.float32)[:, :, None]


def initial(nets, seed):
    """[(weight [nets, out, in], bias [nets, out]), ..]: convention `dwsnets`.

    Sine layers, the first included: weights U(+-sqrt(6 / fan_in) / omega_0), biases 0. Last layer:
    both U(+-1 / sqrt(fan_in)), PyTorch's default.
    """
    rng = np.random.Generator(np.random.PCG64([seed, 0]))
    layers = []
    for index, (fan_in, fan_out) in enumerate(zip(DIMS, DIMS[1:])):
        last = index == len(DIMS) - 2
        bound = 1.0 / math.sqrt(fan_in) if last else math.sqrt(6.0 / fan_in) / OMEGA
        weight = rng.uniform(-bound, bound, (nets, fan_out, fan_in)).astype(np.float32)
        bias = rng.uniform(-bound, bound, (nets, fan_out)) if last else np.zeros((nets, fan_out))
        layers.append((weight, bias.astype(np.float32)))
    return layers


def flops_per_net_step():
    """Multiply-adds of the matrix products as 2 each: forward once, backward twice, except that
    nothing flows back into the coordinates. Sines, cosines and Adam are not counted."""
    products = [i * o for i, o in zip(DIMS, DIMS[1:])]
    return 2 * POINTS * (3 * sum(products) - products[0])


def report(args, seconds, mse, **more):
    """Prints the result as one JSON line. `mse`: of every net after warmup + steps updates."""
    per = seconds * 1e3 / (args.nets * args.steps)
    mean = float(np.mean(np.asarray(mse, dtype=np.float64)))
    line = {
        "bench": "fit", **more, "device": args.device, "machine": platform.machine(),
        "n": args.nets, "steps": args.steps, "warmup": args.warmup, "seed": args.seed,
        "ms_per_net_step": per, "gflops": flops_per_net_step() / (per * 1e6),
        "final_mse_mean": mean if math.isfinite(mean) else None,
    }
    print(json.dumps(line), flush=True)
    return 0 if math.isfinite(mean) else 1
