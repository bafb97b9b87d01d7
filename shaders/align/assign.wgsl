// A batch of linear assignment problems: columns[p][i] = q(i), with q minimising sum_i costs[p][i][q(i)].
//
// One workgroup per problem, see parts/assignment.wgsl. Problem p has the side sizes[p] <= N; its matrix lies in
// storage with the row stride N. Weight matching has the same solver inside; this entry is for wide layers' tests and
// for whoever has costs of his own.

override WG: u32;
override PER: u32;
override N: u32;

const FAR = 3.0e38;

struct Problems {
  count: u32,
}

@group(0) @binding(0) var<uniform> problems: Problems;
@group(0) @binding(1) var<storage, read> sizes: array<u32>;                  // [count]
@group(0) @binding(2) var<storage, read> costs: array<f32>;                  // [count][N][N]
@group(0) @binding(3) var<storage, read_write> columns: array<u32>;          // [count][N]

var<private> first: u32;
var<workgroup> side: u32;

fn cost(i: u32, j: u32) -> f32 {
  return costs[first + i * N + j];
}

//#include align/parts/assignment.wgsl

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) wid: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let problem = wid.y * grid.x + wid.x;
  if problem >= problems.count {
    return;
  }
  first = problem * N * N;
  if lane == 0u {
    side = sizes[problem];
  }
  let n = workgroupUniformLoad(&side);
  solve_assignment(lane, n, false);
  for (var i = lane; i < n; i += WG) {
    columns[problem * N + i] = col_of[i];
  }
}
