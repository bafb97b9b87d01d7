// The Classify bench, used as a person uses it.

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { LONG, LONG_HERE, assert, number, open, table } from './harness.mjs';

/**
 * Test accuracy that is above chance, in percent: 180 networks of ten classes guessed at random give 10 with a standard
 * deviation of 2.2, so that 20 is more than four of them away.
 */
const ABOVE_CHANCE = 20;
const COMPILING = 240_000;

const verdict = (page) => page.locator('#verdict-read').waitFor({ timeout: COMPILING });
const counts = (page) =>
  page.locator('#confusion tbody td').evaluateAll((cells) => cells.map((cell) => Number(cell.textContent)));
const epochs = (page, least) =>
  page.waitForFunction((least) => Number.parseFloat(document.querySelector('#epoch')?.textContent) >= least, least, {
    timeout: COMPILING,
  });

/** Draws lines on the pad, from place to place (0 to 1). */
async function draw(page, ...places) {
  const pad = await page.locator('#pad').boundingBox();
  const at = ([x, y]) => [pad.x + pad.width * x, pad.y + pad.height * y];
  await page.mouse.move(...at(places[0]));
  await page.mouse.down();
  for (const place of places.slice(1)) await page.mouse.move(...at(place), { steps: 6 });
  await page.mouse.up();
}

/** The bars name ten classes, add up, and the tallest is what is said. */
async function checkBars(page, within) {
  const rows = await page.locator(`${within} .bars li`).evaluateAll((items) =>
    items.map((item) => ({
      name: item.querySelector('.class').firstChild.textContent.trim(),
      width: Number.parseFloat(item.querySelector('i').style.width),
      said: item.classList.contains('said'),
    })),
  );
  assert(rows.length === 10, `${rows.length} bars`);
  const sum = rows.reduce((sum, { width }) => sum + width, 0);
  assert(Math.abs(sum - 100) < 1, `the bars add up to ${sum} %`);
  const top = rows.reduce((best, row) => (row.width > best.width ? row : best));
  assert(top.said, `${top.name} is the tallest and not what is said`);
  return top;
}

