//! Dialogs. The help (what the keys do, what the words mean) is the same for everybody and stands in `index.html`.

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::HtmlDialogElement;

fn dialog(id: &str) -> Option<HtmlDialogElement> {
    document().get_element_by_id(id)?.dyn_into().ok()
}

/// Shows a dialog that is in the page already.
pub(super) fn show_dialog(id: &str) {
    if let Some(dialog) = dialog(id).filter(|dialog| !dialog.open()) {
        // Fails only for elements that are not in the page.
        let _shown = dialog.show_modal();
    }
}

/// Closes a dialog.
pub(super) fn hide_dialog(id: &str) {
    dialog(id).into_iter().for_each(|dialog| dialog.close());
}

/// Shows the help.
pub(super) fn help() {
    show_dialog("help");
}
