// Gradient of layer_norm.wgsl: with z = (x - mean) r and d = dy gamma,
//   dx (+)= r (d - mean of d - z mean of d z),  products = dy z, whose column sums are the gradient of gamma.

//#include tensor/parts/rows.wgsl

@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> gamma: array<f32>;
@group(0) @binding(4) var<storage, read> stats: array<vec2<f32>>;
@group(0) @binding(5) var<storage, read_write> dx: array<f32>;
@group(0) @binding(6) var<storage, read_write> products: array<f32>;   // [rows][width]

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lid: u32,
) {
  let p = place_of(group, groups, lid);
  let from_dy = at.a_place + p.row * at.width;
  let from_x = at.b_place + p.row * at.width;
  let stat = stats[p.row];
  var sum = 0.0;
  var slope = 0.0;
  for (var c = p.lane; c < at.width; c += LANES) {
    let d = dy[from_dy + c] * gamma[at.c_place + c];
    sum += d;
    slope += d * (x[from_x + c] - stat.x) * stat.y;
  }
  let mean_d = sum_of_row(lid, sum) / f32(at.width);
  let mean_dz = sum_of_row(lid, slope) / f32(at.width);
  if !p.inside {
    return;
  }
  let to = at.y_place + p.row * at.width;
  for (var c = p.lane; c < at.width; c += LANES) {
    let z = (x[from_x + c] - stat.x) * stat.y;
    let d = dy[from_dy + c];
    var out = stat.y * (d * gamma[at.c_place + c] - mean_d - z * mean_dz);
    if at.accumulate != 0u {
      out += dx[to + c];
    }
    dx[to + c] = out;
    products[p.row * at.width + c] = d * z;
  }
}
