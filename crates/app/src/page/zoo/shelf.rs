//! The list of zoos: choose, take in, hand out, delete.

use crate::page::lab::lab;
use crate::protocol::zoo::{Entry, Format};
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{DragEvent, HtmlInputElement, MouseEvent};
use weightlab_lab::meter::{bytes_text, networks_text};

/// What a zoo can be handed out as, and who reads it.
const FORMATS: [(Format, &str, &str); 4] = [
    (Format::Zip, "zip", "everything, for Weightlab"),
    (Format::Safetensors, "safetensors", "one file of stacked weights, for Python"),
    (Format::Npz, "npz", "the same for NumPy"),
    (Format::Torch, "PyTorch", "a zip of one .pth file for each network"),
];

#[component]
pub(super) fn Shelf() -> impl IntoView {
    let lab = lab();
    lab.list_zoos();
    // Another tab may change the zoos while this one is not looked at.
    let back = window_event_listener(leptos::ev::focus, move |_| lab.list_zoos());
    let over =
        window_event_listener(leptos::ev::dragover, |event: DragEvent| event.prevent_default());
    let dropped = window_event_listener(leptos::ev::drop, move |event: DragEvent| {
        event.prevent_default();
        if let Some(files) = event.data_transfer().and_then(|data| data.files()) {
            lab.import_zoo(&files);
        }
    });
    on_cleanup(move || {
        back.remove();
        over.remove();
        dropped.remove();
    });
    let entries =
        move || lab.zoo.shelf.with(|s| s.as_ref().map_or_else(Vec::new, |s| s.entries.clone()));
    let room = move || {
        lab.zoo.shelf.with(|shelf| {
            let shelf = shelf.as_ref()?;
            if !shelf.kept {
                return Some(
                    "This browser keeps nothing here (a private window does so): your zoos are gone when \
                     the tab is closed. Save them as files."
                        .to_owned(),
                );
            }
            let [used, all] = shelf.room?;
            Some(format!(
                "Your zoos stay in this browser, on this device: {} of {} are used.",
                bytes_text(used),
                bytes_text(all)
            ))
        })
    };
    view! {
        <fieldset class="shelf">
            <legend>"Zoos"</legend>
            <ul>
                <For each=entries key=|entry| (entry.name.clone(), entry.bytes) let:entry>
                    <Row entry/>
                </For>
            </ul>
            <p class="note" id="room">{room}</p>
            <div class="drop">
                <p>"Drop networks of your own here, or"</p>
                <label class="button">
                    "Choose files"
                    <input
                        id="zoo-files"
                        class="unseen"
                        type="file"
                        multiple
                        accept=".zip,.safetensors,.npz,.pth,.pt"
                        on:change=move |event| {
                            let input = event.target().and_then(|t| t.dyn_into::<HtmlInputElement>().ok());
                            if let Some(input) = input {
                                input.files().iter().for_each(|files| lab.import_zoo(files));
                                // So that the same file can be chosen again.
                                input.set_value("");
                            }
                        }
                    />
                </label>
                <p class="note">
                    "safetensors, npz, zip, or .pth files with one network each. Nothing in a file is run."
                </p>
            </div>
        </fieldset>
        <fieldset class="shelf">
            <legend>"Save as a file"</legend>
            <div class="row">
                {FORMATS.map(|(format, name, what)| view! {
                    <button
                        type="button"
                        title=what
                        disabled=move || lab.zoo.busy.get() || lab.zoo.opened.with(Option::is_none)
                        on:click=move |_| {
                            lab.export_zoo(lab.state.with_untracked(|state| state.zoo.clone()), format);
                        }
                    >
                        {name}
                    </button>
                }).collect_view()}
                <button
                    id="export-all"
                    type="button"
                    title="all zoos of yours in one zip, to go on elsewhere"
                    disabled=move || lab.zoo.busy.get() || !entries().iter().any(|entry| entry.own)
                    on:click=move |_| lab.export_all_zoos()
                >
                    "all of yours"
                </button>
            </div>
            <p class="note">"The zip keeps everything, and so does that of all zoos of yours; drop either here to have them back. The others are for \
                Python. " <code>"weightlab import"</code> " reads all four."</p>
        </fieldset>
    }
}

#[component]
fn Row(entry: Entry) -> impl IntoView {
    let lab = lab();
    let asked = RwSignal::new(false);
    let name = StoredValue::new(entry.name.clone());
    let chosen = move || lab.state.with(|state| name.with_value(|name| state.zoo == *name));
    let what = if entry.own {
        format!("{}, {}", networks_text(entry.nets), bytes_text(entry.bytes))
    } else {
        format!("{}, {}", entry.title, bytes_text(entry.bytes))
    };
    let delete = move |event: MouseEvent| {
        // The second click of a double one was not meant as an answer.
        if event.detail() > 1 {
            return;
        }
        if asked.get_untracked() {
            asked.set(false);
            lab.delete_zoo(name.get_value());
        } else {
            asked.set(true);
            lab.said.set(format!("Press once more to delete the zoo {}.", name.get_value()));
        }
    };
    let rename = move |_| {
        let now = name.get_value();
        let answer = window().prompt_with_message_and_default("What is it to be called?", &now);
        if let Ok(Some(wanted)) = answer
            && wanted.contains(char::is_alphanumeric)
        {
            lab.rename_zoo(now, wanted);
        }
    };
    view! {
        <li>
            <button
                type="button"
                class="zoo"
                aria-pressed=move || chosen().to_string()
                on:click=move |_| name.with_value(|name| lab.choose_zoo(name))
            >
                <strong>{entry.name.clone()}</strong>
                <span>{what}</span>
            </button>
            {entry.own.then(|| view! {
                <button
                    type="button"
                    class="quiet"
                    aria-label=format!("Rename the zoo {}", entry.name)
                    on:click=rename
                >
                    "Rename"
                </button>
                <button
                    type="button"
                    class="quiet"
                    aria-label=move || {
                        let really = if asked.get() { "Really delete" } else { "Delete" };
                        name.with_value(|name| format!("{really} the zoo {name}"))
                    }
                    on:click=delete
                    on:blur=move |_| asked.set(false)
                >
                    {move || if asked.get() { "Really?" } else { "Delete" }}
                </button>
            })}
        </li>
    }
}
