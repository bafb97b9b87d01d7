//! The real images that come with the program.

use weightlab_data::{ImageSet, SourceError, SourceOptions, Split};

const IMAGES: &[u8] = include_bytes!("../../../testdata/fashion-mnist/t10k-images-idx3-ubyte.gz");
const LABELS: &[u8] = include_bytes!("../../../testdata/fashion-mnist/t10k-labels-idx1-ubyte.gz");
/// The first 64 test images of Fashion-MNIST, 28x28, grey (Copyright 2017 Zalando SE, MIT licence).
///
/// # Errors
/// None, unless the program was built from damaged files.
pub fn fashion_mnist() -> Result<ImageSet, SourceError> {
    let mut images = ImageSet::from_idx_bytes(
        ("t10k-images-idx3-ubyte.gz", IMAGES),
        Some(("t10k-labels-idx1-ubyte.gz", LABELS)),
        Some(Split::Test),
        &SourceOptions::default(),
    )?;
    images.source.name = "Fashion-MNIST".to_owned();
    Ok(images)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_images_are_there() {
        let images = fashion_mnist().unwrap();
        assert_eq!((images.len(), images.height, images.width, images.channels), (64, 28, 28, 1));
        // The first test image of Fashion-MNIST is an ankle boot.
        assert_eq!(images.class_names[images.label(0) as usize], "Ankle boot");
    }
}
