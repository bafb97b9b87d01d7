//! zoo.json: whatever is accepted is written back and read the same, and can be opened and merged.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weightlab_data::{MANIFEST_FILE, MemStore, Store, Zoo, ZooManifest, merge};

fuzz_target!(|bytes: &[u8]| {
    let Ok(manifest) = ZooManifest::from_json(bytes, "x") else { return };
    let again = ZooManifest::from_json(&manifest.to_json(), "x").unwrap();
    assert_eq!(again, manifest);
    let _ = (manifest.is_complete(), manifest.split_of(3));
    pollster::block_on(async {
        let store = MemStore::new();
        store.write(MANIFEST_FILE, bytes).await.unwrap();
        if let Ok(zoo) = Zoo::open(store).await {
            let _ = merge(&[zoo], MemStore::new()).await;
        }
    });
});
