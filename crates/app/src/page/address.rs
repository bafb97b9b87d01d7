//! Keeping the page's address and its state the same.

use super::lab::Lab;
use crate::state::State;
use leptos::prelude::*;
use std::time::Duration;
use wasm_bindgen::JsValue;

/// Browsers slow a page down that changes its address too often: a slider would.
const CALM: Duration = Duration::from_millis(400);

/// The fragment of the address, with its `#`.
pub(super) fn fragment() -> String {
    window().location().hash().unwrap_or_default()
}

/// The whole address.
pub(super) fn link() -> String {
    window().location().href().unwrap_or_default()
}

/// Writes the state into the address; with a new entry in the history if that is a `new` place.
pub(super) fn write(lab: Lab, new: bool) {
    let fragment = lab.state.with_untracked(State::to_fragment);
    let path = window().location().pathname().unwrap_or_default();
    let query = window().location().search().unwrap_or_default();
    let hash = if fragment.is_empty() { String::new() } else { format!("#{fragment}") };
    let address = format!("{path}{query}{hash}");
    if let Ok(history) = window().history() {
        // Refused in some embedded pages; then the address stays as it was.
        let _written = if new {
            history.push_state_with_url(&JsValue::NULL, "", Some(&address))
        } else {
            history.replace_state_with_url(&JsValue::NULL, "", Some(&address))
        };
    }
    lab.fragment.set_value(self::fragment());
}

/// The address follows the state soon, and the state follows the address when somebody edits it.
pub(super) fn follow(lab: Lab) {
    let pending = RwSignal::new(false);
    // Another bench, or another step of a lesson, is a place that the browser's Back leads to; a setting is none.
    let place = move || lab.state.with_untracked(|state| (state.bench, state.lesson));
    let written = StoredValue::new(place());
    Effect::new(move |before: Option<()>| {
        lab.state.track();
        if before.is_some() && !pending.get_untracked() {
            pending.set(true);
            set_timeout(
                move || {
                    pending.set(false);
                    // The browser is at another address already, and about to say so: what is written now would be written over that one.
                    if lab.fragment.get_value() != fragment() {
                        return;
                    }
                    let new = place() != written.get_value();
                    written.set_value(place());
                    write(lab, new);
                },
                CALM,
            );
        }
    });
    let listening = window_event_listener(leptos::ev::hashchange, move |_| {
        lab.fragment.set_value(fragment());
        let (state, problems) = State::in_tab(&fragment(), lab.fit.own.get_value());
        if lab.state.with_untracked(|now| *now == state) {
            return;
        }
        lab.go_to(state);
        written.set_value(place());
        lab.tell_problems(&problems);
    });
    on_cleanup(move || listening.remove());
}
