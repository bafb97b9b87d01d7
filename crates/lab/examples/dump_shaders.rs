//! Writes every composed shader and the list of its variants into a folder, for checks by other
//! compilers: `cargo run --release -p weightlab-lab --example dump_shaders -- FOLDER`.

use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::{env, fs, io};
use weightlab_lab::shader_variants;

fn main() -> io::Result<()> {
    let folder = PathBuf::from(env::args_os().nth(1).expect("usage: dump_shaders FOLDER"));
    fs::create_dir_all(&folder)?;
    let variants = shader_variants();
    // Variants that need more than the default limit of workgroup memory are an entry of their own.
    let mut index = Vec::new();
    let shaders: BTreeMap<_, _> = variants.iter().map(|v| (v.shader.name, v.shader)).collect();
    for shader in shaders.values() {
        let file = format!("{}.wgsl", shader.name);
        fs::write(folder.join(&file), shader.source())?;
        for large in [false, true] {
            let of_shader: Vec<_> = variants
                .iter()
                .filter(|v| v.shader.name == shader.name && (v.workgroup_bytes > 0) == large)
                .collect();
            if of_shader.is_empty() {
                continue;
            }
            let constants: Vec<_> = of_shader
                .iter()
                .map(|v| {
                    let map: serde_json::Map<_, _> =
                        v.constants.iter().map(|(n, x)| ((*n).to_owned(), json!(x))).collect();
                    json!({ "constants": map })
                })
                .collect();
            let limit = of_shader.iter().map(|v| v.workgroup_bytes).max().unwrap_or(0).max(16_384);
            index.push(json!({
                "name": shader.name, "file": file, "entry": "main",
                "variants": constants, "workgroup_bytes_limit": limit,
            }));
        }
    }
    fs::write(folder.join("index.json"), serde_json::to_string_pretty(&index)?)?;
    println!("{} shaders, {} variants in {}", shaders.len(), variants.len(), folder.display());
    Ok(())
}
