//! A zoo in the formats that others read.

use super::error::TorchError;
use std::collections::BTreeMap;

use super::sidecar::{Fit, SIDECAR_FILE, Sidecar};
use super::splits::{SPLITS_FILE, Written};
use super::write::write_torch_net;
use crate::store::Store;
use crate::zoo::Zoo;
use crate::zoo::error::ZooError;

/// What an export wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExportReport {
    /// Networks written.
    pub nets: u64,
    /// Networks listed under `train`, `val` and `test`.
    pub splits: [u64; 3],
    /// Bytes of all files.
    pub bytes: u64,
    /// `(object, view)` of every network that diverged.
    pub diverged: Vec<(i64, i64)>,
}

/// Whether a folder holds nothing but what is left of an export that was ended, which the next one replaces.
///
/// # Errors
/// A store that cannot be read.
pub async fn is_unfinished_export<S: Store>(store: &S) -> Result<bool, TorchError> {
    if !store.exists(SIDECAR_FILE).await? {
        return Ok(false);
    }
    let sidecar = Sidecar::from_json(&store.read(SIDECAR_FILE).await?);
    let ours = |name: &String| {
        let network = name.starts_with("view_") && name.ends_with(".pth");
        network || name == SIDECAR_FILE || name == SPLITS_FILE
    };
    Ok(sidecar.is_ok_and(|s| s.unfinished) && store.list().await?.iter().all(ours))
}

/// Writes every network as a `.pth` file of its own, `view_000/<label>/<object>.pth`, and last
/// `splits.json`, which lists them as the reference code expects: with `root`, the name of the
/// folder that `out` is, before every path, and the view as the third component from the end.
/// Networks without a known label lie under `unlabelled` and have no entry `label`; networks
/// without a known split are listed under `train`. Beside `splits.json`, `weightlab.json` records
/// what the files do not say: the activation, the offset, the initialisation and the target range, and of every
/// network its PSNR, its steps and whether it diverged. Until the export is done it says so instead; what is left of
/// an export that was ended is replaced.
///
/// # Errors
/// A damaged zoo, or a store that cannot be written.
pub async fn export_torch<S: Store, O: Store>(
    zoo: &Zoo<S>,
    out: &O,
    root: &str,
) -> Result<ExportReport, TorchError> {
    let manifest = zoo.manifest();
    let mut splits = Written::default();
    let mut report = ExportReport::default();
    let _lock = out.lock().await?;
    if is_unfinished_export(out).await? {
        for name in out.list().await?.iter().filter(|&n| n != SIDECAR_FILE) {
            out.remove(name).await?;
        }
    }
    let mut sidecar = Sidecar {
        mlp: manifest.mlp.clone(),
        image_shape: manifest.image_shape,
        fits: BTreeMap::new(),
        unfinished: true,
    };
    out.write(SIDECAR_FILE, &sidecar.to_json()).await?;
    for s in 0..manifest.shards.len() {
        let shard = zoo.read_shard(s).await?;
        for i in 0..shard.len() {
            let label = Some(shard.labels[i]).filter(|&l| l >= 0);
            let class = label.map_or_else(|| "unlabelled".to_string(), |l| l.to_string());
            let (object, view) = (shard.objects[i], shard.views[i]);
            let name = format!("view_{view:03}/{class}/{object:06}.pth");
            let bytes = write_torch_net(&manifest.mlp, shard.net(i), label);
            out.write(&name, &bytes).await?;
            splits.push(manifest.split_of(object).unwrap_or("train"), format!("{root}/{name}"));
            report.nets += 1;
            report.bytes += bytes.len() as u64;
            if shard.diverged(i) {
                report.diverged.push((object, view));
            }
            let fit = Fit {
                psnr: Some(shard.psnr[i]).filter(|p| p.is_finite()),
                steps: shard.steps[i],
                diverged: shard.diverged(i),
            };
            sidecar.fits.insert(name, fit);
        }
    }
    report.splits = [&splits.train, &splits.val, &splits.test].map(|s| s.len() as u64);
    let mut bytes = serde_json::to_vec_pretty(&splits).unwrap_or_default();
    bytes.push(b'\n');
    out.write(SPLITS_FILE, &bytes).await?;
    report.bytes += bytes.len() as u64;
    sidecar.unfinished = false;
    let bytes = sidecar.to_json();
    out.write(SIDECAR_FILE, &bytes).await?;
    report.bytes += bytes.len() as u64;
    Ok(report)
}

/// All networks as one safetensors file in the layout of a shard: `seq.{l}.weight`
/// `[n, out, in]`, `seq.{l}.bias` `[n, out]`, `label`, `object`, `view`, `psnr`, `steps`.
/// Memory: twice the bytes of the file.
///
/// # Errors
/// A damaged zoo.
pub async fn export_safetensors<S: Store>(zoo: &Zoo<S>) -> Result<Vec<u8>, ZooError> {
    zoo.load_all().await?.to_bytes(&zoo.manifest().mlp)
}
