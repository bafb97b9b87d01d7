// expect: workgroup
// constants: {"TILE": 8192}
// 32 KiB of workgroup memory through an override: the module is fine, the pipeline is not under default limits.
override TILE: u32 = 64u;
@group(0) @binding(0) var<storage, read_write> data: array<f32>;
var<workgroup> tile: array<f32, TILE>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lid: u32) {
    tile[lid] = data[lid];
    workgroupBarrier();
    data[lid] = tile[TILE - 1u - lid];
}
