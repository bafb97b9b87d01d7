// losses[i] = log sum over k != i of exp(s_ik scale) - s_i,partner scale: s are cosines of 2 half features, scale is
// 1 / temperature, and i and i +- half are partners. See parts/rows.wgsl.

//#include tensor/parts/rows.wgsl

@group(0) @binding(1) var<storage, read> s: array<f32>;
@group(0) @binding(2) var<storage, read_write> losses: array<f32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lid: u32,
) {
  let p = place_of(group, groups, lid);
  let first = at.a_place + p.row * at.width;
  var top = -3.4e38;
  for (var c = p.lane; c < at.width; c += LANES) {
    if c != p.row {
      top = max(top, s[first + c]);
    }
  }
  top = max_of_row(lid, top);
  var sum = 0.0;
  for (var c = p.lane; c < at.width; c += LANES) {
    if c != p.row {
      sum += exp((s[first + c] - top) * at.scale);
    }
  }
  sum = sum_of_row(lid, sum);
  if p.inside && p.lane == 0u {
    let partner = (p.row + at.half) % at.width;
    losses[p.row] = log(sum) + (top - s[first + partner]) * at.scale;
  }
}
