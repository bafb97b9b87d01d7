//! Networks that others made, as a zoo.

use std::collections::BTreeMap;

use weightlab_nets::{Convention, Mlp};

use super::error::TorchError;
use super::read::read_torch;
use super::sidecar::{SIDECAR_FILE, Sidecar};
use super::splits::{Listed, Resolver, SPLITS_FILE, parse};
use super::value::{Dtype, Value};
use crate::store::Store;
use crate::tensors::Tensors;
use crate::zoo::Zoo;
use crate::zoo::error::ZooError;
use crate::zoo::manifest::{DEFAULT_NETS_PER_SHARD, ZooManifest};
use crate::zoo::shard::{Shard, header_mlp, read_params};

/// What an unfinished zoo says is writing it.
const OPERATION: &str = "import";

/// What imported files do not say of themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportOptions {
    /// The convention that the networks were made under; `None` takes what the file records, or
    /// else `dwsnets`.
    pub convention: Option<Convention>,
    /// Networks per shard of the new zoo.
    pub nets_per_shard: u32,
}

impl Default for ImportOptions {
    fn default() -> ImportOptions {
        ImportOptions { convention: None, nets_per_shard: DEFAULT_NETS_PER_SHARD }
    }
}

/// What an import read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// Networks in the new zoo.
    pub nets: u64,
    /// Networks per split.
    pub splits: BTreeMap<String, u64>,
    /// The names that the views had, by number, if they had any.
    pub views: Vec<String>,
    /// Networks without a label.
    pub unlabelled: u64,
    /// Networks with parameters of another type than 32-bit float, which were rounded to it.
    pub converted: u64,
    /// Networks that are recorded as diverged.
    pub diverged: u64,
    /// The convention that was assumed, where neither the files nor the options named one.
    pub assumed: Option<Convention>,
}

