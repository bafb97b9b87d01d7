//! A zoo as one labelled picture: targets beside what the networks draw.

use crate::error::LabError;
use crate::meter::networks_text;
use crate::picture::{self, ALARM, Canvas, GLYPH};
use crate::stats::Distribution;
use weightlab_data::{Shard, Store, Targets, Zoo};
use weightlab_gpu::Gpu;
use weightlab_nets::{Mlp, evaluate, image_grid};

/// Most pixels of a contact sheet, in millions.
const MAX_MEGAPIXELS: u64 = 100;
/// Most outputs evaluated at once, so that memory does not grow with the sheet.
const MAX_OUTPUTS: usize = 1 << 24;
/// Resolution of networks that do not say what they were fitted to.
pub(crate) const DEFAULT_SIDE: usize = 64;
/// Small pictures are enlarged to at least this many pixels, so that their labels fit.
const MIN_SIDE: usize = 84;
/// Pixels between cells, and around them.
const GAP: usize = 12;

/// Characters of the title that have room on any sheet.
const TITLE: usize = 58;

pub(crate) const PAPER: [u8; 3] = [250, 250, 248];
pub(crate) const INK: [u8; 3] = [30, 30, 34];
pub(crate) const FAINT: [u8; 3] = [110, 110, 118];

/// What to draw, and how.
#[derive(Clone, Debug)]
pub struct RenderOptions {
    /// `(height, width)` at which networks are evaluated; `None` for that of their images.
    pub resolution: Option<(usize, usize)>,
    /// Draw the first networks only.
    pub limit: Option<u64>,
    /// Cells side by side; `None` for a sheet of pleasing shape.
    pub columns: Option<usize>,
}

/// A rendered sheet.
#[derive(Clone, Debug)]
pub struct ContactSheet {
    /// The picture.
    pub png: Vec<u8>,
    /// Its height in pixels.
    pub height: usize,
    /// Its width in pixels.
    pub width: usize,
    /// Networks drawn.
    pub nets: u64,
    /// `(height, width)` at which they were evaluated.
    pub resolution: (usize, usize),
    /// Whether targets are beside them.
    pub with_targets: bool,
}

/// Draws the networks of a zoo, each with the name of its image or its number and class, and PSNR. One
/// that diverged is crossed out.
///
/// # Errors
/// Networks that are no pictures, a damaged zoo, a sheet beyond all measure, or the GPU.
pub async fn render<S: Store>(
    gpu: &Gpu,
    zoo: &Zoo<S>,
    options: &RenderOptions,
) -> Result<ContactSheet, LabError> {
    let manifest = zoo.manifest();
    let mlp = &manifest.mlp;
    check_pictures(mlp)?;
    for (option, zero) in [
        ("--columns", options.columns == Some(0)),
        ("--limit", options.limit == Some(0)),
        ("--resolution", options.resolution.is_some_and(|(h, w)| h == 0 || w == 0)),
    ] {
        if zero {
            return Err(LabError::Zero { option });
        }
    }
    let shape = manifest.image_shape;
    let side = (DEFAULT_SIDE, DEFAULT_SIDE);
    let resolution = options.resolution.or(shape.map(|[h, w, _]| (h, w))).unwrap_or(side);
    let nets = zoo.nets().min(options.limit.unwrap_or(u64::MAX));
    let targets = zoo.read_targets().await?;
    let layout = Layout::new(resolution, nets, targets.is_some(), options.columns)?;

    let mut canvas = Canvas::new(layout.height, layout.width, PAPER);
    let mut psnr = Vec::new();
    let mut done = 0u64;
    for s in 0..manifest.shards.len() {
        if done == nets {
            break;
        }
        let shard = zoo.read_shard(s).await?;
        let count = ((nets - done) as usize).min(shard.len());
        psnr.extend(shard.psnr[..count].iter().map(|&x| f64::from(x)));
        let cells =
            Cells { mlp, shard: &shard, targets: targets.as_ref(), names: &manifest.class_names };
        cells.draw(gpu, &mut canvas, &layout, done, count).await?;
        done += count as u64;
    }
    let title = title(zoo, nets, &Distribution::of(psnr));
    canvas.text((GAP, GAP), layout.text, &layout.fit(&title, layout.width - 2 * GAP), INK);
    Ok(ContactSheet {
        png: picture::png(&canvas.pixels, canvas.height, canvas.width, 3)?,
        height: canvas.height,
        width: canvas.width,
        nets,
        resolution,
        with_targets: targets.is_some(),
    })
}

