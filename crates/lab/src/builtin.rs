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

/// A picture that comes with the program, clothes apart.
pub struct Builtin {
    /// In addresses and files.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// Where it is from and what to look for, in three sentences.
    pub about: &'static str,
    /// Side in pixels.
    side: usize,
    content: Content,
}

enum Content {
    /// See [`unpacked`], and the number of channels.
    Stored(&'static [u8], usize),
    /// Brightness from 0 to 1, x to the right and y down, both from -1 to 1.
    Formula(fn(f64, f64) -> f64),
}

macro_rules! stored {
    ($file:literal, $channels:literal) => {
        Content::Stored(
            include_bytes!(concat!("../../../testdata/photos/", $file, ".delta")),
            $channels,
        )
    };
}

/// Eileen Collins (NASA, public domain) in colour, a photographer (Lav Varshney, CC0) in grey, two formulas, a digit of MNIST (Yann
/// LeCun and Corinna Cortes, CC BY-SA 3.0) and a slice of Spot (Keenan Crane, public domain).
pub const PICTURES: [Builtin; 6] = [
    Builtin {
        name: "astronaut",
        title: "Astronaut",
        about: "Eileen Collins, photographed by NASA, in colour: the network has three outputs. Faces are hard, since every \
                edge in them matters. Look at which come first, and at what is still missing at the end.",
        side: 64,
        content: stored!("astronaut-64", 3),
    },
    Builtin {
        name: "camera",
        title: "Cameraman",
        about: "A photograph in grey, by Lav Varshney, as image processing has used for decades. The lawn is fine noise, the coat \
                one dark area. So small a network cannot have both: see which it gives up.",
        side: 64,
        content: stored!("camera-64", 1),
    },
    Builtin {
        name: "rings",
        title: "Rings: the sine of a distance",
        about: "The sine of the distance from the middle, sin 8πr. A network of sines should find that easy; but its first layer has \
                straight waves, and these are round. So it has to bend many of them into each other.",
        side: 64,
        content: Content::Formula(rings),
    },
    Builtin {
        name: "star",
        title: "Signed distance from a star",
        about: "How far it is to the star’s outline: brighter within, darker beyond. Shapes are often given to networks like this, \
                because the outline is then wherever the network says 0. Hardest are the creases, where two edges are equally far.",
        side: 64,
        content: Content::Formula(|x, y| 0.5 - star(x, y)),
    },
    Builtin {
        name: "digit",
        title: "Digit of MNIST",
        about: "A handwritten seven of MNIST, 28 × 28 pixels. Research on the weights of networks began with such digits: they are \
                small, and everybody knows the right answer. Most of the picture is black, so its error is soon small.",
        side: 28,
        content: stored!("digit-28", 1),
    },
    Builtin {
        name: "cow",
        title: "Slice of a mesh",
        about: "Spot the cow, a mesh by Keenan Crane, cut lengthwise: each pixel is as bright as it is deep within. Drop a mesh of \
                your own (OFF, OBJ or STL) to get sixteen slices of it as a set. Every network of them knows inside from outside.",
        side: 64,
        content: stored!("cow-64", 1),
    },
];

/// Side of a formula's picture.
const SIDE: usize = 64;

/// One of [`PICTURES`], as `options` says, but never larger than it is stored.
///
/// # Errors
/// A size that cannot be made. A number beyond the last picture is the last one.
pub fn picture(which: usize, options: &SourceOptions) -> Result<ImageSet, SourceError> {
    let Builtin { name, side, content, .. } = &PICTURES[which.min(PICTURES.len() - 1)];
    let pixels = match content {
        Content::Stored(bytes, channels) => unpacked(bytes, *side, *channels),
        Content::Formula(brightness) => drawn(brightness),
    };
    let shape = [*side, *side, pixels.len() / side.pow(2)];
    let size = options.size.filter(|(height, width)| height.max(width) < side);
    let options = SourceOptions { size, ..*options };
    ImageSet::from_pixels(pixels, shape, vec![(*name).to_owned()], &options)
}

/// Pixels of a stored picture, so that a page needs no decoder for them: differences from the pixel to the left, which pack better;
/// of colours a plane of green, and then red and blue as differences from it, which pack better still.
fn unpacked(bytes: &[u8], side: usize, channels: usize) -> Vec<u8> {
    let sum = |left: &mut u8, difference: &u8| {
        *left = left.wrapping_add(*difference);
        Some(*left)
    };
    let rows = bytes.chunks(side).flat_map(|row| row.iter().scan(0, sum));
    let values: Vec<u8> = rows.collect();
    let planes: Vec<&[u8]> = values.chunks(side * side).collect();
    match planes.as_slice() {
        [green, red, blue] if channels == 3 => (0..side * side)
            .flat_map(|i| [red[i].wrapping_add(green[i]), green[i], blue[i].wrapping_add(green[i])])
            .collect(),
        _ => values,
    }
}

/// Brightness from 0 to 1 at the centres of the pixels, x to the right and y down, both from -1 to 1.
fn drawn(brightness: impl Fn(f64, f64) -> f64) -> Vec<u8> {
    let at = |i: usize| (2 * i + 1) as f64 / SIDE as f64 - 1.0;
    let pixels = (0..SIDE * SIDE).map(|i| brightness(at(i % SIDE), at(i / SIDE)));
    pixels.map(|b| (255.0 * b.clamp(0.0, 1.0)).round() as u8).collect()
}

/// Rings around the middle, each 0.25 wide.
fn rings(x: f64, y: f64) -> f64 {
    0.5 + 0.5 * (8.0 * std::f64::consts::PI * x.hypot(y)).sin()
}

/// Signed distance from a star with five points on the circle of radius 0.8 and its notches at 0.35: below 0 within.
fn star(x: f64, y: f64) -> f64 {
    use std::f64::consts::PI;
    let corner = |i: usize| {
        let (radius, angle) = (if i.is_multiple_of(2) { 0.8 } else { 0.35 }, PI * i as f64 / 5.0);
        [radius * angle.sin(), -radius * angle.cos()]
    };
    let (mut nearest, mut inside) = (f64::INFINITY, false);
    for i in 0..10 {
        let ([ax, ay], [bx, by]) = (corner(i), corner(i + 1));
        let (ex, ey, px, py) = (bx - ax, by - ay, x - ax, y - ay);
        let along = ((px * ex + py * ey) / (ex * ex + ey * ey)).clamp(0.0, 1.0);
        nearest = nearest.min((px - along * ex).hypot(py - along * ey));
        // A ray to the right crosses an odd number of edges from within.
        inside ^= (ay > y) != (by > y) && x < ax + ex * (y - ay) / ey;
    }
    if inside { -nearest } else { nearest }
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

    /// Grey level at a pixel.
    fn at(set: &ImageSet, x: usize, y: usize) -> i32 {
        i32::from(set.image(0)[y * SIDE + x])
    }

    #[test]
    fn formulas_draw_what_they_say() {
        let named = |name: &str| {
            let which = PICTURES.iter().position(|p| p.name == name).unwrap();
            picture(which, &SourceOptions::default()).unwrap()
        };
        let (star, rings) = (named("star"), named("rings"));
        // Within the star it is brighter than half, beyond it darker, and grey 127.5 is its outline.
        assert!(at(&star, 32, 32) > 180 && at(&star, 32, 12) > 128);
        assert!(at(&star, 0, 0) < 20 && at(&star, 20, 12) < 127);
        for y in 0..SIDE {
            for x in 0..SIDE - 1 {
                assert_eq!(at(&star, x, y), at(&star, SIDE - 1 - x, y), "left is right");
                // No distance changes by more than the way that was made: two 64ths of 255, and rounding.
                assert!((at(&star, x, y) - at(&star, x + 1, y)).abs() <= 9, "at {x}, {y}");
                assert_eq!(at(&rings, x, y), at(&rings, y, x), "rings are round");
            }
        }
        // From the middle to the right edge, four rings of which each goes up and down.
        let row: Vec<i32> = (32..SIDE).map(|x| at(&rings, x, 32)).collect();
        let crossings = row.windows(2).filter(|w| (w[0] > 127) != (w[1] > 127)).count();
        assert_eq!(crossings, 7);
        let last = picture(PICTURES.len() - 1, &SourceOptions::default()).unwrap();
        assert_eq!(picture(99, &SourceOptions::default()).unwrap(), last, "the last one");
    }

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
            let images = picture(which, &options).unwrap();
            (images.height, images.width, images.channels)
        };
        assert_eq!(shape(0, SourceOptions::default()), (64, 64, 3));
        assert_eq!(shape(1, SourceOptions::default()), (64, 64, 1));
        for (which, file) in ["astronaut-64.png", "camera-64.png"].iter().enumerate() {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
            let bytes = std::fs::read(path.join("../../testdata/photos").join(file)).unwrap();
            let picture = weightlab_data::decode_image(&bytes, file).unwrap();
            let stored = super::picture(which, &SourceOptions::default()).unwrap();
            assert_eq!(picture.pixels, stored.pixels, "{file}");
        }
        let small = SourceOptions { size: Some((16, 16)), grey: Some(true), split: None };
        assert_eq!(shape(0, small), (16, 16, 1));
    }

    #[test]
    fn small_pictures_stay_small_and_all_are_told_of() {
        let large = SourceOptions { size: Some((64, 64)), ..SourceOptions::default() };
        let sides: Vec<usize> =
            (0..PICTURES.len()).map(|i| picture(i, &large).unwrap().height).collect();
        assert_eq!(sides, [64, 64, 64, 64, 28, 64]);
        for Builtin { name, about, .. } in &PICTURES {
            assert_eq!(about.matches(". ").count(), 2, "{name}: {about}");
        }
        // White strokes on black, with a margin as all of MNIST have.
        let digit = picture(4, &large).unwrap();
        let ink = digit.pixels.iter().map(|&p| u32::from(p)).sum::<u32>() / 255;
        assert!(
            (30..150).contains(&ink) && digit.pixels[..4 * 28].iter().all(|&p| p == 0),
            "{ink}"
        );
    }

    /// What is stored is what the reader of meshes makes of the mesh.
    #[test]
    fn the_cow_is_a_slice_of_its_mesh() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let packed = std::fs::read(path.join("../../testdata/meshes/spot.obj.gz")).unwrap();
        let mut mesh = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&packed[..]), &mut mesh)
            .unwrap();
        let options = SourceOptions { size: Some((64, 64)), ..SourceOptions::default() };
        let slices = ImageSet::from_mesh_bytes(&mesh, "spot.obj", &options).unwrap();
        let cow = picture(5, &SourceOptions::default()).unwrap();
        assert!(slices.image(10) == cow.image(0));
    }
}
