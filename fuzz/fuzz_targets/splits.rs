//! splits.json: paths from a stranger, resolved in a store that holds one file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weightlab_data::{ImportOptions, MemStore, Store, import_torch, write_torch_net};
use weightlab_nets::{Convention, Mlp};

fuzz_target!(|bytes: &[u8]| {
    pollster::block_on(async {
        let mlp = Mlp::new(&[2, 1, 1], Convention::Dwsnets).unwrap();
        let store = MemStore::new();
        store.write("a", &write_torch_net(&mlp, &[0.5; 5], Some(3))).await.unwrap();
        store.write("splits.json", bytes).await.unwrap();
        let _ = import_torch(&store, MemStore::new(), &ImportOptions::default()).await;
    });
});
