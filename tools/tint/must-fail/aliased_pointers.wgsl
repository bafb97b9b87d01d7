// expect: aliased
// Two pointer arguments to one variable, one of them written through. naga accepts it.
@group(0) @binding(0) var<storage, read_write> data: array<f32>;

fn add(a: ptr<function, f32>, b: ptr<function, f32>) { *a += *b; }

@compute @workgroup_size(1)
fn main() {
    var x = data[0];
    add(&x, &x);
    data[0] = x;
}
