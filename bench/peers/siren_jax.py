#!/usr/bin/env python3
"""Peer: many small SIRENs at once in JAX (jit, vmap, lax.scan). See README.md beside this file.

The loss of one net is written for one net; vmap makes it many, and the whole run is one compiled
loop on the device.
"""

import math
import os
import sys
import time

import common
from common import BETA1, BETA2, EPSILON, OFFSET, OMEGA


def main():
    p = common.parser("JAX")
    p.add_argument("--layout", choices=["points", "features"], default="features",
                   help="which axis of the activations comes first")
    p.add_argument("--unroll", type=common.positive, default=1, help="steps per turn of the loop (default 1)")
    args = p.parse_args()
    # Before jax is imported: it takes hold of its devices then.
    os.environ.setdefault("JAX_PLATFORMS", "cuda" if args.device.startswith("cuda") else "cpu")
    import jax
    import jax.numpy as jnp

    # The job is float32; on GPUs JAX would otherwise take the tensor cores' shorter formats.
    jax.config.update("jax_default_matmul_precision", "highest")
    features_first = args.layout == "features"

    params = [(jnp.asarray(w), jnp.asarray(b)) for w, b in common.initial(args.nets, args.seed)]
    x = jnp.asarray(common.grid().T if features_first else common.grid())
    y = jnp.asarray(common.targets(args.nets, args.seed)[:, :, 0])

    def loss(net, target):
        h = x
        for index, (w, b) in enumerate(net):
            z = w @ h + b[:, None] if features_first else h @ w.T + b
            h = z if index == len(net) - 1 else jnp.sin(OMEGA * z)
        out = h[0] if features_first else h[:, 0]
        return jnp.mean(jnp.square(out + OFFSET - target))

    gradient = jax.vmap(jax.grad(loss))

    def update(state, _):
        net, m, v, count = state
        grads = gradient(net, y)
        count = count + 1
        m = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, m, grads)
        v = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, v, grads)
        # 1 - beta^count; in float32 the plain difference loses four digits in the first steps.
        c1, c2 = (-jnp.expm1(count * math.log(beta)) for beta in (BETA1, BETA2))
        net = jax.tree.map(
            lambda p, m, v: p - args.lr * (m / c1) / (jnp.sqrt(v / c2) + EPSILON), net, m, v)
        return (net, m, v, count), None

    def run(steps):
        def all_steps(state):
            return jax.lax.scan(update, state, length=steps, unroll=args.unroll)[0]
        return jax.jit(all_steps, donate_argnums=0)

    zeros = jax.tree.map(jnp.zeros_like, params)
    state = (params, zeros, jax.tree.map(jnp.zeros_like, params), jnp.float32(0))
    timed = run(args.steps).lower(state).compile()
    if args.warmup > 0:
        state = run(args.warmup)(state)
    jax.block_until_ready(state)
    start = time.perf_counter()
    state = jax.block_until_ready(timed(state))
    seconds = time.perf_counter() - start

    mse = jax.jit(jax.vmap(loss))(state[0], y)
    gpu = jax.devices()[0].device_kind if args.device.startswith("cuda") else None
    return common.report(args, seconds, mse, peer="jax", version=jax.__version__,
                         variant=f"jit, vmap, scan, {args.layout} first", threads=None, gpu=gpu)


if __name__ == "__main__":
    sys.exit(main())
