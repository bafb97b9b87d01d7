// o and l; see parts/attention.wgsl. Keys go by fours, so that sums are rescaled to a new maximum once for four.

//#include tensor/parts/attention.wgsl

@group(0) @binding(1) var<storage, read> q: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> kv: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> o: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> logs: array<f32>;   // [batch][head][query]

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
  var sum: array<vec4<f32>, $ROWS * $MAXQ>;
  var top: array<f32, $ROWS>;
  var mass: array<f32, $ROWS>;
//#for r in 0..ROWS
  top[$r] = -3.4e38;
  mass[$r] = 0.0;
  {
    let line = at.q_place + batch * at.q_batch + min(first + $ru, at.queries - 1u) * at.q_row + head * DQ;
//#for d in 0..MAXQ
    if $du < DQ {
      own[$r * $MAXQ + $d] = q[line + $du] * at.scale;
      sum[$r * $MAXQ + $d] = vec4<f32>();
    }
//#end
  }
//#end
  let k0 = at.k_place + batch * at.k_batch + head * DQ;
  let v0 = at.v_place + batch * at.v_batch + head * DQ;
  for (var j = 0u; j < at.keys; j += 4u) {
    var s: array<vec4<f32>, $ROWS>;
//#for e in 0..4
    {
      let key = k0 + min(j + $eu, at.keys - 1u) * at.k_row;
//#for r in 0..ROWS
      var s$r = 0.0;
//#end
//#for d in 0..MAXQ
      if $du < DQ {
        let k = kv[key + $du];
//#for r in 0..ROWS
        s$r += dot(own[$r * $MAXQ + $d], k);
//#end
      }
//#end
//#for r in 0..ROWS
      s[$r][$e] = select(-3.4e38, s$r, j + $eu < at.keys);
//#end
    }
//#end
//#for r in 0..ROWS
    {
      let higher = max(top[$r], max(max(s[$r].x, s[$r].y), max(s[$r].z, s[$r].w)));
      let shrink = exp(top[$r] - higher);
      top[$r] = higher;
      s[$r] = exp(s[$r] - higher);
      mass[$r] = mass[$r] * shrink + dot(s[$r], vec4<f32>(1.0));
//#for d in 0..MAXQ
      if $du < DQ {
        sum[$r * $MAXQ + $d] *= shrink;
      }
//#end
    }
//#end
//#for e in 0..4
    {
      let value = v0 + min(j + $eu, at.keys - 1u) * at.v_row;
//#for d in 0..MAXQ
      if $du < DQ {
        let v = kv[value + $du];
//#for r in 0..ROWS
        sum[$r * $MAXQ + $d] += s[$r][$e] * v;
//#end
      }
//#end
    }
//#end
  }
//#for r in 0..ROWS
  if first + $ru < at.queries {
    let line = at.o_place + batch * at.o_batch + (first + $ru) * at.o_row + head * DQ;
//#for d in 0..MAXQ
    if $du < DQ {
      o[line + $du] = sum[$r * $MAXQ + $d] / mass[$r];
    }
//#end
    logs[(batch * at.heads + head) * at.queries + first + $ru] = top[$r] + log(mass[$r]);
  }
//#end
}
