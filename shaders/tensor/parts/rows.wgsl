// What kernels over the last axis share: rows are contiguous, LANES threads walk one together, workgroups of 64. All
// threads take part in sums and maxima, so a row beyond the last is the last again and is not written.

override LANES: u32;   // 1, 8 or 64

struct Rows {
  rows: u32,
  accumulate: u32,     // 1: add to the output
  width: u32,
  half: u32,           // nt_xent: pairs
  a_place: u32,        // first elements of the inputs in order
  b_place: u32,
  c_place: u32,
  d_place: u32,
  y_place: u32,
  scale: f32,
  epsilon: f32,
  pad: u32,
}

@group(0) @binding(0) var<uniform> at: Rows;

var<workgroup> shares: array<f32, 64>;

struct Place {
  row: u32,
  lane: u32,
  inside: bool,
}

fn place_of(group: vec3<u32>, groups: vec3<u32>, lid: u32) -> Place {
  let row = (group.y * groups.x + group.x) * (64u / LANES) + lid / LANES;
  return Place(min(row, at.rows - 1u), lid % LANES, row < at.rows);
}

fn sum_of_row(lid: u32, share: f32) -> f32 {
  if LANES == 1u {
    return share;
  }
  workgroupBarrier();
  shares[lid] = share;
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if lid % LANES < half {
      shares[lid] += shares[lid + half];
    }
  }
  workgroupBarrier();
  return shares[lid - lid % LANES];
}

fn max_of_row(lid: u32, share: f32) -> f32 {
  if LANES == 1u {
    return share;
  }
  workgroupBarrier();
  shares[lid] = share;
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if lid % LANES < half {
      shares[lid] = max(shares[lid], shares[lid + half]);
    }
  }
  workgroupBarrier();
  return shares[lid - lid % LANES];
}
