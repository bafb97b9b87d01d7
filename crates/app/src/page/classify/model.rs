//! The Classify bench's part of the model.

use super::runs::{Run, Scored};
use crate::page::lab::{Gpu, Lab};
use crate::protocol::classify::{About, Reading, Reply, Request, Standing, Subject, Whose};
use crate::protocol::zoo::Opened;
use crate::protocol::{self};
use crate::state::{Bench, ClassifySpec, State};
use js_sys::{Array, Uint8Array};
use leptos::prelude::*;
use std::sync::Arc;
use wasm_bindgen::JsValue;
use weightlab_lab::train::{Prediction, Score, Started};

/// Runs that stay in the chart: there are as many colours.
const MOST_RUNS: usize = 6;

/// What the classifier in training makes of the test networks.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::page) struct Tested {
    /// Letter of the run.
    pub run: char,
    /// After which epoch.
    pub epoch: u32,
    /// What it is worth.
    pub score: Score,
    /// What each was taken for.
    pub predictions: Vec<Prediction>,
}

/// The bench as the page knows it.
#[derive(Clone, Copy)]
pub(in crate::page) struct ClassifyModel {
    /// The classifier that comes with the page.
    pub shipped: RwSignal<Option<About>>,
    /// What could not be loaded, in sentences.
    pub absent: RwSignal<Option<String>>,
    /// The networks to test on.
    pub test: RwSignal<Option<Arc<Opened>>>,
    /// Their pictures, RGBA, one after the other.
    pub pictures: RwSignal<Option<JsValue>, LocalStorage>,

    /// Whether the user wants the training to run.
    pub going: RwSignal<bool>,
    /// What the training takes, once it lies on the GPU.
    pub started: RwSignal<Option<Started>>,
    /// How it stands.
    pub standing: RwSignal<Option<Standing>>,
    /// The runs in the chart, the current one last if there is one.
    pub runs: RwSignal<Vec<Run>>,
    /// Number of the current run.
    pub current: RwSignal<Option<u32>>,
    /// What the newest epoch is worth.
    pub tested: RwSignal<Option<Arc<Tested>>>,
    /// The class and the class it was taken for that are looked at.
    pub cell: RwSignal<Option<[usize; 2]>>,
    /// Position of the test network that is looked at.
    pub net: RwSignal<Option<u64>>,
    count: StoredValue<u32>,
    was_going: StoredValue<bool>,

    /// Who is asked.
    pub whose: RwSignal<Whose>,
    /// Whether somebody can be asked who was trained here.
    pub own: RwSignal<bool>,
    /// What is read.
    pub subject: RwSignal<Option<Subject>>,
    /// How that stands.
    pub reading: RwSignal<Option<Arc<Reading>>>,
    /// The picture, and what the network draws, RGBA.
    pub drawings: RwSignal<Vec<JsValue>, LocalStorage>,
    /// Why there is no answer, in a sentence.
    pub unread: RwSignal<Option<String>>,
    drawing: StoredValue<Vec<u8>>,
    reads: StoredValue<u32>,
}

impl ClassifyModel {
    pub(in crate::page) fn new() -> ClassifyModel {
        ClassifyModel {
            shipped: RwSignal::new(None),
            absent: RwSignal::new(None),
            test: RwSignal::new(None),
            pictures: RwSignal::new_local(None),
            going: RwSignal::new(false),
            started: RwSignal::new(None),
            standing: RwSignal::new(None),
            runs: RwSignal::new(Vec::new()),
            current: RwSignal::new(None),
            tested: RwSignal::new(None),
            cell: RwSignal::new(None),
            net: RwSignal::new(None),
            count: StoredValue::new(0),
            was_going: StoredValue::new(false),
            whose: RwSignal::new(Whose::default()),
            own: RwSignal::new(false),
            subject: RwSignal::new(None),
            reading: RwSignal::new(None),
            drawings: RwSignal::new_local(Vec::new()),
            unread: RwSignal::new(None),
            drawing: StoredValue::new(Vec::new()),
            reads: StoredValue::new(0),
        }
    }
}

impl Lab {
    fn send_classify(self, request: Request) {
        self.send(&protocol::Request::Classify(request));
    }

