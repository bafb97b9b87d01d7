//! Files for the user: the browser puts them where its downloads go.

use super::address;
use crate::protocol::BUILD;
use js_sys::Array;
use leptos::prelude::*;
use std::time::Duration;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Blob, HtmlAnchorElement, HtmlCanvasElement, Url};

fn link(name: &str, address: &str) -> Option<()> {
    let link: HtmlAnchorElement = document().create_element("a").ok()?.dyn_into().ok()?;
    link.set_href(address);
    link.set_download(name);
    link.click();
    Some(())
}

fn blob(name: &str, blob: &Blob) -> Option<()> {
    let address = Url::create_object_url_with_blob(blob).ok()?;
    link(name, &address)?;
    // The browser reads it at once, but not before this ends.
    set_timeout(
        move || {
            let _forgotten = Url::revoke_object_url(&address);
        },
        Duration::from_secs(60),
    );
    Some(())
}

/// Has the browser save bytes.
pub(super) fn bytes(name: &str, bytes: &JsValue) -> Option<()> {
    blob(name, &Blob::new_with_u8_array_sequence(&Array::of1(bytes)).ok()?)
}

/// Has the browser save what a canvas shows.
pub(super) fn canvas(name: &str, canvas: &HtmlCanvasElement) -> Option<()> {
    link(name, &canvas.to_data_url().ok()?)
}

/// A button that saves a table. Its first line says which program made it, and the address that makes it again.
#[component]
pub(super) fn Csv(
    /// Name of the file.
    name: &'static str,
    /// The table: a line of names, then the rows.
    #[prop(into)]
    table: Callback<(), String>,
) -> impl IntoView {
    let save = move |_| {
        let head =
            format!("# weightlab {} ({BUILD}) {}", env!("CARGO_PKG_VERSION"), address::link());
        let text = format!("{head}\n{}", table.run(())).into();
        // A browser that saves nothing says so itself.
        let _saved =
            Blob::new_with_str_sequence(&Array::of1(&text)).ok().and_then(|text| blob(name, &text));
    };
    view! {
        <button type="button" class="quiet save" title="Save the numbers as a table" on:click=save>"CSV"</button>
    }
}
