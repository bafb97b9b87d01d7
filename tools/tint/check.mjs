// Checks WGSL with Tint, the compiler of Chrome and Edge, through Dawn's null backend: no GPU, no browser, seconds.
//
//   node check.mjs DIR               every shader of DIR/index.json, in every variant, must compile
//   node check.mjs --must-fail DIR   every DIR/*.wgsl must be rejected, for the reason it names
//
// index.json: [{ "name", "file", "entry", "variants": [{ "constants": { OVERRIDE: number } }],
//                "workgroup_bytes_limit": bytes, "limits"?: { maxComputeInvocationsPerWorkgroup: 1024, .. } }]
// A shader is compiled on a device with WebGPU's default limits: what passes here runs everywhere. The null backend grants
// no more than those. So a variant that exceeds one of them passes if its entry declares a limit which allows the
// figure that Dawn names, and is counted apart: Tint has seen its module, but Dawn stopped before its pipeline.
//
// A must-fail file opens with `// expect: TEXT` (part of Tint's message) and may have `// constants: JSON`.

import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { create, globals } from 'webgpu';

// How Dawn says that a pipeline exceeds a limit, with the limits that the captured figures have to be compared with.
const OVER_LIMIT = [
  [/total use of workgroup storage \((\d+) bytes\)/, ['maxComputeWorkgroupStorageSize']],
  [/total number of workgroup invocations \((\d+)\)/, ['maxComputeInvocationsPerWorkgroup']],
  [
    /uses workgroup_size\((\d+), (\d+), (\d+)\) that exceeds/,
    ['maxComputeWorkgroupSizeX', 'maxComputeWorkgroupSizeY', 'maxComputeWorkgroupSizeZ'],
  ],
  [/number of storage buffers \((\d+)\)/, ['maxStorageBuffersPerShaderStage']],
];

Object.assign(globalThis, globals);
// Dawn tears its device down when this object is collected, so it has to live as long as the module.
const gpu = create(['backend=null']);
const adapter = await gpu.requestAdapter();
const device = await adapter.requestDevice();

/** Whether a pipeline error only says that a limit is exceeded, and `declared` limits allow the figure. */
function allowed(message, declared) {
  return OVER_LIMIT.some(([pattern, names]) => {
    const figures = message.match(pattern)?.slice(1).map(Number);
    return figures?.every((figure, i) => figure <= (declared[names[i]] ?? device.limits[names[i]]));
  });
}

/**
 * What Tint says against one shader: `found`, lines of text (none if it compiles in all its variants), and `beyond`, how
 * many of the variants lie beyond the null backend's limits but within the declared ones.
 */
async function compile(label, code, { entry, variants, limits }) {
  const found = [];
  // Without the scope Dawn prints the same errors once more, as uncaptured.
  device.pushErrorScope('validation');
  const module = device.createShaderModule({ label, code });
  const { messages } = await module.getCompilationInfo();
  const scoped = await device.popErrorScope();
  for (const m of messages) {
    if (m.type === 'error') found.push(`${label}:${m.lineNum}:${m.linePos}: ${m.message}`);
    else if (m.type === 'warning') console.log(`  warning ${label}:${m.lineNum}:${m.linePos}: ${m.message}`);
  }
  if (found.length === 0 && scoped) found.push(`${label}: ${scoped.message}`);
  let beyond = 0;
  if (found.length > 0) return { found, beyond }; // every pipeline of a broken module fails, which says nothing more
  for (const { constants } of variants) {
    try {
      const compute = { module, entryPoint: entry, constants };
      await device.createComputePipelineAsync({ label, layout: 'auto', compute });
    } catch (error) {
      if (allowed(error.message, limits)) beyond += 1;
      else found.push(`${label} ${JSON.stringify(constants)}: ${error.message.trim()}`);
    }
  }
  return { found, beyond };
}

async function checkIndex(dir) {
  const index = JSON.parse(readFileSync(join(dir, 'index.json'), 'utf8'));
  if (!Array.isArray(index) || index.length === 0) throw new Error(`${join(dir, 'index.json')}: no shaders listed`);
  const listed = new Set(index.map((s) => s.file));
  const found = readdirSync(dir)
    .filter((f) => f.endsWith('.wgsl') && !listed.has(f))
    .map((f) => `${f}: not listed in index.json, so it was not checked`);
  let variants = 0;
  let beyond = 0;
  for (const shader of index) {
    if (!shader.variants?.length) {
      found.push(`${shader.name}: index.json lists no variant of it (one with empty constants is the least)`);
      continue;
    }
    variants += shader.variants.length;
    const limits = { maxComputeWorkgroupStorageSize: shader.workgroup_bytes_limit, ...shader.limits };
    const code = readFileSync(join(dir, shader.file), 'utf8');
    const result = await compile(shader.name, code, { ...shader, limits });
    found.push(...result.found);
    beyond += result.beyond;
  }
  for (const line of found) console.error(`error: ${line}`);
  const apart = beyond > 0 ? ` (${beyond} variants need declared limits which the null backend lacks: modules only)` : '';
  console.log(`Tint: ${index.length} shaders, ${variants} variants, ${found.length} errors${apart}`);
  return found.length === 0;
}

async function checkMustFail(dir) {
  const files = readdirSync(dir).filter((f) => f.endsWith('.wgsl')).sort();
  if (files.length === 0) throw new Error(`${dir}: no must-fail shaders`);
  let wrong = 0;
  for (const file of files) {
    const code = readFileSync(join(dir, file), 'utf8');
    const expect = code.match(/^\/\/ expect: (.+)$/m)?.[1];
    if (!expect) throw new Error(`${file}: has no '// expect: TEXT' line`);
    const constants = JSON.parse(code.match(/^\/\/ constants: (.+)$/m)?.[1] ?? '{}');
    const { found } = await compile(basename(file), code, { entry: 'main', variants: [{ constants }], limits: {} });
    if (found.length === 0) {
      wrong += 1;
      console.error(`error: ${file}: accepted, but must be rejected`);
    } else if (!found.some((line) => line.includes(expect))) {
      wrong += 1;
      console.error(`error: ${file}: rejected, but without a word of '${expect}':\n  ${found.join('\n  ')}`);
    }
  }
  console.log(`Tint: ${files.length} shaders that must be rejected, ${files.length - wrong} were`);
  return wrong === 0;
}

const args = process.argv.slice(2);
const mustFail = args[0] === '--must-fail';
const dirs = mustFail ? args.slice(1) : args;
if (dirs.length !== 1 || dirs[0].startsWith('-')) {
  console.error('usage: node check.mjs [--must-fail] DIR');
  process.exit(2);
}
let good = false;
try {
  good = await (mustFail ? checkMustFail : checkIndex)(dirs[0]);
} catch (error) {
  console.error(`error: ${error.message}`);
}
device.destroy();
process.exit(good ? 0 : 1);