    /// Fetches what the bench needs as soon as it is looked at, and keeps to what the address says.
    pub(in crate::page) fn start_classify(self) {
        let open = Memo::new(move |_| self.state.with(|state| state.bench == Bench::Classify));
        Effect::new(move |before: Option<bool>| {
            let opened = before.unwrap_or(false);
            if open.get() && !opened {
                self.send_classify(Request::Open);
                self.list_zoos();
            }
            opened || open.get()
        });
        let run = Memo::new(move |_| open.get() && self.state.with(|state| state.run));
        Effect::new(move |_| {
            if run.get() {
                self.state.update_untracked(State::has_begun);
                if !self.classify.going.get_untracked() {
                    self.toggle_training();
                }
            }
        });
        let wanted = Memo::new(move |_| {
            self.state.with(|state| if open.get() { state.classify.read } else { None })
        });
        Effect::new(move |_| {
            if let Some(number) = wanted.get() {
                self.read(Subject::Fashion(number));
            }
        });
        // Whatever changes the training begins anew, and goes on running if it ran.
        let spec = Memo::new(move |_| self.state.with(|state| state.classify.training()));
        Effect::new(move |before: Option<ClassifySpec>| {
            let now = spec.get();
            if before.is_some_and(|before| before != now)
                && self.classify.current.get_untracked().is_some()
            {
                let going = self.classify.going.get_untracked();
                self.leave_training();
                if going {
                    self.begin_training();
                }
            }
            now
        });
    }

    /// Changes what is trained.
    pub(in crate::page) fn edit_training(self, change: impl FnOnce(&mut ClassifySpec)) {
        self.state.update(|state| change(&mut state.classify));
    }

    /// Whether a training can run.
    pub(in crate::page) fn can_train(self) -> bool {
        self.gpu.with(|gpu| matches!(gpu, Gpu::Ready(_)))
    }

    /// Whether all epochs of the current training are done.
    pub(in crate::page) fn is_trained(self) -> bool {
        let current = self.classify.current.get();
        self.classify.runs.with(|runs| {
            runs.last().is_some_and(|run| Some(run.number) == current && run.is_over())
        })
    }

    /// Run, or pause; with the next seed if it is over.
    pub(in crate::page) fn toggle_training(self) {
        let model = self.classify;
        if model.going.get_untracked() {
            model.going.set(false);
            self.send_classify(Request::Pause);
            self.say_training("Paused");
        } else if untrack(|| self.is_trained()) {
            self.leave_training();
            self.edit_training(|spec| spec.seed = spec.seed.wrapping_add(1));
            self.begin_training();
        } else if model.current.get_untracked().is_some() {
            model.going.set(true);
            self.said.set("Training.".to_owned());
            self.send_classify(Request::Run);
        } else {
            self.begin_training();
        }
    }

    /// Back to no epoch, standing still; what there is stays in the chart.
    pub(in crate::page) fn reset_training(self) {
        self.leave_training();
        self.said.set("Reset: the next run begins at the first epoch.".to_owned());
    }

    /// Takes all but the current run out of the chart.
    pub(in crate::page) fn clear_runs(self) {
        let current = self.classify.current.get_untracked();
        self.classify.runs.update(|runs| runs.retain(|run| Some(run.number) == current));
    }

    fn begin_training(self) {
        let model = self.classify;
        let run = model.count.get_value() + 1;
        model.count.set_value(run);
        let spec = self.state.with_untracked(|state| state.classify.training());
        model.runs.update(|runs| {
            let letter = runs.last().map_or(0, |run| run.letter + 1);
            runs.push(Run::new(run, letter, spec.clone()));
            if runs.len() > MOST_RUNS {
                runs.remove(0);
            }
        });
        model.current.set(Some(run));
        model.going.set(true);
        self.said.set("Training.".to_owned());
        self.send_classify(Request::Train { run, spec });
    }

    /// The current run is over, whatever it came to.
    fn leave_training(self) {
        let model = self.classify;
        if let Some(current) = model.current.get_untracked() {
            self.send_classify(Request::Drop);
            model.runs.update(|runs| {
                runs.retain(|run| run.number != current || !run.epochs.is_empty());
            });
        }
        model.going.set(false);
        model.current.set(None);
        model.started.set(None);
        model.standing.set(None);
    }

    /// The GPU is gone.
    pub(in crate::page) fn suspend_training(self) {
        self.classify.was_going.set_value(self.classify.going.get_untracked());
        self.classify.going.set(false);
    }

    /// The GPU is back: goes on if it ran.
    pub(in crate::page) fn resume_training(self) {
        if self.classify.was_going.get_value() {
            self.classify.was_going.set_value(false);
            self.classify.going.set(true);
            self.send_classify(Request::Run);
        }
    }

