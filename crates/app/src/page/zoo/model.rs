//! The part of the model that knows the zoo on the table: the one that benches take networks from.

use crate::page::lab::Lab;
use crate::protocol::zoo::{Opened, Reply, Request};
use crate::protocol::{self};
use crate::state::Bench;
use js_sys::Array;
use leptos::prelude::*;
use std::sync::Arc;
use wasm_bindgen::JsValue;

/// The zoo as the page knows it.
#[derive(Clone, Copy)]
pub(in crate::page) struct ZooModel {
    /// The zoo that is open.
    pub opened: RwSignal<Option<Arc<Opened>>>,
    /// Pictures of its networks, RGBA, one after the other.
    pub pixels: RwSignal<Option<JsValue>, LocalStorage>,
    /// Why there is none, in a sentence.
    pub refused: RwSignal<Option<String>>,
}

impl ZooModel {
    pub(in crate::page) fn new() -> ZooModel {
        ZooModel {
            opened: RwSignal::new(None),
            pixels: RwSignal::new_local(None),
            refused: RwSignal::new(None),
        }
    }

    /// `#179 Sandal`.
    pub(in crate::page) fn net_title(self, position: u32) -> String {
        self.opened.with(|opened| {
            opened.as_ref().map_or_else(|| format!("#{position}"), |o| o.net_title(position))
        })
    }
}

impl Lab {
    fn send_zoo(self, request: Request) {
        self.send(&protocol::Request::Zoo(request));
    }

    /// Opens the zoo that the state names, as soon as a bench is looked at that takes networks from it.
    pub(in crate::page) fn start_zoo(self) {
        let wanted = Memo::new(move |_| {
            self.state.with(|state| (state.bench != Bench::Fit).then(|| state.zoo.clone()))
        });
        Effect::new(move |_| {
            if let Some(name) = wanted.get() {
                let open = self.zoo.opened.with_untracked(|o| o.as_ref().map(|o| o.name.clone()));
                if open.as_ref() != Some(&name) {
                    self.zoo.opened.set(None);
                    self.zoo.refused.set(None);
                    self.send_zoo(Request::Open { name });
                }
            }
        });
    }

    /// Takes what the worker says of zoos.
    pub(in crate::page) fn take_zoo(self, reply: Reply, parts: &Array) {
        match reply {
            Reply::Opened(opened) => {
                // Another may be wanted by now.
                if self.state.with_untracked(|state| state.zoo == opened.name) {
                    self.zoo.pixels.set(Some(parts.get(0)));
                    self.zoo.opened.set(Some(Arc::new(opened)));
                }
            }
            Reply::Refused { what, .. } => {
                self.zoo.refused.set(Some(what.clone()));
                self.tell(true, what);
            }
        }
    }
}
