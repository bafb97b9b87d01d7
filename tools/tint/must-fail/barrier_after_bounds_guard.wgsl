// expect: workgroupBarrier
// The classic bounds guard: some invocations leave before the barrier. naga accepts it.
@group(0) @binding(0) var<storage, read_write> data: array<f32>;
var<workgroup> tile: array<f32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3u, @builtin(local_invocation_index) lid: u32) {
    if gid.x >= arrayLength(&data) { return; }
    tile[lid] = data[gid.x];
    workgroupBarrier();
    data[gid.x] = tile[63u - lid];
}
