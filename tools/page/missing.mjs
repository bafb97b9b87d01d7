// The page where there is no WebGPU.

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { assert, atLeast, number, open, pixels } from './harness.mjs';

export default async function missing({ runner, site, browser, scratch, shot, violations, weightlab }) {
  await runner.test('without WebGPU it says why and what to do, fits on the processor, and shows recordings', async (use) => {
    for (const [name, url, title] of [
      ['no-adapter', site.url, /found no graphics card|has no WebGPU/],
      ['insecure', `http://lab.example:${site.port}${site.folder}`, /not loaded over a secure connection/],
    ]) {
      const page = use(await open(browser, url));
      await page.locator('#missing').getByText(title).waitFor({ timeout: 30_000 });
      assert((await page.locator('#missing li').count()) > 0, 'there is nothing to do');
      await page.locator('#status').getByText('On the processor, since there is no GPU.').waitFor();
      const noise = await pixels(page, '#net');
      await page.keyboard.press('Space');
      await atLeast(page, '#db', 25);
      await page.locator('#reset').click();
      await page.locator('#step:enabled').waitFor();
      assert((await number(page, '#step-count')) === 0, 'a reset leads elsewhere than to step 0');
      await page.keyboard.press('ArrowRight');
      await page.waitForFunction(() => document.querySelector('#step-count').textContent === '1');
      await page.keyboard.press('Space');
      await page.getByText('Done: as good as you asked for.').waitFor();
      assert((await number(page, '#db')) >= 40, 'it is not as good as that');
      const drawn = await pixels(page, '#net');
      const target = await pixels(page, 'figure:nth-child(1) canvas');
      assert(Math.abs(drawn.mean - target.mean) < 8, `mean ${drawn.mean}, of the target ${target.mean}`);
      assert(Math.abs(noise.mean - target.mean) > 8, 'the picture looked right before it was fitted');
      await shot(page, `missing-${name}`);
      const bad = await violations(page);
      assert(bad.length === 0, `${name}: ${bad.join('; ')}`);
    }
    for (const bench of ['augment', 'mix', 'classify']) {
      const page = use(await open(browser, `${site.url}#bench=${bench}`));
      await page.locator('#missing').getByText(/found no graphics card|has no WebGPU/).waitFor({ timeout: 30_000 });
      const recorded = page.locator('#missing img');
      await recorded.evaluate((image) => image.decode());
      assert((await recorded.evaluate((image) => image.naturalWidth)) > 100, 'the recording is not there');
      if (bench === 'classify') continue;
      await page.waitForFunction(() => /18\d networks/.test(document.querySelector('.picker canvas').getAttribute('aria-label')));
      await page.locator('.picker canvas').focus();
      await page.keyboard.press('ArrowRight');
      await shot(page, `missing-${bench}`);
      const bad = await violations(page);
      assert(bad.length === 0, `${bench}: ${bad.join('; ')}`);
    }
  });

  await runner.test('without WebGPU many networks are fitted and kept, and networks without pictures drawn', async (use) => {
    const page = use(await open(browser, `${site.url}#nets=6&hidden=16,16&steps=400&until=none`));
    await page.locator('#run:enabled').click();
    await page.waitForFunction(() => Number(document.querySelector('#step-count').textContent) > 20);
    // To look for a GPU again costs nothing of the fit.
    await page.getByRole('button', { name: 'Look again' }).click();
    await page.getByText('Done: all steps are used up.').waitFor({ timeout: 60_000 });
    await page.locator('#keep').click();
    await page.locator('.notice').getByText(/Kept as the zoo “.+”/).waitFor();
    await shot(page, 'missing-many');

    // NumPy's file has no images, so what is shown is what the networks draw.
    const networks = join(scratch, 'drawn.npz');
    execFileSync(weightlab, ['export', 'testdata/zoo/test', '--format', 'npz', '--out', networks]);
    await page.getByRole('button', { name: 'Zoo', exact: true }).click();
    await page.locator('#zoo-files').setInputFiles(networks);
    await page.locator('.notice').getByText('“drawn” is here: 180 networks.').waitFor();
    await page.waitForFunction(() => /180 networks/.test(document.querySelector('.picker canvas')?.getAttribute('aria-label')));
    const { spread } = await pixels(page, '.picker canvas');
    assert(spread > 20, `nothing is drawn: brightness spreads by ${spread}`);
    await shot(page, 'missing-zoo');
  });
}