/// Imports a folder of `.pth` files, one per network, listed in its `splits.json`. The
/// architecture is inferred from the shapes of the weights and biases, which must stand in layer
/// order (`seq.0.weight`, `seq.0.bias`, ...); all files must agree. Activation, offset and target
/// range come from `weightlab.json`, if it is there, else from the convention of the options; likewise PSNR and
/// steps, which are unknown without it.
///
/// # Errors
/// A malformed `weightlab.json`, or one that disagrees with the tensors or the options.
/// A missing or malformed `splits.json`; a listed file that is not there; a file that holds
/// anything but one network of finite parameters.
pub async fn import_torch<I: Store, O: Store>(
    input: &I,
    out: O,
    options: &ImportOptions,
) -> Result<(Zoo<O>, ImportReport), TorchError> {
    let listing = parse(&input.read(SPLITS_FILE).await?, SPLITS_FILE)?;
    let mut report = ImportReport { views: listing.views, ..ImportReport::default() };
    let recorded = match input.exists(SIDECAR_FILE).await? {
        true => Some(Sidecar::from_json(&input.read(SIDECAR_FILE).await?)?),
        false => None,
    };
    if recorded.as_ref().is_some_and(|r| r.unfinished) {
        return Err(content(
            SIDECAR_FILE,
            "unfinished",
            "true".to_string(),
            "an export that came to its end".to_string(),
            "run `export` into this folder again, which begins anew",
        ));
    }
    if recorded.is_none() && options.convention.is_none() {
        report.assumed = Some(Convention::Dwsnets);
    }
    let mut resolver = Resolver::default();
    let mut zoo: Option<Zoo<O>> = None;
    let mut out = Some(out);
    let mut shard = Shard::default();
    for net in &listing.nets {
        let file = resolver.find(input, &net.path).await?;
        let fit = recorded.as_ref().and_then(|r| r.fits.get(&file)).copied();
        let diverged = fit.is_some_and(|f| f.diverged);
        let (dims, params, label, converted) =
            read_net(&input.read(&file).await?, &file, diverged)?;
        if let Some(store) = out.take() {
            let mlp = match &recorded {
                Some(recorded) => agreed(recorded, &dims, options.convention, &file)?,
                None => Mlp::new(&dims, options.convention.unwrap_or(Convention::Dwsnets))
                    .map_err(|source| ZooError::Mlp { file: file.clone(), source })?,
            };
            let mut manifest = ZooManifest::new(mlp, 0);
            manifest.image_shape = recorded.as_ref().and_then(|r| r.image_shape);
            manifest.nets_per_shard = options.nets_per_shard;
            manifest.splits = Some(split_ranges(&listing.nets));
            manifest.expected = Some(listing.nets.len() as u64);
            manifest.writing = Some(OPERATION.to_string());
            zoo = Some(Zoo::create(store, manifest).await?);
        }
        // Made in the first turn of the loop.
        let Some(zoo) = zoo.as_mut() else { continue };
        if dims != zoo.manifest().mlp.dims {
            return Err(content(
                &file,
                "shapes",
                dims_text(&dims),
                format!("{}, as in the first file", zoo.manifest().mlp.dims_text()),
                "import networks of one architecture at a time",
            ));
        }
        shard.params.extend(params);
        shard.labels.push(label.or(net.label).unwrap_or(-1));
        shard.objects.push(i64::from(net.object));
        shard.views.push(i64::from(net.view));
        shard.psnr.push(fit.and_then(|f| f.psnr).unwrap_or(f32::NAN));
        shard.steps.push(fit.map_or(0, |f| f.steps));
        report.diverged += u64::from(diverged);
        report.nets += 1;
        report.converted += u64::from(converted);
        report.unlabelled += u64::from(label.or(net.label).is_none());
        *report.splits.entry(net.split.clone()).or_default() += 1;
        if shard.len() as u64 == u64::from(options.nets_per_shard) {
            zoo.append(&std::mem::take(&mut shard)).await?;
        }
    }
    let Some(mut zoo) = zoo else {
        return Err(content(
            SPLITS_FILE,
            "paths",
            "none".to_string(),
            "at least one".to_string(),
            "check that it is the list of the networks",
        ));
    };
    if !shard.is_empty() {
        zoo.append(&shard).await?;
    }
    Ok((zoo, report))
}

/// The recorded architecture, if the first file and the options agree with it.
fn agreed(
    recorded: &Sidecar,
    dims: &[usize],
    convention: Option<Convention>,
    file: &str,
) -> Result<Mlp, TorchError> {
    let mlp = &recorded.mlp;
    if mlp.dims != dims {
        return Err(content(
            SIDECAR_FILE,
            "dims",
            mlp.dims_text(),
            format!("{}, the shapes in {file}", dims_text(dims)),
            "take the weightlab.json that was exported with these networks, or delete it and give \
             --convention",
        ));
    }
    if let Some([height, width, channels]) = recorded.image_shape
        && (height == 0 || width == 0 || channels != mlp.outputs())
    {
        return Err(content(
            SIDECAR_FILE,
            "image_shape",
            format!("{height} x {width} x {channels}"),
            format!("height, width and {} per pixel", mlp.outputs()),
            "take the weightlab.json that was exported with these networks, or leave image_shape out",
        ));
    }
    if let Some(asked) = convention
        && Mlp::new(dims, asked).ok().as_ref() != Some(mlp)
    {
        return Err(content(
            SIDECAR_FILE,
            "convention",
            mlp.convention().map_or("one of its own", Convention::name).to_string(),
            format!("{}, as was asked for", asked.name()),
            "leave --convention out to take what is recorded",
        ));
    }
    Ok(mlp.clone())
}

