//! A zoo in the formats that others read.

use super::error::TorchError;
use super::sidecar::{SIDECAR_FILE, Sidecar};
use super::splits::{SPLITS_FILE, Written};
use super::write::write_torch_net;
use crate::store::Store;
use crate::zoo::Zoo;
use crate::zoo::error::ZooError;

/// What an export wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExportReport {
    /// Networks written.
    pub nets: u64,
    /// Networks listed under `train`, `val` and `test`.
    pub splits: [u64; 3],
    /// Bytes of all files.
    pub bytes: u64,
}

/// Writes every network as a `.pth` file of its own, `view_000/<label>/<object>.pth`, and last
/// `splits.json`, which lists them as the reference code expects: with `root`, the name of the
/// folder that `out` is, before every path, and the view as the third component from the end.
/// Networks without a known label lie under `unlabelled` and have no entry `label`; networks
/// without a known split are listed under `train`. Beside `splits.json`, `weightlab.json` records
/// what the files do not say: the activation, the offset, the initialisation and the target range.
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
        }
    }
    let sidecar =
        Sidecar { mlp: manifest.mlp.clone(), image_shape: manifest.image_shape }.to_json();
    out.write(SIDECAR_FILE, &sidecar).await?;
    report.bytes += sidecar.len() as u64;
    report.splits = [&splits.train, &splits.val, &splits.test].map(|s| s.len() as u64);
    let mut bytes = serde_json::to_vec_pretty(&splits).unwrap_or_default();
    bytes.push(b'\n');
    out.write(SPLITS_FILE, &bytes).await?;
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
