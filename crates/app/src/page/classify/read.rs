//! Draw, fit, classify: a picture becomes a network, and the classifier reads it.

use super::bars::{Bars, percent, top};
use crate::page::canvas::{context, image, put_image};
use crate::page::fit::pictures::NAMES;
use crate::page::lab::{Gpu, lab};
use crate::page::pad::{Pad, SIDE};
use crate::protocol::classify::{SHIPPED_RIGHT, Subject, Whose};
use crate::recorded::{CLOTHES, file};
use crate::state::Picture;
use leptos::html::Canvas;
use leptos::prelude::*;
use web_sys::HtmlCanvasElement;

/// Brightness of a canvas, one byte per pixel.
fn brightness(canvas: &HtmlCanvasElement) -> Option<Vec<u8>> {
    let data = context(canvas)?.get_image_data(0.0, 0.0, SIDE, SIDE).ok()?.data();
    Some(data.iter().step_by(4).copied().collect())
}

#[component]
fn BuiltIn() -> impl IntoView {
    let lab = lab();
    view! {
        <div class="thumbs" role="group" aria-label="Built-in pictures">
            {CLOTHES.into_iter().zip(NAMES).map(|(number, name)| view! {
                <button
                    type="button"
                    aria-label=name
                    title=name
                    aria-pressed=move || {
                        (lab.classify.subject.get() == Some(Subject::Fashion(number))).to_string()
                    }
                    on:click=move |_| lab.state.update(|state| state.classify.read = Some(number))
                >
                    <img src=file(Picture::Fashion(number)) alt="" class="strip"/>
                </button>
            }).collect_view()}
        </div>
        <p class="note">"Pictures that no classifier here has ever seen."</p>
    }
}

/// One of the two pictures: what is read, or what the network makes of it.
#[component]
fn Shown(at: usize, label: &'static str) -> impl IntoView {
    let model = lab().classify;
    let canvas = NodeRef::<Canvas>::new();
    Effect::new(move |_| {
        let Some(canvas) = canvas.get() else { return };
        // Setting the size also empties it: there may be no drawing of this picture yet.
        canvas.set_width(28);
        model.drawings.with(|drawings| {
            let buffer = drawings.get(at)?;
            let pixels = js_sys::Uint8Array::new(buffer).length() / 4;
            let side = f64::from(pixels).sqrt() as u32;
            canvas.set_width(side);
            canvas.set_height(side);
            put_image(&canvas, &image(buffer, side, side)?, 0.0, 0.0);
            Some(())
        });
    });
    view! {
        <canvas class="pane still" class:pixels=at == 0 node_ref=canvas width="28" height="28" role="img" aria-label=label></canvas>
    }
}

#[component]
pub(super) fn Read() -> impl IntoView {
    let lab = lab();
    let model = lab.classify;
    let drawing = RwSignal::new(false);
    let fill = RwSignal::new(true);
    let source = move |which: bool, name: &'static str| {
        view! {
            <button
                type="button"
                aria-pressed=move || (drawing.get() == which).to_string()
                on:click=move |_| drawing.set(which)
            >
                {name}
            </button>
        }
    };
    let asked = move |whose: Whose, name: &'static str| {
        view! {
            <button
                type="button"
                disabled=move || whose == Whose::Trained && !model.own.get()
                aria-pressed=move || (model.whose.get() == whose).to_string()
                on:click=move |_| {
                    model.whose.set(whose);
                    lab.read_again(fill.get_untracked());
                }
            >
                {name}
            </button>
        }
    };
    let worth = move || match model.whose.get() {
        Whose::Shipped => {
            let [right, all] = SHIPPED_RIGHT;
            format!(
                "It reads {right} of the {all} test networks right; guessing gets {}.",
                all / 10
            )
        }
        Whose::Trained => "Its chart is below.".to_owned(),
    };
    let drawn = move |canvas: HtmlCanvasElement| {
        if let Some(pixels) = brightness(&canvas) {
            lab.read_drawing(pixels, fill.get_untracked());
        }
    };
    view! {
        <section class="reading" aria-labelledby="read-title">
            <h3 id="read-title">"Draw, fit, classify"</h3>
            <div class="reader">
                <div class="source">
                    <div class="segments" role="group" aria-label="Where the picture comes from">
                        {source(false, "Pictures")}
                        {source(true, "Draw")}
                    </div>
                    {move || if drawing.get() {
                        view! {
                            <Pad drawn note="Draw a shoe, trousers, a bag: each stroke is read anew."/>
                            <label class="switch">
                                <input
                                    type="checkbox"
                                    prop:checked=move || fill.get()
                                    on:change=move |ev| {
                                        fill.set(event_target_checked(&ev));
                                        lab.read_again(fill.get_untracked());
                                    }
                                />
                                "fill what lines enclose"
                            </label>
                        }.into_any()
                    } else {
                        view! { <BuiltIn/> }.into_any()
                    }}
                    <div class="field">
                        <span id="asked">"Read by the classifier"</span>
                        <div class="segments" role="group" aria-labelledby="asked">
                            {asked(Whose::Shipped, "of this page")}
                            {asked(Whose::Trained, "you trained")}
                        </div>
                        <small>{worth}</small>
                    </div>
                </div>
                <Show
                    when=move || model.subject.with(Option::is_some)
                    fallback=|| view! {
                        <p class="prompt">
                            "Choose a picture, or draw one. It becomes a network here and now, and the classifier reads \
                             the network."
                        </p>
                    }
                >
                    <div class="two">
                        <figure>
                            <Shown at=0 label="The picture, 28 by 28 pixels"/>
                            <figcaption><strong>"Picture"</strong><span>"28 × 28 pixels"</span></figcaption>
                        </figure>
                        <figure>
                            <Shown at=1 label="What the network draws"/>
                            <figcaption><strong>"Network"</strong><span id="read-fit">{fitted}</span></figcaption>
                        </figure>
                    </div>
                    <Answer/>
                </Show>
            </div>
        </section>
    }
}

