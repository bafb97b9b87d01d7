//! The page's model: what is known, and what can be done. Components read the signals and call the methods;
//! nothing else talks to the worker.

use super::wire::{Incoming, Wire};
use crate::protocol::{
    Device, Drawing, DrawingKind, Frame, Look, NoGpu, Point, Reply, Request, Target,
};
use crate::state::{FitSpec, State};
use crate::web;
use js_sys::Array;
use leptos::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;
use wasm_bindgen::JsValue;
use weightlab_lab::check::{Case, Summary};
use weightlab_lab::message::{Finished, Started};

/// Points of the curve that are kept; beyond that every other one goes.
const MOST_POINTS: usize = 800;

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
    },
}

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

/// A drawing and its pixels: RGBA.
pub(super) type Pixels = (Drawing, JsValue);

/// The model. Copies are the same model.
#[derive(Clone, Copy)]
pub(super) struct Lab {
    /// What the address holds.
    pub state: RwSignal<State>,
    /// The GPU.
    pub gpu: RwSignal<Gpu>,
    /// Whether the user wants the fit to run.
    pub going: RwSignal<bool>,
    /// What the fit takes, once it is prepared.
    pub started: RwSignal<Option<Started>>,
    /// What it came to, once it is over.
    pub finished: RwSignal<Option<Finished>>,
    /// What the networks are to become.
    pub target: RwSignal<Option<Target>>,
    /// How the fit stands.
    pub frame: RwSignal<Option<Arc<Frame>>>,
    /// The curve so far.
    pub curve: RwSignal<Vec<Point>>,
    /// The newest drawing of each kind.
    pub drawings: RwSignal<HashMap<DrawingKind, Pixels>, LocalStorage>,
    /// Pixels of the targets, RGBA, one after the other.
    pub target_pixels: RwSignal<Option<JsValue>, LocalStorage>,
    /// Pixels on the screen that drawings are made for, and what is pointed at.
    pub look: RwSignal<Look>,
    /// What there is to tell.
    pub notices: RwSignal<Vec<Notice>>,
    /// The conformance check.
    pub checked: RwSignal<Checked>,
    /// How fast the GPU is, in words.
    pub speed: RwSignal<Option<String>>,
    /// What a screen reader says.
    pub said: RwSignal<String>,
    run: RwSignal<u32>,
    /// Whether to go on after a lost GPU.
    was_going: RwSignal<bool>,
    wire: StoredValue<Option<Wire>, LocalStorage>,
}

impl Lab {
    /// The model of a page that was opened at `state`, with its worker on the way.
    pub(super) fn start(state: State, problems: Vec<String>) -> Lab {
        let look = Look::new(&state.view);
        let going = state.run;
        let lab = Lab {
            state: RwSignal::new(state),
            gpu: RwSignal::new(Gpu::Waiting),
            going: RwSignal::new(going),
            started: RwSignal::new(None),
            finished: RwSignal::new(None),
            target: RwSignal::new(None),
            frame: RwSignal::new(None),
            curve: RwSignal::new(Vec::new()),
            drawings: RwSignal::new_local(HashMap::new()),
            target_pixels: RwSignal::new_local(None),
            look: RwSignal::new(look),
            notices: RwSignal::new(Vec::new()),
            checked: RwSignal::new(Checked::default()),
            speed: RwSignal::new(None),
            said: RwSignal::new(String::new()),
            run: RwSignal::new(0),
            was_going: RwSignal::new(false),
            wire: StoredValue::new_local(None),
        };
        let wire = Wire::open(move |incoming| lab.take(incoming));
        lab.wire.set_value(Some(wire));
        for problem in problems {
            lab.tell(true, problem);
        }
        lab.send(&Request::Open);
        lab.begin();
        // Whatever changes how one looks reaches the worker, once per change.
        Effect::new(move |_| {
            let mut look = lab.look.get();
            lab.state.with(|state| {
                look = Look {
                    side: look.side,
                    wave_side: look.wave_side,
                    wave: look.wave,
                    dark: look.dark,
                    ..Look::new(&state.view)
                };
            });
            lab.send(&Request::Look(look));
        });
        lab
    }

