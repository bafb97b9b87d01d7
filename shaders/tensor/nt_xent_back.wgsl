// Gradient of the mean of nt_xent.wgsl:  ds_ik (+)= d scale / width (share of k - [k is the partner]),  0 for k = i, where the
// share is exp(s_ik scale) over the sum of them, and d is the gradient of the mean.

//#include tensor/parts/rows.wgsl

@group(0) @binding(1) var<storage, read> s: array<f32>;
@group(0) @binding(2) var<storage, read> dloss: array<f32>;
@group(0) @binding(3) var<storage, read_write> ds: array<f32>;

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
  if !p.inside {
    return;
  }
  let partner = (p.row + at.half) % at.width;
  let factor = dloss[at.b_place] * at.scale / f32(at.width);
  let to = at.y_place + p.row * at.width;
  for (var c = p.lane; c < at.width; c += LANES) {
    var out = 0.0;
    if c != p.row {
      out = factor * (exp((s[first + c] - top) * at.scale) / sum - select(0.0, 1.0, c == partner));
    }
    if at.accumulate != 0u {
      out += ds[to + c];
    }
    ds[to + c] = out;
  }
}
