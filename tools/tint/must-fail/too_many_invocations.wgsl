// expect: workgroup
// constants: {"SIZE": 512}
// 512 invocations through an override: more than the 256 that default limits grant.
override SIZE: u32 = 64u;
@group(0) @binding(0) var<storage, read_write> data: array<f32>;

@compute @workgroup_size(SIZE)
fn main(@builtin(local_invocation_index) lid: u32) {
    data[lid] = 1.0;
}
