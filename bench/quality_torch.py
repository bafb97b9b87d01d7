#!/usr/bin/env python3
"""How well the usual recipe fits images, in PyTorch: the yardstick for `weightlab fit`.

Convention `dwsnets`: 2-32-32-1, x <- sin(30 (W x + b)), output + 0.5; sine layers U(+-sqrt(6 / fan_in) / 30)
with zero bias (the first layer too), last layer PyTorch's default. Targets pixel / 255. Adam with
PyTorch's defaults on the full batch of pixels. A net whose loss is below the target *before* an
update has reached it and changes no more; its steps are the updates applied so far. After the last
update the loss is looked at once more. PSNR = -10 log10(MSE), of the outputs as they are, unclipped.

Prints one JSON line per seed and, of several seeds, one over all fits together. The median over 64 nets alone moves
by some tenths of a dB from seed to seed, so compare pooled figures of several seeds.
"""

import argparse
import gzip
import json
import math
import struct
import sys
import time
from pathlib import Path

import numpy as np
import torch

DIMS = (2, 32, 32, 1)
OMEGA = 30.0
OFFSET = 0.5
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
IMAGES = Path(__file__).resolve().parent.parent / "testdata/fashion-mnist/t10k-images-idx3-ubyte.gz"


def read_images(path, count):
    """The first `count` images of an IDX file (gz or plain) as [count, h, w] in [0, 1]."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rb") as file:
        head = file.read(16)
        if len(head) < 16 or head[:4] != b"\0\0\x08\x03":
            raise ValueError(f"{path}: expected the IDX magic 00 00 08 03 at offset 0, found {head[:4].hex(' ')}")
        held, height, width = struct.unpack(">3I", head[4:])
        if held < count:
            raise ValueError(f"{path}: has {held} images, {count} are wanted (--images)")
        data = file.read(count * height * width)
    if len(data) != count * height * width:
        raise ValueError(f"{path}: ends at byte {16 + len(data)} of the {16 + count * height * width} wanted")
    return np.frombuffer(data, np.uint8).reshape(count, height, width).astype(np.float32) / np.float32(255)


def grid(height, width):
    """[h * w, 2]: -1 to 1 including both ends, first coordinate the column, which varies fastest."""
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    return np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float32)


def initial(nets, seed):
    """Leaf tensors W, b, W, b, ..; W [nets, out, in], b [nets, out, 1]."""
    random = torch.Generator().manual_seed(seed)
    params = []
    for index, (fan_in, fan_out) in enumerate(zip(DIMS, DIMS[1:])):
        last = index == len(DIMS) - 2
        bound = 1.0 / math.sqrt(fan_in) if last else math.sqrt(6.0 / fan_in) / OMEGA
        params.append(torch.empty(nets, fan_out, fan_in).uniform_(-bound, bound, generator=random))
        bias = torch.zeros(nets, fan_out, 1)
        params.append(bias.uniform_(-bound, bound, generator=random) if last else bias)
    return [p.requires_grad_(True) for p in params]


def initial_of_zoo(zoo):
    """As `initial`, from the networks of a zoo: `weightlab fit .. --steps 0 --out ZOO` writes fresh ones."""
    arrays = {}
    for shard in sorted(zoo.glob("nets-*.safetensors")):
        data = shard.read_bytes()
        size = int.from_bytes(data[:8], "little")
        for name, entry in json.loads(data[8 : 8 + size]).items():
            if name.startswith("seq."):
                start, end = entry["data_offsets"]
                array = np.frombuffer(data[8 + size + start : 8 + size + end], "<f4").reshape(entry["shape"])
                arrays.setdefault(name, []).append(array)
    params = []
    for index in range(len(DIMS) - 1):
        weight = torch.tensor(np.concatenate(arrays[f"seq.{index}.weight"]))
        bias = torch.tensor(np.concatenate(arrays[f"seq.{index}.bias"])).unsqueeze(-1)
        params += [weight, bias]
    return [p.requires_grad_(True) for p in params]


def losses(params, x, y):
    """MSE of every net, [nets]. x [nets, 2, points], y [nets, points]."""
    h = x
    for index in range(0, len(params), 2):
        h = params[index] @ h + params[index + 1]
        if index < len(params) - 2:
            h = torch.sin(OMEGA * h)
    return (h[:, 0] + OFFSET - y).square().mean(1)


def fit(images, seed, steps, rate, until_mse, zoo=None):
    """(MSE [n], updates applied [n], whether the target was reached [n]).

    Every net keeps its place in the batch; the finished ones are masked out of the update. All
    running nets have the same number of updates behind them, so Adam's correction is common.
    """
    nets = images.shape[0]
    x = torch.from_numpy(grid(*images.shape[1:])).T.contiguous().expand(nets, -1, -1)
    y = torch.from_numpy(images).reshape(nets, -1)
    params = initial_of_zoo(zoo) if zoo else initial(nets, seed)
    m, v = [[torch.zeros_like(p) for p in params] for _ in range(2)]
    running = torch.ones(nets, dtype=torch.bool)
    taken = torch.zeros(nets, dtype=torch.long)
    for t in range(1, steps + 1):
        loss = losses(params, x, y)
        running &= ~(loss.detach() < until_mse)
        if not running.any():
            break
        grads = torch.autograd.grad(loss.sum(), params)
        with torch.no_grad():
            here = running[:, None, None]
            for p, g, m_, v_ in zip(params, grads, m, v):
                m_.lerp_(g, 1 - BETA1)
                v_.mul_(BETA2).addcmul_(g, g, value=1 - BETA2)
                root = (v_.sqrt() / math.sqrt(1 - BETA2**t)).add_(EPSILON)
                # `where`, not a product with the mask: 0 times a NaN would be a NaN.
                p.copy_(torch.where(here, p - rate / (1 - BETA1**t) * m_ / root, p))
            taken += running
    with torch.no_grad():
        mse = losses(params, x, y).double().numpy()
    return mse, taken.numpy(), mse < until_mse


def summary(args, seed, mse, steps, reached):
    """The JSON object of one batch of fits, or of several put together."""
    finite = np.isfinite(mse)
    psnr = -10 * np.log10(mse[finite])
    names = ["min", "p5", "median", "p95", "max"]
    spread = dict(zip(names, np.percentile(psnr, [0, 5, 50, 95, 100]).tolist())) if finite.any() else {}
    return {
        "quality": "torch", "version": torch.__version__, "images": args.file.name, "n": len(mse), "seed": seed,
        "steps_max": args.steps, "lr": args.lr, "until_psnr": args.until_psnr,
        "psnr": {"mean": float(psnr.mean()), **spread} if spread else None,
        "steps_median": float(np.median(steps)), "reached": int(reached.sum()), "diverged": int((~finite).sum()),
    }


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("file", nargs="?", type=Path, default=IMAGES, help="IDX images, gz or plain (default: the excerpt in testdata)")
    p.add_argument("--images", type=int, default=64, help="how many, from the first (default 64)")
    p.add_argument("--seeds", type=int, nargs="+", default=[0], help="one fit and one line for each (default 0)")
    p.add_argument("--steps", type=int, default=1000, help="most updates per net (default 1000)")
    p.add_argument("--lr", type=float, default=5e-4)
    p.add_argument("--until-psnr", type=float, default=40.0, help="stop a net above this, dB (default 40)")
    p.add_argument("--init", type=Path, help="start from the networks of this zoo, not from seeds")
    p.add_argument("--per-net", action="store_true", help="also every net's PSNR and steps")
    args = p.parse_args()
    try:
        images = read_images(args.file, args.images)
    except (OSError, EOFError, ValueError) as error:
        print(f"quality_torch: {error}", file=sys.stderr)
        return 1
    fits = []
    for seed in args.seeds:
        start = time.perf_counter()
        mse, steps, reached = fit(images, seed, args.steps, args.lr, 10 ** (-args.until_psnr / 10), args.init)
        fits.append((mse, steps, reached))
        line = summary(args, seed, mse, steps, reached) | {"seconds": round(time.perf_counter() - start, 1)}
        if args.per_net:
            psnr = [round(float(-10 * np.log10(e)), 3) if np.isfinite(e) else None for e in mse]
            line |= {"psnr_per_net": psnr, "steps_per_net": steps.tolist()}
        print(json.dumps(line), flush=True)
    mse, steps, reached = map(np.concatenate, zip(*fits))
    if len(fits) > 1:
        print(json.dumps(summary(args, args.seeds, mse, steps, reached)))
    return 0 if np.isfinite(mse).all() else 1


if __name__ == "__main__":
    sys.exit(main())
