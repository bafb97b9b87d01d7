#!/usr/bin/env python3
"""DWS (Navon et al., ICML 2023) in PyTorch, written from the mathematics: set attention, max pooling, no normalisation.

    dws_torch.py --check ../../testdata/golden/dws    logits and gradients of dws_odd, dws_img and dws_deep, in float64
    dws_torch.py --batch 64 256                       samples per second of training steps, a JSON line each
"""

import argparse
import json
import math
import struct
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F


class Dws(torch.nn.Module):
    """Parameters have the names of the published code, with / for the dots."""

    def __init__(self, dims, hidden, n_hidden, classes, heads=8, last_heads=1):
        super().__init__()
        self.dims, self.h, self.classes = dims, hidden, classes
        self.layers = n_hidden + 1
        self.heads = [heads] * n_hidden + [last_heads]
        self.p = torch.nn.ParameterDict()
        depth = len(dims) - 1
        # One pass on shapes alone makes the parameters where they are first used.
        self.making = True
        with torch.no_grad():
            nets = [torch.zeros(1, m, n) for m, n in zip(dims, dims[1:])]
            self.forward(nets, [torch.zeros(1, n) for n in dims[1:]])
        self.making = False
        assert depth >= 3

    def linear(self, name, x, out):
        key = name.replace(".", "/")
        if self.making and key + "/weight" not in self.p:
            fan = x.shape[-1]
            if name.startswith("clf"):
                bound = 1 / math.sqrt(fan)
                weight, bias = torch.empty(out, fan).uniform_(-bound, bound), torch.empty(out).uniform_(-bound, bound)
            else:
                std = math.sqrt(2 / (fan + out)) * math.sqrt(2 * fan / out)
                weight, bias = std * torch.randn(out, fan), torch.empty(out).uniform_(-1e-4, 1e-4)
            self.p[key + "/weight"] = torch.nn.Parameter(weight)
            self.p[key + "/bias"] = torch.nn.Parameter(bias)
        return F.linear(x, self.p[key + "/weight"], self.p[key + "/bias"])

    def set(self, name, x, out, heads):
        """Set attention over the second axis."""
        q, k, v = (self.linear(f"{name}.fc_{c}", x, out) for c in "qkv")
        b, n, _ = q.shape
        qh, kh, vh = (t.view(b, n, heads, out // heads).transpose(1, 2) for t in (q, k, v))
        weights = torch.softmax(qh @ kh.transpose(-1, -2) / math.sqrt(out), -1)
        o = q + (weights @ vh).transpose(1, 2).reshape(b, n, out)
        return o + F.relu(self.linear(f"{name}.fc_o", o, out))

    def layer(self, l, ws, bs):
        d, h, heads = self.dims, self.h, self.heads[l]
        m = len(ws)
        last = m - 1
        name = f"layers.layers.{3 * l}"
        batch = ws[0].shape[0]
        # W_0 by position of d_1, W_L by position of d_L, everything else pooled.
        first = ws[0].transpose(1, 2).flatten(2)
        final = ws[last].flatten(2)
        b_final = bs[last].flatten(1)

        def u(i):
            if i == 0:
                return first.amax(1)
            return final.amax(1) if i == last else ws[i].amax((1, 2))

        def ub(i):
            return b_final if i == last else bs[i].amax(1)

        def to_first(x):  # [B, d_1, d_0 h] -> [B, d_0, d_1, h]
            return x.view(batch, -1, d[0], h).transpose(1, 2)

        def to_final(x):  # [B, d_L, d_M h] -> [B, d_L, d_M, h]
            return x.view(batch, -1, d[m], h)

        out_w = []
        for j in range(m):
            total = 0
            for i in range(m):
                n = f"{name}.weight_to_weight.layers.{i}_{j}"
                s, far = f"{n}.set_layer.set_layer.mab", f"{n}.layer.0"
                if i == j == 0:
                    total = total + to_first(self.set(s, first, d[0] * h, heads))
                elif i == j == last:
                    total = total + to_final(self.set(s, final, d[m] * h, heads))
                elif i == j:
                    w = ws[i]
                    total = total + 0.25 * (
                        self.linear(f"{n}.lin_all.0", w, h)
                        + self.linear(f"{n}.lin_n.0", w.amax(1), h)[:, None]
                        + self.linear(f"{n}.lin_m.0", w.amax(2), h)[:, :, None]
                        + self.linear(f"{n}.lin_both.0", w.amax((1, 2)), h)[:, None, None]
                    )
                elif j == i + 1:
                    x = first if i == 0 else ws[i].amax(1)
                    total = total + self.set(s, x, h, heads)[:, :, None]
                elif j == i - 1 and j == 0:
                    x = final if i == last else ws[i].amax(2)
                    total = total + to_first(self.set(s, x, d[0] * h, heads))
                elif j == i - 1:
                    x = final if i == last else ws[i].amax(2)
                    total = total + self.set(s, x, h, heads)[:, None]
                elif j == 0:
                    total = total + self.linear(far, u(i), d[0] * h).view(batch, d[0], 1, h)
                elif j == last:
                    total = total + self.linear(far, u(i), d[m] * h).view(batch, 1, d[m], h)
                else:
                    total = total + self.linear(far, u(i), h)[:, None, None]
            for i in range(m):
                n = f"{name}.bias_to_weight.layers.{i}_{j}"
                s, far = f"{n}.layer.set_layer.mab", f"{n}.layer.0"
                if i == j == 0:
                    total = total + to_first(self.set(s, bs[0], d[0] * h, heads))
                elif i == j == last:
                    total = total + self.linear(far, b_final, d[m] * h).view(batch, 1, d[m], h)
                elif i == j:
                    total = total + self.set(s, bs[i], h, heads)[:, None]
                elif i == j - 1 and j == last:
                    total = total + to_final(self.set(s, bs[i], d[m] * h, heads))
                elif i == j - 1:
                    total = total + self.set(s, bs[i], h, heads)[:, :, None]
                elif j == 0:
                    total = total + self.linear(far, ub(i), d[0] * h).view(batch, d[0], 1, h)
                else:
                    total = total + self.linear(far, ub(i), h)[:, None, None]
            out_w.append(total.expand(batch, d[j], d[j + 1], h) / (2 * m))
        out_b = []
        for j in range(m):
            total = 0
            wide = d[m] * h if j == last else h

            def spread(x):
                return x.view(batch, d[m], h) if j == last else x[:, None]

            for i in range(m):
                n = f"{name}.bias_to_bias.layers.{i}_{j}"
                if i == j and j < last:
                    total = total + self.set(f"{n}.layer.set_layer.mab", bs[i], h, heads)
                else:
                    total = total + spread(self.linear(f"{n}.layer.0", ub(i), wide))
            for i in range(m):
                n = f"{name}.weight_to_bias.layers.{i}_{j}"
                s = f"{n}.layer.set_layer.mab"
                if i == j == 0:
                    total = total + self.set(s, first, h, heads)
                elif i == j == last:
                    total = total + spread(self.linear(f"{n}.layer.0", u(last), wide))
                elif i == j:
                    total = total + self.set(s, ws[i].amax(1), h, heads)
                elif i == j + 1:
                    x = final if i == last else ws[i].amax(2)
                    total = total + self.set(s, x, h, heads)
                else:
                    total = total + spread(self.linear(f"{n}.layer.0", u(i), wide))
            out_b.append(total.expand(batch, d[j + 1], h) / (2 * m))
        return out_w, out_b

    def forward(self, ws, bs):
        """Weights [B, d_i, d_i+1] and biases [B, d_i+1]."""
        ws, bs = [w[..., None] for w in ws], [b[..., None] for b in bs]
        for l in range(self.layers):
            ws, bs = self.layer(l, ws, bs)
            ws, bs = [F.relu(w) for w in ws], [F.relu(b) for b in bs]
        last = len(ws) - 1
        parts = [w.amax((1, 2)) for w in ws[1:last]]
        parts += [ws[0].transpose(1, 2).flatten(2).amax(1), ws[last].flatten(2).amax(1)]
        parts += [b.amax(1) for b in bs[:last]] + [bs[last].flatten(1)]
        return self.linear("clf.layer.0", torch.cat(parts, -1), self.classes)


def tensors(path):
    kinds = {"F32": torch.float32, "F64": torch.float64, "I64": torch.int64}
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    out = {}
    for name, entry in json.loads(raw[8 : 8 + length]).items():
        if name != "__metadata__":
            a, b = entry["data_offsets"]
            data = torch.frombuffer(bytearray(raw[8 + length + a : 8 + length + b]), dtype=kinds[entry["dtype"]])
            out[name] = data.reshape(entry["shape"])
    return out


def check(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    worst = 0.0
    for case in ("dws_odd", "dws_img", "dws_deep"):
        of = manifest["cases"]["dws"][case]
        t = tensors(folder / f"{case}.safetensors")
        model = Dws(of["dims"], of["hidden_dim"], of["n_hidden"], of["n_classes"]).double()
        with torch.no_grad():
            for key, p in model.p.items():
                p.copy_(t["param." + key.replace("/", ".")])
        depth = len(of["dims"]) - 1
        ws = [t[f"in.w.{i}"][..., 0].double() for i in range(depth)]
        bs = [t[f"in.b.{i}"][..., 0].double() for i in range(depth)]
        logits = model(ws, bs)
        target = t["soft_labels"].double() if "soft_labels" in t else t["labels"]
        F.cross_entropy(logits, target).backward()
        error = (logits - t["logits"]).abs().max().item()
        for key, p in model.p.items():
            golden = t["grad." + key.replace("/", ".")].double()
            error = max(error, (p.grad - golden).abs().max().item() / (golden.abs().max().item() + 1e-4))
        count = sum(p.numel() for p in model.parameters())
        print(f"{case}: {count} parameters, {of['n_params']} expected, worst error {error:.1e}")
        # Gradients of more than 64 entries are stored as float32.
        worst = max(worst, error, float(count != of["n_params"]))
    return worst < 1e-6


def bench(args):
    device = torch.device(args.device)
    dims = [int(d) for d in args.dims.split(",")]
    for batch in args.batch:
        torch.manual_seed(0)
        model = Dws(dims, args.hidden, args.layers, 10).to(device)
        optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=5e-4, amsgrad=True)
        ws = [torch.randn(batch, m, n, device=device) for m, n in zip(dims, dims[1:])]
        bs = [torch.randn(batch, n, device=device) for n in dims[1:]]
        labels = torch.arange(batch, device=device) % 10
        run = torch.compile(model) if args.compile else model

        def step():
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(run(ws, bs), labels).backward()
            optimizer.step()

        def seconds(steps):
            start = time.perf_counter()
            for _ in range(steps):
                step()
            if device.type == "cuda":
                torch.cuda.synchronize()
            return (time.perf_counter() - start) / steps

        seconds(1)
        steps = max(1, min(200, math.ceil(1.0 / seconds(1))))
        best = min(seconds(steps) for _ in range(args.rounds))
        line = {
            "bench": "train", "peer": "torch" + ("-compile" if args.compile else ""), "batch": batch,
            "parameters": sum(p.numel() for p in model.parameters()), "dims": args.dims,
            "ms": best * 1e3, "samples_per_s": batch / best, "threads": torch.get_num_threads(), "torch": torch.__version__,
        }
        print(json.dumps(line), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", type=Path, metavar="GOLDEN")
    parser.add_argument("--batch", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--hidden", type=int, default=32)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--dims", default="2,32,32,1")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--compile", action="store_true")
    args = parser.parse_args()
    if args.check:
        sys.exit(0 if check(args.check) else 1)
    bench(args)


if __name__ == "__main__":
    main()
