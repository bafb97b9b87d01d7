// The Align & Mix bench, used as a person uses it, and compared with the command line.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { assert, open, pixels, table } from './harness.mjs';

/**
 * Two software GPUs round differently: outputs by about 1e-6, whose errors are averages over 784 pixels; and the page shows
 * five digits.
 */
const SAME = 2e-5;

/** The program, as `cargo build --release` makes it. */
const PROGRAM = process.env.WEIGHTLAB ?? 'target/release/weightlab';

/** Errors at one place, by method, as the command line computes them. */
function byCommandLine(scratch, zoo, pair, t) {
  const out = join(scratch, `path-${zoo}-${pair.join('-')}.csv`);
  const args = ['path', `testdata/zoo/${zoo}`, '--pair', pair.join(','), '--steps', '11', '--method', 'all', '--seed', '3'];
  execFileSync(PROGRAM, [...args, '--out', out]);
  const rows = readFileSync(out, 'utf8').trim().split('\n').map((line) => line.split(','));
  return Object.fromEntries(rows.filter((row) => Number(row[1]) === t).map((row) => [row[0], Number(row[2])]));
}

/** Waits until everything about this pair has been computed, at this share. */
const done = (page, pair, t) =>
  page.waitForFunction(
    ([pair, t]) => {
      const { line, strips, at } = window.seen.mix;
      return line?.which.pair.join() === pair && strips.length === line.methods.length && Math.abs(at?.t - t) < 1e-6;
    },
    [pair.join(), t],
    { timeout: 180_000 },
  );

/** Errors that the page shows, by method. */
const shown = (page) =>
  page.locator('#mix-figures tbody tr').evaluateAll((rows) =>
    Object.fromEntries(rows.map((row) => [row.dataset.method, Number(row.querySelector('.error').textContent)])),
  );

