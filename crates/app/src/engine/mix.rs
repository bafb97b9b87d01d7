//! The desk of the Align & Mix bench: the line between two networks.

use super::desk::{Desk, Tools, Trouble};
use super::port::Port;
use crate::palette;
use crate::protocol;
use crate::protocol::mix::{At, Costs, Look, Reply, Request, STEPS, Strip, Which, Wish};
use crate::state::Palette;
use js_sys::Array;
use std::sync::LazyLock;
use weightlab_lab::message::Failed;
use weightlab_lab::path::{Line, Moved, shares};
use weightlab_lab::{LabError, picture};
use weightlab_nets::mix::Mix;

/// The desk.
#[derive(Default)]
pub(super) struct MixDesk {
    wish: Option<Wish>,
    open: Option<Open>,
}

/// The line there is, and how much of it the page has seen.
struct Open {
    which: Which,
    line: Line,
    /// Methods that the architecture has.
    methods: Vec<Mix>,
    /// What they do to the second network, as far as that is computed.
    moved: Vec<Moved>,
    strips: usize,
    at: Option<f64>,
    look: Option<Look>,
}

static SHARES: LazyLock<Vec<f64>> = LazyLock::new(|| shares(STEPS));

impl Desk for MixDesk {
    type Request = Request;

    fn note(&mut self, request: Request, _parts: &Array) {
        let Request::Show(wish) = request;
        self.wish = Some(wish);
    }

    async fn work(&mut self, tools: &mut Tools<'_>) -> Result<bool, Trouble> {
        let (Some(wish), Some(gpu)) = (self.wish.clone(), tools.gpu.clone()) else {
            return Ok(false);
        };
        match self.open.as_mut().filter(|open| open.which == wish.which) {
            Some(open) => Ok(open.work(&wish, &tools.port).await?),
            None => {
                self.open = None;
                // The shelf's own desk tells the page why a zoo cannot be had.
                let Ok(zoo) = tools.shelf.get(&wish.which.zoo).await else {
                    self.wish = None;
                    return Ok(true);
                };
                let pair = wish.which.pair.map(u64::from);
                let line = Line::new(&gpu, &zoo.zoo, (pair[0], pair[1])).await?;
                self.open = Some(Open::show(wish.which, line, &tools.port));
                Ok(true)
            }
        }
    }

    fn lose_gpu(&mut self) {
        // The line has its networks on the GPU; with the next one it is followed anew.
        self.open = None;
    }

    fn fail(&mut self, failed: Failed, port: &Port) {
        (self.wish, self.open) = (None, None);
        let what = format!("These two cannot be mixed: {}.", failed.what);
        tell(port, Reply::Failed { what }, &[]);
    }
}

fn tell(port: &Port, reply: Reply, parts: &[Vec<u8>]) {
    port.reply_with(&protocol::Reply::Mix(reply), parts);
}

fn number(method: Mix) -> u32 {
    Mix::ALL.iter().position(|&m| m == method).unwrap_or(0) as u32
}

impl Open {
    /// A line, of which the page sees the ends at once.
    fn show(which: Which, line: Line, port: &Port) -> Open {
        let mlp = line.mlp();
        let has = |how: &Mix| how.method().is_none_or(|method| method.validate(mlp).is_ok());
        let methods: Vec<Mix> = Mix::ALL.into_iter().filter(has).collect();
        let hidden = mlp.dims[1..mlp.depth()].iter().map(|&w| w as u32).collect();
        let reply = protocol::mix::Line {
            which: which.clone(),
            titles: line.titles.clone(),
            against_images: line.against_images,
            size: [line.shape[0] as u32, line.shape[1] as u32],
            hidden,
            methods: methods.iter().copied().map(number).collect(),
        };
        let averages = line.pixels(&SHARES);
        let parts = [
            pictures(&line, &line.ends[0]),
            pictures(&line, &line.ends[1]),
            side_by_side(&line, &averages.images),
        ];
        tell(port, Reply::Line(reply), &parts);
        Open { which, line, methods, moved: Vec::new(), strips: 0, at: None, look: None }
    }

    /// The next thing that the page has not seen; false if it has seen everything.
    async fn work(&mut self, wish: &Wish, port: &Port) -> Result<bool, LabError> {
        if let Some(&method) = self.methods.get(self.moved.len()) {
            self.moved.push(self.line.moved(method, self.which.seed).await?);
        } else if self.at != Some(wish.t) {
            self.at(wish.t, port).await?;
        } else if self.look != Some(wish.look) {
            self.costs(wish.look, port);
        } else if let Some(moved) = self.moved.get(self.strips) {
            let strip = self.line.strip(moved, &SHARES).await?;
            self.strips += 1;
            let reply = Strip {
                which: self.which.clone(),
                method: number(moved.method),
                squared_distance: moved.squared_distance,
                points: strip.points,
            };
            tell(port, Reply::Strip(reply), &[side_by_side(&self.line, &strip.images)]);
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    async fn at(&mut self, t: f64, port: &Port) -> Result<(), LabError> {
        let line = &self.line;
        let mixtures: Vec<_> = self.moved.iter().map(|moved| (moved, t)).collect();
        let mut images = line.pixels(&[t]).images;
        let each = images.len();
        images.extend(line.draw(&mixtures).await?);
        let images = || images.chunks_exact(each);
        let reply = At {
            which: self.which.clone(),
            t,
            points: images().map(|image| line.point(t, image)).collect(),
        };
        let parts: Vec<_> = images().map(|image| pictures(line, image)).collect();
        tell(port, Reply::At(reply), &parts);
        self.at = Some(t);
        Ok(())
    }

    fn costs(&mut self, look: Look, port: &Port) {
        self.look = Some(look);
        let wanted = Mix::ALL.get(look.method as usize);
        let moved = self.moved.iter().find(|moved| Some(&moved.method) == wanted);
        let Some(moved) = moved.or_else(|| self.moved.last()) else { return };
        let deepest = self.line.mlp().depth().saturating_sub(2);
        let costs = self.line.costs(moved, deepest.min(look.layer as usize));
        let parts = [&costs.costs, &costs.reordered()].map(|matrix| shades(matrix, look.dark));
        let reply = Costs {
            which: self.which.clone(),
            look,
            width: costs.width as u32,
            columns: costs.columns.iter().map(|&c| c as u32).collect(),
            sums: [costs.in_place(), costs.assigned()],
        };
        tell(port, Reply::Costs(reply), &parts);
    }
}

/// Images as RGBA, one after the other.
fn pictures(line: &Line, images: &[f32]) -> Vec<u8> {
    palette::opaque(&picture::to_pixels(images, line.mlp().target_range), line.shape[2])
}

/// Images as one, side by side.
fn side_by_side(line: &Line, images: &[f32]) -> Vec<u8> {
    let [height, width, _] = line.shape;
    palette::tile(&pictures(line, images), [height, width], STEPS).0
}

/// Costs as colours: the less the bluer, and from the mean on the page's ground.
fn shades(costs: &[f64], dark: bool) -> Vec<u8> {
    let mean = costs.iter().sum::<f64>() / costs.len().max(1) as f64;
    let shade = |cost: &f64| (cost / mean.max(1e-12)).min(1.0) as f32 - 1.0;
    palette::colour(costs.iter().map(shade), &palette::table(Palette::BlueOrange, dark))
}
