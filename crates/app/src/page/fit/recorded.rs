//! Recordings of fits: what there is to see before there is something to fit on.

use super::super::canvas::media;
use super::super::lab::{Lab, lab};
use crate::recorded::{STEPS, file};
use leptos::prelude::*;
use std::time::Duration;

/// Time for which a picture of the recording is shown.
const BEAT: Duration = Duration::from_millis(700);

/// Whether there is a recording of what the state describes.
pub(super) fn is_recorded(lab: Lab) -> bool {
    recording(lab).is_some()
}

fn recording(lab: Lab) -> Option<String> {
    lab.state.with(|state| file(state.fit.picture))
}

fn still() -> bool {
    media("(prefers-reduced-motion: reduce)")
}

/// A picture of the recording: the target, or the network at one of its steps.
#[component]
pub(super) fn Recorded(target: bool) -> impl IntoView {
    let lab = lab();
    let last = STEPS.len() - 1;
    let at = RwSignal::new(if still() { last } else { 0 });
    if !target && !still() {
        let beat =
            set_interval_with_handle(move || at.update(|at| *at = (*at + 1).min(last)), BEAT);
        on_cleanup(move || beat.into_iter().for_each(|beat| beat.clear()));
    }
    // The strip begins with the target.
    let position = move || {
        let index = if target { 0 } else { at.get() + 1 };
        format!("{}% 0", 100.0 * index as f64 / STEPS.len() as f64)
    };
    let label = move || {
        if target {
            "The picture that the network is to become".to_owned()
        } else {
            format!("What a network drew after {} steps, recorded earlier", STEPS[at.get()])
        }
    };
    move || match recording(lab) {
        None => view! { <div class="pane empty"></div> }.into_any(),
        Some(file) => {
            view! { <img class="pane strip" src=file alt=label style:object-position=position/> }
                .into_any()
        }
    }
}