/// Imports one safetensors file with `seq.{l}.weight` `[n, out, in]` and `seq.{l}.bias`
/// `[n, out]`, as [`export_safetensors`](crate::export_safetensors) writes it. What else a shard
/// holds is optional: `label` (else -1), `object` (else the position), `view` (else 0), `psnr`,
/// `steps`.
///
/// # Errors
/// A tensor that is missing or has another type or shape; a convention given that is not the one
/// recorded; parameters that are not finite.
pub async fn import_safetensors<O: Store>(
    bytes: &[u8],
    file: &str,
    out: O,
    options: &ImportOptions,
) -> Result<(Zoo<O>, ImportReport), ZooError> {
    let tensors = Tensors::parse(bytes, file)?;
    let (mlp, n, assumed) = stacked_mlp(&tensors, file, options.convention)?;
    let or = |name: &str, default: Vec<i64>| {
        if tensors.has(name) { tensors.i64(name) } else { Ok(default) }
    };
    let all = Shard {
        params: read_params(&tensors, &mlp, n)?,
        labels: or("label", vec![-1; n])?,
        objects: or("object", (0..n as i64).collect())?,
        views: or("view", vec![0; n])?,
        psnr: if tensors.has("psnr") { tensors.f32("psnr")?.1 } else { vec![f32::NAN; n] },
        steps: or("steps", vec![0; n])?,
    };
    all.check(&mlp, file)?;
    if let Some((net, at)) = all.first_non_finite() {
        let (layer, tensor, entry) = mlp.locate(at);
        return Err(ZooError::invalid(
            file,
            format!("network {net}, layer {layer}, entry {entry} of the {tensor}"),
            "NaN or infinity",
            "a finite number",
        ));
    }
    let mut manifest = ZooManifest::new(mlp, 0);
    manifest.nets_per_shard = options.nets_per_shard;
    manifest.expected = Some(n as u64);
    manifest.writing = Some(OPERATION.to_string());
    let mut zoo = Zoo::create(out, manifest).await?;
    let per_shard = options.nets_per_shard as usize;
    for start in (0..n).step_by(per_shard) {
        let mut shard = Shard::default();
        for i in start..n.min(start + per_shard) {
            shard.push_from(&all, i);
        }
        zoo.append(&shard).await?;
    }
    let report = ImportReport {
        nets: n as u64,
        unlabelled: all.labels.iter().filter(|&&l| l < 0).count() as u64,
        assumed,
        ..ImportReport::default()
    };
    Ok((zoo, report))
}

/// The architecture that a stacked file records or that its shapes imply, the count, and the
/// convention where it had to be assumed.
fn stacked_mlp(
    tensors: &Tensors<'_>,
    file: &str,
    convention: Option<Convention>,
) -> Result<(Mlp, usize, Option<Convention>), ZooError> {
    let mut dims = Vec::new();
    let mut count = 0;
    for l in 0.. {
        let name = format!("seq.{l}.weight");
        let Some(shape) = tensors.shape(&name) else { break };
        let [n, outputs, inputs] = *shape else {
            return Err(tensors.shape_error(&name, shape, "[networks, out, in]".to_string()));
        };
        if l == 0 {
            dims.push(inputs);
            count = n;
        }
        dims.push(outputs);
    }
    if dims.is_empty() {
        return Err(ZooError::invalid(
            file,
            "tensors",
            "no seq.0.weight",
            "seq.0.weight, seq.0.bias, seq.1.weight, ...",
        ));
    }
    let named =
        |c| Mlp::new(&dims, c).map_err(|source| ZooError::Mlp { file: file.to_string(), source });
    let mut assumed = None;
    let mlp = match (header_mlp(tensors, file)?, convention) {
        (Some(recorded), Some(asked)) if recorded != named(asked)? => {
            return Err(ZooError::invalid(
                file,
                "convention",
                recorded.convention().map_or("one of its own", Convention::name),
                format!("{}, as was asked for", asked.name()),
            ));
        }
        (Some(recorded), _) => recorded,
        (None, Some(asked)) => named(asked)?,
        (None, None) => {
            assumed = Some(Convention::Dwsnets);
            named(Convention::Dwsnets)?
        }
    };
    Ok((mlp, count, assumed))
}

