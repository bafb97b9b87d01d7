//! What the tests of jobs share.

#![allow(dead_code, reason = "every test binary uses a part of this")]

use pollster::block_on;
use weightlab_data::{
    ImageSet, MemStore, Plan, Shard, SourceInfo, SourceKind, Targets, Zoo, ZooManifest,
};
use weightlab_gpu::{Gpu, OpenOptions};
use weightlab_kernels::philox;
use weightlab_nets::{Convention, Mlp};

/// A device; a test without one fails.
pub fn gpu() -> Gpu {
    let gpu = pollster::block_on(Gpu::open(&OpenOptions::default())).expect("an adapter");
    println!("adapter: {}", gpu.report().name);
    gpu
}

/// Smooth patterns, all different.
pub fn images(count: usize) -> ImageSet {
    let (height, width) = (7, 5);
    let pixels = (0..count)
        .flat_map(|i| {
            (0..height * width).map(move |p| {
                let (y, x) = (p / width, p % width);
                (128.0 + 120.0 * ((x as f64 + i as f64) * 0.7 + y as f64 * 0.3 * i as f64).sin())
                    as u8
            })
        })
        .collect();
    ImageSet {
        source: SourceInfo {
            kind: SourceKind::Images,
            name: "patterns".into(),
            split: None,
            blake3: format!("patterns {count}"),
        },
        height,
        width,
        channels: 1,
        pixels,
        labels: Some((0..count as i64).map(|i| i % 3).collect()),
        names: Vec::new(),
        class_names: Vec::new(),
    }
}

pub fn mlp() -> Mlp {
    Mlp::new(&[2, 8, 8, 1], Convention::Dwsnets).unwrap()
}

/// A zoo of 14 networks with random parameters, two per image, in shards of four.
pub fn zoo() -> Zoo<MemStore> {
    zoo_of(|net| images(7).label(net as usize / 2))
}

/// The same with other labels, by position.
pub fn zoo_of(label: impl Fn(u32) -> i64) -> Zoo<MemStore> {
    let (images, mlp) = (images(7), mlp());
    let mut manifest = ZooManifest::new(mlp.clone(), 5);
    manifest.plan = Some(Plan { objects: [0, 7], views: 2, part: None });
    manifest.image_shape = Some([images.height, images.width, images.channels]);
    manifest.nets_per_shard = 4;
    let mut zoo = block_on(Zoo::create(MemStore::new(), manifest)).unwrap();
    block_on(zoo.write_targets(&Targets::from_images(&images, 0..7))).unwrap();
    for first in [0, 4, 8, 12] {
        let mut shard = Shard::default();
        for net in first..14.min(first + 4) {
            let word = |p: usize| philox::philox4x32([p as u32, net, 0, 0], [1, 2])[0];
            shard.params.extend((0..mlp.param_count()).map(|p| 0.3 * philox::symmetric(word(p))));
            shard.labels.push(label(net));
            shard.objects.push(i64::from(net / 2));
            shard.views.push(i64::from(net % 2));
            shard.psnr.push(f32::NAN);
            shard.steps.push(i64::from(100 + net));
        }
        block_on(zoo.append(&shard)).unwrap();
    }
    zoo
}
