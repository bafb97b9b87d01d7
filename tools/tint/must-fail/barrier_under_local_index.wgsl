// expect: workgroupBarrier
// Only half of the workgroup reaches the barrier. naga accepts it.
@group(0) @binding(0) var<storage, read_write> data: array<f32>;
var<workgroup> tile: array<f32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lid: u32) {
    tile[lid] = data[lid];
    if lid < 32u { workgroupBarrier(); }
    data[lid] = tile[63u - lid];
}