export default async function classify({ runner, site, browser, scratch, shot, violations, weightlab }) {
  await runner.test('a picture and a drawing become networks and are read', async (use) => {
    const page = use(await open(browser, `${site.url}#bench=classify`));
    await page.getByRole('button', { name: 'Ankle boot' }).click();
    await page.waitForFunction(() => location.hash.includes('read=0'));
    await verdict(page);
    const boot = await checkBars(page, '.answer');
    const how = await page.locator('#read-how').textContent();
    assert(/Read from 1,?185 numbers, without running the network/.test(how), how);
    assert((await page.locator('.answer .bars em').count()) === 1, 'what it is is not marked');
    await shot(page, 'classify-read');

    await page.getByRole('button', { name: 'Draw', exact: true }).click();
    await draw(page, [0.3, 0.15], [0.7, 0.15], [0.75, 0.85], [0.55, 0.85], [0.5, 0.4], [0.45, 0.85], [0.25, 0.85], [0.3, 0.15]);
    await page.locator('#verdict-read').waitFor({ state: 'detached' });
    await verdict(page);
    const drawn = await checkBars(page, '.answer');
    await page.getByText('A drawing is unlike anything that it learnt from').waitFor();
    assert(!(await page.evaluate(() => location.hash)).includes('read='), 'a drawing is in the link');
    await shot(page, 'classify-draw');
    return `the boot is read as ${boot.name} (${boot.width.toFixed(0)} %), the drawing as ${drawn.name} (${drawn.width.toFixed(0)} %); ${how}`;
  });

  await runner.test('train until it is above chance, then compare and look at mistakes', async (use) => {
    const page = use(await open(browser, `${site.url}#bench=classify&hide=reading&train-epochs=100`));
    await page.locator('#train:enabled').waitFor();
    // To show the page for the first time is a task of its own, before there is anything to disturb.
    await page.evaluate(() => window.seen.long.splice(0));
    const begin = performance.now();
    await page.keyboard.press('Space');
    await epochs(page, 1);
    const first = performance.now();
    await page.waitForFunction(
      (least) => Number.parseFloat(document.querySelector('#test-accuracy').textContent) > least,
      ABOVE_CHANCE,
      { timeout: COMPILING },
    );
    const end = performance.now();
    const done = await number(page, '#epoch');
    await page.keyboard.press('Space');
    await page.locator('#train').getByText('Run', { exact: true }).waitFor();
    const sum = (await counts(page)).reduce((sum, count) => sum + count, 0);
    assert(sum === 180, `${sum} networks in the matrix`);
    assert(/of 180 are read right: \d+ %.*\(95 % interval\)/.test(await page.locator('#worth').textContent()), 'no interval');

    assert((await page.locator('.nets button').count()) > 0, 'nothing is confused');
    await page.locator('.nets button').first().click();
    const wrong = await checkBars(page, '#looked-at');
    assert((await page.locator('#looked-at .bars em').count()) === 1, 'what it is is not marked');
    await page.locator('#confusion tbody tr').first().locator('td').first().click();
    await page.locator('#confused-title').getByText('T-shirt taken for T-shirt').waitFor();
    await page.locator('.counts').focus();
    await page.keyboard.press('ArrowDown');
    await page.locator('#confused-title').getByText('Trouser taken for T-shirt').waitFor();
    await page.keyboard.press('Escape');
    await page.locator('#confused-title').getByText('Most confused').waitFor();

    // Another one beside it.
    await page.getByLabel('flip signs of neurons').check();
    await page.locator('#train').click();
    await epochs(page, 2);
    await page.locator('#runs li').nth(1).getByText('signs flipped').waitFor();
    assert((await page.locator('.curves g').count()) === 4, 'the runs are not both in both charts');
    const rows = await table(page, '.curves');
    const lines = (begin) => rows.filter((row) => row.startsWith(begin)).length;
    assert(lines('A,"as they are",') >= 1 && lines('B,"signs flipped",') >= 1, rows.join('|'));
    await page.keyboard.press('r');
    await page.waitForFunction(() => document.querySelector('#epoch').textContent === '0.0');
    // Those of screenshots and of other sizes of the window are the test's own.
    const long = await page.evaluate(() => window.seen.long.slice());
    assert(Math.max(0, ...long) < LONG_HERE, `long tasks: ${long} ms`);
    for (const [name, colorScheme, width] of [
      ['light', 'light', 1280],
      ['dark', 'dark', 1280],
      ['360-light', 'light', 360],
      ['360-dark', 'dark', 360],
    ]) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 900 });
      await page.waitForTimeout(200);
      await shot(page, `classify-${name}`);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert(wide <= 0, `${name}: ${wide} pixels wider than the screen`);
      const cut = await page.evaluate(() =>
        [...document.querySelectorAll('main p, main button, main li, main th, main dd')]
          .filter((e) => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== 'inline')
          .map((e) => e.textContent.slice(0, 30)),
      );
      assert(cut.length === 0, `${name}: text is cut off: ${cut.join(' | ')}`);
      const bad = await violations(page);
      assert(bad.length === 0, `${name}: ${bad.join('; ')}`);
    }
    await page.setViewportSize({ width: 1280, height: 900 });
    await page.locator('#clear-runs').click();
    await page.waitForFunction(() => document.querySelectorAll('#runs li').length === 0);
    const seconds = (from, to) => ((to - from) / 1000).toFixed(1);
    return (
      `first epoch after ${seconds(begin, first)} s, above chance after ${seconds(begin, end)} s and ${done} epochs; ` +
      `surest mistake: ${wrong.name} with ${wrong.width.toFixed(0)} %; ` +
      `${long.length} tasks over ${LONG} ms (longest ${Math.max(0, ...long)} ms)`
    );
  });

  await runner.test('a classifier learns from a zoo of one’s own', async (use) => {
    const zip = join(scratch, 'mine.zip');
    execFileSync(weightlab, ['export', 'testdata/zoo/train', '--format', 'zip', '--out', zip]);
    const page = use(await open(browser, `${site.url}#bench=zoo`));
    await page.locator('#zoo-files').setInputFiles(zip);
    await page.locator('.notice').getByText('“mine” is here: 720 networks').waitFor({ timeout: 60_000 });
    await page.getByRole('button', { name: 'Classify', exact: true }).click();
    await page.getByLabel('Learns from the zoo').selectOption({ label: 'mine, 720 networks' });
    await page.getByText('It learns from the networks of “mine”').waitFor();
    await page.locator('#train:enabled').click();
    await epochs(page, 1);
    await page.locator('#runs').getByText('from mine').waitFor();
    // A zoo that is gone is told of at once, and the usual one taken.
    const gone = use(await open(browser, `${site.url}#bench=classify&train-zoo=gone`));
    await gone.locator('.notice').getByText('There is no zoo “gone” here to learn from').waitFor();
    await gone.getByText('It learns from 720 networks').waitFor();
    await gone.close();
    // What cannot be learnt from is said, and the bench goes on.
    await page.evaluate(() => (location.hash = '#bench=classify&train-zoo=nowhere'));
    await page.getByText('It learns from the networks of “nowhere”').waitFor();
    if ((await page.locator('#train').textContent()).trim() === 'Run') await page.locator('#train').click();
    await page.locator('.notice').getByText('There is no zoo “nowhere” here').waitFor({ timeout: 60_000 });
    await page.getByLabel('Learns from the zoo').selectOption({ label: 'train, 720 networks' });
    await page.locator('#train:enabled').click();
    await epochs(page, 1);
  });

  await runner.test('the GPU goes away while a classifier learns, which then goes on and reads', async (use) => {
    const page = use(await open(browser, `${site.url}#bench=classify&run=1&train-batch=64&train-mix=mixup&train-epochs=200`));
    await epochs(page, 1.2);
    await page.locator('.device').click();
    await page.getByText('What if the graphics card fails?').click();
    await page.getByRole('button', { name: 'Take the GPU away' }).click();
    await page.keyboard.press('Escape');
    await page.locator('#lost').waitFor();
    const kept = Number((await page.locator('#lost').textContent()).match(/training is kept as it was at step (\d+)/)?.[1]);
    assert(kept >= 5, `kept step ${kept}`);
    await page.getByRole('button', { name: 'Resume' }).click();
    await epochs(page, 2.2);
    await page.locator('#train').click();
    assert((await page.locator('#runs li').count()) === 1, 'it began anew');
    await page.getByRole('button', { name: 'Bag', exact: true }).click();
    await verdict(page);
    await page.getByRole('button', { name: 'you trained' }).click();
    await page.locator('#read-how').getByText('by the classifier you trained').waitFor({ timeout: COMPILING });
    await checkBars(page, '.answer');
    return `kept step ${kept}`;
  });
}