/// Checks that networks draw pictures.
pub(crate) fn check_pictures(mlp: &Mlp) -> Result<(), LabError> {
    let why = match (mlp.inputs(), mlp.outputs()) {
        (2, 1 | 3) => return Ok(()),
        (2, _) => "the output is no colour",
        _ => "the input is no point of a picture",
    };
    Err(LabError::NotPictures { dims: mlp.dims_text(), why })
}

fn title<S: Store>(zoo: &Zoo<S>, nets: u64, psnr: &Distribution) -> String {
    let manifest = zoo.manifest();
    let mut title = manifest.mlp.dims_text();
    if let Some(source) = &manifest.source {
        title += &format!("  {}", source.name);
    }
    title += &match nets == zoo.nets() {
        true => format!("  {}", networks_text(nets)),
        false => format!("  {nets} of {}", networks_text(zoo.nets())),
    };
    if let Some(median) = psnr.median {
        title += &format!("  median {median:.1} dB");
    }
    title
}

/// Where everything goes.
struct Layout {
    resolution: (usize, usize),
    /// Size of one picture on the sheet.
    shown: (usize, usize),
    /// Scale of the text.
    text: usize,
    pictures_per_cell: usize,
    columns: usize,
    cell: (usize, usize),
    top: usize,
    height: usize,
    width: usize,
}

impl Layout {
    fn new(
        resolution: (usize, usize),
        nets: u64,
        with_targets: bool,
        columns: Option<usize>,
    ) -> Result<Layout, LabError> {
        let (h, w) = resolution;
        let pictures_per_cell = if with_targets { 2 } else { 1 };
        let too_large = |width: u64, height: u64| LabError::SheetTooLarge {
            width,
            height,
            limit: MAX_MEGAPIXELS,
        };
        let over = |w: u64, h: u64| w.saturating_mul(h) > MAX_MEGAPIXELS * 1_000_000;
        if over(w as u64, h as u64) {
            return Err(too_large(w as u64, h as u64));
        }
        // Whole multiples, so that every pixel is the same size.
        let scale = MIN_SIDE.div_ceil(h.max(w)).max(1);
        let text = (w * scale * pictures_per_cell / (2 * MIN_SIDE)).clamp(1, 4);
        let shown = (h * scale, w * scale);
        let cell_width = shown.1 * pictures_per_cell + (pictures_per_cell - 1) * 2;
        let cell = (shown.0 + 3 + 2 * (GLYPH + 2) * text, cell_width.max(12 * GLYPH * text));
        let ratio = (cell.0 + GAP) as f64 / (cell.1 + GAP) as f64;
        // Four units wide for three high.
        let pleasing = (nets as f64 * ratio * 4.0 / 3.0).sqrt().round().max(1.0) as usize;
        let columns =
            columns.unwrap_or(pleasing).min(usize::try_from(nets.max(1)).unwrap_or(usize::MAX));
        let rows = nets.div_ceil(columns as u64);
        let top = 2 * GAP + (GLYPH + 2) * text;
        let width =
            (columns as u64).saturating_mul((cell.1 + GAP) as u64).saturating_add(GAP as u64);
        let height = rows.saturating_mul((cell.0 + GAP) as u64).saturating_add((top + GAP) as u64);
        // A single small network still needs a title.
        let width = width.max((2 * GAP + TITLE * GLYPH * text) as u64);
        if over(width, height) {
            return Err(too_large(width, height));
        }
        let (height, width) = (height as usize, width as usize);
        Ok(Layout { resolution, shown, text, pictures_per_cell, columns, cell, top, height, width })
    }

    /// Top left corner of a cell.
    fn at(&self, index: u64) -> (usize, usize) {
        let (row, column) = (index as usize / self.columns, index as usize % self.columns);
        (self.top + row * (self.cell.0 + GAP), GAP + column * (self.cell.1 + GAP))
    }

    /// As much of a text as has room.
    fn fit(&self, text: &str, width: usize) -> String {
        let room = width / (GLYPH * self.text);
        match text.chars().count() > room {
            true => text.chars().take(room.saturating_sub(1)).chain(['~']).collect(),
            false => text.to_owned(),
        }
    }

