// 16 SIRENs of 2-32-32-1 on 784 points with Adam, in jax-js: all networks as one batch, one jitted step.

import { defaultDevice, init, jit, numpy as np, tree, valueAndGrad } from '@jax-js/jax';

const [NETS, SIDE, WIDTH, OMEGA] = [16, 28, 32, 30];

/** Uniform numbers from -bound to bound. */
function uniform(shape, bound) {
  const count = shape.reduce((a, b) => a * b, 1);
  const values = Float32Array.from({ length: count }, () => (2 * Math.random() - 1) * bound);
  return np.array(values).reshape(shape);
}

// All operands have rank 3: products of rank 2 and rank 3 came out with the wrong shape in 0.1.25.
const net = (p, x) => {
  let h = np.sin(np.matmul(x, p.w1).add(p.c1).mul(OMEGA));
  h = np.sin(np.matmul(h, p.w2).add(p.c2).mul(OMEGA));
  return np.matmul(h, p.w3).add(p.c3);
};
// Mean over points, sum over networks: the gradients of the networks do not mix.
const loss = (p, x, y) => np.square(net(p, x).sub(y)).mean([1, 2]).sum();

const [RATE, B1, B2, EPSILON] = [5e-4, 0.9, 0.999, 1e-8];
const step = jit((p, m, v, x, y, c1, c2) => {
  const [value, g] = valueAndGrad(loss)(tree.ref(p), x, y);
  m = tree.map((m, g) => m.mul(B1).add(g.mul(1 - B1)), m, tree.ref(g));
  v = tree.map((v, g) => v.mul(B2).add(np.square(g).mul(1 - B2)), v, g);
  const update = (p, m, v) =>
    p.sub(m.mul(c1.ref).mul(RATE).div(np.sqrt(v.mul(c2.ref)).add(EPSILON)));
  p = tree.map(update, p, tree.ref(m), tree.ref(v));
  return [p, m, v, value];
});

const grid = new Float32Array(SIDE * SIDE * 2);
for (let r = 0; r < SIDE; r++) {
  for (let c = 0; c < SIDE; c++) {
    grid.set([(2 * c) / (SIDE - 1) - 1, (2 * r) / (SIDE - 1) - 1], 2 * (r * SIDE + c));
  }
}

await init('webgpu');
defaultDevice('webgpu');

const bound = Math.sqrt(6 / WIDTH) / OMEGA;
let p = {
  w1: uniform([NETS, 2, WIDTH], 0.5),
  c1: uniform([NETS, 1, WIDTH], 0.7),
  w2: uniform([NETS, WIDTH, WIDTH], bound),
  c2: uniform([NETS, 1, WIDTH], 0.17),
  w3: uniform([NETS, WIDTH, 1], bound),
  c3: uniform([NETS, 1, 1], 0.17),
};
let m = tree.map((a) => np.zerosLike(a), tree.ref(p));
let v = tree.map((a) => np.zerosLike(a), tree.ref(p));
const x = np.array(grid).reshape([1, SIDE * SIDE, 2]);
const y = uniform([NETS, SIDE * SIDE, 1], 1);
let t = 0;

async function run(steps) {
  let value;
  for (let s = 0; s < steps; s++) {
    t += 1;
    const [c1, c2] = [B1, B2].map((beta) => np.array(1 / (1 - beta ** t)));
    value?.dispose();
    [p, m, v, value] = step(p, m, v, x.ref, y.ref, c1, c2);
  }
  // Waits for everything.
  return (await value.data())[0];
}

/** Milliseconds per network and step over so many steps. */
window.measure = async (steps) => {
  await run(3);
  const begin = performance.now();
  const loss = await run(steps);
  return { ms_per_net_step: (performance.now() - begin) / (steps * NETS), loss };
};
window.ready = true;
