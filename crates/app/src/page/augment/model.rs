//! The Augment bench's part of the model.

use crate::page::canvas::is_dark;
use crate::page::lab::Lab;
use crate::page::shown::Drawn;
use crate::protocol::augment::{Reply, Request, Tried, Wish};
use crate::protocol::{self};
use crate::state::Bench;
use js_sys::Array;
use leptos::prelude::*;
use std::sync::Arc;
use wasm_bindgen::JsValue;

/// What was done to a network, as the page knows it.
#[derive(Clone, Copy)]
pub(in crate::page) struct AugmentModel {
    /// What it came to.
    pub tried: RwSignal<Option<Arc<Tried>>>,
    /// Why the networks do not have an operation, for each that is known.
    pub reasons: RwSignal<Vec<Option<String>>>,
    /// Why nothing was done, in a sentence.
    pub failed: RwSignal<Option<String>>,
    drawings: RwSignal<Vec<JsValue>, LocalStorage>,
}

impl AugmentModel {
    pub(in crate::page) fn new() -> AugmentModel {
        AugmentModel {
            tried: RwSignal::new(None),
            reasons: RwSignal::new(Vec::new()),
            failed: RwSignal::new(None),
            drawings: RwSignal::new_local(Vec::new()),
        }
    }

    /// A drawing of the weights: 0 before, 1 after, 2 the difference.
    pub(super) fn weights(self, which: usize) -> Option<Drawn> {
        let size = self.tried.with(|tried| tried.as_ref().map(|tried| tried.weights))?;
        self.drawings.with(|drawings| Some((drawings.get(which)?.clone(), size)))
    }

    /// The same of the function.
    pub(super) fn picture(self, which: usize) -> Option<Drawn> {
        let size = self.tried.with(|tried| tried.as_ref().and_then(|tried| tried.picture))?;
        self.drawings.with(|drawings| Some((drawings.get(3 + which)?.clone(), size)))
    }
}

impl Lab {
    /// What was done to the network, unless that were other operations than those that are asked for. Of the same
    /// operations the values may lag a little behind a slider.
    pub(super) fn tried(self) -> Option<Arc<Tried>> {
        let kind = |op: &str| op.split(':').next().map(str::to_owned);
        let tried = self.augment.tried.get()?;
        let now = self.state.with(|state| {
            let ops = &state.augment.ops;
            ops.len() == tried.wish.ops.len()
                && ops.iter().zip(&tried.wish.ops).all(|(a, b)| kind(&a.to_string()) == kind(b))
        });
        now.then_some(tried)
    }

    /// Keeps the worker doing what the state says, while the bench is looked at.
    pub(in crate::page) fn start_augment(self) {
        let wish = Memo::new(move |_| {
            let (zoo, nets) = self.zoo.opened.with(|opened| {
                opened.as_ref().map(|opened| (opened.name.clone(), opened.nets.len() as u32))
            })?;
            self.state.with(|state| {
                (state.bench == Bench::Augment && state.zoo == zoo && nets > 0).then(|| Wish {
                    zoo,
                    net: state.net.min(nets - 1),
                    ops: state.augment.ops.iter().map(ToString::to_string).collect(),
                    draw: state.augment.draw,
                    dark: is_dark(),
                })
            })
        });
        Effect::new(move |_| {
            if let Some(wish) = wish.get() {
                self.send(&protocol::Request::Augment(Request::Try(wish)));
            }
        });
    }

    /// Takes what the worker says of it.
    pub(in crate::page) fn take_augment(self, reply: Reply, parts: &Array) {
        let augment = self.augment;
        match reply {
            Reply::Suits { reasons, .. } => augment.reasons.set(reasons),
            Reply::Tried(tried) => {
                augment.failed.set(None);
                augment.drawings.set(parts.iter().collect());
                augment.tried.set(Some(Arc::new(*tried)));
            }
            Reply::Failed { what } => augment.failed.set(Some(what)),
        }
    }
}
