// The lessons, taken as a pupil takes them.

import { assert, open } from './harness.mjs';

export default async function lessons({ runner, site, browser, shot, violations }) {
  await runner.test('every tour from its first step to its last', async (use) => {
    const page = use(await open(browser, `${site.url}#bench=lessons`));
    await page.locator('.tours li').first().waitFor();
    await shot(page, 'lessons');
    const bad = await violations(page);
    assert(bad.length === 0, bad.join('; '));
    const tours = await page.locator('.tours li').count();
    assert(tours >= 4, `${tours} tours`);
    let steps = 0;
    for (let tour = 0; tour < tours; tour++) {
      await page.locator('.tours button').nth(tour).click();
      for (let step = 1; ; step++) {
        await page.locator('.lesson').getByText(`step ${step} of`).waitFor();
        // A wrong answer is explained, and so is the right one.
        await page.locator('.answers button').first().click();
        await page.locator('.because').getByText(/^(Yes|Not quite)\. /).waitFor();
        for (const answer of await page.locator('.answers button').all()) {
          if (await page.locator('.answers button.right').count()) break;
          await answer.click();
        }
        await page.locator('.because').getByText(/^Yes\. /).waitFor();
        assert((await page.locator('main > .lesson ~ *').count()) > 0, `step ${step}: there is no bench below`);
        steps += 1;
        // Where the worker is idle: a software GPU that computes has no time for a picture.
        if (tour === 0 && step === 1) await shot(page, 'lesson');
        const next = page.locator('section.lesson').getByRole('button', { name: 'Next', exact: true });
        if ((await next.count()) === 0) break;
        await next.click();
      }
      await page.getByRole('button', { name: 'Finish' }).click();
      await page.locator('.tours li').first().waitFor();
    }
    return `${tours} tours, ${steps} steps`;
  });

  await runner.test('a link into a lesson, and a link for a class', async (use) => {
    const page = use(await open(browser, `${site.url}#lesson=picture:1`, { viewport: { width: 360, height: 740 } }));
    await page.getByText('step 1 of').waitFor();
    await shot(page, 'lesson-360');
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert(wide <= 0, `${wide} pixels wider than the screen`);
    const bad = await violations(page);
    assert(bad.length === 0, bad.join('; '));
    await page.getByRole('button', { name: 'Leave the lesson' }).click();
    await page.getByLabel('Fit: the network’s settings').check();
    await page.getByLabel('the tabs above').check();
    const link = await page.locator('#class-link').getAttribute('href');
    const pupil = use(await open(browser, link));
    await pupil.locator('#run').waitFor();
    assert((await pupil.locator('fieldset.network').count()) === 0, 'the controls are not hidden');
    assert((await pupil.locator('.tabs').count()) === 0, 'the tabs are not hidden');
  });
}
