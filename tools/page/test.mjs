// The page in a real Chromium, used as a person uses it.
//
//   node test.mjs DIST OUT [BENCH..]     DIST: the page as trunk built it; OUT: a folder for screenshots;
//                                        BENCH: only the tests of these (all without)
//
// WebGPU runs on SwiftShader, a software GPU, so nothing here says how fast the page is elsewhere.

import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EXPLAIN, Runner, launch, noMoreMessages, serve, shotsIn, violations } from './harness.mjs';
import augment from './augment.mjs';
import classify from './classify.mjs';
import fit from './fit.mjs';
import lessons from './lessons.mjs';
import missing from './missing.mjs';
import mix from './mix.mjs';
import zoo from './zoo.mjs';

/** Tests by bench; those of `missing` get a browser without WebGPU. */
const BENCHES = { fit, augment, mix, classify, zoo, lessons, missing };

const [dist, out, ...wanted] = process.argv.slice(2);
const unknown = wanted.filter((name) => !(name in BENCHES));
if (!out || unknown.length > 0) {
  console.error(`usage: node test.mjs DIST OUT [${Object.keys(BENCHES).join(' | ')}]..`);
  process.exit(2);
}
// The program, whose results the page's are held against.
const weightlab = process.env.WEIGHTLAB ?? 'target/release/weightlab';
for (const [file, build, variable] of [
  [weightlab, '-p weightlab', 'WEIGHTLAB'],
  [EXPLAIN, '-p weightlab-app --example explain', 'EXPLAIN'],
]) {
  if (!existsSync(file)) {
    console.error(`${file} is not there: cargo build --release ${build}, or set ${variable}`);
    process.exit(2);
  }
}
const site = await serve(dist);
const runner = new Runner(out);
const scratch = mkdtempSync(join(tmpdir(), 'weightlab-page-'));
for (const [name, tests] of Object.entries(BENCHES)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  console.log(`\n${name}`);
  const browser = await launch(
    name === 'missing'
      ? { gpu: false, args: ['--host-resolver-rules=MAP lab.example 127.0.0.1'] }
      : // A camera that shows a test picture, for whoever is allowed to use it.
        { args: ['--use-fake-device-for-media-stream'] },
  );
  await tests({ runner, site, browser, scratch, shot: shotsIn(out), violations, weightlab });
  await browser.close();
}
site.close();
noMoreMessages();
rmSync(scratch, { recursive: true });
console.log(`\nscreenshots are in ${out}`);
if (runner.failed.length > 0) {
  console.log(`${runner.failed.length} FAILED: ${runner.failed.join('; ')}`);
  process.exit(1);
}