    /// As much of the end of a text as has room: what tells names of files apart stands there.
    fn fit_end(&self, text: &str, width: usize) -> String {
        let (room, length) = (width / (GLYPH * self.text), text.chars().count());
        match length > room {
            true => ['~'].into_iter().chain(text.chars().skip(length + 1 - room)).collect(),
            false => text.to_owned(),
        }
    }
}

/// The networks of one shard.
struct Cells<'a> {
    mlp: &'a Mlp,
    shard: &'a Shard,
    targets: Option<&'a Targets>,
    names: &'a [String],
}

impl Cells<'_> {
    async fn draw(
        &self,
        gpu: &Gpu,
        canvas: &mut Canvas,
        layout: &Layout,
        first: u64,
        count: usize,
    ) -> Result<(), LabError> {
        let (h, w) = layout.resolution;
        let coords = image_grid(h, w);
        let each = h * w * self.mlp.outputs();
        let at_once = (MAX_OUTPUTS / each).max(1);
        for start in (0..count).step_by(at_once) {
            let n = at_once.min(count - start);
            let stride = self.mlp.param_count();
            let params = &self.shard.params[start * stride..(start + n) * stride];
            let outputs = evaluate(gpu, self.mlp, params, n, &coords).await?;
            for (i, output) in outputs.chunks_exact(each).enumerate() {
                let net = start + i;
                self.draw_one(canvas, layout, layout.at(first + net as u64), net, output);
            }
        }
        Ok(())
    }

    fn draw_one(
        &self,
        canvas: &mut Canvas,
        layout: &Layout,
        (y, x): (usize, usize),
        net: usize,
        output: &[f32],
    ) {
        let (h, w) = layout.resolution;
        let trouble = self.trouble(net, output);
        let mut left = x;
        if layout.pictures_per_cell == 2 {
            if let Some((targets, image)) =
                self.targets.and_then(|t| Some((t, t.find(self.shard.objects[net])?)))
            {
                let shape = [targets.height, targets.width, targets.channels];
                canvas.picture((y, left), layout.shown, image, shape);
            }
            left += layout.shown.1 + 2;
        }
        match trouble {
            None => {
                let pixels = picture::to_pixels(output, self.mlp.target_range);
                canvas.picture((y, left), layout.shown, &pixels, [h, w, self.mlp.outputs()]);
            }
            Some(_) => {
                let (h, w) = layout.shown;
                canvas.picture((y, left), (h, w), &picture::crossed_out(h, w), [h, w, 3]);
            }
        }
        let line = (GLYPH + 2) * layout.text;
        let below = y + layout.shown.0 + 3;
        canvas.text((below, x), layout.text, &self.label(net, layout), INK);
        let psnr = self.shard.psnr[net];
        let (second, color) = match trouble {
            Some(trouble) => (trouble.to_owned(), ALARM),
            None if psnr.is_nan() => (String::new(), FAINT),
            None => (format!("{psnr:.1} dB"), FAINT),
        };
        canvas.text((below + line, x), layout.text, &layout.fit(&second, layout.cell.1), color);
    }

    /// Why there is nothing to draw.
    fn trouble(&self, net: usize, output: &[f32]) -> Option<&'static str> {
        if self.shard.diverged(net) {
            Some("diverged")
        } else if output.iter().any(|y| !y.is_finite()) {
            Some("not finite")
        } else {
            None
        }
    }

    /// `#12 Sneaker` or `holiday.jpg`, as much as has room.
    fn label(&self, net: usize, layout: &Layout) -> String {
        let (object, label) = (self.shard.objects[net], self.shard.labels[net]);
        let view = match self.shard.views[net] {
            0 => String::new(),
            view => format!(".{view}"),
        };
        if let Some(name) = self.targets.and_then(|t| t.name(object)) {
            return layout.fit_end(&format!("{name}{view}"), layout.cell.1);
        }
        let mut text = format!("#{object}{view}");
        match usize::try_from(label).ok().and_then(|l| self.names.get(l)) {
            Some(name) => text += &format!(" {name}"),
            None if label >= 0 => text += &format!(" class {label}"),
            None => {}
        }
        layout.fit(&text, layout.cell.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_do_not_overlap_and_stay_on_the_sheet() {
        for (resolution, nets, targets, columns) in [
            ((28, 28), 64, true, None),
            ((256, 200), 5, false, Some(3)),
            ((2, 300), 1, true, Some(9)),
            ((28, 28), 0, false, None),
        ] {
            let layout = Layout::new(resolution, nets, targets, columns).unwrap();
            for i in 0..nets {
                let (y, x) = layout.at(i);
                assert!(y + layout.cell.0 <= layout.height && x + layout.cell.1 <= layout.width);
                assert!(layout.shown.1 * layout.pictures_per_cell <= layout.cell.1);
            }
            assert!(layout.shown.0.is_multiple_of(resolution.0));
        }
    }

    #[test]
    fn a_sheet_beyond_measure_is_refused() {
        let text = Layout::new((4096, 4096), 64, true, None).err().unwrap().to_string();
        assert!(text.contains("--limit"), "{text}");
        assert!(Layout::new((usize::MAX / 2, 8), 1, false, None).is_err());
        assert!(Layout::new((28, 28), u64::MAX, false, Some(8)).is_err());
    }

    #[test]
    fn text_is_cut_to_its_room() {
        let layout = Layout::new((28, 28), 1, true, None).unwrap();
        assert_eq!(layout.text, 1);
        assert_eq!(layout.fit("Ankle boot", 80), "Ankle boot");
        assert_eq!(layout.fit("Ankle boot", 79), "Ankle bo~");
        assert_eq!(layout.fit_end("picture-17.png", 80), "~re-17.png");
        assert_eq!(layout.fit_end("17.png", 80), "17.png");
    }

    fn cells<'a>(mlp: &'a Mlp, shard: &'a Shard, targets: Option<&'a Targets>) -> Cells<'a> {
        Cells { mlp, shard, targets, names: &[] }
    }

    fn shard() -> Shard {
        Shard {
            params: vec![0.0; 3],
            labels: vec![-1, 0, 1],
            objects: vec![0, 1, 2],
            views: vec![0, 0, 2],
            psnr: vec![30.0, f32::NAN, f32::NAN],
            steps: vec![9, 9, 0],
        }
    }

    #[test]
    fn what_diverged_is_crossed_out() {
        let mlp = Mlp::new(&[2, 2, 1], weightlab_nets::Convention::Dwsnets).unwrap();
        let (shard, layout) = (shard(), Layout::new((2, 2), 3, false, Some(3)).unwrap());
        let drawn = |net: usize, output: [f32; 4]| {
            let mut canvas = Canvas::new(layout.height, layout.width, PAPER);
            cells(&mlp, &shard, None).draw_one(&mut canvas, &layout, layout.at(0), net, &output);
            canvas.pixels
        };
        let has = |pixels: &[u8], color: [u8; 3]| pixels.chunks_exact(3).any(|p| p == color);
        let fine = drawn(0, [0.0; 4]);
        assert!(has(&fine, [0; 3]) && !has(&fine, ALARM));
        // Whatever it draws: a diverged network may well give numbers.
        for (net, output) in [(1, [0.0; 4]), (2, [0.0, 1.0, f32::NAN, 0.0])] {
            let marked = drawn(net, output);
            assert!(has(&marked, ALARM) && !has(&marked, [0; 3]), "network {net}");
        }
        // An import, of which no PSNR is known, is drawn.
        assert!(!has(&drawn(2, [0.0; 4]), ALARM));
        let trouble = |net| cells(&mlp, &shard, None).trouble(net, &[f32::INFINITY]);
        assert_eq!([0, 1].map(trouble), [Some("not finite"), Some("diverged")]);
    }

    #[test]
    fn labels_name_files_or_classes() {
        let mlp = Mlp::new(&[2, 2, 1], weightlab_nets::Convention::Dwsnets).unwrap();
        let (shard, layout) = (shard(), Layout::new((28, 28), 3, true, Some(3)).unwrap());
        let targets = Targets {
            objects: vec![0, 1, 2],
            names: vec![
                "boat.png".into(),
                "a/very-long-name-of-a-picture.jpg".into(),
                "c.png".into(),
            ],
            ..Targets::default()
        };
        let named = cells(&mlp, &shard, Some(&targets));
        let labels = [0, 1, 2].map(|net| named.label(net, &layout));
        // A cell is 170 pixels wide: 21 characters.
        assert_eq!(labels, ["boat.png", "~ame-of-a-picture.jpg", "c.png.2"]);
        let names = ["Shirt".to_owned()];
        let classes = Cells { names: &names, ..cells(&mlp, &shard, None) };
        assert_eq!(
            [0, 1, 2].map(|n| classes.label(n, &layout)),
            ["#0", "#1 Shirt", "#2.2 class 1"]
        );
    }
}
