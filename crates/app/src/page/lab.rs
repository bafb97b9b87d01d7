//! The page's model: what is known, and what can be done. Components read the signals and call the methods;
//! nothing else talks to the worker. Every bench has a part of it, beside its components ([`super::fit::model`], ..).

use super::address;
use super::augment::model::AugmentModel;
use super::classify::model::ClassifyModel;
use super::device::title;
use super::fit::model::FitModel;
use super::mix::model::MixModel;
use super::wire::{Incoming, Wire};
use super::zoo::model::ZooModel;
use crate::lessons::TOURS;
use crate::protocol::{Device, NoGpu, Reply, Request};
use crate::state::{Lesson, State};
use crate::web;
use js_sys::{Array, Date};
use leptos::prelude::*;
use std::time::Duration;
use weightlab_lab::check::{Case, Summary};

/// What is known of the GPU.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Gpu {
    /// The browser has not answered yet.
    Waiting,
    /// There it is.
    Ready(Device),
    /// There is none.
    Missing(NoGpu),
    /// It went away; a fit can go on from `step`.
    Lost {
        /// The browser's words.
        why: String,
        /// From where a fit can go on.
        step: Option<u32>,
        /// From where a training can go on.
        training: Option<u32>,
    },
}

impl Gpu {
    /// Whether a fit can run: on the GPU, or on the processor where there is none.
    pub(super) fn fits(&self) -> bool {
        match self {
            Gpu::Ready(_) => true,
            Gpu::Missing(cause) => !matches!(cause, NoGpu::NoWorker(_)),
            Gpu::Waiting | Gpu::Lost { .. } => false,
        }
    }
}

/// Notices that are shown at a time; older ones make room.
const MOST_NOTICES: usize = 3;

/// For how long good news are shown: long enough to read them twice.
const GOOD_NEWS: Duration = Duration::from_secs(30);

/// Entries of the log that are kept.
const MOST_LOGGED: usize = 200;

/// Something to tell the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Notice {
    /// Distinguishes notices.
    pub id: u32,
    /// Whether something failed.
    pub bad: bool,
    /// In a sentence.
    pub text: String,
}

/// The conformance check.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Checked {
    /// Whether it runs.
    pub running: bool,
    /// Cases so far.
    pub cases: Vec<Case>,
    /// The outcome, once it is over.
    pub summary: Option<Summary>,
    /// Why it could not go on.
    pub failed: Option<String>,
}

/// The model. Copies are the same model.
#[derive(Clone, Copy)]
pub(super) struct Lab {
    /// What the address holds.
    pub state: RwSignal<State>,
    /// The GPU.
    pub gpu: RwSignal<Gpu>,
    /// What there is to tell.
    pub notices: RwSignal<Vec<Notice>>,
    /// The conformance check.
    pub checked: RwSignal<Checked>,
    /// How fast the GPU is, in words.
    pub speed: RwSignal<Option<String>>,
    /// What happened, each with its time of day, the latest last.
    pub log: RwSignal<Vec<String>>,
    /// What a screen reader says.
    pub said: RwSignal<String>,
    /// The Fit bench.
    pub fit: FitModel,
    /// The Augment bench.
    pub augment: AugmentModel,
    /// The Align & Mix bench.
    pub mix: MixModel,
    /// The Classify bench.
    pub classify: ClassifyModel,
    /// The zoo that benches take networks from.
    pub zoo: ZooModel,
    /// The fragment of the address as it was last read or written. Where the browser's is another, Back or Forward led there a moment ago.
    pub fragment: StoredValue<String>,
    /// How many notices there were.
    told: StoredValue<u32>,
    wire: StoredValue<Option<Wire>, LocalStorage>,
}

impl Lab {
    /// The model of a page that was opened at `state`, with its worker on the way.
    pub(super) fn start(state: State, problems: Vec<String>) -> Lab {
        let lab = Lab {
            fit: FitModel::new(&state),
            augment: AugmentModel::new(),
            mix: MixModel::new(),
            classify: ClassifyModel::new(),
            zoo: ZooModel::new(),
            state: RwSignal::new(state),
            gpu: RwSignal::new(Gpu::Waiting),
            notices: RwSignal::new(Vec::new()),
            checked: RwSignal::new(Checked::default()),
            speed: RwSignal::new(None),
            log: RwSignal::new(Vec::new()),
            said: RwSignal::new(String::new()),
            fragment: StoredValue::new(address::fragment()),
            told: StoredValue::new(0),
            wire: StoredValue::new_local(None),
        };
        let wire = Wire::open(move |incoming| lab.take(incoming));
        lab.wire.set_value(Some(wire));
        lab.tell_problems(&problems);
        lab.send(&Request::Open);
        lab.start_fit();
        lab.start_zoo();
        lab.start_augment();
        lab.start_mix();
        lab.start_classify();
        lab
    }

    /// Sets the whole lab up as an address does.
    pub(super) fn go_to(self, state: State) {
        let (run, same) = (state.run, self.state.with_untracked(|now| now.fit == state.fit));
        self.state.set(state);
        self.go_to_fit(run, same);
    }

    /// Sets the lab up for a step of a lesson.
    pub(super) fn go_to_step(self, lesson: Lesson) {
        let step = TOURS.get(lesson.tour).and_then(|tour| tour.steps.get(lesson.step));
        if let Some(step) = step {
            // The lessons' own addresses have no mistakes: a test reads them all.
            let (state, _none) = State::from_fragment(step.state);
            let run = state.run;
            self.state.set(State { lesson: Some(lesson), ..state });
            // From the start, also if the fit is the one there was.
            self.go_to_fit(run, false);
        }
    }

