//! Dialogs. The help (what the keys do, what the words mean) is the same for everybody and stands in `index.html`.

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{HtmlDialogElement, HtmlElement};

fn dialog(id: &str) -> Option<HtmlDialogElement> {
    document().get_element_by_id(id)?.dyn_into().ok()
}

/// Shows a dialog that is in the page already.
pub(super) fn show_dialog(id: &str) {
    // A button that was pressed with the mouse does not get the keys back when the dialog closes: they are the bench's.
    let button = document().active_element().and_then(|e| e.dyn_into::<HtmlElement>().ok());
    let by_mouse = |button: &HtmlElement| !button.matches(":focus-visible").unwrap_or(true);
    if let Some(button) = button.filter(by_mouse) {
        // Any element can give the focus up.
        let _blurred = button.blur();
    }
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
