// The Fit bench, used as a person uses it.

import { execFileSync } from 'node:child_process';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { LONG, LONG_HERE, anew, assert, atLeast, number, open, pixels, ready, record, table } from './harness.mjs';

const step = (page) => number(page, '#step-count');

export default async function fit({ runner, site, browser, scratch, shot, violations, weightlab }) {
  await runner.test('fit until 25 dB, then pause, step and reset by keyboard', async (use) => {
    const page = use(await open(browser, site.url));
    await page.waitForSelector('figure canvas.pane');
    const first = await page.evaluate(() => performance.now());
    await ready(page);
    // To show the page for the first time is a task of its own, before there is anything to disturb.
    const start = await page.evaluate(() => Math.max(0, ...window.seen.long.splice(0)));
    const noise = await pixels(page, 'canvas[aria-label="What the network draws"]');
    await shot(page, 'fit-begin');
    await page.keyboard.press('Space');
    await atLeast(page, '#db', 25);
    await page.keyboard.press('Space');
    await page.waitForFunction(() => window.seen.frame && !window.seen.frame.running);
    const paused = await step(page);
    await page.waitForTimeout(500);
    assert((await step(page)) === paused, 'it went on while paused');
    const drawn = await pixels(page, 'canvas[aria-label="What the network draws"]');
    const target = await pixels(page, 'figure:nth-child(1) canvas');
    assert(Math.abs(drawn.mean - target.mean) < 8, `mean ${drawn.mean}, of the target ${target.mean}`);
    assert(Math.abs(noise.mean - target.mean) > 8, 'the picture looked right before it was fitted');
    assert(drawn.width > 100, `drawn at ${drawn.width} pixels only`);
    await shot(page, 'fit-25-db');

    const steps = (await table(page, '.chart')).slice(2).map((row) => Number.parseInt(row, 10));
    assert(steps.slice(0, 4).join() === '1,2,3,4', `the curve begins with the steps ${steps.slice(0, 4)}`);

    for (const further of [1, 2]) {
      await page.keyboard.press('ArrowRight');
      await page.waitForFunction((n) => document.querySelector('#step-count').textContent === String(n), paused + further);
    }
    const [begin, count] = await page.evaluate(() => [performance.now(), window.seen.started]);
    await page.keyboard.press('r');
    await page.waitForFunction((count) => window.seen.started > count, count);
    const latency = (await page.evaluate(() => window.seen.startedAt)) - begin;
    await page.waitForFunction(() => document.querySelector('#step-count').textContent === '0');
    assert((await page.locator('#run').textContent()) === 'Run', 'it runs after a reset');
    // Space is the bench's, whatever was clicked before: a button, also after other keys, or one that opened a dialog.
    await anew(page, () => page.locator('#reset').click());
    await page.locator('#reset').focus();
    await page.keyboard.press('ArrowRight');
    await page.waitForFunction(() => document.querySelector('#step-count').textContent === '1');
    await page.keyboard.press('Space');
    await page.locator('#run').getByText('Pause').waitFor();
    await page.keyboard.press('Space');
    await page.locator('.device').click();
    await page.keyboard.press('Escape');
    await page.locator('#device').waitFor({ state: 'hidden' });
    await page.keyboard.press('Space');
    await page.locator('#run').getByText('Pause').waitFor();
    await page.keyboard.press('Space');
    await page.locator('#run').getByText('Run', { exact: true }).waitFor();
    // Who goes to a button by Tab means the button.
    await page.locator('#run').focus();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    assert((await page.evaluate(() => document.activeElement.id)) === 'reset', 'Tab leads elsewhere');
    await anew(page, () => page.keyboard.press('Space'));
    const long = await page.evaluate(() => window.seen.long);
    assert(Math.max(0, ...long) < LONG_HERE, `long tasks: ${long} ms`);
    return (
      `first picture after ${first.toFixed(0)} ms, reset took ${latency.toFixed(0)} ms, ` +
      `${long.length} tasks over ${LONG} ms since (longest ${Math.max(0, ...long)} ms), first one ${start} ms`
    );
  });

  await runner.test('between benches: Back leads back, and the target keeps all of its pixels', async (use) => {
    const page = use(await open(browser, `${site.url}#steps=5000&until=none`));
    await ready(page);
    await page.keyboard.press('Space');
    for (const bench of ['Augment', 'Align & Mix', 'Fit', 'Zoo']) {
      await page.getByRole('button', { name: bench, exact: true }).click();
      await page.waitForFunction((name) => document.querySelector('.tabs [aria-current]').textContent.trim() === name, bench);
      // An address is written only now and then.
      await page.waitForTimeout(700);
    }
    const clear = () =>
      page.evaluate(() => {
        const canvas = document.querySelector('figure:nth-child(1) canvas');
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        return data.filter((value, i) => i % 4 === 3 && value < 255).length;
      });
    for (const bench of ['Fit', 'Align & Mix', 'Augment', 'Fit']) {
      await page.goBack();
      await page.waitForFunction((name) => document.querySelector('.tabs [aria-current]').textContent.trim() === name, bench);
      if (bench === 'Fit') {
        await page.waitForSelector('figure:nth-child(1) canvas.pane');
        await page.waitForTimeout(300);
        assert((await clear()) === 0, `${await clear()} pixels of the target are missing`);
      }
    }
    // What runs goes on, wherever one looks.
    const before = await step(page);
    await page.waitForFunction((n) => Number(document.querySelector('#step-count').textContent) > n, before);
    return `${await page.evaluate(() => history.length)} entries in the history`;
  });

  await runner.test('looking closer, and at the waves', async (use) => {
    const page = use(await open(browser, `${site.url}#steps=40&run=1`));
    await atLeast(page, '#step-count', 40);
    const whole = await pixels(page, 'canvas[aria-label="What the network draws"]');
    await page.locator('#zoom').fill('2');
    await page.waitForFunction(() => location.hash.includes('zoom=0.25'));
    await page.waitForTimeout(500);
    const part = await pixels(page, 'canvas[aria-label="What the network draws"]');
    assert(Math.abs(whole.mean - part.mean) + Math.abs(whole.spread - part.spread) > 2, 'zooming changed nothing');
    await page.getByRole('button', { name: 'Whole', exact: true }).click();
    await page.waitForFunction(() => !location.hash.includes('zoom'));
    await page.locator('.waves canvas').hover({ position: { x: 20, y: 20 } });
    await page.waitForFunction(() => document.querySelector('#wave-text').textContent.startsWith('Neuron 1:'));
    await page.getByText('Neuron 1 alone').waitFor();
    await page.locator('.waves canvas').focus();
    await page.keyboard.press('ArrowRight');
    await page.waitForFunction(() => document.querySelector('#wave-text').textContent.startsWith('Neuron 2:'));
    assert((await step(page)) === 40, 'the arrow also stepped');
  });

  await runner.test('a link leads to the same state and the same bits', async (use) => {
    const page = use(await open(browser, `${site.url}#seed=7&hidden=16,16&steps=30`));
    await ready(page);
    await page.locator('#run').click();
    await page.getByText('Done: all steps are used up.').waitFor({ timeout: 60_000 });
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.getByRole('button', { name: 'Share' }).click();
    await page.getByText('Link copied').waitFor();
    const link = await page.evaluate(() => navigator.clipboard.readText());
    assert(link.endsWith('#v=1&hidden=16,16&steps=30&seed=7'), link);
    const other = use(await open(browser, `${link}&run=1&hide=network,many`));
    await other.getByText('Done: all steps are used up.').waitFor({ timeout: 120_000 });
    // When it says that it is done, it shows what was reached.
    for (const p of [page, other]) assert((await step(p)) === 30, 'it is done at another step');
    const both = await Promise.all([page, other].map((p) => p.evaluate(() => window.seen.frame.db)));
    assert(both[0] === both[1], `${both}`);
    assert((await other.locator('fieldset.network').count()) === 0, 'the controls are not hidden');
  });

  await runner.test('many networks at once', async (use) => {
    const page = use(await open(browser, `${site.url}#nets=set&hidden=16,16&net=9`));
    await ready(page);
    await page.locator('#wall').waitFor();
    const before = await pixels(page, '#wall');
    await page.keyboard.press('Space');
    await atLeast(page, '#step-count', 60);
    const after = await pixels(page, '#wall');
    assert(after.spread > before.spread + 5, `spread ${before.spread} then ${after.spread}`);
    await page.locator('#wall').click({ position: { x: 5, y: 5 } });
    await page.getByText('Network 1 has').waitFor();
    await page.keyboard.press('Space');
    await shot(page, 'wall');
  });

  await runner.test('files that are pictures and files that are not', async (use) => {
    const page = use(await open(browser, `${site.url}#omega=banana&seed=3&nonsense=1`));
    await page.getByText('The address has “omega=banana”').waitFor();
    await page.getByText('The address has “nonsense”').waitFor();
    await page.getByLabel('Dismiss this message').click();
    await page.getByRole('button', { name: 'File', exact: true }).click();
    const choose = (file) => page.locator('#file').setInputFiles(file);

    const text = join(scratch, 'notes.txt');
    writeFileSync(text, 'Not a picture.\n');
    await choose(text);
    await page.getByText('“notes.txt” is not a picture that this browser can open').waitFor();

    const large = join(scratch, 'large.png');
    writeFileSync(large, '');
    truncateSync(large, 200_000_000);
    await choose(large);
    await page.getByText('“large.png” has 200 MB').waitFor({ timeout: 60_000 });
    await shot(page, 'bad-files', { fullPage: false });

    await choose('testdata/photos/astronaut-64.png');
    await page.getByText('64 × 64 pixels').waitFor();
    assert((await pixels(page, 'figure:nth-child(1) canvas')).spread > 20, 'the picture is not shown');
    // It is still there when Back leads to it.
    await page.waitForFunction(() => location.hash.includes('pic=own'));
    await page.getByRole('button', { name: 'Augment', exact: true }).click();
    await page.waitForFunction(() => location.hash.includes('bench=augment'));
    await page.goBack();
    await page.getByText('64 × 64 pixels').waitFor();
    assert((await page.locator('.notice').count()) === 0, 'Back complains, or notices of before are still there');
    assert((await page.evaluate(() => location.hash)).includes('pic=own'), 'the own picture is gone');
    await page.getByRole('button', { name: 'File', exact: true }).click();
    await choose(['testdata/photos/camera-64.png', text]);
    await page.getByText('None of the 2 files was taken.').waitFor();

    // Several become a set, and an IDX file is one.
    await anew(page, () => choose(['testdata/photos/astronaut-64.png', 'testdata/photos/camera-64.png']));
    await page.getByText('A network for each of your pictures').waitFor();
    assert((await page.evaluate(() => window.seen.frame.nets[1])) === 2, 'not a network for each of two pictures');
    await anew(page, () =>
      choose(['testdata/fashion-mnist/t10k-labels-idx1-ubyte.gz', 'testdata/fashion-mnist/t10k-images-idx3-ubyte.gz']),
    );
    await page.getByText('ankle boot · 28 × 28 pixels').waitFor();
    assert((await page.evaluate(() => window.seen.frame.nets[1])) >= 64, 'the images of the file are not all there');
    await choose('testdata/fashion-mnist/t10k-labels-idx1-ubyte.gz');
    await page.getByText('this is a label file: give the image file of the pair').waitFor();
    await shot(page, 'own-set');

    // NumPy's arrays, which Keras' MNIST is, with labels.
    await anew(page, () => choose('crates/data/tests/fixtures/pictures.npz'));
    // Of 5 x 4 pixels the centre square.
    await page.getByText('4 × 4 pixels').waitFor();
    assert((await page.evaluate(() => window.seen.frame.nets[1])) === 3, 'not a network for each picture of training');
    // A mesh: sixteen slices, bright within and dark beyond.
    const cow = join(scratch, 'spot.obj');
    writeFileSync(cow, gunzipSync(readFileSync('testdata/meshes/spot.obj.gz')));
    await anew(page, () => choose(cow));
    await page.waitForFunction(() => window.seen.frame?.nets[1] === 16);
    await page.getByText('64 × 64 pixels').waitFor();
    await shot(page, 'mesh');
    const holes = join(scratch, 'holes.off');
    writeFileSync(holes, 'OFF\n4 2 0\n0 0 0\n1 0 0\n0 1 0\n0 0 1\n3 0 1 2\n3 0 1 3\n');
    await choose(holes);
    await page.getByText('The surface of “holes.off” is not closed').waitFor();
    const broken = join(scratch, 'broken.obj');
    writeFileSync(broken, 'v 0 0 0\nf 1 2 3\nv 0 0 zero\n');
    await choose(broken);
    await page.getByText('broken.obj: line 3: found “0 0 zero”, expected three numbers').waitFor();
    await choose([cow, holes]);
    await page.getByText('“spot.obj” is a set of its own: give it alone.').waitFor();
    // Networks are arrays too, and belong elsewhere.
    const networks = join(scratch, 'networks.npz');
    execFileSync(weightlab, ['export', 'testdata/zoo/test', '--format', 'npz', '--out', networks]);
    await choose(networks);
    await page.locator('.notice').getByText('If it holds networks, drop it on the Zoo bench.').waitFor();
    // The link has the settings and not the picture, and a seed that is none stays what it was.
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.getByRole('button', { name: 'Share' }).click();
    await page.locator('.notice').getByText('but not your picture').waitFor();
    await page.locator('#seed').fill('-5');
    await page.locator('#seed').blur();
    await page.locator('.notice').getByText('A seed is a whole number from 0').waitFor();
    assert((await page.locator('#seed').inputValue()) === '3', 'the seed that was wrong is still there');

    await page.getByRole('button', { name: 'Draw', exact: true }).click();
    const pad = await page.locator('#pad').boundingBox();
    await anew(page, async () => {
      await page.mouse.move(pad.x + pad.width * 0.3, pad.y + pad.height * 0.2);
      await page.mouse.down();
      await page.mouse.move(pad.x + pad.width * 0.6, pad.y + pad.height * 0.8, { steps: 8 });
      await page.mouse.up();
    });
    await page.waitForFunction(() => location.hash.includes('pic=own'));
    // A drawing is fitted at once.
    await atLeast(page, '#step-count', 20);
  });

  await runner.test('what is too large is refused, and the lab goes on', async (use) => {
    const page = use(await open(browser, `${site.url}#hidden=256,256,256,256,256,256&nets=64`));
    await page.locator('.notice').getByText('The fit cannot begin: 64 networks of').waitFor({ timeout: 60_000 });
    await page.getByText('It cannot be done as it is set.').waitFor();
    await page.getByRole('button', { name: 'One', exact: true }).click();
    await page.getByLabel('Neurons in each').selectOption('16');
    await page.locator('#run:enabled').waitFor({ timeout: 60_000 });
    assert((await page.locator('.notice').count()) === 0, 'the refusal stays where it is no longer true');
    await page.getByText(/^Needs .* of GPU memory\.$/).waitFor({ timeout: 60_000 });
  });

  await runner.test('a picture from the camera', async (use) => {
    const page = use(await open(browser, site.url));
    await ready(page);
    await page.getByRole('button', { name: 'Camera', exact: true }).click();
    const on = page.getByRole('button', { name: 'Switch the camera on' });
    await page.context().clearPermissions();
    await on.click();
    await page.getByText('The camera cannot be used').waitFor();
    await page.context().grantPermissions(['camera']);
    await on.click();
    await page.waitForFunction(() => document.querySelector('.camera video').videoWidth > 0);
    await anew(page, () => page.getByRole('button', { name: 'Take a picture' }).click());
    await page.getByText('64 × 64 pixels').waitFor();
    // Chromium's test picture: a green screen with a pie that turns and the time.
    const taken = await pixels(page, 'figure:nth-child(1) canvas');
    assert(taken.spread > 10, `the photograph is one grey: ${JSON.stringify(taken)}`);
    await shot(page, 'camera');
    const live = () => page.evaluate(() => document.querySelector('.camera video')?.srcObject?.active ?? false);
    assert(await live(), 'the camera is off while it is looked through');
    const stream = await page.evaluateHandle(() => document.querySelector('.camera video').srcObject);
    await page.getByRole('button', { name: 'Built-in', exact: true }).click();
    assert(!(await stream.evaluate((s) => s.active)), 'the camera stays on when nobody looks through it');
  });

  await runner.test('keys move and zoom what is seen', async (use) => {
    const page = use(await open(browser, site.url));
    await ready(page);
    for (const key of ['+', '+', 'Shift+ArrowRight', 'Shift+ArrowDown']) await page.keyboard.press(key);
    await page.waitForFunction(() => location.hash.includes('zoom=0.64'));
    const seen = new URLSearchParams(await page.evaluate(() => location.hash.slice(1)));
    // The middle of the picture, 0.18 from its edges, and a tenth of the window further.
    assert(Math.abs(Number(seen.get('x')) - 0.244) < 1e-3 && seen.get('x') === seen.get('y'), String(seen));
    assert((await step(page)) === 0, 'an arrow with Shift made a step');
    await page.keyboard.press('0');
    await page.waitForFunction(() => !location.hash.includes('zoom='));
    // What one sees can be taken along.
    await page.keyboard.press('ArrowRight');
    await page.waitForFunction(() => document.querySelector('#step-count').textContent === '1');
    const rows = await table(page, '.chart');
    assert(/^# weightlab .*http/.test(rows[0]) && rows[1] === 'step,psnr_min_db,psnr_median_db,psnr_max_db', rows.join('|'));
    const shown = await number(page, '#db');
    const last = rows.at(-1).split(',').map(Number);
    // A point is taken before its update, and what is shown after it.
    assert(last[0] === 1 && Math.abs(last[2] - shown) < 0.5, `${rows.at(-1)}, shown ${shown} dB`);
    const all = await record(page, '.chart');
    assert(all.settings.omega === '30' && all.settings.pic === 'fashion:2' && all.address === page.url(), JSON.stringify(all));
    assert(all.columns.join() === rows[1] && all.rows.at(-1).join() === last.join(), JSON.stringify(all.rows.at(-1)));
    assert(all.weightlab.length > 5 && all.gpu === (await page.locator('.device').textContent()), JSON.stringify(all));
    const [png] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Save PNG' }).click()]);
    const bytes = readFileSync(await png.path());
    const width = await page.evaluate(() => document.querySelector('#net').width);
    assert(bytes.toString('latin1', 1, 4) === 'PNG' && bytes.readUInt32BE(16) === width, 'the picture is not the one that is shown');
  });

  await runner.test('the GPU computes what it should, goes away, and the fit goes on', async (use) => {
    const page = use(await open(browser, `${site.url}#hidden=16,16&steps=20000&until=none`));
    await ready(page);
    await page.keyboard.press('Space');
    await atLeast(page, '#step-count', 100);
    await page.locator('.device').click();
    await page.getByText('What if the graphics card fails?').click();
    await page.getByRole('button', { name: 'Take the GPU away' }).click();
    await page.keyboard.press('Escape');
    await page.locator('#lost').waitFor();
    const kept = Number((await page.locator('#lost').textContent()).match(/at step (\d+)/)[1]);
    assert(kept > 0, 'nothing was kept');
    assert((await step(page)) === kept, 'the step that is shown is not the one that is kept');
    await shot(page, 'lost', { fullPage: false });
    await page.getByRole('button', { name: 'Resume' }).click();
    await atLeast(page, '#step-count', kept + 20);
    await page.keyboard.press('Space');
    // Who listens hears where it stopped, and the curve goes on from what was kept.
    await page.waitForFunction(() => !window.seen.frame.running);
    const stopped = await step(page);
    await page.waitForFunction((n) => document.querySelector('.unseen[role=status]').textContent.startsWith(`Paused: step ${n},`), stopped);
    const steps = (await table(page, '.chart')).slice(2).map((row) => Number.parseInt(row, 10));
    assert(steps.every((n, i) => i === 0 || n > steps[i - 1]), `the curve goes back: ${steps}`);

    await page.locator('.device').click();
    await page.getByRole('button', { name: 'Check my GPU' }).click();
    await page.getByText(/checks (pass|fail)/).waitFor({ timeout: 240_000 });
    const verdict = await page.locator('#verdict').textContent();
    await shot(page, 'device', { fullPage: false });
    assert(verdict.startsWith('All '), verdict);
    const bad = await violations(page, '#device');
    assert(bad.length === 0, bad.join('; '));
    // What happened stands in the log, and the report has it too.
    await page.getByText('Log: what has happened so far').click();
    await page.locator('.log li').first().waitFor();
    const log = await page.locator('.log li').allTextContents();
    for (const what of [/^\d\d:\d\d:\d\d GPU: /, / GPU lost: /, / Fit: /, / Checked: \d+ pass, 0 fail$/]) {
      assert(log.some((entry) => what.test(entry)), `${what} is not in ${log.join(' | ')}`);
    }
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.getByRole('button', { name: 'Copy report' }).click();
    await page.getByText('Report copied').waitFor();
    const report = await page.evaluate(() => navigator.clipboard.readText());
    assert(report.includes('log: ') && report.includes('GPU lost: '), report);
    return `kept step ${kept}; ${verdict}`;
  });

  await runner.test('memory does not grow with fits and resets', async (use) => {
    const page = use(await open(browser, `${site.url}#hidden=8,8&steps=20000`));
    await ready(page);
    const cycle = async () => {
      await page.keyboard.press('Space');
      await atLeast(page, '#step-count', 1);
      await anew(page, () => page.keyboard.press('r'));
      await page.waitForFunction(() => document.querySelector('#step-count').textContent === '0');
    };
    const bytes = () => page.evaluate(() => window.seen.frame.bytes);
    for (let i = 0; i < 4; i++) await cycle();
    const before = await bytes();
    // SOAK_MINUTES=60 for the long run.
    const end = Date.now() + 60_000 * Number(process.env.SOAK_MINUTES ?? 0);
    let cycles = 0;
    while (cycles < 12 || Date.now() < end) {
      await cycle();
      cycles += 1;
      if (cycles % 500 === 0) console.log(`    ${cycles} fits: ${await bytes()} bytes`);
    }
    const after = await bytes();
    assert(after[0] === before[0], `GPU memory went from ${before[0]} to ${after[0]} bytes`);
    assert(after[1] <= before[1] + 1_000_000, `the worker's memory went from ${before[1]} to ${after[1]} bytes`);
    return `${cycles} fits, ${after[0]} bytes on the GPU, ${after[1]} in the worker`;
  });

  await runner.test('small and dark, and open to everybody', async (use) => {
    for (const [name, options] of [
      ['light', { colorScheme: 'light' }],
      ['dark', { colorScheme: 'dark' }],
      ['360-light', { colorScheme: 'light', viewport: { width: 360, height: 740 }, hasTouch: true, deviceScaleFactor: 2 }],
      ['360-dark', { colorScheme: 'dark', viewport: { width: 360, height: 740 }, hasTouch: true, deviceScaleFactor: 2 }],
    ]) {
      const page = use(await open(browser, `${site.url}#hidden=16,16&pic=astronaut&side=32&steps=150&run=1`, options));
      await page.getByText('Done: all steps are used up.').waitFor({ timeout: 180_000 });
      await shot(page, `fit-${name}`);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert(wide <= 0, `${name}: ${wide} pixels wider than the screen`);
      const bad = await violations(page);
      assert(bad.length === 0, `${name}: ${bad.join('; ')}`);
      if (name === 'light') {
        await page.keyboard.press('?');
        await shot(page, 'help', { fullPage: false });
        const bad = await violations(page, '#help');
        assert(bad.length === 0, `help: ${bad.join('; ')}`);
      }
      await page.context().close();
    }
  });
}
