//! The keyboard: Space runs and pauses, the right arrow steps, R resets, ? helps; with Shift the arrows move the window through
//! which the Fit bench looks, + and - zoom, 0 shows the whole.

use super::dialog;
use super::fit::stage::{pan, unzoom, zoom};
use super::lab::Lab;
use crate::state::Bench;
use leptos::ev::{keydown, pointerdown};
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{Element, KeyboardEvent};

/// Listens as long as the page lives.
pub(super) fn listen(lab: Lab) {
    // Who pressed a button with the mouse means the bench with the next key, until Tab moves the focus.
    let by_mouse = StoredValue::new(true);
    let pointing = window_event_listener(pointerdown, move |_| by_mouse.set_value(true));
    let listening = window_event_listener(keydown, move |event| {
        if event.key() == "Tab" {
            by_mouse.set_value(false);
        }
        if event.ctrl_key() || event.meta_key() || event.alt_key() || event.default_prevented() {
            return;
        }
        let key = event.key();
        let bench = lab.state.with_untracked(|state| state.bench);
        let (fitting, training) = (bench == Bench::Fit, bench == Bench::Classify);
        if takes(&event, &key, by_mouse.get_value()) {
            return;
        }
        match key.as_str() {
            _ if fitting && look(lab, &event) => {}
            // While the GPU gets ready it does nothing, not even what browsers do: scroll.
            " " if fitting && lab.can_run_untracked() => lab.toggle(),
            " " if fitting && lab.is_coming_untracked() => {}
            "ArrowRight" if fitting && lab.can_run_untracked() && !event.repeat() => lab.step(),
            "r" | "R" if fitting => lab.reset(),
            " " if training && untrack(|| lab.can_train()) => lab.toggle_training(),
            "r" | "R" if training => lab.reset_training(),
            "?" => dialog::help(),
            _ => return,
        }
        event.prevent_default();
    });
    on_cleanup(move || {
        pointing.remove();
        listening.remove();
    });
}

/// Moves or zooms what the Fit bench looks at, if the key is for that.
fn look(lab: Lab, event: &KeyboardEvent) -> bool {
    /// Widths of the window that an arrow moves it by.
    const STRIDE: f64 = 0.1;
    /// By how much the window shrinks.
    const CLOSER: f64 = 0.8;
    let middle = (0.5, 0.5);
    match (event.key().as_str(), event.shift_key()) {
        ("ArrowLeft", true) => pan(lab, (-STRIDE, 0.0)),
        ("ArrowRight", true) => pan(lab, (STRIDE, 0.0)),
        ("ArrowUp", true) => pan(lab, (0.0, -STRIDE)),
        ("ArrowDown", true) => pan(lab, (0.0, STRIDE)),
        // Where + is with Shift, and where it is not.
        ("+" | "=", _) => zoom(lab, CLOSER, middle),
        ("-", _) => zoom(lab, 1.0 / CLOSER, middle),
        ("0", _) => unzoom(lab),
        _ => return false,
    }
    true
}

/// Whether the element that has the focus needs the key itself, or a dialog is open.
fn takes(event: &KeyboardEvent, key: &str, by_mouse: bool) -> bool {
    if document().query_selector("dialog[open]").ok().flatten().is_some() {
        return true;
    }
    let Some(element) = event.target().and_then(|target| target.dyn_into::<Element>().ok()) else {
        return false;
    };
    let kind = element.get_attribute("type").unwrap_or_default();
    match element.tag_name().as_str() {
        "TEXTAREA" | "SELECT" => true,
        // Text takes every key; a slider the arrows, a switch the space bar.
        "INPUT" if kind == "range" => key.starts_with("Arrow"),
        "INPUT" if kind == "checkbox" || kind == "radio" => key == " " || key.starts_with("Arrow"),
        "INPUT" => true,
        "BUTTON" | "SUMMARY" | "A" => key == " " && !by_mouse,
        _ => false,
    }
}
