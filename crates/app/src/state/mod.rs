//! All that an address holds: which bench, what it does, how one looks at it, and what a teacher hides.
//!
//! The address of the page *is* its state: whoever opens a copied link sees the same. Values that are as
//! usual are left out, and nonsense becomes a sentence and the usual value.

pub mod augment;
mod classify;
mod fit;
mod lesson;
mod mix;
mod table;

pub use augment::AugmentSpec;
pub use classify::{ClassifySpec, MIXTURES, Mixture, USUAL_TRAIN};
pub use fit::{Detail, FitSpec, FitView, MAX_HIDDEN, Many, Palette, Picture, SIDES, WIDTHS};
pub use lesson::Lesson;
pub use mix::MixSpec;

use serde::{Deserialize, Serialize};
use table::{All, Choice, Codec, Fields, Name, OrNone, Reader, SWITCH, Whole, Writer};

/// A bench of the lab.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Bench {
    /// Pictures become networks.
    Fit,
    /// What can be done to a network's weights.
    Augment,
    /// What lies between two networks.
    Mix,
    /// Networks are read, without running them.
    Classify,
    /// The networks there are.
    Zoo,
    /// Guided tours.
    Lessons,
}

impl Bench {
    /// Every bench there is, in the order of the tabs.
    pub const ALL: &[Bench] =
        &[Bench::Fit, Bench::Augment, Bench::Mix, Bench::Classify, Bench::Zoo, Bench::Lessons];

    /// The name on its tab.
    pub fn title(self) -> &'static str {
        match self {
            Bench::Fit => "Fit",
            Bench::Augment => "Augment",
            Bench::Mix => "Align & Mix",
            Bench::Classify => "Classify",
            Bench::Zoo => "Zoo",
            Bench::Lessons => "Lessons",
        }
    }
}

/// Parts of the page that `hide=` takes away, so that a lesson shows what it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The tabs.
    Tabs,
    /// The sentence that explains the bench.
    Intro,
    /// The choice of the picture.
    Picture,
    /// Width, depth, omega_0, convention, learning rate, steps, seed.
    Network,
    /// How many networks.
    Many,
    /// The chart.
    Chart,
    /// The waves of the first layer.
    Waves,
    /// The difference image and its switch.
    Difference,
    /// Zoom, detail and colours.
    View,
    /// The choice of networks.
    Picker,
    /// The choice of operations.
    Operations,
    /// The weights as matrices.
    Weights,
    /// The strips of pictures along a line.
    Strips,
    /// The figures of a line.
    Figures,
    /// The costs of an assignment.
    Costs,
    /// Draw, fit, classify.
    Reading,
    /// Training a classifier.
    Training,
    /// The share button.
    Share,
    /// The state of the GPU.
    Device,
}

impl Part {
    /// Every one with its name in addresses.
    pub const ALL: &[(&str, Part)] = &[
        ("tabs", Part::Tabs),
        ("intro", Part::Intro),
        ("picture", Part::Picture),
        ("network", Part::Network),
        ("many", Part::Many),
        ("chart", Part::Chart),
        ("waves", Part::Waves),
        ("difference", Part::Difference),
        ("view", Part::View),
        ("picker", Part::Picker),
        ("operations", Part::Operations),
        ("weights", Part::Weights),
        ("strips", Part::Strips),
        ("figures", Part::Figures),
        ("costs", Part::Costs),
        ("reading", Part::Reading),
        ("training", Part::Training),
        ("share", Part::Share),
        ("device", Part::Device),
    ];
}

impl Part {
    /// What people call it.
    pub fn title(self) -> &'static str {
        match self {
            Part::Tabs => "the tabs above",
            Part::Intro => "the sentence on the bench",
            Part::Picture => "Fit: the choice of picture",
            Part::Network => "Fit: the network’s settings",
            Part::Many => "Fit: how many",
            Part::Chart => "Fit: the curve",
            Part::Waves => "Fit: the first layer’s waves",
            Part::Difference => "Fit: the difference",
            Part::View => "Fit: zoom and colours",
            Part::Picker => "the choice of networks",
            Part::Operations => "Augment: the operations",
            Part::Weights => "Augment: the weights",
            Part::Strips => "Align & Mix: the strips",
            Part::Figures => "Align & Mix: the figures",
            Part::Costs => "Align & Mix: the cost matrix",
            Part::Reading => "Classify: draw, fit, classify",
            Part::Training => "Classify: training",
            Part::Share => "the Share button",
            Part::Device => "the GPU’s button",
        }
    }
}

