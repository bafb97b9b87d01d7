#!/usr/bin/env python3
"""DWS in PyTorch: the peer of `weightlab bench train` and of `weightlab train`.

Written from the equations (Navon et al., ICML 2023; see crates/learn/src/dws/topology.rs), one module per map, as one writes
it in PyTorch: set attention, max pooling, no normalisation. Parameters have the published code's names.

    dws_torch.py bench --hidden 32 --layers 4 --nets 64 --steps 20 [--compile] [--device cuda]
    dws_torch.py check GOLDEN_FOLDER        # against recorded values of the published code
    dws_torch.py train ZOO --epochs 30 --augment none|negation|mixup --seed 0

The last line printed is a JSON object.
"""

import argparse
import json
import math
import statistics
import struct
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn


class Attention(nn.Module):
    """Q + softmax(Q K^T / sqrt(y)) V per head, then o + relu(o W + b)."""

    def __init__(self, inputs, outputs, heads):
        super().__init__()
        self.heads = heads
        self.fc_q = nn.Linear(inputs, outputs)
        self.fc_k = nn.Linear(inputs, outputs)
        self.fc_v = nn.Linear(inputs, outputs)
        self.fc_o = nn.Linear(outputs, outputs)

    def forward(self, x):
        b, n, _ = x.shape
        y = self.fc_q.out_features
        q, k, v = (f(x) for f in (self.fc_q, self.fc_k, self.fc_v))
        split = [t.view(b, n, self.heads, y // self.heads).transpose(1, 2) for t in (q, k, v)]
        mixed = nn.functional.scaled_dot_product_attention(*split, scale=1 / math.sqrt(y))
        o = q + mixed.transpose(1, 2).reshape(b, n, y)
        return o + torch.relu(self.fc_o(o))


class Nest(nn.Module):
    """A module under a name that the published code has."""

    def __init__(self, **inside):
        super().__init__()
        for name, module in inside.items():
            setattr(self, name, module)


def set_map(inputs, outputs, heads, outer):
    mab = Nest(mab=Attention(inputs, outputs, heads))
    return Nest(**{outer: Nest(set_layer=mab)})


def affine(inputs, outputs):
    return Nest(layer=nn.Sequential(nn.Linear(inputs, outputs)))


def apply(module, x):
    """Runs whatever is nested."""
    for name in ("set_layer", "layer", "mab"):
        if hasattr(module, name):
            module = getattr(module, name)
            return module(x) if isinstance(module, (nn.Sequential, Attention)) else apply(module, x)
    raise TypeError(module)


class Block(nn.Module):
    def __init__(self, maps):
        super().__init__()
        self.layers = nn.ModuleDict(maps)

    def __getitem__(self, key):
        return self.layers[f"{key[0]}_{key[1]}"]


class Layer(nn.Module):
    """One DWS layer from f to h features. Tensors: W_i [batch, d_i, d_{i+1}, f], b_i [batch, d_{i+1}, f]."""

    def __init__(self, dims, f, h, heads):
        super().__init__()
        self.dims, self.h = dims, h
        self.last = last = len(dims) - 2
        d0, dm = dims[0], dims[-1]

        def wide(kind, i, per):
            if kind == "w" and i == 0:
                return d0 * per
            return dm * per if i == last else per

        def set_of(x, y, outer="layer"):
            return set_map(x, y, heads, outer)

        ww, bb, bw, wb = {}, {}, {}, {}
        for i in range(last + 1):
            for j in range(last + 1):
                key = f"{i}_{j}"
                wi, bi = wide("w", i, f), wide("b", i, f)
                wj, bj = wide("w", j, h), wide("b", j, h)
                if i == j and 0 < i < last:
                    part = lambda: nn.Sequential(nn.Linear(f, h))
                    ww[key] = Nest(lin_all=part(), lin_n=part(), lin_m=part(), lin_both=part())
                elif i == j or (abs(i - j) == 1 and j == 0):
                    ww[key] = set_of(wi, wj, "set_layer")
                elif abs(i - j) == 1:
                    ww[key] = set_of(wi, h, "set_layer")
                else:
                    ww[key] = affine(wi, wj)
                bb[key] = set_of(f, h) if i == j < last else affine(bi, bj)
                if i == j == last:
                    bw[key] = affine(bi, wj)
                elif i == j or i + 1 == j:
                    bw[key] = set_of(f, wj if j in (0, last) else h)
                else:
                    bw[key] = affine(bi, wj if j == 0 else h)
                if (i == j or i == j + 1) and j < last:
                    wb[key] = set_of(wi, h)
                else:
                    wb[key] = affine(wi, bj)
        self.weight_to_weight = Block(ww)
        self.bias_to_bias = Block(bb)
        self.bias_to_weight = Block(bw)
        self.weight_to_bias = Block(wb)

    def forward(self, weights, biases):
        last, h, dims = self.last, self.h, self.dims
        d0, dm = dims[0], dims[-1]
        batch = biases[0].shape[0]
        inner = range(1, last)
        # Everything pooled once.
        positions = {0: weights[0].transpose(1, 2).flatten(2), last: weights[last].flatten(2)}
        over_rows = {i: weights[i].amax(1) for i in inner}
        over_columns = {i: weights[i].amax(2) for i in inner}
        pooled_w = {i: over_rows[i].amax(1) for i in inner}
        pooled_w[0] = weights[0].amax(2).flatten(1)
        pooled_w[last] = weights[last].amax(1).flatten(1)
        pooled_b = [b.amax(1) for b in biases[:-1]] + [biases[-1].flatten(1)]

        def into_weight(j, y, place):
            """An output over all of W_j."""
            if place == "rows":
                return y.unsqueeze(2)
            if place == "columns":
                return y.unsqueeze(1)
            if place == "positions" and j == 0:
                return y.view(batch, -1, d0, h).transpose(1, 2)
            if place == "positions":
                return y.view(batch, -1, dm, h)
            if y.shape[1] == h and (j != 0 or d0 == 1):
                return y.view(batch, 1, 1, h)
            return y.view(batch, d0, 1, h) if j == 0 else y.view(batch, 1, dm, h)

        out_w, out_b = [], []
        for j in range(last + 1):
            total = 0
            for i in range(last + 1):
                map_w, map_b = self.weight_to_weight[i, j], self.bias_to_weight[i, j]
                if i == j and i in inner:
                    x = weights[i]
                    y = (map_w.lin_all(x) + map_w.lin_n(over_rows[i]).unsqueeze(1)
                         + map_w.lin_m(over_columns[i]).unsqueeze(2)
                         + map_w.lin_both(pooled_w[i])[:, None, None])
                    total = total + y / 4
                elif abs(i - j) <= 1:
                    x = positions[i] if i in positions else (over_rows if i < j else over_columns)[i]
                    place = "positions" if i == j or j == 0 else "rows" if i < j else "columns"
                    y = apply(map_w, x)
                    if place == "rows" and j == last:
                        total = total + y.unsqueeze(2)
                    else:
                        total = total + into_weight(j, y, place)
                else:
                    total = total + into_weight(j, apply(map_w, pooled_w[i]), "all")
                if i == j == last or not (i == j or i + 1 == j):
                    total = total + into_weight(j, apply(map_b, pooled_b[i]), "all")
                else:
                    place = "positions" if j in (0, last) else "columns" if i == j else "rows"
                    total = total + into_weight(j, apply(map_b, biases[i]), place)
            out_w.append(total / (2 * (last + 1)))
            total = 0
            for i in range(last + 1):
                map_b, map_w = self.bias_to_bias[i, j], self.weight_to_bias[i, j]
                if i == j < last:
                    total = total + apply(map_b, biases[i])
                else:
                    total = total + apply(map_b, pooled_b[i]).view(batch, -1, h)
                if (i == j or i == j + 1) and j < last:
                    x = positions[i] if i in positions else (over_rows if i == j else over_columns)[i]
                    total = total + apply(map_w, x)
                else:
                    total = total + apply(map_w, pooled_w[i]).view(batch, -1, h)
            out_b.append(total / (2 * (last + 1)))
        return out_w, out_b


class Relu(nn.Module):
    def forward(self, weights, biases):
        return [torch.relu(w) for w in weights], [torch.relu(b) for b in biases]


class Trunk(nn.Module):
    def __init__(self, dims, hidden, hidden_layers):
        super().__init__()
        stages = [Layer(dims, 1, hidden, 8 if hidden_layers else 1)]
        for k in range(hidden_layers):
            heads = 1 if k + 1 == hidden_layers else 8
            # Published list: layer, ReLU, dropout, layer, ..
            stages += [Relu(), nn.Identity(), Layer(dims, hidden, hidden, heads)]
        self.layers = nn.ModuleList(stages)

    def forward(self, weights, biases):
        for stage in self.layers:
            if not isinstance(stage, nn.Identity):
                weights, biases = stage(weights, biases)
        return weights, biases


class Dws(nn.Module):
    def __init__(self, dims, hidden=32, hidden_layers=4, classes=10):
        super().__init__()
        self.dims = dims
        self.layers = Trunk(dims, hidden, hidden_layers)
        m = len(dims) - 1
        width = hidden * (2 * m - 3 + dims[0] + 2 * dims[m])
        self.clf = Nest(layer=nn.Sequential(nn.Linear(width, classes)))
        for layer in self.layers.modules():
            if isinstance(layer, nn.Linear):
                y, x = layer.weight.shape
                nn.init.normal_(layer.weight, std=math.sqrt(2 / (x + y)) * math.sqrt(2 * x / y))
                nn.init.uniform_(layer.bias, -1e-4, 1e-4)

    def split(self, nets):
        """[batch, P] in the layout of files."""
        weights, biases, at = [], [], 0
        for a, b in zip(self.dims, self.dims[1:]):
            weights.append(nets[:, at:at + a * b].view(-1, b, a).transpose(1, 2).unsqueeze(-1))
            at += a * b
            biases.append(nets[:, at:at + b].unsqueeze(-1))
            at += b
        return weights, biases

    def forward(self, nets):
        weights, biases = self.layers(*self.split(nets))
        weights, biases = Relu()(weights, biases)
        inner = [w.amax((1, 2)) for w in weights[1:-1]]
        parts = inner + [weights[0].amax(2).flatten(1), weights[-1].amax(1).flatten(1)]
        parts += [b.amax(1) for b in biases[:-1]] + [biases[-1].flatten(1)]
        return self.clf.layer(torch.cat(parts, 1))


def read_safetensors(path):
    """name -> numpy array."""
    kinds = {"F32": np.float32, "F64": np.float64, "I64": np.int64}
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    out = {}
    for name, entry in header.items():
        if name != "__metadata__":
            a, b = entry["data_offsets"]
            raw = data[8 + length + a:8 + length + b]
            out[name] = np.frombuffer(raw, kinds[entry["dtype"]]).reshape(entry["shape"])
    return out


def check(folder):
    """Logits of the three plain golden models."""
    manifest = json.loads((folder / "manifest.json").read_text())
    worst = 0.0
    for name in ("dws_odd", "dws_img", "dws_deep"):
        case = manifest["cases"]["dws"][name]
        tensors = read_safetensors(folder / f"{name}.safetensors")
        model = Dws(case["dims"], case["hidden_dim"], case["n_hidden"], case["n_classes"]).double()
        given = {k[6:]: torch.tensor(v).double() for k, v in tensors.items() if k.startswith("param.")}
        model.load_state_dict(given)
        weights = [torch.tensor(tensors[f"in.w.{i}"]).double() for i in range(len(case["dims"]) - 1)]
        biases = [torch.tensor(tensors[f"in.b.{i}"]).double() for i in range(len(case["dims"]) - 1)]
        flat = [t for w, b in zip(weights, biases) for t in (w[..., 0].transpose(1, 2).flatten(1), b[..., 0])]
        logits = model(torch.cat(flat, 1)).detach().numpy()
        error = np.abs(logits - tensors["logits"]).max() / np.abs(tensors["logits"]).max()
        print(f"{name}: relative error {error:.1e}")
        worst = max(worst, error)
    print(json.dumps({"check": "dws_torch", "worst": worst}))
    return 0 if worst < 1e-9 else 1


def optimizer_of(model, args):
    return torch.optim.AdamW(model.parameters(), lr=args.lr, weight_decay=5e-4, amsgrad=True)


def bench(args):
    device = torch.device(args.device)
    torch.manual_seed(0)
    model = Dws([2, 32, 32, 1], args.hidden, args.layers).to(device)
    forward = torch.compile(model) if args.compile else model
    optimizer = optimizer_of(model, args)
    nets = torch.randn(args.nets, 1185, device=device)
    labels = torch.arange(args.nets, device=device) % 10

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = nn.functional.cross_entropy(forward(nets), labels)
        loss.backward()
        optimizer.step()
        return loss

    def wait():
        if device.type == "cuda":
            torch.cuda.synchronize()

    for _ in range(args.warmup):
        step()
    wait()
    times = []
    for _ in range(args.steps):
        start = time.perf_counter()
        loss = step()
        wait()
        times.append(time.perf_counter() - start)
    median = statistics.median(times)
    print(json.dumps({
        "bench": "train", "peer": "torch" + ("-compile" if args.compile else ""), "torch": torch.__version__,
        "device": args.device, "threads": torch.get_num_threads(), "hidden": args.hidden, "hidden_layers": args.layers,
        "nets": args.nets, "ms_per_step": median * 1e3, "ms_least": min(times) * 1e3,
        "samples_per_second": args.nets / median, "loss": loss.item(),
    }))
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    b = commands.add_parser("bench")
    b.add_argument("--hidden", type=int, default=32)
    b.add_argument("--layers", type=int, default=4)
    b.add_argument("--nets", type=int, default=64)
    b.add_argument("--steps", type=int, default=10)
    b.add_argument("--warmup", type=int, default=3)
    b.add_argument("--lr", type=float, default=5e-3)
    b.add_argument("--compile", action="store_true")
    b.add_argument("--device", default="cpu")
    c = commands.add_parser("check")
    c.add_argument("folder", type=Path)
    args = parser.parse_args()
    return check(args.folder) if args.command == "check" else bench(args)


if __name__ == "__main__":
    sys.exit(main())
