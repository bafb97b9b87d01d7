//! The desk of the Augment bench: what operations do to one network.

use super::desk::{Desk, Tools, Trouble};
use super::port::Port;
use super::shelf::OpenZoo;
use crate::palette;
use crate::portrait::Portrait;
use crate::protocol;
use crate::protocol::augment::{Reply, Request, Tried, Wish};
use crate::state::Palette;
use js_sys::Array;
use weightlab_gpu::Gpu;
use weightlab_lab::augment::trial;
use weightlab_lab::derive::ids;
use weightlab_lab::message::Failed;
use weightlab_lab::view::Window;
use weightlab_lab::{AugmentOptions, LabError, picture};
use weightlab_nets::evaluate;
use weightlab_nets::symmetry::{Op, SymmetryError};

/// Side in pixels of drawings of the function, at least: finer than the image, since a network has no pixels.
const SIDE: usize = 84;

/// The desk.
#[derive(Default)]
pub(super) struct AugmentDesk {
    wish: Option<Wish>,
    /// Whether the page has seen it.
    shown: bool,
    /// The zoo whose operations the page knows.
    told: Option<String>,
}

impl Desk for AugmentDesk {
    type Request = Request;

    fn note(&mut self, request: Request, _parts: &Array) {
        let Request::Try(wish) = request;
        (self.wish, self.shown) = (Some(wish), false);
    }

    async fn work(&mut self, tools: &mut Tools<'_>) -> Result<bool, Trouble> {
        let Some(wish) = self.wish.clone().filter(|_| !self.shown) else { return Ok(false) };
        let open = match tools.shelf.get(&wish.zoo).await {
            Ok(open) => open,
            // The shelf's own desk tells the page why.
            Err(_) => {
                self.wish = None;
                return Ok(true);
            }
        };
        if self.told.as_ref() != Some(&wish.zoo) {
            let reasons = suits(&open);
            let zoo = wish.zoo.clone();
            tools.port.reply(&protocol::Reply::Augment(Reply::Suits { zoo, reasons }));
            self.told = Some(wish.zoo);
            return Ok(true);
        }
        let Some(gpu) = &tools.gpu else { return Ok(false) };
        let (tried, parts) = show(gpu, &open, wish).await?;
        self.shown = true;
        let reply = protocol::Reply::Augment(Reply::Tried(Box::new(tried)));
        tools.port.reply_with(&reply, &parts);
        Ok(true)
    }

    fn lose_gpu(&mut self) {
        // The next one shows it anew.
        self.shown = false;
    }

    fn fail(&mut self, failed: Failed, port: &Port) {
        self.wish = None;
        let what = format!("This cannot be done: {}.", failed.what);
        port.reply(&protocol::Reply::Augment(Reply::Failed { what }));
    }
}

/// Why the zoo's networks do not have an operation, for each that is known.
fn suits(open: &OpenZoo) -> Vec<Option<String>> {
    let reason = |name: &str| {
        let ops = Op::parse(name).ok()?;
        ops.iter().find_map(|op| op.validate(open.mlp()).err()).map(|error| match error {
            SymmetryError::Unsuitable { needs, .. } => format!("needs {needs}"),
            other => other.to_string(),
        })
    };
    Op::known().iter().map(|known| reason(known.name)).collect()
}

/// Does it, and draws it.
async fn show(gpu: &Gpu, open: &OpenZoo, wish: Wish) -> Result<(Tried, Vec<Vec<u8>>), LabError> {
    let (mlp, nets) = (open.mlp(), &open.nets);
    let net = wish.net as usize;
    if net >= nets.len() {
        let store = format!("the zoo “{}”", wish.zoo);
        return Err(LabError::NoSuchNet { store, index: net as u64, nets: nets.len() as u64 });
    }
    let mut ops = Vec::new();
    for text in &wish.ops {
        ops.extend(Op::parse(text)?);
    }
    let options = AugmentOptions { ops, seed: wish.draw };
    let before = nets.net(net);
    let trial = trial(gpu, open.manifest(), before, ids(nets)[net], &options).await?;
    let table = palette::table(Palette::BlueOrange, wish.dark);
    let portrait = Portrait::new(mlp);
    let scales = portrait.scales(before);
    let difference: Vec<f32> = trial.params.iter().zip(before).map(|(x, y)| x - y).collect();
    let mut parts: Vec<Vec<u8>> = [before, &trial.params, &difference]
        .iter()
        .map(|params| portrait.draw(params, &scales, &table))
        .collect();
    let mut picture = None;
    if let (2, 1 | 3) = (mlp.inputs(), mlp.outputs()) {
        let [height, width, channels] = open.shape();
        let columns = width.max(SIDE);
        let rows = (columns * height / width.max(1)).clamp(1, 4 * columns);
        let grid = Window::WHOLE.grid((height, width), (rows, columns));
        let both = [before, &trial.params].concat();
        let outputs = evaluate(gpu, mlp, &both, 2, &grid).await?;
        let (old, new) = outputs.split_at(outputs.len() / 2);
        for outputs in [old, new] {
            let pixels = picture::to_pixels(outputs, mlp.target_range);
            parts.push(palette::opaque(&pixels, channels));
        }
        // As the Fit bench draws it: half the range is as strong as the colours get.
        let scale = 2.0 / ((mlp.target_range[1] - mlp.target_range[0]) * channels as f32);
        let change = old.chunks_exact(channels).zip(new.chunks_exact(channels));
        let mean =
            |(x, y): (&[f32], &[f32])| scale * (y.iter().sum::<f32>() - x.iter().sum::<f32>());
        parts.push(palette::colour(change.map(mean), &table));
        picture = Some([rows as u32, columns as u32]);
    }
    let tried = Tried {
        draws: trial.draws,
        ops: trial.ops,
        overall: trial.overall,
        changed: [trial.changed as u32, mlp.param_count() as u32],
        points: trial.points as u32,
        weights: portrait.size.map(|x| x as u32),
        picture,
        wish,
    };
    Ok((tried, parts))
}
