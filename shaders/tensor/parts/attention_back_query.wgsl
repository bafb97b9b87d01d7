// Gradient of queries:  dq_i (+)= scale sum_j p_ij (dy_i v_j - D_i) k_j,  D_i = dy_i o_i, which is kept for
// attention_back_key.wgsl. See parts/attention.wgsl.

//#include tensor/parts/attention.wgsl

@group(0) @binding(1) var<storage, read> q: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> kv: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> o: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> logs: array<f32>;             // [batch][head][query]
@group(0) @binding(6) var<storage, read_write> dq: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> products: array<f32>;   // D, [batch][head][query]

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
  var own: array<vec4<f32>, $ROWS * $MAXQ>;
  var slope: array<vec4<f32>, $ROWS * $MAXQ>;
  var sum: array<vec4<f32>, $ROWS * $MAXQ>;
  var l: array<f32, $ROWS>;
  var product: array<f32, $ROWS>;
//#for r in 0..ROWS
  {
    let row = min(first + $ru, at.queries - 1u);
    let line = at.q_place + batch * at.q_batch + row * at.q_row + head * DQ;
    let line_dy = at.dy_place + batch * at.dy_batch + row * at.dy_row + head * DQ;
    let line_o = at.o_place + batch * at.o_batch + row * at.o_row + head * DQ;
    l[$r] = logs[(batch * at.heads + head) * at.queries + row];
    product[$r] = 0.0;
//#for d in 0..MAXQ
    if $du < DQ {
      own[$r * $MAXQ + $d] = q[line + $du] * at.scale;
      slope[$r * $MAXQ + $d] = dy[line_dy + $du];
      product[$r] += dot(slope[$r * $MAXQ + $d], o[line_o + $du]);
      sum[$r * $MAXQ + $d] = vec4<f32>();
    }
//#end
  }
//#end
  let k0 = at.k_place + batch * at.k_batch + head * DQ;
  let v0 = at.v_place + batch * at.v_batch + head * DQ;
  for (var j = 0u; j < at.keys; j++) {
    var k: array<vec4<f32>, $MAXQ>;
//#for r in 0..ROWS
    var s$r = 0.0;
    var d$r = 0.0;
//#end
//#for d in 0..MAXQ
    if $du < DQ {
      k[$d] = kv[k0 + j * at.k_row + $du];
      let v = kv[v0 + j * at.v_row + $du];
//#for r in 0..ROWS
      s$r += dot(own[$r * $MAXQ + $d], k[$d]);
      d$r += dot(slope[$r * $MAXQ + $d], v);
//#end
    }
//#end
//#for r in 0..ROWS
    {
      let ds = exp(s$r - l[$r]) * (d$r - product[$r]);
//#for d in 0..MAXQ
      if $du < DQ {
        sum[$r * $MAXQ + $d] += ds * k[$d];
      }
//#end
    }
//#end
  }
//#for r in 0..ROWS
  if first + $ru < at.queries {
    let line = at.q_place + batch * at.q_batch + (first + $ru) * at.q_row + head * DQ;
//#for d in 0..MAXQ
    if $du < DQ {
      var out = sum[$r * $MAXQ + $d] * at.scale;
      if at.accumulate != 0u {
        out += dq[line + $du];
      }
      dq[line + $du] = out;
    }
//#end
    products[(batch * at.heads + head) * at.queries + first + $ru] = product[$r];
  }
//#end
}