/// `1,185`.
fn thousands(number: u32) -> String {
    match number {
        0..1000 => number.to_string(),
        _ => format!("{},{:03}", thousands(number / 1000), number % 1000),
    }
}

/// How far the fit is, in words.
fn fitted() -> Option<String> {
    let reading = lab().classify.reading.get()?;
    let db = reading.db.map_or_else(String::new, |db| format!(", {db:.0} dB"));
    Some(format!("step {}{db}", reading.steps[0]))
}

/// What the classifier says.
#[component]
fn Answer() -> impl IntoView {
    let lab = lab();
    let model = lab.classify;
    let drawn = move || matches!(model.subject.get(), Some(Subject::Drawing { .. }));
    let waiting = move || {
        if let Some(why) = model.unread.get() {
            return why;
        }
        match (lab.gpu.get(), model.reading.get()) {
            (Gpu::Missing(_), _) => "There is no GPU to fit a network on.".to_owned(),
            (Gpu::Lost { .. }, _) => "The GPU went away.".to_owned(),
            (_, None) => "Loading …".to_owned(),
            (_, Some(reading)) if reading.steps[0] == 0 => "Compiling for this GPU …".to_owned(),
            (_, Some(_)) => "A network learns the picture …".to_owned(),
        }
    };
    let bars = move || {
        let reading = model.reading.get().filter(|_| model.unread.with(Option::is_none))?;
        let verdict = reading.verdict.clone()?;
        let (class, share) = top(&verdict)?;
        let who = match verdict.whose {
            Whose::Shipped => "",
            Whose::Trained => " by the classifier you trained",
        };
        let how = format!(
            "Read from {} numbers{who}, without running the network. The fit took {:.1} s, the reading {:.2} s.",
            thousands(verdict.numbers),
            verdict.fit_s,
            verdict.read_s
        );
        let truth = reading.truth.map(|class| class as usize);
        let known = truth.and_then(|class| verdict.classes.get(class)).cloned();
        let right = known.map(|known| match known == class {
            true => "Right.".to_owned(),
            false => format!("Wrong: the picture is of class {known}."),
        });
        Some(view! {
            <p class="said" id="verdict-read">{class}<span class="dim">{format!(" {}", percent(share))}</span></p>
            {right.map(|right| view! { <p id="read-right">{right}</p> })}
            <Bars classes=verdict.classes probabilities=verdict.probabilities truth/>
            <p class="note" id="read-how">{how}</p>
        })
    };
    let doing = move || model.reading.with(|r| r.as_ref().is_none_or(|r| r.verdict.is_none()));
    let steps = move || model.reading.with(|r| r.as_ref().map_or([0, 1], |r| r.steps));
    view! {
        <div class="answer">
            {bars}
            <Show when=doing>
                <p class="note" id="read-status">{waiting}</p>
                <progress
                    aria-label="Steps of the fit"
                    max=move || steps()[1].to_string()
                    value=move || steps()[0].to_string()
                ></progress>
            </Show>
            <Show when=drawn>
                <p class="note">
                    "The classifier knows photographs of clothes. A drawing is unlike anything that it learnt from, so it may \
                     well be wrong, and be sure of it."
                </p>
            </Show>
        </div>
    }
}
