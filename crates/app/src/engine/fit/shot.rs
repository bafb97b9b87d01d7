//! Drawings of networks for the page, at most as much of the time as they are worth.

use crate::palette;
use crate::protocol::fit::{Drawing, DrawingKind, Look};
use crate::protocol::mosaic;
use crate::state::Detail;
use web_time::{Duration, Instant};
use weightlab_data::MemStore;
use weightlab_lab::view::{self, Wave, Window};
use weightlab_lab::{FitJob, LabError};
use weightlab_nets::Device;

/// Time between two frames while a fit runs.
const FRAME: Duration = Duration::from_millis(60);
/// A frame costs at most this share of the time.
const SHARE: u32 = 3;
/// Seconds that the large drawing may take while a fit runs, and afterwards where there is no GPU.
const PATIENCE: [f64; 2] = [0.02, 0.3];
/// Most points of the large drawing.
const MOST: f64 = 512.0 * 512.0;

/// What takes the drawings.
#[derive(Default)]
pub(super) struct Camera {
    next: Option<Instant>,
    /// Points of the large drawing per second, as measured.
    rate: Option<f64>,
}

/// Drawings, and what they show.
#[derive(Default)]
pub(super) struct Shot {
    pub(super) drawings: Vec<Drawing>,
    pub(super) parts: Vec<Vec<u8>>,
    pub(super) waves: Vec<Wave>,
    /// PSNR of the network that is looked at, if it was measured along the way.
    pub(super) db: Option<f32>,
}

impl Shot {
    fn add(&mut self, kind: DrawingKind, [height, width]: [usize; 2], rgba: Vec<u8>) {
        self.drawings.push(Drawing { kind, width: width as u32, height: height as u32 });
        self.parts.push(rgba);
    }
}

impl Camera {
    /// Whether it is time for another frame of a fit that runs.
    pub(super) fn is_due(&self) -> bool {
        self.next.is_none_or(|at| Instant::now() >= at)
    }

    /// Draws everything the page looks at; more finely if the fit stands still.
    pub(super) async fn shoot(
        &mut self,
        device: &Device,
        job: &FitJob<MemStore>,
        look: &Look,
        still: bool,
    ) -> Result<Shot, LabError> {
        let begun = Instant::now();
        let mut shot = Shot::default();
        let nets = job.nets();
        let net = u64::from(look.net).min(nets.saturating_sub(1));
        let (mlp, images) = (job.mlp(), job.images());
        let (height, width, channels) = (images.height, images.width, images.channels);
        let params = job.params(if nets > 1 { 0..nets } else { 0..1 }).await?;
        let count = mlp.param_count();
        let Some(own) = params.chunks_exact(count).nth(net as usize) else {
            return Ok(shot); // it has not begun
        };
        let table = palette::table(look.palette, look.dark);
        let patience = match (still, device) {
            (false, _) => PATIENCE[0],
            (true, Device::Host) => PATIENCE[1],
            (true, Device::Gpu(_)) => f64::INFINITY,
        };

        match look.detail {
            Detail::Pixels => {
                let grid = Window::WHOLE.grid((height, width), (height, width));
                let pixels = view::draw(device, mlp, own, &grid).await?;
                let rgba = palette::opaque(&pixels, channels);
                shot.add(DrawingKind::NetPixels, [height, width], rgba);
            }
            Detail::Smooth => {
                let [rows, columns] = self.size(look, patience, height, width);
                let grid = look.window.grid((height, width), (rows, columns));
                let at = Instant::now();
                let pixels = view::draw(device, mlp, own, &grid).await?;
                self.measure(rows * columns, at.elapsed());
                shot.add(DrawingKind::Net, [rows, columns], palette::opaque(&pixels, channels));
            }
        }
        if look.difference {
            let grid = Window::WHOLE.grid((height, width), (height, width));
            let target = images.target(job.id(net).object as usize, mlp.target_range);
            let difference = view::difference(device, mlp, own, &grid, &target).await?;
            shot.db = Some(difference.psnr as f32).filter(|db| db.is_finite());
            // Half the range is as strong as the colours get: errors are small for most of a fit.
            let values = difference.error.iter().map(|e| 2.0 * e);
            shot.add(DrawingKind::Difference, [height, width], palette::colour(values, &table));
        }
        shot.waves = view::first_layer(mlp, own);
        self.waves(&mut shot, look, (height, width), &table);
        if nets > 1 {
            let side = wall_side(nets, height.max(width));
            let rows = (side * height / width).max(1);
            let grid = Window::WHOLE.grid((height, width), (rows, side));
            let pixels = view::draw(device, mlp, &params, &grid).await?;
            let rgba = palette::opaque(&pixels, channels);
            let (columns, _) = mosaic(nets as u32);
            let (rgba, [width, height]) = palette::tile(&rgba, [rows, side], columns as usize);
            shot.add(DrawingKind::Wall, [height, width], rgba);
        }
        self.next = Some(Instant::now() + FRAME.max(begun.elapsed() * SHARE));
        Ok(shot)
    }

    /// The first layer as a mosaic, and the wave that is looked at in full. Computed here: some thousand sines.
    fn waves(&self, shot: &mut Shot, look: &Look, picture: (usize, usize), table: &[[u8; 3]; 256]) {
        let values = |wave: &Wave, grid: &[f32]| -> Vec<f32> {
            grid.chunks_exact(2).map(|p| wave.at(p[0], p[1])).collect()
        };
        let side = look.wave_side as usize;
        if side > 0 && !shot.waves.is_empty() {
            let grid = Window::WHOLE.grid(picture, (side, side));
            let tiles: Vec<f32> = shot.waves.iter().flat_map(|wave| values(wave, &grid)).collect();
            let (columns, _) = mosaic(shot.waves.len() as u32);
            let rgba = palette::colour(tiles, table);
            let (rgba, [width, height]) = palette::tile(&rgba, [side, side], columns as usize);
            shot.add(DrawingKind::Waves, [height, width], rgba);
        }
        if let Some(wave) = look.wave.and_then(|i| shot.waves.get(i as usize)) {
            let side = look.side.clamp(16, 256) as usize;
            let values = values(wave, &look.window.grid(picture, (side, side)));
            let rgba = palette::colour(values, table);
            shot.add(DrawingKind::Wave, [side, side], rgba);
        }
    }

    /// Rows and columns of the large drawing.
    fn size(&self, look: &Look, patience: f64, height: usize, width: usize) -> [usize; 2] {
        let wanted = f64::from(look.side).powi(2).clamp(64.0, MOST);
        // As if to draw 64 x 64 took as long as it may while a fit runs, until it is known.
        let most = self.rate.unwrap_or(64.0 * 64.0 / PATIENCE[0]) * patience;
        // Never coarser than the picture.
        let points = wanted.min(most).max((height * width) as f64);
        let columns = (points * width as f64 / height as f64).sqrt().round().max(1.0);
        [(points / columns).round().max(1.0) as usize, columns as usize]
    }

    fn measure(&mut self, points: usize, took: Duration) {
        let now = points as f64 / took.as_secs_f64().max(1e-4);
        self.rate = Some(self.rate.map_or(now, |rate| 0.7 * rate + 0.3 * now));
    }
}

/// Side in pixels of a network's tile on the wall.
fn wall_side(nets: u64, picture: usize) -> usize {
    let most = match nets {
        0..=16 => 64,
        17..=64 => 32,
        _ => 20,
    };
    picture.min(most)
}
