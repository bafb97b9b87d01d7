// The Zoo bench, used as a person uses it.

import { assert, open } from './harness.mjs';

export default async function zoo({ runner, site, browser, shot, violations }) {
  await runner.test('the zoo that comes with the page', async (use) => {
    const page = use(await open(browser, `${site.url}#bench=zoo`));
    await page.getByText('180 networks of 2-32-32-1, convention dwsnets').waitFor();
    const canvas = page.locator('.picker canvas');
    await page.getByLabel('Only').selectOption('Sandal');
    await page.waitForFunction(() => /\b16 networks/.test(document.querySelector('.picker canvas').getAttribute('aria-label')));
    await page.getByLabel('Only').selectOption('all classes');
    await canvas.focus();
    await page.keyboard.press('ArrowRight');
    await page.waitForFunction(() => document.querySelector('#zoo-net').textContent.startsWith('#1 '));
    await page.waitForFunction(() => location.hash.includes('of=1'));
    await canvas.click({ position: { x: 5, y: 5 } });
    await page.waitForFunction(() => document.querySelector('#zoo-net').textContent.startsWith('#0 Ankle boot'));
    await shot(page, 'zoo');
    const bad = await violations(page);
    assert(bad.length === 0, bad.join('; '));
  });

  await runner.test('a link to a zoo that is not there', async (use) => {
    const page = use(await open(browser, `${site.url}#bench=zoo&zoo=nowhere`));
    await page.locator('.notice').getByText('There is no zoo “nowhere” here.').waitFor();
  });
}