const PARTS: Choice<Part> = Choice(Part::ALL);

/// Names of parts with commas between them.
struct Parts;

impl Codec<Vec<Part>> for Parts {
    fn read(&self, text: &str) -> Option<Vec<Part>> {
        text.split(',').filter(|name| !name.is_empty()).map(|name| PARTS.read(name)).collect()
    }
    fn saved(&self, text: &str) -> Option<Vec<Part>> {
        let known: Vec<Part> = text.split(',').filter_map(|name| PARTS.read(name)).collect();
        (!known.is_empty()).then_some(known)
    }
    fn write(&self, value: &Vec<Part>) -> String {
        value.iter().map(|part| PARTS.write(part)).collect::<Vec<_>>().join(",")
    }
    fn expected(&self) -> String {
        format!("a list, with commas, of {}", PARTS.expected())
    }
}

const BENCHES: Choice<Bench> = Choice(&[
    ("fit", Bench::Fit),
    ("augment", Bench::Augment),
    ("mix", Bench::Mix),
    ("classify", Bench::Classify),
    ("zoo", Bench::Zoo),
    ("lessons", Bench::Lessons),
]);

/// The zoo that comes with the page for looking at: its networks were never learnt from.
pub const USUAL_ZOO: &str = "test";
/// The version of addresses, their key `v`: the next one is due when an old address would mean something else.
const VERSION: u32 = 1;
/// Most networks of a zoo that an address can point into.
pub const MOST_NETS: u64 = 1_000_000;

/// The nearest to `text` that a zoo can be called: letters, digits, spaces and ` -_.()`.
pub fn zoo_name(text: &str) -> String {
    Name::nearest(text)
}

/// What an address holds.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Which bench.
    pub bench: Bench,
    /// What the Fit bench does.
    pub fit: FitSpec,
    /// How one looks at it.
    pub view: FitView,
    /// What the Classify bench does.
    pub classify: ClassifySpec,
    /// Name of the zoo that benches take networks from.
    pub zoo: String,
    /// Position in it of the network that is looked at.
    pub net: u32,
    /// What the Augment bench does.
    pub augment: AugmentSpec,
    /// What the Align & Mix bench does.
    pub mix: MixSpec,
    /// Whether it begins to run by itself.
    pub run: bool,
    /// Which step of a lesson one is at.
    pub lesson: Option<Lesson>,
    /// What is hidden.
    pub hide: Vec<Part>,
}

impl Default for State {
    fn default() -> State {
        State {
            bench: Bench::Fit,
            fit: FitSpec::default(),
            view: FitView::default(),
            classify: ClassifySpec::default(),
            zoo: USUAL_ZOO.to_owned(),
            net: 0,
            augment: AugmentSpec::default(),
            mix: MixSpec::default(),
            run: false,
            lesson: None,
            hide: Vec::new(),
        }
    }
}

impl State {
    /// What was to run by itself runs: a link that is shared from now on leaves that to whoever opens it. Steps of lessons
    /// run whenever one comes to them.
    pub fn has_begun(&mut self) {
        self.run &= self.lesson.is_some();
    }

    fn fields(&mut self, io: &mut impl Fields) {
        let usual = State::default();
        io.field("bench", &BENCHES, &mut self.bench, &usual.bench);
        self.fit.fields(io);
        self.view.fields(io);
        self.classify.fields(io);
        io.field("zoo", &Name, &mut self.zoo, &usual.zoo);
        io.field("of", &Whole(0, MOST_NETS), &mut self.net, &usual.net);
        self.augment.fields(io);
        self.mix.fields(io);
        io.field("run", &SWITCH, &mut self.run, &usual.run);
        io.field("lesson", &OrNone(lesson::Lessons), &mut self.lesson, &usual.lesson);
        io.field("hide", &Parts, &mut self.hide, &usual.hide);
    }

    /// From the fragment of an address, with or without its `#`, and a sentence for each thing wrong with it.
    pub fn from_fragment(fragment: &str) -> (State, Vec<String>) {
        State::in_tab(fragment, false)
    }

