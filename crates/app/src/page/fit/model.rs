//! The Fit bench's part of the model.

use crate::page::canvas::is_dark;
use crate::page::lab::{Gpu, Lab};
use crate::protocol::fit::{Drawing, DrawingKind, Frame, Look, Point, Reply, Request, Target};
use crate::protocol::{self};
use crate::state::{Bench, FitSpec, Many, Picture, State};
use js_sys::Array;
use leptos::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;
use wasm_bindgen::JsValue;
use web_sys::FileList;
use weightlab_lab::builtin::PICTURES;
use weightlab_lab::message::{Finished, Started};

/// Points of the curve that are kept; beyond that every other one goes.
const MOST_POINTS: usize = 800;

/// How a notice begins that no longer holds once another fit has begun.
const REFUSED: &str = "The fit cannot begin";

/// A drawing and its pixels: RGBA.
pub(in crate::page) type Pixels = (Drawing, JsValue);

/// The fit as the page knows it.
#[derive(Clone, Copy)]
pub(in crate::page) struct FitModel {
    /// Whether the user wants the fit to run.
    pub going: RwSignal<bool>,
    /// What the fit takes, once it is prepared.
    pub started: RwSignal<Option<Started>>,
    /// What it came to, once it is over.
    pub finished: RwSignal<Option<Finished>>,
    /// Whether it could not begin or go on.
    pub failed: RwSignal<bool>,
    /// Whether its networks are on the shelf of zoos, or on their way.
    pub kept: RwSignal<bool>,
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
    /// Whether the worker has a picture of the user's.
    pub own: StoredValue<bool>,
    /// Whether a screen reader is to be told where it came to a stop.
    pausing: StoredValue<bool>,
    run: RwSignal<u32>,
    /// Whether to go on after a lost GPU.
    was_going: RwSignal<bool>,
}

impl FitModel {
    /// Of a page that was opened at `state`.
    pub(in crate::page) fn new(state: &State) -> FitModel {
        FitModel {
            going: RwSignal::new(state.run && state.bench == Bench::Fit),
            started: RwSignal::new(None),
            finished: RwSignal::new(None),
            failed: RwSignal::new(false),
            kept: RwSignal::new(false),
            target: RwSignal::new(None),
            frame: RwSignal::new(None),
            curve: RwSignal::new(Vec::new()),
            drawings: RwSignal::new_local(HashMap::new()),
            target_pixels: RwSignal::new_local(None),
            look: RwSignal::new(Look::new(&state.view)),
            own: StoredValue::new(false),
            pausing: StoredValue::new(false),
            run: RwSignal::new(0),
            was_going: RwSignal::new(false),
        }
    }
}

impl Lab {
    fn send_fit(self, request: Request) {
        self.send(&protocol::Request::Fit(request));
    }

    /// Prepares the first fit, and keeps the worker's eyes where the user looks.
    pub(in crate::page) fn start_fit(self) {
        if self.fit.going.get_untracked() {
            self.state.update_untracked(State::has_begun);
        }
        self.begin();
        // Whatever changes how one looks reaches the worker, once per change.
        Effect::new(move |_| {
            let mut look = self.fit.look.get();
            self.state.with(|state| {
                look = Look {
                    side: look.side,
                    wave_side: look.wave_side,
                    wave: look.wave,
                    dark: is_dark(),
                    ..Look::new(&state.view)
                };
            });
            self.send_fit(Request::Look(look));
        });
    }

    /// Prepares the fit that the state describes, at step 0.
    fn begin(self) {
        self.fit.run.update(|run| *run += 1);
        self.fit.started.set(None);
        self.fit.finished.set(None);
        self.fit.failed.set(false);
        self.fit.kept.set(false);
        self.fit.frame.set(None);
        self.fit.curve.set(Vec::new());
        self.fit.pausing.set_value(false);
        // What was said is of the fit before, and so is what was kept of it.
        self.said.set(String::new());
        if let Gpu::Lost { why, training, .. } = self.gpu.get_untracked() {
            self.gpu.set(Gpu::Lost { why, step: None, training });
        }
        let (run, spec) =
            (self.fit.run.get_untracked(), self.state.with_untracked(|s| s.fit.clone()));
        self.send_fit(Request::Fit { run, spec });
    }

    /// Whether there is something to run.
    pub(in crate::page) fn can_run(self) -> bool {
        self.gpu.with(Gpu::fits) && self.fit.started.with(Option::is_some)
    }

    /// As [`Lab::can_run`], for what is not drawn anew when it changes.
    pub(in crate::page) fn can_run_untracked(self) -> bool {
        self.gpu.with_untracked(Gpu::fits) && self.fit.started.with_untracked(Option::is_some)
    }