export default async function mix({ runner, site, browser, scratch, shot, violations }) {
  await runner.test('the errors are those of the command line, wherever the slider is', async (use) => {
    const page = use(await open(browser, `${site.url}#bench=mix`));
    await page.waitForFunction(() => window.seen.mix.line, null, { timeout: 120_000 });
    const pair = await page.evaluate(() => window.seen.mix.line.which.pair);
    await done(page, pair, 0.5);
    const said = [];
    for (const t of [0.5, 0.2]) {
      await page.locator('#t').fill(String(t));
      await done(page, pair, t);
      const [page_, program] = [await shown(page), byCommandLine(scratch, 'test', pair, t)];
      for (const method of ['direct', 'random', 'aligned', 'signed']) {
        const off = Math.abs(page_[method] - program[method]);
        assert(off < SAME, `t = ${t}, ${method}: ${page_[method]} here, ${program[method]} by the command line`);
      }
      said.push(`t = ${t}: ${Object.entries(page_).map((e) => e.join(' ')).join(', ')}`);
      if (t === 0.5) {
        assert(page_.signed < page_.direct, 'matching does not help this pair');
        const rows = await table(page, '.mix-chart');
        const half = rows.find((row) => row.startsWith('signed,0.5,')).split(',').map(Number);
        assert(Math.abs(half[2] - page_.signed) < SAME, `the table has ${half[2]}, the page ${page_.signed}`);
        assert(/times that of “aligned”/.test(await page.locator('#sentence').textContent()), 'the sentence does not say so');
        await shot(page, 'mix');
      }
    }
    return said.join('; ');
  });

  await runner.test('the slider by keyboard and mouse, the strips, the ends', async (use) => {
    const page = use(await open(browser, `${site.url}#bench=mix&pair=3,9&t=0.4`));
    await done(page, [3, 9], 0.4);
    const picture = 'canvas[aria-label="What the average of the weights draws"]';
    const before = await pixels(page, picture);
    await page.locator('#t').focus();
    await page.keyboard.press('ArrowRight');
    await done(page, [3, 9], 0.41);
    await page.keyboard.press('Home');
    await done(page, [3, 9], 0);
    await page.getByText('At this end there is the first network alone').waitFor();
    const four = await Promise.all(
      (await page.locator('.four canvas').all()).map((canvas) => canvas.evaluate((c) => c.toDataURL())),
    );
    assert(new Set(four).size === 1, 'at the first network’s end the pictures differ');
    const after = await pixels(page, picture);
    assert(Math.abs(before.mean - after.mean) + Math.abs(before.spread - after.spread) > 2, 'the picture stayed as it was');
    const slider = await page.locator('#t').boundingBox();
    await page.mouse.move(slider.x + 8, slider.y + slider.height / 2);
    await page.mouse.down();
    await page.mouse.move(slider.x + slider.width * 0.7, slider.y + slider.height / 2, { steps: 12 });
    await page.mouse.up();
    await page.waitForFunction(() => Math.abs(window.seen.mix.at.t - 0.7) < 0.03);
    const first = page.locator('.strips canvas').first();
    await first.scrollIntoViewIfNeeded();
    const strip = await first.boundingBox();
    await page.mouse.click(strip.x + strip.width - 3, strip.y + strip.height / 2);
    await done(page, [3, 9], 1);
    await page.waitForFunction(() => location.hash.includes('t=1'));
  });

  await runner.test('the assignment brings the rings onto the diagonal and the costs down', async (use) => {
    const page = use(await open(browser, `${site.url}#bench=mix`));
    const costs = (method, layer) =>
      page.waitForFunction(
        ([method, layer]) => window.seen.mix.costs?.look.method === method && window.seen.mix.costs.look.layer === layer,
        [method, layer],
        { timeout: 180_000 },
      );
    await costs(3, 0);
    const sums = async () => (await page.evaluate(() => window.seen.mix.costs.sums)).map(Number);
    const signed = await sums();
    assert(signed[1] < signed[0], `signed: ${signed}`);
    await page.getByRole('button', { name: 'layer 2' }).click();
    await costs(3, 1);
    await page.getByRole('button', { name: 'direct', exact: true }).click();
    await costs(0, 1);
    const direct = await sums();
    assert(direct[0] === direct[1], `without any move the sums differ: ${direct}`);
    assert(/^0 of 32 neurons/.test(await page.locator('#costs-said').textContent()), 'neurons move under “direct”');
    await page.getByRole('button', { name: 'aligned', exact: true }).click();
    await costs(2, 1);
    const columns = await page.evaluate(() => window.seen.mix.costs.columns);
    assert(new Set(columns).size === columns.length, 'two neurons in one place');
    await page.waitForFunction(() => location.hash.includes('method=aligned') && location.hash.includes('layer=2'));
  });

  await runner.test('choosing networks, and links to what is not there', async (use) => {
    const page = use(await open(browser, `${site.url}#bench=mix&pair=0,1`));
    await done(page, [0, 1], 0.5);
    await page.locator('.picker canvas').focus();
    await page.keyboard.press('ArrowRight');
    await done(page, [0, 2], 0.5);
    await page.locator('#end-0').click();
    await page.locator('.picker canvas').focus();
    await page.keyboard.press('ArrowRight');
    await done(page, [1, 2], 0.5);
    await page.getByRole('button', { name: 'One sandal, fitted twice' }).click();
    await page.waitForFunction(() => window.seen.mix.line?.which.zoo === 'train', null, { timeout: 60_000 });
    const pair = await page.evaluate(() => window.seen.mix.line.which.pair);
    await done(page, pair, 0.5);
    const errors = await shown(page);
    assert(errors.signed < errors.direct / 3, `twins: ${JSON.stringify(errors)}`);
    await page.waitForTimeout(300);
    await shot(page, 'mix-twins');
    const far = use(await open(browser, `${site.url}#bench=mix&pair=0,999999&t=2`));
    await far.locator('.notice').getByText('The address has “t=2”').waitFor();
    await done(far, [0, 179], 0.5);
    await far.locator('.notice').getByText('“test” has 180 networks; the pair is another.').waitFor();
    await far.waitForFunction(() => location.hash.includes('pair=0,179'));
    await page.getByRole('button', { name: 'A network and itself' }).click();
    await page.getByText('Both ends are the same network, and mixed with itself it stays what it is.').waitFor();
    return JSON.stringify(errors);
  });

  await runner.test('the GPU goes away in the middle', async (use) => {
    const page = use(await open(browser, `${site.url}#bench=mix&pair=0,1`));
    await done(page, [0, 1], 0.5);
    const before = await shown(page);
    await page.locator('.device').click();
    await page.getByText('What if the graphics card fails?').click();
    await page.getByRole('button', { name: 'Take the GPU away' }).click();
    await page.keyboard.press('Escape');
    await page.locator('#lost').waitFor();
    await page.evaluate(() => { window.seen.mix = { line: null, strips: [], at: null, costs: null }; });
    await page.getByRole('button', { name: 'Resume' }).click();
    await done(page, [0, 1], 0.5);
    assert(JSON.stringify(await shown(page)) === JSON.stringify(before), 'it computes otherwise after that');
  });

  await runner.test('small and dark, and open to everybody', async (use) => {
    for (const [name, options] of [
      ['light', { colorScheme: 'light' }],
      ['dark', { colorScheme: 'dark' }],
      ['360', { colorScheme: 'light', viewport: { width: 360, height: 740 }, hasTouch: true, deviceScaleFactor: 2 }],
    ]) {
      const page = use(await open(browser, `${site.url}#bench=mix&t=0.45`, options));
      await page.waitForFunction(() => window.seen.mix.strips.length === 4 && window.seen.mix.costs, null, { timeout: 180_000 });
      await page.waitForTimeout(300);
      await shot(page, `mix-${name}`);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert(wide <= 0, `${name}: ${wide} pixels wider than the screen`);
      const bad = await violations(page);
      assert(bad.length === 0, `${name}: ${bad.join('; ')}`);
      await page.context().close();
    }
  });
}
