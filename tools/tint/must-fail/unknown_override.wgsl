// expect: MISSPELT
// constants: {"MISSPELT": 1}
// A constant that the shader does not declare.
override COUNT: u32 = 1u;
@group(0) @binding(0) var<storage, read_write> data: array<u32>;

@compute @workgroup_size(1)
fn main() {
    data[0] = COUNT;
}
