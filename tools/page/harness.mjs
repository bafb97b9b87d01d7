// What the tests of the page share: a server that knows one folder, browsers, and a small runner.

import { spawn } from 'node:child_process';
import { createReadStream, mkdirSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { createInterface } from 'node:readline';
import axe from 'axe-core';
import { chromium } from 'playwright-core';

/** A task of the page's own thread that is longer than this is one that a person may feel, in ms. */
export const LONG = 50;
/** What is asserted: a machine that is busy computing with the same cores stretches every task. */
export const LONG_HERE = 150;

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.wasm': 'application/wasm',
  '.svg': 'image/svg+xml',
  '.webp': 'image/webp',
};

/** Serves `dist` below a folder that the page knows nothing of; resolves to its address, with `close()`. */
export async function serve(dist, folder = '/a/folder/of/any/name/') {
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url, 'http://x').pathname);
    const file = path.startsWith(folder) && join(dist, normalize(path.slice(folder.length) || 'index.html'));
    const found = file && statSync(file, { throwIfNoEntry: false });
    if (!found?.isFile()) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' });
    createReadStream(file).pipe(response);
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address();
  return { port, folder, url: `http://127.0.0.1:${port}${folder}`, close: () => server.close() };
}

/** A browser with WebGPU on a software GPU, or without. */
export function launch({ gpu = true, args = [] } = {}) {
  const flags = gpu ? ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'] : [];
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? 'chromium',
    // The sandbox needs privileges that containers do not have; only this project's own page is opened.
    args: ['--no-sandbox', ...flags, ...args],
  });
}

/** The program that understands the worker's messages: an example of the page's crate. */
export const EXPLAIN = process.env.EXPLAIN ?? 'target/release/examples/explain';

/** Reads the worker's messages by it, one after the other. */
class Explainer {
  constructor(program) {
    this.waiting = [];
    this.child = spawn(program, { stdio: ['pipe', 'pipe', 'inherit'] });
    createInterface({ input: this.child.stdout }).on('line', (line) => this.waiting.shift()(JSON.parse(line)));
  }

  /** The message, given in hexadecimal. */
  explain(message) {
    return new Promise((done) => {
      this.waiting.push(done);
      this.child.stdin.write(`${message}\n`);
    });
  }
}

let explainer;
const explain = (message) => {
  explainer ??= new Explainer(EXPLAIN);
  return explainer.explain(message);
};

/** No page is open any more. */
export function noMoreMessages() {
  explainer?.child.stdin.end();
}

/**
 * A page that keeps what went wrong in it (`faults`), what it asked other hosts for (`foreign`), and, in the page itself,
 * the longest main-thread tasks and the newest frame of the worker (`window.seen`).
 */
export async function open(browser, url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  page.faults = [];
  page.foreign = [];
  page.on('pageerror', (error) => page.faults.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error') page.faults.push(message.text());
  });
  page.on('request', (request) => {
    const { protocol, host } = new URL(request.url());
    if (protocol.startsWith('http') && host !== new URL(url).host) page.foreign.push(request.url());
  });
  await page.exposeFunction('explain', explain);
  await page.addInitScript(() => {
    window.seen = { long: [], frame: null, started: 0, startedAt: 0, tried: null };
    window.seen.mix = { line: null, strips: [], at: null, costs: null };
    new PerformanceObserver((list) => {
      for (const task of list.getEntries()) window.seen.long.push(Math.round(task.duration));
    }).observe({ type: 'longtask', buffered: true });
    const Plain = window.Worker;
    window.Worker = class extends Plain {
      constructor(...args) {
        super(...args);
        this.addEventListener('message', async ({ data }) => {
          const now = performance.now();
          if (!data.value) return;
          const reply = await window.explain(Array.from(data.value, (byte) => byte.toString(16).padStart(2, '0')).join(''));
          const { Frame, Started } = reply.Fit ?? {};
          if (Frame) window.seen.frame = Frame;
          if (reply.Augment?.Tried) window.seen.tried = reply.Augment.Tried;
          const { Line, Strip, At, Costs } = reply.Mix ?? {};
          if (Line) window.seen.mix = { line: Line, strips: [], at: null, costs: null };
          if (Strip) window.seen.mix.strips.push(Strip);
          if (At) window.seen.mix.at = At;
          if (Costs) window.seen.mix.costs = Costs;
          if (reply.Measured) window.seen.measured = reply.Measured;
          if (Started) {
            window.seen.started += 1;
            window.seen.frame = null;
            window.seen.startedAt = now;
          }
        });
      }
    };
  });
  await page.goto(url);
  return page;
}

