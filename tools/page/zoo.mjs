// The Zoo bench, used as a person uses it.

import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { assert, atLeast, open, ready } from './harness.mjs';

/** A zip archive of one deflated member. */
function zip(name, contents) {
  // A gzip file is a head of ten bytes, the deflated contents, and their CRC-32 and length.
  const gzip = gzipSync(contents);
  const packed = gzip.subarray(10, -8);
  const fields = Buffer.alloc(26);
  fields.writeUInt16LE(20, 0); // version
  fields.writeUInt16LE(8, 4); // deflated
  fields.writeUInt32LE(gzip.readUInt32LE(gzip.length - 8), 10);
  fields.writeUInt32LE(packed.length, 14);
  fields.writeUInt32LE(contents.length, 18);
  fields.writeUInt16LE(name.length, 22);
  const local = Buffer.concat([Buffer.from('PK\x03\x04'), fields, Buffer.from(name), packed]);
  const central = Buffer.concat([Buffer.from('PK\x01\x02\x14\x00'), fields, Buffer.alloc(14), Buffer.from(name)]);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06');
  end.writeUInt16LE(1, 8);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(local.length, 16);
  return Buffer.concat([local, central, end]);
}

export default async function zoo({ runner, site, browser, scratch, shot, violations, weightlab }) {
  const what = (page, text) => page.locator('#zoo-what').getByText(text).waitFor({ timeout: 60_000 });
  const notice = (page, text) => page.locator('.notice').getByText(text).first().waitFor({ timeout: 60_000 });
  /** All numbers of a zoo, as the program writes them into one safetensors file. */
  const numbers = (folder) => {
    const file = join(scratch, 'numbers.safetensors');
    rmSync(file, { force: true });
    execFileSync(weightlab, ['export', folder, '--format', 'safetensors', '--out', file]);
    const bytes = readFileSync(file);
    return bytes.subarray(8 + Number(bytes.readBigUInt64LE()));
  };
  const choose = (page, files) => page.locator('#zoo-files').setInputFiles(files);
  /** A double click asks and no more; the answer is another one. */
  const remove = async (page, name) => {
    await page.getByRole('button', { name: `Delete the zoo ${name}` }).dblclick();
    await page.getByText(`Press once more to delete the zoo ${name}.`).waitFor({ state: 'attached' });
    await page.getByRole('button', { name: `Really delete the zoo ${name}` }).click();
  };

  await runner.test('the zoo that comes with the page', async (use) => {
    for (const [name, options] of [
      ['zoo-dark', { colorScheme: 'dark' }],
      ['zoo-360', { viewport: { width: 360, height: 740 }, hasTouch: true, deviceScaleFactor: 2 }],
      ['zoo', {}],
    ]) {
      const page = use(await open(browser, `${site.url}#bench=zoo`, options));
      await what(page, '180 networks of 2-32-32-1, convention dwsnets');
      const canvas = page.locator('.picker canvas');
      await page.getByLabel('Only').selectOption('Sandal');
      await page.waitForFunction(() =>
        /\b16 networks/.test(document.querySelector('.picker canvas').getAttribute('aria-label')),
      );
      await page.getByLabel('Only').selectOption('all classes');
      await canvas.focus();
      await page.keyboard.press('ArrowRight');
      await page.waitForFunction(() => document.querySelector('#zoo-net').textContent.startsWith('#1 '));
      await page.waitForFunction(() => location.hash.includes('of=1'));
      await canvas.click({ position: { x: 5, y: 5 } });
      await page.waitForFunction(() => document.querySelector('#zoo-net').textContent.startsWith('#0 Ankle boot'));
      await shot(page, name);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert(wide <= 0, `${name}: ${wide} pixels wider than the screen`);
      const bad = await violations(page);
      assert(bad.length === 0, `${name}: ${bad.join('; ')}`);
    }
  });

  await runner.test('a link to a zoo that is not there', async (use) => {
    const page = use(await open(browser, `${site.url}#bench=zoo&zoo=nowhere`));
    await notice(page, 'There is no zoo “nowhere” here.');
  });

  await runner.test('a zoo goes out in every format, comes back, stays, and is deleted', async (use) => {
    const page = use(await open(browser, `${site.url}#bench=zoo`));
    await what(page, '180 networks');
    const saved = {};
    for (const format of ['zip', 'safetensors', 'npz', 'PyTorch']) {
      const [download] = await Promise.all([
        page.waitForEvent('download'),
        page.getByRole('button', { name: format, exact: true }).click(),
      ]);
      const path = join(scratch, download.suggestedFilename());
      await download.saveAs(path);
      saved[format] = path;
      // The program reads what the page wrote, bit for bit.
      const out = join(scratch, `native-${format}`);
      execFileSync(weightlab, ['import', path, '--out', out]);
      assert(numbers(out).equals(numbers('testdata/zoo/test')), `${format}: other numbers came back`);
    }
    // And the page reads its own.
    for (const [format, name] of [['zip', 'test (2)'], ['safetensors', 'test (3)'], ['npz', 'test (4)'], ['PyTorch', 'test-torch']]) {
      await choose(page, saved[format]);
      await notice(page, `“${name}” is here: 180 networks.`);
      await what(page, '180 networks of 2-32-32-1, convention dwsnets');
    }
    await page.reload();
    await page.locator('.shelf').getByText('test (2)').waitFor();
    await page.locator('.shelf').getByText('test (2)').click();
    await what(page, '180 networks');
    await shot(page, 'zoo-own');
    // All of them as one file.
    const [download] = await Promise.all([page.waitForEvent('download'), page.locator('#export-all').click()]);
    saved.all = join(scratch, download.suggestedFilename());
    await download.saveAs(saved.all);
    for (const name of ['test (2)', 'test (3)', 'test (4)', 'test-torch']) {
      await remove(page, name);
      await notice(page, `“${name}” is deleted.`);
    }
    await page.reload();
    await page.locator('.shelf li').nth(1).waitFor();
    assert((await page.locator('.shelf li').count()) === 2, 'a deleted zoo is back');
    assert(await page.locator('#export-all').isDisabled(), 'nothing can be saved');
    await choose(page, saved.all);
    await notice(page, '“test-torch” is here: 180 networks.');
    await page.locator('.shelf li').nth(5).waitFor();
    for (const name of ['test (2)', 'test (3)', 'test (4)', 'test-torch']) {
      await page.locator('.shelf').getByText(name, { exact: true }).waitFor();
    }
    await what(page, '180 networks of 2-32-32-1, convention dwsnets');
  });

  await runner.test('files that are no zoos', async (use) => {
    const page = use(await open(browser, `${site.url}#bench=zoo`));
    await what(page, '180 networks');
    const file = (name, bytes) => {
      writeFileSync(join(scratch, name), bytes);
      return join(scratch, name);
    };
    await choose(page, file('notes.txt', 'Not a zoo.\n'));
    await notice(page, 'neither a zip archive nor a safetensors file');
    await choose(page, 'crates/data/tests/fixtures/evil.pth');
    await notice(page, 'evil.pth');
    await choose(page, file('bomb.zip', zip('zoo.json', Buffer.alloc(30_000_000))));
    await notice(page, 'would expand to more than');
    await shot(page, 'zoo-bad-files');
    // A network of others does not say its convention.
    await choose(page, 'crates/data/tests/fixtures/net-2-3-2-1.pth');
    await notice(page, 'does not say under which convention');
    await what(page, '1 network of 2-3-2-1');
    await remove(page, 'net-2-3-2-1');
    await notice(page, '“net-2-3-2-1” is deleted.');
  });

  await runner.test('no room, and another tab', async (use) => {
    const page = use(await open(browser, `${site.url}#bench=zoo`));
    await what(page, '180 networks');
    const session = await page.context().newCDPSession(page);
    const origin = new URL(site.url).origin;
    await session.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 200_000 });
    const big = join(scratch, 'test.zip');
    await choose(page, big);
    await notice(page, 'There is no room for');
    await session.send('Storage.overrideQuotaForOrigin', { origin });
    await choose(page, big);
    await notice(page, '“test (2)” is here');
    const other = await page.context().newPage();
    await other.goto(`${site.url}#bench=zoo&zoo=test%20(2)`);
    await what(other, '180 networks');
    // While the other tab changes it, this one does not.
    await other.evaluate(() => {
      navigator.locks.request('weightlab-zoo-test (2)', () => new Promise((done) => (window.letGo = done)));
    });
    await remove(page, 'test (2)');
    await notice(page, 'Another tab is changing the zoo “test (2)”');
    await other.evaluate(() => window.letGo());
    await remove(page, 'test (2)');
    await notice(page, '“test (2)” is deleted.');
    // What is gone is said where it was open, at once, and the lab goes on.
    await notice(other, '“test (2)” was deleted or renamed in another tab.');
    await other.waitForFunction(() => !location.hash.includes('zoo='));
    await what(other, '180 networks');
    assert((await other.locator('.shelf li').count()) === 2, 'the other tab still lists it');
  });

  await runner.test('a fit is kept as a zoo', async (use) => {
    const page = use(await open(browser, `${site.url}#nets=4&hidden=8,8&steps=20&run=1`));
    await ready(page);
    await atLeast(page, '#step-count', 20);
    await page.locator('#keep:enabled').click();
    await notice(page, 'Kept as the zoo “Trouser”');
    assert(await page.locator('#keep').isDisabled(), 'it can be kept twice');
    await page.getByRole('button', { name: 'Zoo', exact: true }).click();
    await page.locator('.shelf').getByText('Trouser').click();
    await what(page, '4 networks of 2-8-8-1, convention sitzmann');
    page.on('dialog', (dialog) => dialog.accept('my/trousers '));
    await page.getByRole('button', { name: 'Rename the zoo Trouser' }).click();
    await page.locator('.shelf').getByText('my trousers').waitFor();
    await page.waitForFunction(() => location.hash.includes('zoo=my%20trousers'));
    await what(page, '4 networks of 2-8-8-1, convention sitzmann');
    assert((await page.locator('.shelf li').count()) === 3, 'the old name is still there');
  });
}
