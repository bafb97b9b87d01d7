// expect: workgroupBarrier
// A plain read of workgroup memory is not uniform; workgroupUniformLoad(&count) would be. naga accepts it.
@group(0) @binding(0) var<storage, read_write> data: array<u32>;
var<workgroup> count: u32;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lid: u32) {
    if lid == 0u { count = data[0]; }
    workgroupBarrier();
    for (var i = 0u; i < count; i++) {
        workgroupBarrier();
        data[lid] += i;
    }
}
