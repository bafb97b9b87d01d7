//! The real images that come with the program, and networks that were fitted to some beforehand.

use weightlab_data::{ImageSet, SourceError, SourceOptions, Split};
#[cfg(not(target_arch = "wasm32"))]
use weightlab_data::{MemStore, Store, Zoo, ZooError};

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
    ImageSet::from_pixels(pixels.to_vec(), shape, vec![PHOTOS[which].0.to_owned()], options)
}

/// The files of a zoo in `testdata/zoo`.
#[cfg(not(target_arch = "wasm32"))]
macro_rules! zoo_files {
    ($folder:literal: $($file:literal),*) => {
        [$(($file, include_bytes!(concat!("../../../testdata/zoo/", $folder, "/", $file)).as_slice())),*]
    };
}

#[cfg(not(target_arch = "wasm32"))]
const TRAIN: [(&str, &[u8]); 5] = zoo_files!("train": "zoo.json", "nets-00000.safetensors", "nets-00001.safetensors",
    "nets-00002.safetensors", "targets.safetensors");
#[cfg(not(target_arch = "wasm32"))]
const TEST: [(&str, &[u8]); 3] =
    zoo_files!("test": "zoo.json", "nets-00000.safetensors", "targets.safetensors");

/// Networks 2-32-32-1 (dwsnets) of Fashion-MNIST (Copyright 2017 Zalando SE, MIT licence), in memory: two views of each of 360 training
/// images, or one of each of 180 test images. A page fetches the files instead, so that its program stays small.
///
/// # Errors
/// None, unless the program was built from damaged files.
#[cfg(not(target_arch = "wasm32"))]
pub async fn zoo(split: Split) -> Result<Zoo<MemStore>, ZooError> {
    let store = MemStore::new();
    let files: &[(&str, &[u8])] = if split == Split::Test { &TEST } else { &TRAIN };
    for (name, bytes) in files {
        store.write(name, bytes).await?;
    }
    Zoo::open(store).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use pollster::block_on;
    use weightlab_nets::{image_grid, reference};

    /// The zoos are whole, of every class, and draw what they should, evaluated without a GPU.
    #[test]
    fn the_networks_draw_the_images() {
        // Least and greatest number of networks of a class, which are those of the images.
        for (split, nets, classes) in [(Split::Train, 720, 58..=90), (Split::Test, 180, 13..=25)] {
            let zoo = block_on(zoo(split)).unwrap();
            let all = block_on(zoo.load_all()).unwrap();
            assert_eq!(all.len(), nets);
            for class in 0..10 {
                let count = all.labels.iter().filter(|l| **l == class).count();
                assert!(classes.contains(&count), "{split:?}: {count} of class {class}");
            }
            let targets = block_on(zoo.read_targets()).unwrap().unwrap();
            let mlp = &zoo.manifest().mlp;
            let coords: Vec<f64> = image_grid(28, 28).iter().map(|&x| f64::from(x)).collect();
            for i in (0..nets).step_by(nets / 20) {
                let params: Vec<f64> = all.net(i).iter().map(|&x| f64::from(x)).collect();
                let drawn = reference::forward(mlp, &params, &coords);
                let image = targets.find(all.objects[i]).unwrap();
                let error = |(y, t): (&f64, &u8)| (y - f64::from(*t) / 255.0).powi(2);
                let mse = drawn.iter().zip(image).map(error).sum::<f64>() / 784.0;
                // PSNR was measured before the last update, which moves it a little.
                let off = mlp.psnr(mse) - f64::from(all.psnr[i]);
                assert!(off.abs() < 0.5, "{split:?} {i}: {off} dB");
            }
        }
    }

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
