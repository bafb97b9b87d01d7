//! The Align & Mix bench's part of the model.

use crate::page::canvas::is_dark;
use crate::page::lab::Lab;
use crate::page::shown::Drawn;
use crate::protocol::mix::{At, Costs, Line, Look, Reply, Request, STEPS, Strip, Which, Wish};
use crate::protocol::{self};
use crate::state::Bench;
use js_sys::Array;
use leptos::prelude::*;
use std::sync::Arc;
use wasm_bindgen::JsValue;
use weightlab_nets::mix::Mix;

/// Drawings that came with a reply.
type Drawings = RwSignal<Vec<JsValue>, LocalStorage>;

/// The line between two networks, as the page knows it.
#[derive(Clone, Copy)]
pub(in crate::page) struct MixModel {
    /// Which line it is.
    pub line: RwSignal<Option<Arc<Line>>>,
    /// What the methods make of it, in their order, as far as it is computed.
    pub strips: RwSignal<Vec<Arc<Strip>>>,
    /// The mixtures at one place.
    pub at: RwSignal<Option<Arc<At>>>,
    /// The assignment that is looked at.
    pub costs: RwSignal<Option<Arc<Costs>>>,
    /// Why there is no line, in a sentence.
    pub failed: RwSignal<Option<String>>,
    /// Which end a choice of a network sets.
    pub end: RwSignal<usize>,
    line_drawings: Drawings,
    strip_drawings: Drawings,
    at_drawings: Drawings,
    costs_drawings: Drawings,
}

fn nth(drawings: Drawings, which: usize, size: Option<[u32; 2]>) -> Option<Drawn> {
    drawings.with(|drawings| Some((drawings.get(which)?.clone(), size?)))
}

impl MixModel {
    pub(in crate::page) fn new() -> MixModel {
        let drawings = || RwSignal::new_local(Vec::new());
        MixModel {
            line: RwSignal::new(None),
            strips: RwSignal::new(Vec::new()),
            at: RwSignal::new(None),
            costs: RwSignal::new(None),
            failed: RwSignal::new(None),
            end: RwSignal::new(1),
            line_drawings: drawings(),
            strip_drawings: drawings(),
            at_drawings: drawings(),
            costs_drawings: drawings(),
        }
    }

    fn size(self) -> Option<[u32; 2]> {
        self.line.with(|line| line.as_ref().map(|line| line.size))
    }

    /// Methods of the line: positions in [`Mix::ALL`].
    pub(super) fn methods(self) -> Vec<u32> {
        self.line.with(|line| line.as_ref().map_or(vec![0, 1, 2, 3], |line| line.methods.clone()))
    }

    /// The image at an end.
    pub(super) fn end_picture(self, end: usize) -> Option<Drawn> {
        nth(self.line_drawings, end, self.size())
    }

    /// What a mixture draws: 0 is the average of the images, then the methods.
    pub(super) fn picture(self, which: usize) -> Option<Drawn> {
        nth(self.at_drawings, which, self.size())
    }

    /// The images along the line, side by side: 0 is their average, then the methods.
    pub(super) fn strip(self, which: usize) -> Option<Drawn> {
        let size = self.size().map(|[height, width]| [height, width * STEPS as u32]);
        match which.checked_sub(1) {
            None => nth(self.line_drawings, 2, size),
            Some(method) => nth(self.strip_drawings, method, size),
        }
    }

    /// The costs of the assignment: 0 as they are, 1 reordered.
    pub(super) fn costs_picture(self, which: usize) -> Option<Drawn> {
        let size = self.costs.with(|costs| costs.as_ref().map(|c| [c.width; 2]));
        nth(self.costs_drawings, which, size)
    }

    fn is_of(self, which: &Which) -> bool {
        self.line.with_untracked(|line| line.as_ref().is_some_and(|line| line.which == *which))
    }
}

impl Lab {
    /// The two networks, as far as the zoo has them: two, if two were meant and there are so many.
    pub(in crate::page) fn pair(self) -> [u32; 2] {
        let nets = self.zoo.opened.with(|o| o.as_ref().map_or(u32::MAX, |o| o.nets.len() as u32));
        let last = nets.saturating_sub(1);
        let meant = self.state.with(|state| state.mix.pair);
        match meant.map(|net| net.min(last)) {
            [a, b] if a == b && meant[0] != meant[1] => {
                [a, if a == 0 { last.min(1) } else { a - 1 }]
            }
            pair => pair,
        }
    }

    /// Keeps the worker doing what the state says, while the bench is looked at.
    pub(in crate::page) fn start_mix(self) {
        let wish = Memo::new(move |_| {
            let opened = self
                .zoo
                .opened
                .with(|o| o.as_ref().filter(|o| !o.nets.is_empty()).map(|o| o.name.clone()));
            let pair = self.pair();
            self.state.with(|state| {
                let here = state.bench == Bench::Mix && opened.as_ref() == Some(&state.zoo);
                let mix = &state.mix;
                here.then(|| Wish {
                    which: Which { zoo: state.zoo.clone(), pair, seed: mix.seed },
                    t: mix.t,
                    look: Look {
                        method: Mix::ALL.iter().position(|&m| m == mix.method).unwrap_or(0) as u32,
                        layer: mix.layer.saturating_sub(1),
                        dark: is_dark(),
                    },
                })
            })
        });
        Effect::new(move |_| {
            if let Some(wish) = wish.get() {
                self.send(&protocol::Request::Mix(Request::Show(wish)));
            }
        });
    }

    /// Takes what the worker says of it.
    pub(in crate::page) fn take_mix(self, reply: Reply, parts: &Array) {
        let mix = self.mix;
        let drawings = || parts.iter().collect::<Vec<_>>();
        match reply {
            Reply::Line(line) => {
                mix.failed.set(None);
                mix.strips.set(Vec::new());
                mix.strip_drawings.set(Vec::new());
                mix.line_drawings.set(drawings());
                mix.line.set(Some(Arc::new(line)));
            }
            Reply::Strip(strip) if mix.is_of(&strip.which) => {
                mix.strip_drawings.update(|all| all.extend(drawings()));
                mix.strips.update(|all| all.push(Arc::new(strip)));
            }
            Reply::At(at) if mix.is_of(&at.which) => {
                mix.at_drawings.set(drawings());
                mix.at.set(Some(Arc::new(at)));
            }
            Reply::Costs(costs) if mix.is_of(&costs.which) => {
                mix.costs_drawings.set(drawings());
                mix.costs.set(Some(Arc::new(costs)));
            }
            Reply::Failed { what } => mix.failed.set(Some(what)),
            // Of a line that is no longer looked at.
            _ => {}
        }
    }
}