    fn say_training(self, begin: &str) {
        let last = self.classify.runs.with_untracked(|runs| {
            runs.last().and_then(|run| run.epochs.last().map(|e| (e.epoch, e.test_accuracy)))
        });
        self.said.set(match last {
            Some((epoch, accuracy)) => {
                format!("{begin}: epoch {epoch}, test accuracy {:.0} percent.", 100.0 * accuracy)
            }
            None => format!("{begin}: no epoch has ended yet."),
        });
    }

    /// Has a drawing read: brightness, one byte per pixel of a square.
    pub(in crate::page) fn read_drawing(self, pixels: Vec<u8>, fill: bool) {
        self.classify.drawing.set_value(pixels);
        self.state.update(|state| state.classify.read = None);
        self.read(Subject::Drawing { fill });
    }

    /// Has the same picture read again, by somebody else or filled otherwise.
    pub(in crate::page) fn read_again(self, fill: bool) {
        match self.classify.subject.get_untracked() {
            Some(Subject::Drawing { .. }) => self.read(Subject::Drawing { fill }),
            Some(subject) => self.read(subject),
            None => {}
        }
    }

    fn read(self, subject: Subject) {
        let model = self.classify;
        let read = model.reads.get_value() + 1;
        model.reads.set_value(read);
        model.subject.set(Some(subject));
        model.reading.set(None);
        model.unread.set(None);
        let parts = Array::new();
        if matches!(subject, Subject::Drawing { .. }) {
            let pixels = model.drawing.with_value(|pixels| Uint8Array::from(pixels.as_slice()));
            parts.push(&pixels.buffer());
        }
        let request = Request::Read { read, subject, whose: model.whose.get_untracked() };
        self.send_with(&protocol::Request::Classify(request), &parts, &parts);
    }

    /// Takes what the worker says of the bench.
    pub(in crate::page) fn take_classify(self, reply: Reply, parts: &Array) {
        let model = self.classify;
        let current = |run: u32| Some(run) == model.current.get_untracked();
        let awaited = |read: u32| read == model.reads.get_value();
        match reply {
            Reply::Test(opened) => {
                model.pictures.set(Some(parts.get(0)));
                model.test.set(Some(Arc::new(opened)));
            }
            Reply::Shipped(about) => model.shipped.set(Some(about)),
            Reply::Absent(what) => {
                model.absent.set(Some(what.clone()));
                self.tell(true, what);
            }
            Reply::Started { run, started } if current(run) => {
                self.with_run(|run| run.begin(&started));
                self.note(format!(
                    "Training on {}",
                    self.state.with_untracked(|state| state.classify.zoo.clone())
                ));
                model.started.set(Some(started));
            }
            Reply::Standing(standing) if current(standing.run) => {
                self.with_run(|run| run.note(&standing));
                model.standing.set(Some(standing));
            }
            Reply::Epoch { run, epoch, test, predictions } if current(run) => {
                self.with_run(|run| run.epochs.push(Scored::new(&epoch, &test)));
                model.own.set(true);
                let (run, epoch) = (
                    self.classify.runs.with_untracked(|runs| runs.last().map_or('A', Run::name)),
                    epoch.epoch,
                );
                model.tested.set(Some(Arc::new(Tested { run, epoch, score: test, predictions })));
                self.say_training("Training");
            }
            Reply::Finished { run } if current(run) => {
                model.going.set(false);
                self.say_training("Finished");
                self.note(self.said.get_untracked());
            }
            Reply::Failed { run, failed } if current(run) => {
                self.leave_training();
                self.tell(true, format!("The training stopped: {}.", failed.what));
            }
            Reply::Reading(reading) if awaited(reading.read) => {
                model.drawings.set(parts.iter().collect());
                self.say_reading(&reading);
                model.reading.set(Some(Arc::new(reading)));
            }
            Reply::ReadFailed { read, what } if awaited(read) => model.unread.set(Some(what)),
            // Of a training or a picture that is no longer wanted.
            _ => {}
        }
    }

    fn with_run(self, change: impl FnOnce(&mut Run)) {
        self.classify.runs.update(|runs| {
            if let Some(run) = runs.last_mut() {
                change(run);
            }
        });
    }

    fn say_reading(self, reading: &Reading) {
        if let Some((class, share)) = reading.verdict.as_ref().and_then(super::bars::top) {
            self.said.set(format!("Read as {class}, {:.0} percent.", 100.0 * share));
        }
    }
}
