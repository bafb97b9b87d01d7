//! Shards, target files and foreign safetensors: whatever is accepted is written back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weightlab_data::{ImportOptions, MemStore, Shard, Targets, import_safetensors};

fuzz_target!(|bytes: &[u8]| {
    if let Ok((mlp, shard)) = Shard::from_bytes_alone(bytes, "x") {
        let again = shard.to_bytes(&mlp).and_then(|b| Shard::from_bytes(&b, "x", &mlp));
        // Bits rather than values: a parameter may be NaN.
        let bits = |s: &Shard| s.params.iter().map(|p| p.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&again.unwrap()), bits(&shard));
    }
    if let Ok(targets) = Targets::from_bytes(bytes, "x") {
        let again = targets.to_bytes().and_then(|b| Targets::from_bytes(&b, "x"));
        assert_eq!(again.unwrap(), targets);
    }
    let options = ImportOptions::default();
    let _ = pollster::block_on(import_safetensors(bytes, "x", MemStore::new(), &options));
});
