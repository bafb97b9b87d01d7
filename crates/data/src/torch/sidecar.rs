//! `weightlab.json`: what `.pth` files do not say of the networks in them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use weightlab_nets::Mlp;

use super::error::TorchError;
use crate::zoo::error::ZooError;

/// Name of the file, beside `splits.json`.
pub(crate) const SIDECAR_FILE: &str = "weightlab.json";

/// Its contents. Without them a parameter vector means nothing: weights alone tell neither the
/// activation nor what is added to the output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sidecar {
    /// The architecture, with its convention spelt out.
    pub mlp: Mlp,
    /// `[height, width, channels]` of the images that were fitted, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_shape: Option<[usize; 3]>,
    /// How the fit of every network went, by the name of its file.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fits: BTreeMap<String, Fit>,
    /// Whether the export is still at work, or was ended.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unfinished: bool,
}

/// How the fit of a network went.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fit {
    /// dB; none if it diverged or is unknown.
    pub psnr: Option<f32>,
    /// Updates applied; 0 if unknown.
    pub steps: i64,
    /// Its loss became NaN or infinite.
    #[serde(default, skip_serializing_if = "is_false")]
    pub diverged: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

impl Sidecar {
    pub fn to_json(&self) -> Vec<u8> {
        // Numbers and names only, which always serialise.
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// # Errors
    /// Malformed JSON, or an architecture that no kernel can run.
    pub fn from_json(bytes: &[u8]) -> Result<Sidecar, TorchError> {
        let file = SIDECAR_FILE.to_string();
        let sidecar: Sidecar = serde_json::from_slice(bytes).map_err(|e| ZooError::Json {
            file: file.clone(),
            line: e.line(),
            column: e.column(),
            detail: e.to_string(),
        })?;
        sidecar.mlp.validate().map_err(|source| ZooError::Mlp { file, source })?;
        Ok(sidecar)
    }
}
