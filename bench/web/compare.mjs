// The same fit in the same browser: Weightlab's worker and jax-js, both on WebGPU, in alternating rounds.
//
//   cargo xtask test --stage page && (cd bench/web && npm ci) && node bench/web/compare.mjs [--rounds 4] [--gpu]
//
// 16 networks of 2-32-32-1 on 784 points, full batch, Adam. SwiftShader unless --gpu, which takes the browser's own adapter.

import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { loadavg } from 'node:os';
import { dirname, extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { launch, noMoreMessages, open, ready, serve } from '../../tools/page/harness.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const args = process.argv.slice(2);
const rounds = Number(args[args.indexOf('--rounds') + 1]) || 4;
const gpu = !args.includes('--gpu');
const STEPS = 40;

/** The peer's page and the npm packages it imports. */
async function servePeer() {
  const types = { '.js': 'text/javascript', '.mjs': 'text/javascript', '.html': 'text/html', '.wasm': 'application/wasm' };
  const server = createServer((request, response) => {
    const file = join(here, normalize(new URL(request.url, 'http://x').pathname));
    if (!statSync(file, { throwIfNoEntry: false })?.isFile()) return void response.writeHead(404).end();
    response.writeHead(200, { 'content-type': types[extname(file)] ?? 'application/octet-stream' });
    createReadStream(file).pipe(response);
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return { url: `http://127.0.0.1:${server.address().port}/jax.html`, close: () => server.close() };
}

const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
};
const spread = (values) => `${Math.min(...values).toFixed(2)} to ${Math.max(...values).toFixed(2)}`;

const site = await serve('dist');
const peer = await servePeer();
const browser = await launch({ gpu, args: gpu ? [] : ['--enable-unsafe-webgpu', '--enable-features=Vulkan'] });
console.log(`load before: ${loadavg()[0].toFixed(1)}`);

const ours = await open(browser, site.url);
await ready(ours);
await ours.locator('.device').click();
const theirs = await (await browser.newContext()).newPage();
theirs.on('pageerror', (error) => console.log(`jax-js: ${error}`));
await theirs.goto(peer.url);
await theirs.waitForFunction(() => window.ready, null, { timeout: 120_000 });

const measureOurs = async () => {
  await ours.evaluate(() => (window.seen.measured = null));
  await ours.getByRole('button', { name: 'Measure its speed' }).click();
  await ours.waitForFunction(() => window.seen.measured, null, { timeout: 240_000 });
  return ours.evaluate(() => window.seen.measured);
};
const measureTheirs = () => theirs.evaluate((steps) => window.measure(steps), STEPS);

// Once each to compile.
const kernel = (await measureOurs()).kernel;
await measureTheirs();
const [mine, its] = [[], []];
for (let round = 0; round < rounds; round++) {
  mine.push((await measureOurs()).ms_per_net_step);
  its.push((await measureTheirs()).ms_per_net_step);
  console.log(`round ${round + 1}: weightlab ${mine.at(-1).toFixed(3)}, jax-js ${its.at(-1).toFixed(3)} ms per net and step`);
}
console.log(`load after: ${loadavg()[0].toFixed(1)}; weightlab's kernel: ${kernel}`);
console.log(`weightlab ${median(mine).toFixed(3)} (${spread(mine)}), jax-js ${median(its).toFixed(3)} (${spread(its)})`);
const ratios = its.map((value, i) => value / mine[i]);
console.log(`jax-js takes ${median(ratios).toFixed(2)} times as long (${spread(ratios)})`);
await browser.close();
site.close();
noMoreMessages();
peer.close();
