#!/usr/bin/env python3
"""The cells of `weightlab experiment table1` in PyTorch: the same zoo, model, optimiser and rule of selection, other random numbers.

    OMP_NUM_THREADS=1 VENV/bin/python bench/train_torch.py --zoo out/train --test out/test --augment none --seeds 0 1 2

Prints a JSON line per seed: test accuracy (%) at the epoch with the best validation accuracy, the latest of several.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F

sys.path.insert(0, str(Path(__file__).parent / "peers"))
from dws_torch import Dws, tensors  # noqa: E402


def read(zoo, dims):
    """Parameters as lists of [n, d_l, d_l+1] and [n, d_l+1], labels."""
    shards = [tensors(zoo / s["file"]) for s in json.loads((zoo / "zoo.json").read_text())["shards"]]
    join = lambda name: torch.cat([s[name] for s in shards])
    depth = len(dims) - 1
    ws = [join(f"seq.{l}.weight").transpose(1, 2).contiguous() for l in range(depth)]
    return ws, [join(f"seq.{l}.bias") for l in range(depth)], join("label")


def take(nets, items):
    return [w[items] for w in nets[0]], [b[items] for b in nets[1]], nets[2][items]


def negate(ws, bs):
    ws, bs = list(ws), list(bs)
    for l in range(len(ws) - 1):
        sign = torch.randint(0, 2, bs[l].shape).float() * 2 - 1
        ws[l], bs[l] = ws[l] * sign[:, None, :], bs[l] * sign
        ws[l + 1] = ws[l + 1] * sign[:, :, None]
    return ws, bs


def run(args, seed, train, held, test, dims):
    torch.manual_seed(seed)
    model = Dws(dims, args.hidden, args.layers, 10)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=5e-4, amsgrad=True)
    stats = [[(t.mean(0), t.std(0)) for t in part] for part in train[:2]]

    def normal(ws, bs):
        return [[(t - m) / s for t, (m, s) in zip(part, of)] for part, of in zip((ws, bs), stats)]

    def accuracy(nets):
        with torch.no_grad():
            hits = 0
            for first in range(0, len(nets[2]), 128):
                ws, bs, labels = take(nets, slice(first, first + 128))
                hits += (model(*normal(ws, bs)).argmax(-1) == labels).sum().item()
        return 100 * hits / len(nets[2])

    best, n, start = (-1.0, 0.0, 0), len(train[2]), time.perf_counter()
    for epoch in range(args.epochs):
        order = torch.randperm(n)
        for first in range(0, n - args.batch + 1, args.batch):
            ws, bs, labels = take(train, order[first : first + args.batch])
            target = F.one_hot(labels, 10).float()
            if args.augment == "siren-negation":
                ws, bs = negate(ws, bs)
            elif args.augment == "mixup":
                ows, obs, other = take(train, torch.randint(0, n, (args.batch,)))
                share = torch.rand(args.batch)
                mix = lambda a, b: share.view(-1, *[1] * (a.dim() - 1)) * (a - b) + b
                ws, bs = [mix(a, b) for a, b in zip(ws, ows)], [mix(a, b) for a, b in zip(bs, obs)]
                target = mix(target, F.one_hot(other, 10).float())
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(model(*normal(ws, bs)), target).backward()
            optimizer.step()
        validation = accuracy(held)
        if validation >= best[0]:
            best = (validation, accuracy(test), epoch + 1)
    return {
        "peer": "torch", "augment": args.augment, "seed": seed, "test_accuracy": best[1], "validation_accuracy": best[0],
        "best_epoch": best[2], "train": n, "validation": len(held[2]), "test": len(test[2]), "seconds": time.perf_counter() - start,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--zoo", type=Path, required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--augment", choices=["none", "siren-negation", "mixup"], default="none")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--hidden", type=int, default=16)
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--limit", type=int, default=1000)
    args = parser.parse_args()
    dims = json.loads((args.zoo / "zoo.json").read_text())["mlp"]["dims"]
    nets, test = read(args.zoo, dims), read(args.test, dims)
    for seed in args.seeds:
        # A tenth is held out, then the first ones of the rest are learnt from.
        order = torch.randperm(len(nets[2]), generator=torch.Generator().manual_seed(seed))
        cut = len(order) // 10
        held, train = order[:cut], order[cut:].sort().values[: args.limit]
        print(json.dumps(run(args, seed, take(nets, train), take(nets, held), test, dims)), flush=True)


if __name__ == "__main__":
    main()
