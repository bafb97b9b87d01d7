//! Files for the user: the browser puts them where its downloads go.

use super::address;
use super::device::title;
use super::lab::{Lab, lab};
use crate::protocol::BUILD;
use crate::state::State;
use crate::web;
use js_sys::{Array, JSON, Object};
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

/// Has the browser save a text.
fn text(name: &str, text: String) {
    // A browser that saves nothing says so itself.
    let _saved = Blob::new_with_str_sequence(&Array::of1(&text.into()))
        .ok()
        .and_then(|text| blob(name, &text));
}

fn version() -> String {
    format!("{} ({BUILD})", env!("CARGO_PKG_VERSION"))
}

/// A table as JSON, with all that it takes to make it again: program, GPU, address, every setting.
fn json(lab: Lab, table: &str) -> String {
    let out = Object::new();
    web::set(&out, "weightlab", &version().into());
    web::set(&out, "gpu", &lab.gpu.with_untracked(title).into());
    web::set(&out, "address", &address::link().into());
    let settings = Object::new();
    for (key, value) in lab.state.with_untracked(State::settings) {
        web::set(&settings, key, &value.into());
    }
    web::set(&out, "settings", &settings);
    let mut lines = table.lines().map(|line| line.split(','));
    let names: Array = lines.next().into_iter().flatten().map(JsValue::from_str).collect();
    web::set(&out, "columns", &names);
    let value = |cell: &str| match cell.parse::<f64>() {
        Ok(number) => number.into(),
        Err(_) if cell.is_empty() => JsValue::NULL,
        Err(_) => cell.into(),
    };
    let rows: Array = lines.map(|line| line.map(value).collect::<Array>()).collect();
    web::set(&out, "rows", &rows);
    JSON::stringify(&out).map(String::from).unwrap_or_default()
}

/// Buttons that save a table, as CSV and as JSON. Both say which program made it, and the address that makes it again.
#[component]
pub(super) fn Numbers(
    /// Name of the files, without their ends.
    name: &'static str,
    /// The table: a line of names, then the rows.
    #[prop(into)]
    table: Callback<(), String>,
) -> impl IntoView {
    let lab = lab();
    // The table, if there is a row in it.
    let filled = move || {
        let table = table.run(());
        let is_filled = table.lines().nth(1).is_some();
        if !is_filled {
            lab.tell(false, "There is nothing to save yet.".to_owned());
        }
        is_filled.then_some(table)
    };
    let save_csv = move |_| {
        if let Some(table) = filled() {
            let head = format!("# weightlab {} {}", version(), address::link());
            text(&format!("{name}.csv"), format!("{head}\n{table}"));
        }
    };
    let save_json = move |_| {
        if let Some(table) = filled() {
            text(&format!("{name}.json"), json(lab, &table));
        }
    };
    view! {
        <button type="button" class="quiet save" title="Save the numbers as a table" on:click=save_csv>"CSV"</button>
        <button type="button" class="quiet save" title="Save the numbers with all settings" on:click=save_json>
            "JSON"
        </button>
    }
}