/** Waits until the kernels are compiled: only then does the time of anything else mean something. */
export async function ready(page) {
  await page.waitForFunction(() => window.seen.frame?.prepared, null, { timeout: 180_000 });
}

/** Does what makes the page begin anew, and waits until it is ready for more. */
export async function anew(page, action) {
  const before = await page.evaluate(() => window.seen.started);
  await action();
  await page.waitForFunction((before) => window.seen.started > before, before, { timeout: 120_000 });
  await ready(page);
}

/** The number shown in an element. */
export async function number(page, selector) {
  return Number.parseFloat(await page.locator(selector).textContent());
}

/** Waits until the number shown in an element is at least `least`. */
export async function atLeast(page, selector, least, timeout = 120_000) {
  await page.waitForFunction(
    ([selector, least]) => Number.parseFloat(document.querySelector(selector)?.textContent) >= least,
    [selector, least],
    { timeout },
  );
}

/** What a chart saves by its button `CSV` or `JSON`. */
async function saved(page, chart, name) {
  const button = page.locator(chart).getByRole('button', { name }).first();
  const [file] = await Promise.all([page.waitForEvent('download'), button.click()]);
  return readFileSync(await file.path(), 'utf8');
}

/** The lines of the table that a chart saves. */
export async function table(page, chart) {
  return (await saved(page, chart, 'CSV')).trimEnd().split('\n');
}

/** The same table with all that it takes to make it again. */
export async function record(page, chart) {
  return JSON.parse(await saved(page, chart, 'JSON'));
}

/** Mean brightness and spread of a canvas, 0 to 255. */
export function pixels(page, selector) {
  return page.locator(selector).evaluate((canvas) => {
    const copy = document.createElement('canvas');
    [copy.width, copy.height] = [canvas.width, canvas.height];
    const context = copy.getContext('2d');
    context.drawImage(canvas, 0, 0);
    const { data } = context.getImageData(0, 0, copy.width, copy.height);
    let [sum, squares] = [0, 0];
    for (let i = 0; i < data.length; i += 4) {
      sum += data[i];
      squares += data[i] ** 2;
    }
    const count = data.length / 4;
    return { mean: sum / count, spread: Math.sqrt(Math.max(0, squares / count - (sum / count) ** 2)), width: canvas.width };
  });
}

/** What axe finds serious or critical, within an element or in the whole page. */
export async function violations(page, within) {
  // Not by a script element, which the page's own rules forbid.
  await page.evaluate(axe.source);
  const found = await page.evaluate((within) => window.axe.run(within ?? document), within);
  return found.violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target).join(', ')}`);
}

/** Takes pictures of pages into a folder. */
export function shotsIn(out) {
  return (page, name, options = {}) => page.screenshot({ path: join(out, `${name}.png`), fullPage: true, ...options });
}

export function assert(condition, what) {
  if (!condition) throw new Error(what);
}

/** Runs named tests one after the other; a test that fails leaves a picture of its page in `out`. */
export class Runner {
  constructor(out) {
    this.out = out;
    this.failed = [];
    mkdirSync(out, { recursive: true });
  }

  async test(name, body) {
    const begin = performance.now();
    const pages = [];
    try {
      const said = await body((page) => (pages.push(page), page));
      for (const page of pages) {
        assert(page.faults.length === 0, `the page complained: ${page.faults.join(' | ')}`);
        assert(page.foreign.length === 0, `the page asked another host: ${page.foreign.join(' ')}`);
      }
      console.log(`ok      ${name} (${((performance.now() - begin) / 1000).toFixed(1)} s)${said ? `: ${said}` : ''}`);
    } catch (error) {
      this.failed.push(name);
      console.log(`FAILED  ${name}: ${error.message}`);
      for (const [i, page] of pages.entries()) {
        const path = join(this.out, `failed-${name.replaceAll(/[^a-z0-9]+/gi, '-')}-${i}.png`);
        await page.screenshot({ path }).then(
          () => console.log(`        ${path}`),
          () => console.log('        (no picture: the page does not answer)'),
        );
      }
    } finally {
      for (const page of pages) await page.context().close().catch(() => {});
    }
  }
}
