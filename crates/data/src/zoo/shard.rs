//! A batch of networks as a safetensors file.

use serde::{Deserialize, Serialize};
use weightlab_nets::Mlp;

use super::error::ZooError;
use super::manifest::FORMAT_VERSION;
use crate::tensors::{Named, Tensors, serialize};

/// The one key of a shard's `__metadata__`.
pub(crate) const METADATA_KEY: &str = "weightlab";

/// What a shard says of itself, so that it can be used without its `zoo.json`.
#[derive(Debug, Serialize, Deserialize)]
struct ShardHeader {
    format_version: u32,
    convention: Option<String>,
    mlp: Mlp,
}

/// Networks of one architecture, with what is known of each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shard {
    /// `[n, P]`: per network, layer by layer, the weight `(out, in)` and then the bias.
    pub params: Vec<f32>,
    /// `[n]`: class of the object, -1 if unknown.
    pub labels: Vec<i64>,
    /// `[n]`: which object of the source.
    pub objects: Vec<i64>,
    /// `[n]`: which of the object's networks.
    pub views: Vec<i64>,
    /// `[n]`: PSNR of the fit in dB, NaN if unknown.
    pub psnr: Vec<f32>,
    /// `[n]`: optimiser steps taken, 0 if unknown.
    pub steps: Vec<i64>,
}

impl Shard {
    /// Number of networks.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether it holds no network.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The parameters of network `i`, `[P]`.
    ///
    /// # Panics
    /// If `i` is not below [`Shard::len`].
    pub fn net(&self, i: usize) -> &[f32] {
        let stride = self.params.len() / self.len();
        &self.params[i * stride..(i + 1) * stride]
    }

    /// Whether the loss of network `i` became NaN or infinite: its PSNR is NaN though it took steps. Of networks
    /// that were made elsewhere neither is known.
    ///
    /// # Panics
    /// If `i` is not below [`Shard::len`].
    pub fn diverged(&self, i: usize) -> bool {
        self.psnr[i].is_nan() && self.steps[i] > 0
    }

    /// Appends network `i` of `other`.
    pub(crate) fn push_from(&mut self, other: &Shard, i: usize) {
        self.params.extend_from_slice(other.net(i));
        self.labels.push(other.labels[i]);
        self.objects.push(other.objects[i]);
        self.views.push(other.views[i]);
        self.psnr.push(other.psnr[i]);
        self.steps.push(other.steps[i]);
    }

    /// Appends all networks of `other`.
    pub fn extend(&mut self, other: &Shard) {
        self.params.extend_from_slice(&other.params);
        self.labels.extend_from_slice(&other.labels);
        self.objects.extend_from_slice(&other.objects);
        self.views.extend_from_slice(&other.views);
        self.psnr.extend_from_slice(&other.psnr);
        self.steps.extend_from_slice(&other.steps);
    }

    /// `(network, parameter)` of the first parameter that is NaN or infinite.
    pub fn first_non_finite(&self) -> Option<(usize, usize)> {
        let stride = self.params.len() / self.len().max(1);
        let at = self.params.iter().position(|p| !p.is_finite())?;
        Some((at / stride, at % stride))
    }

    /// Checks that all lengths agree with `mlp`.
    pub(crate) fn check(&self, mlp: &Mlp, file: &str) -> Result<(), ZooError> {
        let n = self.len();
        let lengths = [
            ("parameters", self.params.len(), n.saturating_mul(mlp.param_count())),
            ("object", self.objects.len(), n),
            ("view", self.views.len(), n),
            ("psnr", self.psnr.len(), n),
            ("steps", self.steps.len(), n),
        ];
        for (what, found, expected) in lengths {
            if found != expected {
                return Err(ZooError::invalid(
                    file,
                    what,
                    format!("{found} values"),
                    format!("{expected} for {n} labels of {} networks", mlp.dims_text()),
                ));
            }
        }
        Ok(())
    }

    /// The shard as a safetensors file. Equal contents give equal bytes.
    ///
    /// # Errors
    /// Lengths that do not agree with `mlp`.
    pub fn to_bytes(&self, mlp: &Mlp) -> Result<Vec<u8>, ZooError> {
        let file = "shard";
        self.check(mlp, file)?;
        let n = self.len();
        let mut tensors = Vec::new();
        for (l, layer) in mlp.layers().iter().enumerate() {
            let gather = |from: usize, count: usize| {
                let stride = mlp.param_count();
                let mut out = Vec::with_capacity(n * count);
                for net in self.params.chunks_exact(stride) {
                    out.extend_from_slice(&net[from..from + count]);
                }
                out
            };
            let weights = gather(layer.weight, layer.inputs * layer.outputs);
            let shape = vec![n, layer.outputs, layer.inputs];
            tensors.push(Named::f32(format!("seq.{l}.weight"), shape, &weights));
            let biases = gather(layer.bias, layer.outputs);
            tensors.push(Named::f32(format!("seq.{l}.bias"), vec![n, layer.outputs], &biases));
        }
        tensors.push(Named::i64("label", &self.labels));
        tensors.push(Named::i64("object", &self.objects));
        tensors.push(Named::i64("view", &self.views));
        tensors.push(Named::f32("psnr", vec![n], &self.psnr));
        tensors.push(Named::i64("steps", &self.steps));
        let header = ShardHeader {
            format_version: FORMAT_VERSION,
            convention: mlp.convention().map(|c| c.name().to_string()),
            mlp: mlp.clone(),
        };
        let header = serde_json::to_string(&header).unwrap_or_default();
        serialize(tensors, file, (METADATA_KEY, header))
    }