    fn send(self, request: &Request) {
        self.wire.with_value(|wire| wire.iter().for_each(|wire| wire.send(request)));
    }

    /// Prepares the fit that the state describes, at step 0.
    fn begin(self) {
        self.run.update(|run| *run += 1);
        self.started.set(None);
        self.finished.set(None);
        self.frame.set(None);
        self.curve.set(Vec::new());
        let (run, spec) = (self.run.get_untracked(), self.state.with_untracked(|s| s.fit.clone()));
        self.send(&Request::Fit { run, spec });
    }

    /// Whether there is something to run.
    pub(super) fn can_run(self) -> bool {
        matches!(self.gpu.get(), Gpu::Ready(_)) && self.started.with(Option::is_some)
    }

    /// As [`Lab::can_run`], for what is not drawn anew when it changes.
    pub(super) fn can_run_untracked(self) -> bool {
        matches!(self.gpu.get_untracked(), Gpu::Ready(_))
            && self.started.with_untracked(Option::is_some)
    }

    /// Whether there will soon be something to run.
    pub(super) fn is_coming_untracked(self) -> bool {
        matches!(self.gpu.get_untracked(), Gpu::Waiting | Gpu::Ready(_))
            && !self.can_run_untracked()
    }

    /// Whether the fit is at its end.
    pub(super) fn is_over(self) -> bool {
        self.finished.with(Option::is_some)
    }

    /// Run, or pause; anew if it is over.
    pub(super) fn toggle(self) {
        if self.going.get_untracked() {
            self.pause();
        } else {
            if self.finished.with_untracked(Option::is_some) {
                self.begin();
            }
            self.going.set(true);
            self.said.set("Running.".to_owned());
            self.send(&Request::Run);
        }
    }

    fn pause(self) {
        self.going.set(false);
        self.send(&Request::Pause);
        self.say_standing("Paused");
    }

    /// One update of every network.
    pub(super) fn step(self) {
        self.going.set(false);
        self.send(&Request::Step);
    }

    /// Back to step 0, standing still.
    pub(super) fn reset(self) {
        self.going.set(false);
        self.begin();
        self.said.set("Reset to step 0.".to_owned());
    }

    /// Changes what is fitted, and begins anew; goes on running if it ran.
    pub(super) fn edit(self, change: impl FnOnce(&mut FitSpec)) {
        let before = self.state.with_untracked(|state| state.fit.clone());
        self.state.update(|state| change(&mut state.fit));
        if self.state.with_untracked(|state| state.fit != before) {
            self.begin();
        }
    }