    /// As [`State::from_fragment`], in a tab that may have a picture of the user's `own`.
    pub fn in_tab(fragment: &str, own: bool) -> (State, Vec<String>) {
        let mut reader = Reader::new(fragment.trim_start_matches('#'));
        let mut state = State::default();
        state.fields(&mut reader);
        let mut version = VERSION;
        reader.field("v", &Whole(1, u64::from(u32::MAX)), &mut version, &VERSION);
        if version > VERSION {
            reader.problem(
                "This address is of a newer lab than the one in this tab; what is new in it is left out. Reload the page: if \
                 that does not help, the page itself is an older one."
                    .to_owned(),
            );
        }
        if state.fit.picture == Picture::Own && !own {
            state.fit.picture = Picture::default();
            reader.problem(
                "This address is of an own picture, which is only in the tab that it was made in; \
                 a built-in one is shown instead."
                    .to_owned(),
            );
        }
        (state, reader.finish())
    }

    /// The fragment that leads back here, without `#`; empty if all is as usual.
    pub fn to_fragment(&self) -> String {
        let mut writer = Writer::default();
        self.clone().fields(&mut writer);
        match writer.finish() {
            usual if usual.is_empty() => usual,
            fragment => format!("v={VERSION}&{fragment}"),
        }
    }