    /// Whether there will soon be something to run.
    pub(in crate::page) fn is_coming_untracked(self) -> bool {
        self.gpu.with_untracked(|gpu| gpu.fits() || *gpu == Gpu::Waiting)
            && !self.can_run_untracked()
    }

    /// Whether the fit is at its end.
    pub(in crate::page) fn is_over(self) -> bool {
        self.fit.finished.with(Option::is_some)
    }

    /// Run, or pause; anew if it is over.
    pub(in crate::page) fn toggle(self) {
        if self.fit.going.get_untracked() {
            self.pause();
        } else {
            if self.fit.finished.with_untracked(Option::is_some) {
                self.begin();
            }
            self.fit.going.set(true);
            self.said.set("Running.".to_owned());
            self.send_fit(Request::Run);
        }
    }

    fn pause(self) {
        self.fit.going.set(false);
        self.fit.pausing.set_value(true);
        self.send_fit(Request::Pause);
    }

    /// One update of every network.
    pub(in crate::page) fn step(self) {
        self.fit.going.set(false);
        self.send_fit(Request::Step);
    }

    /// Back to step 0, standing still.
    pub(in crate::page) fn reset(self) {
        self.fit.going.set(false);
        self.begin();
        self.said.set("Reset to step 0.".to_owned());
    }

    /// Changes what is fitted, and begins anew; goes on running if it ran.
    pub(in crate::page) fn edit(self, change: impl FnOnce(&mut FitSpec)) {
        let before = self.state.with_untracked(|state| state.fit.clone());
        self.state.update(|state| {
            change(&mut state.fit);
            if state.fit.picture != before.picture {
                state.view.see_all();
            }
        });
        if self.state.with_untracked(|state| state.fit != before) {
            self.begin();
        }
    }

    /// The picture of the network that is looked at.
    pub(in crate::page) fn shown_picture(self) -> Picture {
        self.state.with(|state| match (state.fit.many, state.fit.picture) {
            (Many::Set, Picture::Fashion(_) | Picture::Named(_)) => {
                Picture::Fashion(state.view.net)
            }
            (_, picture) => picture,
        })
    }

    /// Fits a built-in picture; where the whole set of clothes is fitted, looks at it.
    pub(in crate::page) fn choose_picture(self, picture: Picture) {
        let whole = self.state.with_untracked(|state| {
            state.fit.many == Many::Set && state.fit.picture != Picture::Own
        });
        match picture {
            Picture::Fashion(number) if whole => self.state.update(|s| s.view.net = number),
            _ => self.edit(|fit| {
                fit.picture = picture;
                if fit.many == Many::Set {
                    fit.many = Many::One;
                }
            }),
        }
    }

    /// Hands the worker a picture of the user's that is called `name`, and has it fitted at once.
    pub(in crate::page) fn offer(self, name: &str, bitmap: &JsValue) {
        self.fit.going.set(true);
        let (name, parts) = (name.to_owned(), Array::of1(bitmap));
        self.send_with(&protocol::Request::Fit(Request::Own { name }), &parts, &parts);
    }

    /// Hands the worker files of the user's.
    pub(in crate::page) fn offer_files(self, files: &FileList) {
        let all: Array =
            (0..files.length()).filter_map(|i| files.get(i)).map(JsValue::from).collect();
        let request = protocol::Request::Fit(Request::Own { name: String::new() });
        self.send_with(&request, &all, &Array::new());
    }

    /// Has a screen reader say where the fit is.
    pub(in crate::page) fn say_standing(self, begin: &str) {
        let frame = self.fit.frame.get_untracked();
        let (step, db) = frame.map_or((0, None), |frame| (frame.step, frame.db));
        let quality = db.map_or_else(String::new, |db| format!(", {db:.1} decibels"));
        self.said.set(format!("{begin}: step {step}{quality}."));
    }

    /// The state has been set as a whole; `same` says that the fit is the one there was.
    pub(in crate::page) fn go_to_fit(self, run: bool, same: bool) {
        let run = run && self.state.with_untracked(|state| state.bench == Bench::Fit);
        if run {
            self.state.update_untracked(State::has_begun);
        }
        if !same {
            self.fit.going.set(run);
            self.begin();
        } else if run && !self.fit.going.get_untracked() {
            // An address that says nothing of running, as one that Back leads to, lets a fit that runs go on.
            self.toggle();
        }
    }

