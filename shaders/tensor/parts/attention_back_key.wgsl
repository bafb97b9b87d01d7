// Gradients of keys and values:  dv_j (+)= sum_i p_ij dy_i,  dk_j (+)= scale sum_i p_ij (dy_i v_j - D_i) q_i. See
// parts/attention.wgsl; here a thread has rows of keys and walks the queries.

//#include tensor/parts/attention.wgsl

@group(0) @binding(1) var<storage, read> q: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> kv: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> logs: array<f32>;       // [batch][head][query]
@group(0) @binding(5) var<storage, read> products: array<f32>;   // D, [batch][head][query]
@group(0) @binding(6) var<storage, read_write> dkv: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lid: u32,
) {
  let index = (group.y * groups.x + group.x) * 64u + lid;
  if index >= at.threads {
    return;
  }
  begin(index);
  var key: array<vec4<f32>, $ROWS * $MAXQ>;
  var value: array<vec4<f32>, $ROWS * $MAXQ>;
  var dk: array<vec4<f32>, $ROWS * $MAXQ>;
  var dv: array<vec4<f32>, $ROWS * $MAXQ>;
//#for r in 0..ROWS
  {
    let row = min(first + $ru, at.keys - 1u);
    let line_k = at.k_place + batch * at.k_batch + row * at.k_row + head * DQ;
    let line_v = at.v_place + batch * at.v_batch + row * at.v_row + head * DQ;
//#for d in 0..MAXQ
    if $du < DQ {
      key[$r * $MAXQ + $d] = kv[line_k + $du] * at.scale;
      value[$r * $MAXQ + $d] = kv[line_v + $du];
      dk[$r * $MAXQ + $d] = vec4<f32>();
      dv[$r * $MAXQ + $d] = vec4<f32>();
    }
//#end
  }
//#end
  let q0 = at.q_place + batch * at.q_batch + head * DQ;
  let dy0 = at.dy_place + batch * at.dy_batch + head * DQ;
  let logs0 = (batch * at.heads + head) * at.queries;
  for (var i = 0u; i < at.queries; i++) {
    let l = logs[logs0 + i];
    let product = products[logs0 + i];
    var query: array<vec4<f32>, $MAXQ>;
    var slope: array<vec4<f32>, $MAXQ>;
//#for r in 0..ROWS
    var s$r = 0.0;
    var d$r = 0.0;
//#end
//#for d in 0..MAXQ
    if $du < DQ {
      query[$d] = q[q0 + i * at.q_row + $du];
      slope[$d] = dy[dy0 + i * at.dy_row + $du];
//#for r in 0..ROWS
      s$r += dot(query[$d], key[$r * $MAXQ + $d]);
      d$r += dot(slope[$d], value[$r * $MAXQ + $d]);
//#end
    }
//#end
//#for r in 0..ROWS
    {
      let p = exp(s$r - l);
      let ds = p * (d$r - product);
//#for d in 0..MAXQ
      if $du < DQ {
        dk[$r * $MAXQ + $d] += ds * query[$d];
        dv[$r * $MAXQ + $d] += p * slope[$d];
      }
//#end
    }
//#end
  }
//#for r in 0..ROWS
  if first + $ru < at.keys {
    let line_k = at.k_place + batch * at.k_batch + (first + $ru) * at.k_row + head * DQ;
    let line_v = at.v_place + batch * at.v_batch + (first + $ru) * at.v_row + head * DQ;
//#for d in 0..MAXQ
    if $du < DQ {
      // Keys first: values may be the same numbers.
      var out = dk[$r * $MAXQ + $d] * at.scale;
      if at.accumulate != 0u {
        out += dkv[line_k + $du];
      }
      dkv[line_k + $du] = out;
      out = dv[$r * $MAXQ + $d];
      if at.accumulate_v != 0u {
        out += dkv[line_v + $du];
      }
      dkv[line_v + $du] = out;
    }
//#end
  }
//#end
}