    /// Sends a request.
    pub(super) fn send(self, request: &Request) {
        self.send_with(request, &Array::new(), &Array::new());
    }

    /// Sends a request with `parts`, of which those in `transfer` change hands.
    pub(super) fn send_with(self, request: &Request, parts: &Array, transfer: &Array) {
        self.wire.with_value(|wire| {
            wire.iter().for_each(|wire| wire.send_with(request, parts, transfer));
        });
    }

    /// Runs the conformance check.
    pub(super) fn check(self) {
        self.checked.set(Checked { running: true, ..Checked::default() });
        self.send(&Request::Check);
    }

    /// Measures the GPU's speed.
    pub(super) fn measure(self) {
        self.speed.set(Some("Measuring …".to_owned()));
        self.send(&Request::Measure);
    }

    /// Gives the GPU up, to see what happens.
    pub(super) fn lose_gpu(self) {
        self.send(&Request::Lose);
    }

    /// Looks for a GPU again.
    pub(super) fn find_gpu(self) {
        self.suspend_fit(None);
        self.gpu.set(Gpu::Waiting);
        self.send(&Request::Open);
    }

    /// What is said while there is nothing to show: that it is coming, or that it cannot.
    pub(super) fn coming(self, coming: &str) -> String {
        match self.gpu.get() {
            Gpu::Missing(_) => {
                "There is no GPU here to compute this with; “No GPU” above says why. The lessons show \
                                recordings of it."
                    .to_owned()
            }
            Gpu::Lost { .. } => "The GPU went away.".to_owned(),
            _ => coming.to_owned(),
        }
    }

    /// Tells the user something.
    pub(super) fn tell(self, bad: bool, text: String) {
        self.note(text.clone());
        let id = self.told.get_value();
        self.told.set_value(id + 1);
        if !bad {
            set_timeout(move || self.dismiss(id), GOOD_NEWS);
        }
        self.notices.update(|notices| {
            notices.retain(|notice| notice.text != text);
            notices.push(Notice { id, bad, text });
            let old = notices.len().saturating_sub(MOST_NOTICES);
            notices.drain(..old);
        });
    }

    /// Writes down what happened.
    pub(super) fn note(self, what: String) {
        // "09:26:53 GMT+0100 (..)"
        let time: String = Date::new_0().to_time_string().into();
        self.log.update(|log| {
            log.push(format!("{} {what}", time.get(..8).unwrap_or_default()));
            log.drain(..log.len().saturating_sub(MOST_LOGGED));
        });
    }

    /// Tells what is wrong with an address: all of it at once.
    pub(super) fn tell_problems(self, problems: &[String]) {
        if !problems.is_empty() {
            self.tell(true, problems.join("\n"));
        }
    }

    /// Takes a notice away.
    pub(super) fn dismiss(self, id: u32) {
        self.notices.update(|notices| notices.retain(|notice| notice.id != id));
    }

    fn take(self, incoming: Incoming) {
        match incoming {
            Incoming::Reply(reply, parts) => self.take_reply(*reply, &parts),
            Incoming::Broken(why) => {
                self.note(format!("The worker stopped: {why}"));
                self.fit.going.set(false);
                self.suspend_training();
                self.gpu.set(Gpu::Missing(NoGpu::NoWorker(why)));
            }
        }
    }

    fn take_reply(self, reply: Reply, parts: &Array) {
        match reply {
            Reply::Hello => {}
            Reply::Ready(device) => {
                self.gpu.set(Gpu::Ready(device));
                self.note(format!("GPU: {}", self.gpu.with_untracked(title)));
                self.resume_fit();
                self.resume_training();
            }
            Reply::NoGpu(cause) => {
                let cause = in_page(cause);
                self.note(format!("No GPU: {cause:?}"));
                self.gpu.set(Gpu::Missing(cause));
                self.resume_fit();
            }
            Reply::Lost { why, step, training } => {
                self.suspend_fit(step);
                self.suspend_training();
                self.checked.update(|checked| checked.running = false);
                self.note(format!("GPU lost: {why}"));
                self.gpu.set(Gpu::Lost { why, step, training });
            }
            Reply::Case(case) => self.checked.update(|checked| checked.cases.push(case)),
            Reply::Checked(summary) => {
                self.checked.update(|checked| {
                    checked.running = false;
                    checked.summary = Some(summary);
                });
                self.note(format!("Checked: {} pass, {} fail", summary.pass, summary.fail));
            }
            Reply::CheckFailed(failed) => self.checked.update(|checked| {
                checked.running = false;
                checked.failed = Some(failed.what);
            }),
            Reply::Measured(m) => self.speed.set(Some(format!(
                "{} networks of {} on {} points: {:.3} ms per network and step, {:.1} GFLOP/s ({}).",
                m.n, m.dims, m.points, m.ms_per_net_step, m.gflops, m.kernel
            ))),
            Reply::MeasureFailed(failed) => {
                self.speed.set(Some(format!("The speed could not be measured: {}.", failed.what)));
            }
            Reply::Fit(reply) => self.take_fit(reply, parts),
            Reply::Augment(reply) => self.take_augment(reply, parts),
            Reply::Mix(reply) => self.take_mix(reply, parts),
            Reply::Classify(reply) => self.take_classify(*reply, parts),
            Reply::Zoo(reply) => self.take_zoo(reply, parts),
        }
    }
}

/// What the worker cannot know: whether the page itself has WebGPU.
fn in_page(cause: NoGpu) -> NoGpu {
    let here = web::get(&window().navigator(), "gpu").is_some();
    if cause == NoGpu::Absent && here { NoGpu::NotInWorkers } else { cause }
}

/// The model, from anywhere in the page.
pub(super) fn lab() -> Lab {
    expect_context()
}