    /// Hands the worker a picture of the user's: a file or a bitmap. Bitmaps change hands.
    pub(super) fn offer(self, name: &str, picture: &JsValue, hand_over: bool) {
        let parts = Array::of1(picture);
        let transfer = if hand_over { parts.clone() } else { Array::new() };
        let request = Request::Own { name: name.to_owned() };
        self.wire.with_value(|wire| {
            wire.iter().for_each(|wire| wire.send_with(&request, &parts, &transfer));
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
        self.gpu.set(Gpu::Waiting);
        self.send(&Request::Open);
    }

    /// Tells the user something.
    pub(super) fn tell(self, bad: bool, text: String) {
        self.notices.update(|notices| {
            notices.retain(|notice| notice.text != text);
            let id = notices.iter().map(|notice| notice.id + 1).max().unwrap_or(0);
            notices.push(Notice { id, bad, text });
        });
    }

    /// Takes a notice away.
    pub(super) fn dismiss(self, id: u32) {
        self.notices.update(|notices| notices.retain(|notice| notice.id != id));
    }

    /// Has a screen reader say where the fit is.
    pub(super) fn say_standing(self, begin: &str) {
        let frame = self.frame.get_untracked();
        let (step, db) = frame.map_or((0, None), |frame| (frame.step, frame.db));
        let quality = db.map_or_else(String::new, |db| format!(", {db:.1} decibels"));
        self.said.set(format!("{begin}: step {step}{quality}."));
    }

    fn take(self, incoming: Incoming) {
        match incoming {
            Incoming::Reply(reply, parts) => self.take_reply(*reply, &parts),
            Incoming::Broken(why) => {
                self.going.set(false);
                self.gpu.set(Gpu::Missing(NoGpu::NoWorker(why)));
            }
        }
    }

    fn take_reply(self, reply: Reply, parts: &Array) {
        let current = |run: u32| run == self.run.get_untracked();
        match reply {
            Reply::Hello { .. } => {}
            Reply::Ready(device) => {
                self.gpu.set(Gpu::Ready(device));
                if self.was_going.get_untracked() {
                    self.was_going.set(false);
                    self.going.set(true);
                    self.send(&Request::Run);
                }
            }
            Reply::NoGpu(cause) => self.gpu.set(Gpu::Missing(in_page(cause))),
            Reply::Lost { why, step } => {
                self.was_going.set(self.going.get_untracked());
                self.going.set(false);
                self.checked.update(|checked| checked.running = false);
                self.gpu.set(Gpu::Lost { why, step });
            }
            Reply::Target(target) if current(target.run) => {
                self.target_pixels.set(Some(parts.get(0)));
                self.target.set(Some(target));
            }
            Reply::Started { run, started } if current(run) => {
                self.started.set(Some(started));
                if self.going.get_untracked() {
                    self.send(&Request::Run);
                }
            }
            Reply::Frame(frame) if current(frame.run) => self.take_frame(*frame, parts),
            Reply::Warning { run, warning } if current(run) => {
                if warning.diverged.is_some() {
                    let text = "A network diverged: its error grew without bound. A smaller learning rate \
                                keeps it calm.";
                    self.tell(true, text.to_owned());
                } else {
                    self.tell(false, warning.what);
                }
            }
            Reply::Finished { run, finished } if current(run) => {
                self.going.set(false);
                self.finished.set(Some(finished));
                self.say_standing("Finished");
            }
            Reply::Failed { run, failed } if current(run) => {
                self.going.set(false);
                self.tell(true, format!("The fit stopped: {}.", failed.what));
            }
            Reply::OwnReady { .. } => {
                // Also if the picture before was the user's own: it is another one.
                self.state.update(|state| state.fit.picture = crate::state::Picture::Own);
                self.begin();
            }
            Reply::OwnRefused { what } => self.tell(true, what),
            Reply::Case(case) => self.checked.update(|checked| checked.cases.push(case)),
            Reply::Checked(summary) => self.checked.update(|checked| {
                checked.running = false;
                checked.summary = Some(summary);
            }),
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
            // Of a fit that is no longer wanted.
            _ => {}
        }
    }

    fn take_frame(self, frame: Frame, parts: &Array) {
        self.drawings.update(|drawings| {
            let large = [DrawingKind::Net, DrawingKind::NetPixels];
            if frame.drawings.iter().any(|d| large.contains(&d.kind)) {
                drawings.retain(|kind, _| !large.contains(kind));
            }
            drawings.retain(|kind, _| {
                *kind != DrawingKind::Wave || frame.drawings.iter().any(|d| d.kind == *kind)
            });
            for (drawing, part) in frame.drawings.iter().zip(parts.iter()) {
                drawings.insert(drawing.kind, (*drawing, part));
            }
        });
        if !frame.points.is_empty() {
            self.curve.update(|curve| {
                curve.extend(&frame.points);
                if curve.len() > MOST_POINTS {
                    let last = curve.len() - 1;
                    let mut i = 0;
                    curve.retain(|_| {
                        i += 1;
                        (i - 1) % 2 == 0 || i - 1 == last
                    });
                }
            });
        }
        self.frame.set(Some(Arc::new(frame)));
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
