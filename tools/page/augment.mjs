// The Augment bench, used as a person uses it.

import { assert, open, pixels } from './harness.mjs';

/** What a preserving operation may change outputs by: f32 phases of some tens, through the layers. */
const ROUNDING = 1e-4;

const text = (page, selector) => page.locator(selector).textContent();
const WEIGHTS = 'canvas[aria-label="What was added to every weight"]';
const PICTURE = 'canvas[aria-label="Where both differ"]';

/** Waits until the figures are those of this operation. */
const done = (page, op) =>
  page.waitForFunction((op) => window.seen.tried?.ops.at(-1)?.op.startsWith(op), op, { timeout: 120_000 });

export default async function augment({ runner, site, browser, shot, violations }) {
  await runner.test('operations that keep the function change the numbers only', async (use) => {
    const page = use(await open(browser, `${site.url}#bench=augment&of=3`));
    const menu = page.getByLabel('Operation 1');
    const said = [];
    for (const op of ['permutation', 'siren-negation', 'siren-bias']) {
      await menu.selectOption(op);
      await done(page, op);
      const change = Number(await text(page, '#max-change'));
      assert(change < ROUNDING, `${op}: max |f - f'| is ${change}`);
      const changed = Number.parseInt(await text(page, '#changed'), 10);
      assert(changed > 300, `${op}: only ${changed} numbers changed`);
      await page.waitForFunction(() => /changed, and the picture did not/.test(document.querySelector('#sentence').textContent));
      const [weights, picture] = [await pixels(page, WEIGHTS), await pixels(page, PICTURE)];
      assert(weights.spread > 10, `${op}: the matrices show no change`);
      assert(picture.spread < 1, `${op}: the picture shows a change`);
      said.push(`${op} ${change}`);
    }
    await shot(page, 'augment-kept');
    return said.join(', ');
  });

  await runner.test('a slider turns the picture, and another draw turns it elsewhere', async (use) => {
    const page = use(await open(browser, `${site.url}#bench=augment&of=3&op=rotate:degrees=0&draw=2`));
    await done(page, 'rotate:degrees=0');
    assert((await text(page, '#sentence')).includes('happens to do nothing'), await text(page, '#sentence'));
    const slider = page.getByLabel('rotate: degrees');
    await slider.fill('90');
    await done(page, 'rotate:degrees=90');
    await page.waitForFunction(() => location.hash.includes('op=rotate:degrees=90'));
    const first = await text(page, '#max-change');
    assert(Number(first) > 0.1, `turned, it changed by ${first} only`);
    assert(Number(await text(page, '#max-moved')) < ROUNDING, `max |f(g x) - f'(x)| is ${await text(page, '#max-moved')}`);
    assert((await text(page, '#changed')).startsWith('64 of'), 'a rotation changes the first layer alone');
    await slider.focus();
    await page.keyboard.press('ArrowRight');
    await done(page, 'rotate:degrees=91');
    await page.locator('#draw').click();
    await page.waitForFunction(() => window.seen.tried.wish.draw === 3);
    await page.waitForFunction((first) => document.querySelector('#max-change').textContent !== first, first);
    await shot(page, 'augment-turned');
  });

  await runner.test('a chain, a link to it, and operations that do not fit', async (use) => {
    const page = use(await open(browser, `${site.url}#bench=augment&of=3&op=siren-negation;scale:low=0.5&draw=1`));
    await done(page, 'scale:low=0.5,high=1.2');
    assert((await page.locator('.chain li').count()) === 2, 'there are not two operations');
    await page.getByRole('button', { name: 'Add an operation' }).click();
    await page.getByLabel('Operation 3').selectOption('gaussian-noise');
    await page.getByLabel('gaussian-noise: level').fill('-2');
    await done(page, 'gaussian-noise:level=0.01');
    await page.waitForFunction(() => location.hash.includes('gaussian-noise:level=0.01'));
    assert((await page.locator('.figures-table tbody tr').count()) === 3, 'the table has not three rows');
    const axis = page.getByLabel('Operation 1').locator('option[value="rotate-axis"]');
    assert((await axis.isDisabled()) && /3-D input/.test(await axis.textContent()), 'rotate-axis does not say why not');
    await page.getByRole('button', { name: 'Remove siren-negation' }).click();
    await page.waitForFunction(() => window.seen.tried.ops.length === 2);
    const bad = use(await open(browser, `${site.url}#bench=augment&op=spin`));
    await bad.locator('.notice').getByText('The address has “op=spin”').waitFor();
    const misfit = use(await open(browser, `${site.url}#bench=augment&op=rotate-random`));
    await misfit.locator('#sentence').getByText(/cannot be done.*3-D input/).waitFor({ timeout: 120_000 });
  });

  await runner.test('the GPU goes away in the middle', async (use) => {
    const page = use(await open(browser, `${site.url}#bench=augment&of=3`));
    await done(page, 'permutation');
    await page.locator('.device').click();
    await page.getByText('What if the graphics card fails?').click();
    await page.getByRole('button', { name: 'Take the GPU away' }).click();
    await page.keyboard.press('Escape');
    await page.locator('#lost').waitFor();
    await page.getByLabel('Operation 1').selectOption('siren-bias');
    // What was done before is not shown as what that operation does.
    assert((await text(page, '#max-change')) === '–' && (await text(page, '#sentence')) === 'The GPU went away.', 'old figures');
    await page.getByRole('button', { name: 'Resume' }).click();
    await done(page, 'siren-bias');
    assert(Number(await text(page, '#max-change')) < ROUNDING, 'it computes otherwise after that');
  });

  await runner.test('small and dark, and open to everybody', async (use) => {
    for (const [name, options] of [
      ['light', { colorScheme: 'light' }],
      ['dark', { colorScheme: 'dark' }],
      ['360', { colorScheme: 'light', viewport: { width: 360, height: 740 }, hasTouch: true, deviceScaleFactor: 2 }],
    ]) {
      const page = use(await open(browser, `${site.url}#bench=augment&of=3&op=siren-negation;rotate:degrees=60`, options));
      await done(page, 'rotate');
      await page.waitForTimeout(300);
      await shot(page, `augment-${name}`);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert(wide <= 0, `${name}: ${wide} pixels wider than the screen`);
      const bad = await violations(page);
      assert(bad.length === 0, `${name}: ${bad.join('; ')}`);
      await page.context().close();
    }
  });
}
