//! The Fit bench: what is fitted (a change begins anew), and how one looks at it (a change does not).

use super::table::{Choice, Codec, Fields, OrNone, Real, SWITCH, Whole};
use serde::{Deserialize, Serialize};
use weightlab_lab::builtin::PICTURES;
use weightlab_lab::view::Window;
use weightlab_lab::{FitOptions, fit::default_dims};
use weightlab_nets::{Activation, Convention, FitSettings, MAX_LAYERS, MAX_WIDTH, Mlp, MlpError};

/// Pictures of Fashion-MNIST that come with the page.
pub(super) const FASHION: u32 = 64;

/// Sides in pixels that pictures other than clothes can be brought to.
pub const SIDES: [u32; 6] = [16, 28, 32, 48, 64, 96];

/// Widths offered for hidden layers; an address may name any.
pub const WIDTHS: [u32; 7] = [4, 8, 16, 24, 32, 48, 64];

/// Most networks of one picture.
const MOST_VIEWS: u64 = 400;

/// Most hidden layers offered; an address may name more.
pub const MAX_HIDDEN: usize = 4;

/// What the network is to become.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Picture {
    /// One of the built-in pictures of clothes.
    Fashion(u32),
    /// One of the other built-in pictures ([`PICTURES`]).
    Named(usize),
    /// A file, a photograph just taken or a drawing; only the worker has it.
    Own,
}

impl Default for Picture {
    /// A pair of trousers: simple enough that a second of fitting shows something.
    fn default() -> Picture {
        Picture::Fashion(2)
    }
}

struct Pictures;

impl Codec<Picture> for Pictures {
    fn read(&self, text: &str) -> Option<Picture> {
        if let Some(number) = text.strip_prefix("fashion:") {
            return Whole(0, u64::from(FASHION) - 1).read(number).map(Picture::Fashion);
        }
        if text == "own" {
            return Some(Picture::Own);
        }
        PICTURES.iter().position(|p| p.name == text).map(Picture::Named)
    }
    fn write(&self, value: &Picture) -> String {
        match value {
            Picture::Fashion(number) => format!("fashion:{number}"),
            Picture::Named(which) => PICTURES.get(*which).map_or("", |p| p.name).to_owned(),
            Picture::Own => "own".to_owned(),
        }
    }
    fn expected(&self) -> String {
        let named: Vec<_> = PICTURES.iter().map(|p| p.name).collect();
        format!("fashion:0 to fashion:{}, {}", FASHION - 1, named.join(" or "))
    }
}

/// How many networks, of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Many {
    /// One network.
    One,
    /// So many networks of the same picture, each from another start.
    Views(u32),
    /// One network for each of the built-in pictures of clothes.
    Set,
}

struct Manies;

impl Codec<Many> for Manies {
    fn read(&self, text: &str) -> Option<Many> {
        match text {
            "one" => Some(Many::One),
            "set" => Some(Many::Set),
            _ => Whole(2, MOST_VIEWS).read(text).map(Many::Views),
        }
    }
    fn write(&self, value: &Many) -> String {
        match value {
            Many::One => "one".to_owned(),
            Many::Views(count) => count.to_string(),
            Many::Set => "set".to_owned(),
        }
    }
    fn expected(&self) -> String {
        format!("one, set, or how many networks of the same picture (2 to {MOST_VIEWS})")
    }
}

struct Hidden;

impl Codec<Vec<u32>> for Hidden {
    fn read(&self, text: &str) -> Option<Vec<u32>> {
        let width = Whole(1, MAX_WIDTH as u64);
        let widths: Vec<u32> = text.split(',').map(|w| width.read(w)).collect::<Option<_>>()?;
        (1..MAX_LAYERS).contains(&widths.len()).then_some(widths)
    }
    fn write(&self, value: &Vec<u32>) -> String {
        value.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    }
    fn expected(&self) -> String {
        format!("1 to {} widths of 1 to {MAX_WIDTH} with commas between them", MAX_LAYERS - 1)
    }
}