    /// Puts the networks of the fit, which is over, on the shelf of zoos.
    pub(in crate::page) fn keep(self) {
        let name = match self.state.with_untracked(|state| (state.fit.many, state.fit.picture)) {
            (Many::Set, Picture::Own) => "my pictures".to_owned(),
            (Many::Set, _) => "clothes".to_owned(),
            (_, Picture::Named(which)) => {
                PICTURES.get(which).map_or("picture", |p| p.name).to_owned()
            }
            (_, Picture::Own) => "my picture".to_owned(),
            (_, Picture::Fashion(_)) => {
                let name = self.fit.target.with_untracked(|t| t.as_ref()?.names.first().cloned());
                name.unwrap_or_else(|| "piece of clothing".to_owned())
            }
        };
        self.fit.kept.set(true);
        self.send_fit(Request::Keep { name });
    }

    /// There is a device again: goes on if it ran.
    pub(in crate::page) fn resume_fit(self) {
        if self.fit.was_going.get_untracked() {
            self.fit.was_going.set(false);
            self.fit.going.set(true);
            self.send_fit(Request::Run);
        }
    }

    /// The GPU is gone, and with it what was done since `kept`.
    pub(in crate::page) fn suspend_fit(self, kept: Option<u32>) {
        if let (Some(step), Some(frame)) = (kept, self.fit.frame.get_untracked()) {
            // Its quality then is not known, and the next device has to be prepared.
            let frame = Frame { step, db: None, prepared: false, ..(*frame).clone() };
            self.fit.frame.set(Some(Arc::new(frame)));
            self.cut_curve(step + 1);
        }
        let going = self.fit.going.get_untracked();
        self.fit.was_going.update(|was| *was |= going);
        self.fit.going.set(false);
    }

    /// Takes what the worker says of the fit.
    pub(in crate::page) fn take_fit(self, reply: Reply, parts: &Array) {
        let fit = self.fit;
        let current = |run: u32| run == fit.run.get_untracked();
        match reply {
            Reply::Target(target) if current(target.run) => {
                fit.target_pixels.set(Some(parts.get(0)));
                fit.target.set(Some(target));
            }
            Reply::Started { run, started } if current(run) => {
                self.note(format!("Fit: {}", started.kernel));
                fit.started.set(Some(started));
                self.notices.update(|all| all.retain(|notice| !notice.text.starts_with(REFUSED)));
                if fit.going.get_untracked() {
                    self.send_fit(Request::Run);
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
                fit.going.set(false);
                self.note(format!(
                    "Fitted: {} networks, {:.1} s, median {:.1} dB",
                    finished.nets,
                    finished.seconds,
                    finished.psnr_median.unwrap_or(f64::NAN)
                ));
                fit.finished.set(Some(finished));
            }
            Reply::Failed { run, failed } if current(run) => {
                fit.going.set(false);
                fit.started.set(None);
                fit.failed.set(true);
                let begun = fit.frame.with_untracked(Option::is_some);
                let what = if begun { "The fit stopped" } else { REFUSED };
                self.tell(true, format!("{what}: {}.", failed.what));
            }
            Reply::OwnReady { count, note } => {
                note.into_iter().for_each(|note| self.tell(false, note));
                fit.own.set_value(true);
                // Also if the picture before was the user's own: it is another one.
                self.state.update(|state| {
                    state.fit.picture = Picture::Own;
                    state.view.see_all();
                    state.view.net = 0;
                    if count > 1 {
                        state.fit.many = Many::Set;
                    } else if state.fit.many == Many::Set {
                        state.fit.many = Many::One;
                    }
                });
                self.begin();
            }
            Reply::Kept { name } => {
                self.tell_tabs();
                self.tell(
                    false,
                    format!(
                        "Kept as the zoo “{name}”, which the other benches can take from now on."
                    ),
                );
            }
            Reply::KeepRefused { what } => {
                fit.kept.set(false);
                self.tell(true, what);
            }
            Reply::OwnRefused { what } => self.tell(true, what),
            // Of a fit that is no longer wanted.
            _ => {}
        }
    }

    /// Forgets the curve from this step on: a fit that changed its device goes on from what was kept.
    fn cut_curve(self, step: u32) {
        self.fit.curve.update(|curve| curve.retain(|point| point.step < step));
    }

    fn take_frame(self, frame: Frame, parts: &Array) {
        self.fit.drawings.update(|drawings| {
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
        if let Some(first) = frame.points.first() {
            self.cut_curve(first.step);
            self.fit.curve.update(|curve| {
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
        let still = !frame.running;
        self.fit.frame.set(Some(Arc::new(frame)));
        if still && self.fit.pausing.get_value() {
            self.fit.pausing.set_value(false);
            self.say_standing("Paused");
        }
    }
}
