//! OFF, OBJ and STL: whatever is accepted can be cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weightlab_data::{Mesh, SLICES};

fuzz_target!(|bytes: &[u8]| {
    // The first byte says which format.
    let Some((format, bytes)) = bytes.split_first() else { return };
    let file = ["x.off", "x.obj", "x.stl"][usize::from(*format) % 3];
    if let Ok(mesh) = Mesh::read(bytes, file) {
        assert_eq!(mesh.slices(4).len(), SLICES * 16);
    }
});