/// Widths, parameters, label, and whether anything was rounded.
type Net = (Vec<usize>, Vec<f32>, Option<i64>, bool);

/// Parameters that are not finite are refused, except of a network that is known to have diverged.
fn read_net(bytes: &[u8], file: &str, diverged: bool) -> Result<Net, TorchError> {
    let value = read_torch(bytes, file)?;
    let Value::Dict(entries) = &value else {
        return Err(content(
            file,
            "the file",
            value.kind().to_string(),
            "a dictionary of tensors".to_string(),
            "save a state_dict",
        ));
    };
    let hint = "save weights and biases in layer order, as seq.0.weight, seq.0.bias, ...";
    let mut dims = Vec::new();
    let mut params = Vec::new();
    let mut label = None;
    let mut converted = false;
    // A weight has been read and its bias has not.
    let mut open = false;
    for (key, value) in entries {
        let Value::Str(key) = key else { continue };
        if key == "label" {
            label = Some(value.whole().ok_or_else(|| {
                content(file, key, value.kind().into(), "a whole number".into(), hint)
            })?);
            continue;
        }
        let Some(tensor) = value.tensor() else {
            return Err(content(file, key, value.kind().into(), "a tensor".into(), hint));
        };
        let shape = tensor.shape();
        let expected = match (open, key.rsplit('.').next(), dims.last()) {
            (false, Some("weight"), None) => format!("shape [out, in] of a {key}"),
            (false, Some("weight"), Some(d)) => format!("shape [out, {d}]"),
            (true, Some("bias"), Some(d)) => format!("shape [{d}]"),
            (true, ..) => "a bias after its weight".to_string(),
            (false, ..) => "a weight".to_string(),
        };
        match (open, key.rsplit('.').next(), shape) {
            (false, Some("weight"), &[outputs, inputs])
                if dims.last().is_none_or(|&d| d == inputs) =>
            {
                if dims.is_empty() {
                    dims.push(inputs);
                }
                dims.push(outputs);
            }
            (true, Some("bias"), &[outputs]) if dims.last() == Some(&outputs) => {}
            _ => {
                return Err(content(file, key, format!("shape {shape:?}"), expected, hint));
            }
        }
        open = !open;
        converted |= tensor.dtype() != Dtype::F32;
        let values = tensor.to_f32();
        let not_finite = values.iter().position(|v| !v.is_finite());
        if let Some(at) = not_finite.filter(|_| !diverged) {
            return Err(content(
                file,
                key,
                format!("{} at position {at}", values[at]),
                "finite numbers".to_string(),
                "the fit diverged: leave this network out of splits.json",
            ));
        }
        params.extend(values);
    }
    if open || dims.is_empty() {
        let found = format!("{} widths and an open layer: {open}", dims.len());
        return Err(content(file, "layers", found, "a weight and a bias each".into(), hint));
    }
    Ok((dims, params, label, converted))
}

fn content(
    file: &str,
    what: &str,
    found: String,
    expected: String,
    hint: &'static str,
) -> TorchError {
    TorchError::Content { file: file.to_string(), what: what.to_string(), found, expected, hint }
}

fn dims_text(dims: &[usize]) -> String {
    dims.iter().map(ToString::to_string).collect::<Vec<_>>().join("-")
}

/// The objects of each split, as ranges. `nets` is ordered by object.
fn split_ranges(nets: &[Listed]) -> BTreeMap<String, Vec<[u32; 2]>> {
    let mut splits: BTreeMap<String, Vec<[u32; 2]>> = BTreeMap::new();
    for net in nets {
        let ranges = splits.entry(net.split.clone()).or_default();
        match ranges.last_mut() {
            Some([_, end]) if *end > net.object => {}
            Some([_, end]) if *end == net.object => *end += 1,
            _ => ranges.push([net.object, net.object.saturating_add(1)]),
        }
    }
    splits
}
