//! The page: what is shown, and what the user does with it.

mod address;
mod augment;
mod canvas;
mod classify;
mod device;
mod dialog;
mod fit;

mod keys;
mod lab;
mod lessons;
mod menu;
mod mix;
mod pad;
mod plot;
mod save;
mod shown;
mod tiles;
mod wire;
mod zoo;

use crate::state::{Bench, Part, Picture, State};
use crate::web;
use device::{DeviceButton, DevicePanel};
use lab::{Gpu, Lab, lab};
use leptos::prelude::*;

/// Shows the page.
pub fn start() {
    std::panic::set_hook(Box::new(|panic| {
        web_sys::console::error_1(&panic.to_string().into());
        fatal(&panic.to_string());
    }));
    if let Some(first) = document().get_element_by_id("first") {
        first.remove();
    }
    mount_to_body(App);
}

/// The program has come to a dead end: says so where the page was.
fn fatal(what: &str) {
    let Some(body) = document().body() else { return };
    let element = |name: &str, text: &str| {
        let made = document().create_element(name).ok()?;
        made.set_text_content(Some(text));
        Some(made)
    };
    body.set_text_content(None);
    let said = [
        element("h1", "Something went wrong in the lab"),
        element(
            "p",
            "This is a mistake of ours, not of yours. Reload the page to go on; your settings are in its address.",
        ),
        element("pre", what),
    ];
    for child in said.iter().flatten() {
        // The body takes any element.
        let _added = body.append_child(child);
    }
    body.set_class_name("fatal");
}

#[component]
fn App() -> impl IntoView {
    let (state, problems) = State::from_fragment(&address::fragment());
    let lab = Lab::start(state, problems);
    provide_context(lab);
    address::follow(lab);
    keys::listen(lab);
    let shown = move |part| lab.state.with(|state| !state.hides(part));
    let bench = Memo::new(move |_| lab.state.with(|state| state.bench));
    view! {
        <a class="skip" href="#bench">"To the bench"</a>
        <header class="bar">
            <h1 class="name">"Weightlab"</h1>
            <Show when=move || shown(Part::Tabs)>
                <nav class="tabs" aria-label="Benches">
                    <For each=|| Bench::ALL key=|bench| bench.title() let:bench>
                        <button
                            aria-current=move || {
                                (lab.state.with(|s| s.bench) == *bench).then_some("page")
                            }
                            on:click=move |_| {
                                // What was said there is of no use here.
                                lab.notices.set(Vec::new());
                                lab.state.update(|s| s.bench = *bench);
                            }
                        >
                            {bench.title()}
                        </button>
                    </For>
                </nav>
            </Show>
            <div class="tools">
                <Show when=move || shown(Part::Device)>
                    <DeviceButton/>
                </Show>
                <Show when=move || shown(Part::Share)>
                    <ShareButton/>
                </Show>
                <button class="quiet" on:click=move |_| dialog::help()>
                    "Help"
                </button>
            </div>
        </header>
        <Notices/>
        <main id="bench" tabindex="-1">
            <lessons::LessonPanel/>
            {move || match bench.get() {
                Bench::Fit => view! { <fit::FitBench/> }.into_any(),
                Bench::Augment => view! { <augment::AugmentBench/> }.into_any(),
                Bench::Mix => view! { <mix::MixBench/> }.into_any(),
                Bench::Classify => view! { <classify::ClassifyBench/> }.into_any(),
                Bench::Zoo => view! { <zoo::ZooBench/> }.into_any(),
                Bench::Lessons => view! { <lessons::LessonsBench/> }.into_any(),
            }}
        </main>
        <footer>
            <p>
                "Everything is computed on this device. No picture, no network and no number leaves it."
            </p>
            <p>
                "Pictures: Fashion-MNIST © 2017 Zalando SE, MIT licence; Eileen Collins, NASA, public \
                 domain; camera, Lav Varshney, CC0; digit, MNIST © Yann LeCun and Corinna Cortes, CC BY-SA 3.0; mesh, Keenan Crane, public domain."
            </p>
        </footer>
        <p class="unseen" role="status" aria-live="polite">{move || lab.said.get()}</p>
        <DevicePanel/>
    }
}

/// What there is to tell, until it is dismissed.
#[component]
fn Notices() -> impl IntoView {
    let lab = lab();
    let lost = move || match lab.gpu.get() {
        Gpu::Lost { why, step, training } => Some((why, step, training)),
        _ => None,
    };
    view! {
        <div class="notices" role="alert">
            {move || {
                lost().map(|(why, step, training)| view! {
                    <div class="notice bad" id="lost">
                        <p>
                            <strong>"The graphics card went away. "</strong>
                            "This happens when its driver restarts, when another program takes all of its \
                             memory, or when a laptop wakes up. "
                            {match step {
                                Some(step) => format!(
                                    "Your fit is kept as it was at step {step}, some seconds ago at most."
                                ),
                                None if training.is_some() => String::new(),
                                None => "Nothing was under way.".to_owned(),
                            }} " "
                            {training.map(|step| format!("Your training is kept as it was at step {step}. "))} <span class="dim">{format!("(The browser says: {}.)", why.trim_end_matches('.'))}</span>
                        </p>
                        <button class="main" on:click=move |_| lab.find_gpu()>"Resume"</button>
                    </div>
                })
            }}
            <For each=move || lab.notices.get() key=|notice| notice.id let:notice>
                <div class="notice" class:bad=notice.bad>
                    <p>{notice.text.clone()}</p>
                    <button
                        class="quiet"
                        aria-label="Dismiss this message"
                        on:click=move |_| lab.dismiss(notice.id)
                    >
                        "Dismiss"
                    </button>
                </div>
            </For>
        </div>
    }
}

/// Copies the address, which is the state.
#[component]
fn ShareButton() -> impl IntoView {
    let lab = lab();
    let copied = RwSignal::new(false);
    let share = move |_| {
        address::write(lab, false);
        let link = address::link();
        leptos::task::spawn_local(async move {
            let done = match web::get(&window().navigator(), "clipboard") {
                Some(_) => {
                    let promise = window().navigator().clipboard().write_text(&link);
                    wasm_bindgen_futures::JsFuture::from(promise).await.is_ok()
                }
                None => false,
            };
            if done {
                copied.set(true);
                if lab
                    .state
                    .with_untracked(|s| s.bench == Bench::Fit && s.fit.picture == Picture::Own)
                {
                    let what = "The link has your settings, but not your picture, which stays on this device.";
                    lab.tell(false, what.to_owned());
                }
                lab.said.set("The link is copied.".to_owned());
                web::sleep(2000).await;
                copied.set(false);
            } else {
                lab.tell(false, format!("This link leads to what you see: {link}"));
            }
        });
    };
    view! {
        <button class="quiet" on:click=share title="A link that opens the lab just as it is now">
            {move || if copied.get() { "Link copied" } else { "Share" }}
        </button>
    }
}
