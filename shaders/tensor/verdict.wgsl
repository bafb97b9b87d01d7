// The norm of all gradients, whether it is finite, and the factor that clips it. One workgroup of 64.

//#include tensor/parts/update.wgsl

@group(0) @binding(1) var<storage, read> parts: array<f32>;
@group(0) @binding(2) var<storage, read> settings: Settings;
@group(0) @binding(3) var<storage, read_write> verdict: Verdict;

var<workgroup> sums: array<f32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lid: u32) {
  var sum = 0.0;
  for (var i = lid; i < arena.parts; i += 64u) {
    sum += parts[i];
  }
  sums[lid] = sum;
  workgroupBarrier();
  for (var half = 32u; half > 0u; half /= 2u) {
    if lid < half {
      sums[lid] += sums[lid + half];
    }
    workgroupBarrier();
  }
  if lid == 0u {
    let total = sums[0];
    // Exponent all ones: over bits, because a compiler may assume that floats are finite.
    let finite = (bitcast<u32>(total) & 0x7f800000u) != 0x7f800000u;
    let norm = sqrt(total);
    verdict.norm = norm;
    verdict.finite = u32(finite);
    verdict.factor = select(1.0, settings.clip / norm, norm > settings.clip);
    if !finite {
      verdict.skipped += 1u;
    }
  }
}
