//! Recordings of fits, made by `cargo run --release --example record -p weightlab-app` and kept in `web/recorded`.
//!
//! A recording is a strip of squares: the target, then what the network drew after each of [`STEPS`].

use crate::state::Picture;
use weightlab_lab::builtin::PICTURES;

/// Updates at which the network was drawn.
pub const STEPS: [u32; 5] = [0, 3, 10, 60, 500];

/// The pictures of clothes that are offered: one of each class.
pub const CLOTHES: [u32; 10] = [2, 1, 13, 6, 19, 8, 4, 9, 18, 0];

/// Where the recording of a picture is, from the page's folder, if there is one.
pub fn file(picture: Picture) -> Option<String> {
    match picture {
        Picture::Fashion(number) => {
            CLOTHES.contains(&number).then(|| format!("recorded/fashion-{number}.webp"))
        }
        Picture::Named(which) => PICTURES.get(which).map(|p| format!("recorded/{}.webp", p.name)),
        Picture::Own => None,
    }
}
