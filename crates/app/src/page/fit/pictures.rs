//! Choosing what the network is to become.

use super::super::lab::lab;
use super::super::pad::Pad;
use super::camera::Camera;
use crate::recorded::{CLOTHES, file};
use crate::state::{Picture, SIDES};
use leptos::ev::{dragover, drop, paste};
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::{ClipboardEvent, DragEvent, FileList, HtmlCanvasElement, HtmlInputElement};
use weightlab_lab::builtin::PICTURES;

/// Where a picture comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    BuiltIn,
    File,
    Camera,
    Draw,
}

const SOURCES: [(Source, &str); 4] = [
    (Source::BuiltIn, "Built-in"),
    (Source::File, "File"),
    (Source::Camera, "Camera"),
    (Source::Draw, "Draw"),
];

/// The names of the classes of [`CLOTHES`], for the buttons.
pub(in crate::page) const NAMES: [&str; 10] = [
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "T-shirt",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
];

/// Of the pictures of clothes, as [`PICTURES`] have it of theirs.
const CLOTHES_ABOUT: &str = "Clothes of Fashion-MNIST, 28 × 28 pixels. Collections of such networks are what research on weights learns \
                             from, and the zoos of this lab are two of them. What it is one sees within a second; the rest of the fit goes \
                             into its texture.";

#[component]
pub(super) fn Pictures() -> impl IntoView {
    let lab = lab();
    let own = lab.state.with_untracked(|state| state.fit.picture == Picture::Own);
    let source = RwSignal::new(if own { Source::File } else { Source::BuiltIn });
    let take = move |files: Option<FileList>| {
        if let Some(files) = files.filter(|files| files.length() > 0) {
            source.set(Source::File);
            lab.offer_files(&files);
        }
    };
    // Anywhere on the page: nobody aims well with a file in hand.
    let over = window_event_listener(dragover, |event: DragEvent| event.prevent_default());
    let dropped = window_event_listener(drop, move |event: DragEvent| {
        event.prevent_default();
        take(event.data_transfer().and_then(|data| data.files()));
    });
    let pasted = window_event_listener(paste, move |event: ClipboardEvent| {
        take(event.clipboard_data().and_then(|data| data.files()));
    });
    on_cleanup(move || {
        over.remove();
        dropped.remove();
        pasted.remove();
    });
    let hand_over = move |canvas: HtmlCanvasElement| {
        let Ok(promise) = window().create_image_bitmap_with_html_canvas_element(&canvas) else {
            return;
        };
        leptos::task::spawn_local(async move {
            if let Ok(bitmap) = JsFuture::from(promise).await {
                lab.offer("drawing", &bitmap);
            }
        });
    };
    let sized = move || lab.state.with(|state| !matches!(state.fit.picture, Picture::Fashion(_)));
    view! {
        <fieldset class="pictures">
            <legend>"Picture"</legend>
            <div class="segments" role="group" aria-label="Where the picture comes from">
                {SOURCES.map(|(which, name)| view! {
                    <button
                        type="button"
                        aria-pressed=move || (source.get() == which).to_string()
                        on:click=move |_| source.set(which)
                    >
                        {name}
                    </button>
                }).collect_view()}
            </div>
            {move || match source.get() {
                Source::BuiltIn => view! { <BuiltIn/> }.into_any(),
                Source::File => view! {
                    <div class="drop">
                        <p>"Drop or paste pictures anywhere on the page, or"</p>
                        <label class="button">
                            "Choose files"
                            <input
                                id="file"
                                class="unseen"
                                type="file"
                                multiple
                                accept="image/*,.gz,.npz,.npy,.obj,.off,.stl"
                                on:change=move |event| {
                                    let input = event.target().and_then(|t| t.dyn_into::<HtmlInputElement>().ok());
                                    if let Some(input) = input {
                                        take(input.files());
                                        // So that the same file can be chosen again.
                                        input.set_value("");
                                    }
                                }
                            />
                        </label>
                        <p class="note">
                            "Of each the centre square is used; several become a set. So do files of many pictures, IDX (with \
                             its labels, if you give both) or NumPy’s npz, and a mesh (OBJ, OFF or STL), of which slices are made. \
                             They stay on this device."
                        </p>
                    </div>
                }.into_any(),
                Source::Camera => view! { <Camera/> }.into_any(),
                Source::Draw => view! {
                    <Pad
                        drawn=hand_over
                        note="Draw a digit, a letter, a face: each stroke begins a new fit, which runs at once."
                    />
                }.into_any(),
            }}
            <Show when=sized>
                <div class="row">
                    <label>
                        "Reduced to "
                        <select
                            prop:value=move || lab.state.with(|s| s.fit.side.to_string())
                            on:change=move |ev| lab.edit(|fit| {
                                fit.side = event_target_value(&ev).parse().unwrap_or(fit.side);
                            })
                        >
                            {SIDES.map(|side| view! {
                                <option
                                    value=side
                                    selected=move || lab.state.with(|s| s.fit.side == side)
                                >
                                    {format!("{side} × {side}")}
                                </option>
                            }).collect_view()}
                        </select>
                    </label>
                    <label class="switch">
                        <input
                            type="checkbox"
                            prop:checked=move || lab.state.with(|s| s.fit.grey)
                            on:change=move |ev| lab.edit(|fit| fit.grey = event_target_checked(&ev))
                        />
                        "grey"
                    </label>
                </div>
            </Show>
        </fieldset>
    }
}

#[component]
fn BuiltIn() -> impl IntoView {
    let lab = lab();
    let named = (0..PICTURES.len()).map(|i| (Picture::Named(i), PICTURES[i].title));
    let clothes = CLOTHES.iter().zip(NAMES).map(|(&number, name)| (Picture::Fashion(number), name));
    view! {
        <div class="thumbs" role="group" aria-label="Built-in pictures">
            {clothes.chain(named).map(|(picture, name)| view! {
                <button
                    type="button"
                    aria-label=name
                    title=name
                    aria-pressed=move || (lab.shown_picture() == picture).to_string()
                    on:click=move |_| lab.choose_picture(picture)
                >
                    <img src=file(picture) alt="" class="strip"/>
                </button>
            }).collect_view()}
        </div>
        <p class="note" id="about">
            {move || match lab.shown_picture() {
                Picture::Named(which) => PICTURES[which].about,
                _ => CLOTHES_ABOUT,
            }}
        </p>
    }
}
