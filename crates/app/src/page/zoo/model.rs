//! The part of the model that knows the zoos: those on the shelf, and the one on the table, from which benches take networks.

use crate::page::lab::Lab;
use crate::page::save;
use crate::protocol::zoo::{Format, Opened, Reply, Request, Shelved};
use crate::protocol::{self};
use crate::state::{Bench, USUAL_TRAIN, USUAL_ZOO};
use js_sys::Array;
use leptos::prelude::*;
use std::sync::Arc;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{BroadcastChannel, FileList};
use weightlab_lab::meter::networks_text;

/// The zoos as the page knows them.
#[derive(Clone, Copy)]
pub(in crate::page) struct ZooModel {
    /// The zoo that is open.
    pub opened: RwSignal<Option<Arc<Opened>>>,
    /// Pictures of its networks, RGBA, one after the other.
    pub pixels: RwSignal<Option<JsValue>, LocalStorage>,
    /// Why there is none, in a sentence.
    pub refused: RwSignal<Option<String>>,
    /// What zoos there are.
    pub shelf: RwSignal<Option<Shelved>>,
    /// Whether files are being taken in or handed out.
    pub busy: RwSignal<bool>,
    /// Where tabs tell each other that the zoos are others than before.
    tabs: StoredValue<Option<BroadcastChannel>, LocalStorage>,
}

impl ZooModel {
    pub(in crate::page) fn new() -> ZooModel {
        ZooModel {
            opened: RwSignal::new(None),
            pixels: RwSignal::new_local(None),
            refused: RwSignal::new(None),
            shelf: RwSignal::new(None),
            busy: RwSignal::new(false),
            tabs: StoredValue::new_local(None),
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
        self.hear_tabs();
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

    /// Asks what zoos there are: another tab may have changed them.
    pub(in crate::page) fn list_zoos(self) {
        self.send_zoo(Request::List);
    }

    /// Puts a zoo on the table.
    pub(in crate::page) fn choose_zoo(self, name: &str) {
        self.state.update(|state| {
            if state.zoo != name {
                name.clone_into(&mut state.zoo);
                state.net = 0;
            }
        });
    }

    /// Takes files in as a zoo.
    pub(in crate::page) fn import_zoo(self, files: &FileList) {
        let parts: Array =
            (0..files.length()).filter_map(|i| files.get(i)).map(JsValue::from).collect();
        if parts.length() > 0 {
            self.zoo.busy.set(true);
            self.send_with(&protocol::Request::Zoo(Request::Import), &parts, &Array::new());
        }
    }

    /// Has the browser save a zoo as a file.
    pub(in crate::page) fn export_zoo(self, name: String, format: Format) {
        self.zoo.busy.set(true);
        self.send_zoo(Request::Export { name, format });
    }

    /// Has the browser save all zoos of the user's as one file.
    pub(in crate::page) fn export_all_zoos(self) {
        self.zoo.busy.set(true);
        self.send_zoo(Request::ExportAll);
    }

    /// Deletes a zoo of the user's.
    pub(in crate::page) fn delete_zoo(self, name: String) {
        self.send_zoo(Request::Delete { name });
    }

    /// Calls a zoo of the user's otherwise.
    pub(in crate::page) fn rename_zoo(self, name: String, wanted: String) {
        self.send_zoo(Request::Rename { name, wanted });
    }

    /// Has the other tabs look at the zoos anew, since this one changed them.
    pub(in crate::page) fn tell_tabs(self) {
        self.zoo.tabs.with_value(|tabs| {
            // Nobody may be listening.
            let _told = tabs.as_ref().map(|tabs| tabs.post_message(&JsValue::NULL));
        });
    }

    /// Listens to other tabs that change the zoos.
    fn hear_tabs(self) {
        let Ok(tabs) = BroadcastChannel::new("weightlab-zoos") else { return };
        let heard = Closure::<dyn FnMut()>::new(move || self.list_zoos());
        tabs.set_onmessage(Some(heard.as_ref().unchecked_ref()));
        // As long as the page.
        heard.forget();
        self.zoo.tabs.set_value(Some(tabs));
    }

    /// Takes the list of zoos. The one on the table may be gone: another tab can delete it.
    fn take_shelf(self, shelf: Shelved) {
        let open = self.zoo.opened.with_untracked(|o| o.as_ref().map(|o| o.name.clone()));
        let gone = open.filter(|open| shelf.entries.iter().all(|entry| entry.name != *open));
        self.zoo.busy.set(false);
        let learnt = self.state.with_untracked(|state| state.classify.zoo.clone());
        if shelf.entries.iter().all(|entry| entry.name != learnt) {
            self.tell(
                true,
                format!("There is no zoo “{learnt}” here to learn from; the usual one is taken."),
            );
            self.state.update(|state| USUAL_TRAIN.clone_into(&mut state.classify.zoo));
        }
        self.zoo.shelf.set(Some(shelf));
        if let Some(name) = gone.filter(|gone| self.state.with_untracked(|s| s.zoo == *gone)) {
            self.tell(false, format!("“{name}” was deleted or renamed in another tab."));
            self.choose_zoo(USUAL_ZOO);
        }
    }

    /// Takes what the worker says of zoos.
    pub(in crate::page) fn take_zoo(self, reply: Reply, parts: &Array) {
        match reply {
            Reply::Shelf(shelf) => self.take_shelf(shelf),
            Reply::Opened(opened) => {
                // Another may be wanted by now.
                if self.state.with_untracked(|state| state.zoo == opened.name) {
                    let last = opened.nets.len().saturating_sub(1) as u32;
                    let (of, pair) = self.state.with_untracked(|state| {
                        (state.net > last, state.mix.pair.iter().any(|&net| net > last))
                    });
                    if of || pair {
                        let which = if of { "this is the last" } else { "the pair is another" };
                        let what = format!("“{}” has {} networks; {which}.", opened.name, last + 1);
                        self.tell(false, what);
                    }
                    self.zoo.pixels.set(Some(parts.get(0)));
                    self.zoo.opened.set(Some(Arc::new(opened)));
                    if of || pair {
                        let there = untrack(|| self.pair());
                        self.state.update(|state| {
                            state.net = state.net.min(last);
                            state.mix.pair = there;
                        });
                    }
                }
            }
            Reply::Missing { name, what } => {
                if self.state.with_untracked(|state| state.zoo == name) {
                    self.zoo.refused.set(Some(what.clone()));
                    self.tell(true, what);
                }
            }
            Reply::Imported { name, nets, notes } => {
                self.tell_tabs();
                self.choose_zoo(&name);
                let nets = networks_text(nets);
                self.tell(false, format!("“{name}” is here: {nets}. {}", notes.join(" ")));
            }
            Reply::Exported { file } => {
                self.zoo.busy.set(false);
                if save::bytes(&file, &parts.get(0)).is_none() {
                    self.tell(true, format!("This browser does not save “{file}”."));
                }
            }
            Reply::Deleted { name } => {
                self.tell_tabs();
                self.tell(false, format!("“{name}” is deleted."));
                if self.state.with_untracked(|state| state.zoo == name) {
                    self.choose_zoo(USUAL_ZOO);
                }
            }
            Reply::Renamed { name, now } => {
                self.tell_tabs();
                self.tell(false, format!("“{name}” is called “{now}” now."));
                self.state.update(|state| {
                    for zoo in [&mut state.zoo, &mut state.classify.zoo] {
                        if *zoo == name {
                            now.clone_into(zoo);
                        }
                    }
                });
            }
            Reply::Refused { what } => {
                self.zoo.busy.set(false);
                self.tell(true, what);
            }
        }
    }
}