const CONVENTIONS: Choice<Convention> =
    Choice(&[("dwsnets", Convention::Dwsnets), ("sitzmann", Convention::Sitzmann)]);

/// What is fitted, completely: the same specification and device give the same bits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FitSpec {
    /// What the network is to become.
    pub picture: Picture,
    /// Side in pixels to which pictures other than clothes are brought.
    pub side: u32,
    /// Whether pictures other than clothes are made grey.
    pub grey: bool,
    /// How many networks.
    pub many: Many,
    /// Widths of the hidden layers.
    pub hidden: Vec<u32>,
    /// Frequency factor of the sine.
    pub omega: f32,
    /// Initialisation and output.
    pub convention: Convention,
    /// Learning rate.
    pub rate: f32,
    /// Most updates.
    pub steps: u32,
    /// Stop above this many dB.
    pub until: Option<f32>,
    /// Key of all random numbers.
    pub seed: u64,
}

impl Default for FitSpec {
    fn default() -> FitSpec {
        let settings = FitSettings::default();
        let dims = default_dims(1);
        FitSpec {
            picture: Picture::default(),
            side: 64,
            grey: false,
            many: Many::One,
            hidden: dims[1..dims.len() - 1].iter().map(|&w| w as u32).collect(),
            omega: 30.0,
            // Its first layer begins with waves of many lengths, so it is sharp within some hundred steps; who
            // wants the networks of the published data sets chooses the other convention and half the rate.
            convention: Convention::Sitzmann,
            rate: 1e-3,
            steps: 2000,
            until: settings.until_psnr,
            seed: 0,
        }
    }
}

impl FitSpec {
    pub(super) fn fields(&mut self, io: &mut impl Fields) {
        let usual = FitSpec::default();
        io.field("pic", &Pictures, &mut self.picture, &usual.picture);
        io.field("side", &Whole(8, 128), &mut self.side, &usual.side);
        io.field("grey", &SWITCH, &mut self.grey, &usual.grey);
        io.field("nets", &Manies, &mut self.many, &usual.many);
        io.field("hidden", &Hidden, &mut self.hidden, &usual.hidden);
        io.field("omega", &Real(0.1, 300.0), &mut self.omega, &usual.omega);
        io.field("convention", &CONVENTIONS, &mut self.convention, &usual.convention);
        io.field("rate", &Real(1e-7, 1.0), &mut self.rate, &usual.rate);
        io.field("steps", &Whole(1, 1_000_000), &mut self.steps, &usual.steps);
        io.field("until", &OrNone(Real(1.0, 120.0)), &mut self.until, &usual.until);
        io.field("seed", &Whole(0, u64::MAX), &mut self.seed, &usual.seed);
    }

    /// The architecture for pictures of so many channels.
    ///
    /// # Errors
    /// None for what an address can hold.
    pub fn mlp(&self, channels: usize) -> Result<Mlp, MlpError> {
        let mut dims = vec![2];
        dims.extend(self.hidden.iter().map(|&w| w as usize));
        dims.push(channels);
        let mut mlp = Mlp::new(&dims, self.convention)?;
        mlp.activation = Activation::Sine { omega_0: self.omega };
        mlp.validate()?;
        Ok(mlp)
    }

    /// The job's options, for the whole set of images that the picture is from.
    pub fn options(&self) -> FitOptions {
        FitOptions {
            settings: FitSettings {
                learning_rate: self.rate,
                max_steps: self.steps,
                until_psnr: self.until,
                ..FitSettings::default()
            },
            views: if let Many::Views(count) = self.many { count } else { 1 },
            seed: self.seed,
            curves: self.many != Many::One,
            metric_every: Some(1),
            offset: self.first_object(),
            limit: (self.many != Many::Set).then_some(1),
            ..FitOptions::default()
        }
    }

