#!/usr/bin/env python3
"""Peer: many small SIRENs at once in PyTorch. See README.md beside this file.

All nets are batched into one tensor per layer. Adam is elementwise, so one optimiser over the
batched tensors equals one optimiser per net; the loss is summed over nets, which keeps their
gradients apart.
"""

import math
import sys
import time

import torch

import common
from common import BETA1, BETA2, EPSILON, OFFSET, OMEGA


class Job:
    """Parameters and data as tensors, in the layout that the variant wants."""

    def __init__(self, args, features_first):
        device = torch.device(args.device)
        self.features_first = features_first
        xy = torch.from_numpy(common.grid())
        y = torch.from_numpy(common.targets(args.nets, args.seed))
        self.params = []
        for weight, bias in common.initial(args.nets, args.seed):
            weight, bias = torch.from_numpy(weight), torch.from_numpy(bias)
            if features_first:  # activations [N, width, points], weights (out, in)
                self.params += [weight, bias.unsqueeze(2)]
            else:  # activations [N, points, width], weights (in, out)
                self.params += [weight.transpose(1, 2).contiguous(), bias.unsqueeze(1)]
        if features_first:
            xy, y = xy.T.contiguous(), y.transpose(1, 2)
        self.params = [p.to(device).contiguous() for p in self.params]
        self.x = xy.to(device).expand(args.nets, -1, -1)
        self.y = y.contiguous().to(device)

    def affine(self, h, weight, bias, scale):
        """scale (W h + b), with the scale inside the matrix product."""
        if self.features_first:
            return torch.baddbmm(bias, weight, h, beta=scale, alpha=scale)
        return torch.baddbmm(bias, h, weight, beta=scale, alpha=scale)

    def residual(self, params, x, y):
        w1, b1, w2, b2, w3, b3 = params
        h = torch.sin(self.affine(x, w1, b1, OMEGA))
        h = torch.sin(self.affine(h, w2, b2, OMEGA))
        return self.affine(h, w3, b3, 1.0) + OFFSET - y

    def loss(self, params, x, y):
        return self.residual(params, x, y).square().mean((1, 2)).sum()

    def mse(self):
        with torch.no_grad():
            return self.residual(self.params, self.x, self.y).square().mean((1, 2)).cpu().numpy()


def autograd(args, job):
    """Autograd and torch.optim.Adam: what one would write first."""
    for p in job.params:
        p.requires_grad_(True)
    kind = {"fused": {"fused": True}, "foreach": {"foreach": True}, "loop": {"foreach": False}}[args.adam]
    optimiser = torch.optim.Adam(job.params, lr=args.lr, betas=(BETA1, BETA2), eps=EPSILON,
                                 capturable=args.cuda_graph, **kind)
    # In chunks of nets the activations stay in the cache: chunks share the parameter tensors.
    size = args.chunk or args.nets
    x, y = job.x.split(size), job.y.split(size)

    def step():
        optimiser.zero_grad(set_to_none=True)
        if len(x) == 1:
            job.loss(job.params, job.x, job.y).backward()
        else:
            pieces = zip(zip(*(p.split(size) for p in job.params)), x, y)
            torch.stack([job.loss(p, a, b) for p, a, b in pieces]).sum().backward()
        optimiser.step()

    return step


def manual(args, job):
    """The gradient by hand, in place, into buffers that are allocated once; fused Adam."""
    points = job.y.shape[1] * job.y.shape[2]
    size = args.chunk or args.nets
    grads = [torch.zeros_like(p) for p in job.params]
    optimiser = torch.optim.Adam(job.params, lr=args.lr, betas=(BETA1, BETA2), eps=EPSILON,
                                 capturable=args.cuda_graph, fused=args.adam == "fused")
    for p, g in zip(job.params, grads):
        p.grad = g
    width = job.params[2].shape[1]
    shape = (width, points) if job.features_first else (points, width)
    room = [torch.empty(min(size, args.nets), *shape, device=job.y.device) for _ in range(5)]
    split = [t.split(size) for t in (job.x, job.y, *job.params, *grads)]
    first = job.features_first

    def piece(x, y, w1, b1, w2, b2, w3, b3, gw1, gb1, gw2, gb2, gw3, gb3):
        h1, c1, h2, c2, d = (r[: y.shape[0]] for r in room)
        out, b_, a_ = torch.baddbmm, OMEGA, OMEGA
        ones_axis = 2 if first else 1
        z = out(b1, w1, x, beta=b_, alpha=a_, out=c1) if first else out(b1, x, w1, beta=b_, alpha=a_, out=c1)
        torch.sin(z, out=h1)
        c1.cos_()
        z = out(b2, w2, h1, beta=b_, alpha=a_, out=c2) if first else out(b2, h1, w2, beta=b_, alpha=a_, out=c2)
        torch.sin(z, out=h2)
        c2.cos_()
        e = out(b3, w3, h2) if first else out(b3, h2, w3)
        e.add_(OFFSET).sub_(y).mul_(2.0 / points)
        torch.sum(e, ones_axis, keepdim=True, out=gb3)
        if first:
            torch.bmm(e, h2.transpose(1, 2), out=gw3)
            torch.bmm(w3.transpose(1, 2), e, out=d)
        else:
            torch.bmm(h2.transpose(1, 2), e, out=gw3)
            torch.mul(e, w3.transpose(1, 2), out=d)
        d.mul_(c2)
        torch.sum(d, ones_axis, keepdim=True, out=gb2).mul_(OMEGA)
        if first:
            torch.bmm(d, h1.transpose(1, 2), out=gw2).mul_(OMEGA)
            d2 = torch.bmm(w2.transpose(1, 2), d, out=c2)
        else:
            torch.bmm(h1.transpose(1, 2), d, out=gw2).mul_(OMEGA)
            d2 = torch.bmm(d, w2.transpose(1, 2), out=c2)
        d2.mul_(c1)
        torch.sum(d2, ones_axis, keepdim=True, out=gb1).mul_(OMEGA * OMEGA)
        if first:
            torch.bmm(d2, x.transpose(1, 2), out=gw1).mul_(OMEGA * OMEGA)
        else:
            torch.bmm(x.transpose(1, 2), d2, out=gw1).mul_(OMEGA * OMEGA)

    @torch.no_grad()
    def step():
        for chunk in zip(*split):
            piece(*chunk)
        optimiser.step()

    return step


