// The page where there is no WebGPU.

import { assert, open } from './harness.mjs';

export default async function missing({ runner, site, browser, shot, violations }) {
  await runner.test('without WebGPU it says why and what to do, and shows recordings', async (use) => {
    for (const [name, url, title] of [
      ['no-adapter', site.url, /found no graphics card|has no WebGPU/],
      ['insecure', `http://lab.example:${site.port}${site.folder}`, /not loaded over a secure connection/],
    ]) {
      const page = use(await open(browser, url));
      await page.locator('#missing').getByText(title).waitFor({ timeout: 30_000 });
      assert((await page.locator('#missing li').count()) > 0, 'there is nothing to do');
      await page.locator('.film input').fill('7');
      await page.getByText('step 500').waitFor();
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
}