    /// Where the first picture is in its set: random numbers depend on it, so that a network is the same
    /// here and from the command line.
    fn first_object(&self) -> u64 {
        match (self.many, self.picture) {
            (Many::One | Many::Views(_), Picture::Fashion(number)) => u64::from(number),
            _ => 0,
        }
    }
}

/// How finely a network is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Detail {
    /// As finely as the screen shows.
    Smooth,
    /// At the centres of the picture's pixels: all that the network was ever asked for.
    Pixels,
}

/// Colours for values that are not colours. All of them are told apart by colour-blind people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Palette {
    /// Blue for below, orange for above, and the page's ground between them.
    BlueOrange,
    /// Matplotlib's viridis.
    Viridis,
    /// Cividis: viridis made for colour-blind people.
    Cividis,
    /// Black to white.
    Grey,
}

impl Palette {
    /// Every one with its name for people.
    pub const ALL: [(Palette, &str); 4] = [
        (Palette::BlueOrange, "blue–orange"),
        (Palette::Cividis, "cividis"),
        (Palette::Viridis, "viridis"),
        (Palette::Grey, "grey"),
    ];
}

const DETAILS: Choice<Detail> = Choice(&[("smooth", Detail::Smooth), ("pixels", Detail::Pixels)]);

const PALETTES: Choice<Palette> = Choice(&[
    ("blue-orange", Palette::BlueOrange),
    ("viridis", Palette::Viridis),
    ("cividis", Palette::Cividis),
    ("grey", Palette::Grey),
]);

/// How one looks at a fit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FitView {
    /// Left edge of what is seen, in widths of the picture.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Width of what is seen: 1 is the whole picture, 0.1 a tenth, 2 shows its surroundings too.
    pub size: f64,
    /// How finely the network is drawn.
    pub detail: Detail,
    /// Whether the difference from the target is shown.
    pub difference: bool,
    /// Colours of differences and waves.
    pub palette: Palette,
    /// Which of many networks is looked at.
    pub net: u32,
    /// One step at a time, slowly enough to follow.
    pub slow: bool,
}

impl FitView {
    /// The whole picture, and nothing beyond it.
    pub fn see_all(&mut self) {
        let FitView { x, y, size, .. } = FitView::default();
        (self.x, self.y, self.size) = (x, y, size);
    }
}

impl Default for FitView {
    fn default() -> FitView {
        FitView {
            x: 0.0,
            y: 0.0,
            size: 1.0,
            detail: Detail::Smooth,
            difference: true,
            palette: Palette::BlueOrange,
            net: 0,
            slow: false,
        }
    }
}

impl FitView {
    pub(super) fn fields(&mut self, io: &mut impl Fields) {
        let usual = FitView::default();
        io.field("x", &Real(-4.0, 4.0), &mut self.x, &usual.x);
        io.field("y", &Real(-4.0, 4.0), &mut self.y, &usual.y);
        io.field("zoom", &Real(0.02, 4.0), &mut self.size, &usual.size);
        io.field("detail", &DETAILS, &mut self.detail, &usual.detail);
        io.field("difference", &SWITCH, &mut self.difference, &usual.difference);
        io.field("palette", &PALETTES, &mut self.palette, &usual.palette);
        io.field("net", &Whole(0, MOST_VIEWS - 1), &mut self.net, &usual.net);
        io.field("slow", &SWITCH, &mut self.slow, &usual.slow);
    }

    /// What is seen.
    pub fn window(&self) -> Window {
        Window { x: self.x, y: self.y, size: self.size }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choice_gives_an_architecture_and_a_job() {
        for hidden in [vec![1], vec![256; 7], vec![32, 32]] {
            let spec = FitSpec { hidden, ..FitSpec::default() };
            assert!(spec.mlp(3).is_ok(), "{spec:?}");
            assert!(spec.options().settings.validate().is_ok());
        }
        assert_eq!(FitSpec::default().mlp(1).unwrap().dims_text(), "2-32-32-1");
    }
}