def compiled(args, job):
    """torch.compile over the whole step, gradient and Adam included: one graph, no Python inside."""
    moments = [[torch.zeros_like(p) for p in job.params] for _ in range(2)]
    count = torch.zeros((), device=job.y.device)
    state = [*job.params, *moments[0], *moments[1], count]
    for tensor in state:
        # Updated in place at one address, which is what lets CUDA graphs replay the step.
        torch._dynamo.mark_static_address(tensor)
    gradient = torch.func.grad(job.loss)
    x, y, lr = job.x, job.y, args.lr

    def update():
        grads = gradient(job.params, x, y)
        count.add_(1.0)
        # 1 - beta^count; in float32 the plain difference loses four digits in the first steps.
        rate = lr / -torch.expm1(count * math.log(BETA1))
        root = torch.sqrt(-torch.expm1(count * math.log(BETA2)))
        for p, m, v, g in zip(job.params, *moments, grads):
            m.mul_(BETA1).add_(g, alpha=1.0 - BETA1)
            v.mul_(BETA2).addcmul_(g, g, value=1.0 - BETA2)
            p.sub_(rate * m / (v.sqrt() / root + EPSILON))

    mode = args.mode or ("max-autotune" if args.device.startswith("cuda") else "default")
    fast = torch.compile(update, mode=mode, fullgraph=True, dynamic=False)

    @torch.no_grad()
    def step():
        fast()

    return step


def graphed(step, warmup):
    """The step recorded once as a CUDA graph and replayed: no launch overhead."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(warmup):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def main():
    p = common.parser("PyTorch")
    p.add_argument("--variant", choices=["autograd", "manual"], default="autograd", help="who writes the gradient")
    p.add_argument("--layout", choices=["points", "features"], default="features",
                   help="which axis of the activations comes first")
    p.add_argument("--chunk", type=common.positive, help="nets per pass, so that activations stay in the cache")
    p.add_argument("--adam", choices=["fused", "foreach", "loop"], default="fused")
    p.add_argument("--compile", action="store_true", help="torch.compile; mode max-autotune on cuda")
    p.add_argument("--cuda-graph", action="store_true",
                   help="record the step as a CUDA graph (with --compile: only with a --mode that makes none itself)")
    p.add_argument("--mode", help="another mode for --compile")
    p.add_argument("--threads", type=common.positive, help="CPU threads (default: PyTorch's choice)")
    args = p.parse_args()
    if args.device.startswith("cuda") and not torch.cuda.is_available():
        p.error("--device cuda: PyTorch sees no CUDA device; use --device cpu")
    if args.cuda_graph and (not args.device.startswith("cuda") or args.warmup < 3):
        p.error("--cuda-graph needs --device cuda and --warmup of at least 3")
    if args.threads:
        torch.set_num_threads(args.threads)
    # The job is float32; this is the default and is said here so that it stays so.
    torch.backends.cuda.matmul.allow_tf32 = False

    job = Job(args, args.layout == "features")
    make = compiled if args.compile else {"autograd": autograd, "manual": manual}[args.variant]
    step = make(args, job)
    wait = torch.cuda.synchronize if args.device.startswith("cuda") else lambda: None

    if args.cuda_graph:
        step = graphed(step, args.warmup)
    else:
        for _ in range(args.warmup):
            step()
    wait()
    start = time.perf_counter()
    for _ in range(args.steps):
        step()
    wait()
    seconds = time.perf_counter() - start
    name = "compile" if args.compile else f"{args.variant}, {args.layout} first, adam {args.adam}" + (
        f", chunks of {args.chunk}" if args.chunk else "")
    name += ", CUDA graph" if args.cuda_graph else ""
    mse = job.mse()
    gpu = torch.cuda.get_device_name() if args.device.startswith("cuda") else None
    return common.report(args, seconds, mse, peer="torch", version=torch.__version__, variant=name,
                         threads=torch.get_num_threads(), gpu=gpu)


if __name__ == "__main__":
    sys.exit(main())