    /// Reads a shard of networks `mlp`. `file` is the name used in messages.
    ///
    /// # Errors
    /// Not a safetensors file; a tensor that is missing, unknown, of another type or shape; an
    /// architecture in its metadata that is not `mlp`.
    pub fn from_bytes(bytes: &[u8], file: &str, mlp: &Mlp) -> Result<Shard, ZooError> {
        let (found, shard) = Shard::from_bytes_alone(bytes, file)?;
        if found != *mlp {
            return Err(ZooError::invalid(
                file,
                format!("architecture in {METADATA_KEY:?} of __metadata__"),
                describe(&found),
                describe(mlp),
            ));
        }
        Ok(shard)
    }

    /// Reads a shard without its `zoo.json`, taking the architecture from its metadata.
    ///
    /// # Errors
    /// As [`Shard::from_bytes`], or no such metadata.
    pub fn from_bytes_alone(bytes: &[u8], file: &str) -> Result<(Mlp, Shard), ZooError> {
        let tensors = Tensors::parse(bytes, file)?;
        let mlp = header_mlp(&tensors, file)?.ok_or_else(|| {
            ZooError::invalid(
                file,
                "__metadata__",
                "no architecture",
                format!("the key {METADATA_KEY:?}"),
            )
        })?;
        let known = 2 * mlp.depth() + 5;
        if tensors.len() != known {
            return Err(ZooError::invalid(
                file,
                "tensors",
                format!("{} of them", tensors.len()),
                format!("{known} for a network of {} layers", mlp.depth()),
            ));
        }
        let labels = tensors.i64("label")?;
        let params = read_params(&tensors, &mlp, labels.len())?;
        let shard = Shard {
            params,
            labels,
            objects: tensors.i64("object")?,
            views: tensors.i64("view")?,
            psnr: tensors.f32("psnr")?.1,
            steps: tensors.i64("steps")?,
        };
        shard.check(&mlp, file)?;
        Ok((mlp, shard))
    }
}

/// The architecture in a file's metadata, if the key is there at all.
pub(crate) fn header_mlp(tensors: &Tensors<'_>, file: &str) -> Result<Option<Mlp>, ZooError> {
    let Some(text) = tensors.metadata(METADATA_KEY) else { return Ok(None) };
    let header: ShardHeader = serde_json::from_str(text).map_err(|e| {
        ZooError::invalid(
            file,
            format!("{METADATA_KEY:?} of __metadata__"),
            e.to_string(),
            "an architecture",
        )
    })?;
    if header.format_version != FORMAT_VERSION {
        return Err(ZooError::Version {
            file: file.to_string(),
            found: u64::from(header.format_version),
        });
    }
    header.mlp.validate().map_err(|source| ZooError::Mlp { file: file.to_string(), source })?;
    Ok(Some(header.mlp))
}

/// `[n, P]` from the tensors `seq.{l}.weight` and `seq.{l}.bias`.
pub(crate) fn read_params(
    tensors: &Tensors<'_>,
    mlp: &Mlp,
    n: usize,
) -> Result<Vec<f32>, ZooError> {
    let stride = mlp.param_count();
    let mut blocks = Vec::new();
    for (l, layer) in mlp.layers().iter().enumerate() {
        let count = layer.inputs * layer.outputs;
        let shape = [n, layer.outputs, layer.inputs];
        blocks.push((layer.weight, count, tensors.f32_shaped(&format!("seq.{l}.weight"), &shape)?));
        let shape = [n, layer.outputs];
        let biases = tensors.f32_shaped(&format!("seq.{l}.bias"), &shape)?;
        blocks.push((layer.bias, layer.outputs, biases));
    }
    // Every tensor of n networks is there, so n * stride values are no more than the file holds.
    let mut params = vec![0.0; n * stride];
    for (at, count, values) in blocks {
        for (net, values) in params.chunks_exact_mut(stride).zip(values.chunks_exact(count)) {
            net[at..at + count].copy_from_slice(values);
        }
    }
    Ok(params)
}

fn describe(mlp: &Mlp) -> String {
    match mlp.convention() {
        Some(c) => format!("{} ({})", mlp.dims_text(), c.name()),
        None => serde_json::to_string(mlp).unwrap_or_else(|_| mlp.dims_text()),
    }
}
