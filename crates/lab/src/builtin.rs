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

/// The photographs that come with the program: a name, and one for people.
pub const PHOTOS: [(&str, &str); 2] = [("astronaut", "Astronaut"), ("camera", "Cameraman")];

/// Pixels as they are, so that the page needs no decoder for them.
const PHOTO_PIXELS: [&[u8]; 2] = [
    include_bytes!("../../../testdata/photos/astronaut-64.rgb"),
    include_bytes!("../../../testdata/photos/camera-64.grey"),
];

/// Their height and width.
const PHOTO_SIDE: usize = 64;

/// One of [`PHOTOS`], 64x64 unless `options` says otherwise: Eileen Collins (NASA, public domain) in colour, and
/// a photographer (Lav Varshney, CC0) in grey.
///
/// # Errors
/// A size that cannot be made. A number beyond the last photograph is the last one.
pub fn photo(which: usize, options: &SourceOptions) -> Result<ImageSet, SourceError> {
    let which = which.min(PHOTOS.len() - 1);
    let pixels = PHOTO_PIXELS[which];
    let shape = [PHOTO_SIDE, PHOTO_SIDE, pixels.len() / PHOTO_SIDE.pow(2)];
    ImageSet::from_pixels(pixels.to_vec(), shape, PHOTOS[which].0, options)
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
        let shape = |which, options| {
            let images = photo(which, &options).unwrap();
            (images.height, images.width, images.channels)
        };
        assert_eq!(shape(0, SourceOptions::default()), (64, 64, 3));
        assert_eq!(shape(1, SourceOptions::default()), (64, 64, 1));
        for (which, file) in ["astronaut-64.png", "camera-64.png"].iter().enumerate() {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
            let bytes = std::fs::read(path.join("../../testdata/photos").join(file)).unwrap();
            let picture = weightlab_data::decode_image(&bytes, file).unwrap();
            assert_eq!(picture.pixels, PHOTO_PIXELS[which], "{file}");
        }
        let small = SourceOptions { size: Some((16, 16)), grey: Some(true), split: None };
        assert_eq!(shape(0, small), (16, 16, 1));
    }
}