    /// Every setting by its key in addresses, usual ones too.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let mut all = All::default();
        self.clone().fields(&mut all);
        all.0
    }

    /// Whether a part is hidden.
    pub fn hides(&self, part: Part) -> bool {
        self.hide.contains(&part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weightlab_learn::dws::SetLayer;
    use weightlab_nets::Convention;
    use weightlab_nets::mix::Mix;
    use weightlab_nets::symmetry::Op;

    #[test]
    fn the_usual_state_needs_no_address() {
        assert_eq!(State::default().to_fragment(), "");
        assert_eq!(State::from_fragment("#"), (State::default(), Vec::new()));
    }

    #[test]
    fn a_link_leads_to_the_state_it_was_made_from() {
        let mut state = State { run: true, net: 179, ..State::default() };
        state.lesson = Some(Lesson { tour: 1, step: 2 });
        (state.bench, state.zoo) = (Bench::Zoo, "my zoo (2)".to_owned());
        state.hide = vec![Part::Network, Part::Device];
        state.fit = FitSpec {
            picture: Picture::Named(1),
            side: 48,
            grey: true,
            many: Many::Views(16),
            hidden: vec![24, 64, 7],
            omega: 12.5,
            convention: Convention::Dwsnets,
            rate: 0.002,
            steps: 250,
            until: None,
            seed: u64::MAX,
        };
        state.view = FitView {
            x: -0.25,
            y: 0.125,
            size: 1.5,
            detail: Detail::Pixels,
            difference: true,
            palette: Palette::Cividis,
            net: 3,
            slow: true,
        };
        state.augment = AugmentSpec {
            ops: vec![Op::Rotate { degrees: 12.5 }, Op::GaussianNoise { level: 0.03 }],
            draw: 9,
        };
        state.mix = MixSpec { pair: [3, 3], t: 0.25, layer: 2, method: Mix::Aligned, seed: 5 };
        state.classify = ClassifySpec {
            read: Some(63),
            zoo: "my pictures (2)".to_owned(),
            negate: true,
            mixture: Mixture::Signed,
            epochs: 7,
            hidden: 32,
            sets: SetLayer::Sab,
            batch: 48,
            rate: 0.002,
            seed: 9,
        };
        let link = state.to_fragment();
        assert!(link.contains("&op=rotate:degrees=12.5;gaussian-noise:level=0.03&"), "{link}");
        assert_eq!(State::from_fragment(&link), (state, Vec::new()), "{link}");
    }

    #[test]
    fn nonsense_becomes_a_sentence_and_the_usual_value() {
        let nonsense = [
            "omega=banana",
            "omega=1e99",
            "hidden=32,,32",
            "hidden=4096",
            "hidden=8,8,8,8,8,8,8,8",
            "pic=fashion:64",
            "pic=../../etc/passwd",
            "convention=mine",
            "seed=-1",
            "rate=NaN",
            "steps=0",
            "views=1000000000",
            "hide=everything",
            "bench=%F0%9F%8D%8C",
            "zoom=-3",
            "zoo=../etc",
            "of=-1",
            "lesson=picture:0",
            "lesson=picture:99",
            "lesson=nothing:1",
            "op=spin",
            "op=rotate:degrees=720",
            "draw=1.5",
            "pair=3",
            "pair=-1,2",
            "t=1.5",
            "layer=0",
            "method=magic",
            "train-mix=all",
            "train-hidden=12",
            "read=64",
            "v=0",
            "v=next",
        ];
        for text in nonsense {
            let (state, problems) = State::from_fragment(text);
            assert_eq!(state, State::default(), "{text}");
            let [problem] = problems.as_slice() else { panic!("{text}: {problems:?}") };
            assert!(problem.starts_with("The address has “"), "{problem}");
            assert!(problem.len() < 400, "{problem}");
        }
        // One bad value does not spoil the others.
        let (state, problems) = State::from_fragment("omega=12&rate=oops&seed=7");
        assert_eq!((state.fit.omega, state.fit.seed, problems.len()), (12.0, 7, 1));
        // Nor does a bad word show what other words hide.
        let (state, problems) = State::from_fragment("hide=everything,tabs,share");
        assert_eq!(state.hide, [Part::Tabs, Part::Share]);
        assert!(problems[0].ends_with("; tabs,share is used instead."), "{problems:?}");
        // Nor do many, or a long one, fill the page.
        assert_eq!(State::from_fragment(&"a=b&".repeat(5000)).1.len(), 1);
        assert_eq!(State::from_fragment(&"seed=x&".repeat(5000)).1.len(), 1);
        let many: Vec<String> = (0..5000).map(|i| format!("k{i}=1")).collect();
        assert_eq!(State::from_fragment(&many.join("&")).1.len(), 20);
        let long = format!("seed={}", "9".repeat(100_000));
        assert!(State::from_fragment(&long).1[0].len() < 200);
    }

    #[test]
    fn the_help_names_every_part() {
        let page = include_str!("../../../../index.html");
        let list =
            page.split_once("there are ").and_then(|(_, rest)| rest.split_once('.')).unwrap().0;
        let listed: Vec<&str> = list.split(',').map(str::trim).collect();
        let parts: Vec<&str> = Part::ALL.iter().map(|(name, _)| *name).collect();
        assert_eq!(listed, parts);
    }

    #[test]
    fn what_has_begun_is_not_shared_as_beginning_by_itself() {
        let mut state = State { run: true, ..State::default() };
        state.has_begun();
        assert_eq!(state.to_fragment(), "");
        let mut state =
            State { run: true, lesson: Some(Lesson { tour: 1, step: 2 }), ..State::default() };
        state.has_begun();
        assert!(state.to_fragment().contains("run=1"));
    }

    #[test]
    fn addresses_say_their_version() {
        let state = State { net: 3, ..State::default() };
        assert_eq!(state.to_fragment(), "v=1&of=3");
        // Those of before there were versions are of the first.
        assert_eq!(State::from_fragment("of=3"), (state.clone(), Vec::new()));
        let (newer, problems) = State::from_fragment("v=2&of=3&hologram=1");
        assert_eq!(newer, state);
        assert!(problems[0].contains("newer lab"), "{problems:?}");
        assert!(problems[1].contains("“hologram”"), "{problems:?}");
    }

    #[test]
    fn every_setting_is_told_whether_usual_or_not() {
        let state = State { net: 3, ..State::default() };
        let settings = state.settings();
        let of = |key: &str| settings.iter().find(|(k, _)| *k == key).map(|(_, v)| v.as_str());
        assert_eq!((of("of"), of("omega"), of("until")), (Some("3"), Some("30"), Some("40")));
        // All of them together lead to the state too.
        let link: Vec<String> = settings.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let (read, problems) = State::from_fragment(&link.join("&"));
        assert_eq!((read, problems), (state, Vec::new()));
    }

    #[test]
    fn somebody_elses_picture_is_not_in_the_link() {
        let (state, problems) = State::from_fragment("pic=own");
        assert_eq!(state, State::default());
        assert!(problems[0].contains("own picture"), "{problems:?}");
    }
}
