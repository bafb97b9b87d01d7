//! Small inputs for the tests, made from first principles rather than with the code under test.

#![allow(dead_code, reason = "every test program uses another part of this")]

use std::io::Write;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use weightlab_data::{MemStore, Plan, Shard, Store, StoreError, Zoo, ZooManifest};
use weightlab_nets::{Convention, Mlp};

pub fn block<T>(future: impl Future<Output = T>) -> T {
    pollster::block_on(future)
}

pub fn testdata(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testdata").join(path)
}

pub fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An IDX file of unsigned bytes.
pub fn idx(dims: &[u32], values: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, dims.len() as u8];
    for dim in dims {
        bytes.extend(dim.to_be_bytes());
    }
    bytes.extend(values);
    bytes
}

/// `count` images whose pixels all differ from their neighbours.
pub fn pixels(count: usize, stride: usize) -> Vec<u8> {
    (0..count * stride).map(|i| (i * 37 % 251) as u8).collect()
}

pub fn png(width: u32, height: u32, color: image::ExtendedColorType, pixels: &[u8]) -> Vec<u8> {
    use image::ImageEncoder;
    let mut bytes = Vec::new();
    image::codecs::png::PngEncoder::new(&mut bytes)
        .write_image(pixels, width, height, color)
        .unwrap();
    bytes
}

pub fn grey_png(width: u32, height: u32) -> Vec<u8> {
    png(width, height, image::ExtendedColorType::L8, &pixels(1, (width * height) as usize))
}

pub fn mlp() -> Mlp {
    Mlp::new(&[2, 3, 2, 1], Convention::Dwsnets).unwrap()
}

/// Ten networks.
pub const PLAN: Plan = Plan { objects: [10, 15], views: 2, part: None };

/// A zoo of those ten in shards of four, complete.
pub fn zoo_in<S: Store + Clone>(store: &S) -> Zoo<S> {
    let mut zoo = block(Zoo::create(store.clone(), manifest(PLAN, 4))).unwrap();
    for (first, end) in [(0, 4), (4, 8), (8, 10)] {
        block(zoo.append(&shard(&PLAN, &mlp(), first, end))).unwrap();
    }
    zoo
}

/// Networks `first..end` of a plan, with parameters that tell which they are.
pub fn shard(plan: &Plan, mlp: &Mlp, first: u64, end: u64) -> Shard {
    let mut shard = Shard::default();
    for k in first..end {
        let (object, view) = plan.net(k);
        let tag = object as f32 + view as f32 / 16.0;
        shard.params.extend((0..mlp.param_count()).map(|p| tag + p as f32 / 1024.0));
        shard.labels.push(i64::from(object % 10));
        shard.objects.push(i64::from(object));
        shard.views.push(i64::from(view));
        shard.psnr.push(30.0 + tag);
        shard.steps.push(100 + i64::from(object));
    }
    shard
}

pub fn manifest(plan: Plan, nets_per_shard: u32) -> ZooManifest {
    let mut manifest = ZooManifest::new(mlp(), 5);
    manifest.plan = Some(plan);
    manifest.nets_per_shard = nets_per_shard;
    manifest.fit = Some(weightlab_nets::FitSettings::default());
    manifest
}

/// Asserts that an error speaks to its reader: names and figures, and a remedy.
#[track_caller]
pub fn says(error: &impl std::fmt::Display, parts: &[&str]) {
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "{text:?} lacks {part:?}");
    }
}

/// Gives up at a write, as if it had been killed there.
#[derive(Debug)]
pub struct Killed {
    pub inner: MemStore,
    pub writes: std::cell::Cell<usize>,
}

impl Store for &Killed {
    async fn read(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        self.inner.read(name).await
    }
    async fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        match self.writes.get().checked_sub(1) {
            None => Err(StoreError::NotFound { name: name.into(), store: "killed".into() }),
            Some(left) => {
                self.writes.set(left);
                self.inner.write(name, bytes).await
            }
        }
    }
    async fn list(&self) -> Result<Vec<String>, StoreError> {
        self.inner.list().await
    }
    async fn exists(&self, name: &str) -> Result<bool, StoreError> {
        self.inner.exists(name).await
    }
    async fn remove(&self, name: &str) -> Result<(), StoreError> {
        self.inner.remove(name).await
    }
    fn describe(&self) -> String {
        "out".into()
    }
}
