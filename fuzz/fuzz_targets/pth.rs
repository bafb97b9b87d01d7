//! Whole .pth files.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weightlab_data::{Value, read_torch};

fn visit(value: &Value, elements: &mut usize) {
    match value {
        Value::Tensor(tensor) => {
            *elements += tensor.len();
            assert_eq!(tensor.to_f32().len(), tensor.len());
        }
        Value::List(items) | Value::Tuple(items) => items.iter().for_each(|v| visit(v, elements)),
        Value::Dict(entries) => entries.iter().for_each(|(_, v)| visit(v, elements)),
        _ => {}
    }
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(value) = read_torch(bytes, "x") {
        visit(&value, &mut 0);
    }
});
