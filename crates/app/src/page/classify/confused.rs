//! The networks that a classifier is most wrong about, or those of one cell of the matrix, and what it says of one.

use super::bars::{Bars, percent};
use super::confusion::classes;
use crate::page::canvas::{nth, put_image};
use crate::page::lab::{Lab, lab};
use leptos::html::Canvas;
use leptos::prelude::*;
use weightlab_lab::train::{Prediction, most_confused};

/// Networks that are shown.
const MOST: usize = 8;

/// The picture of a test network.
#[component]
fn Thumb(net: u64) -> impl IntoView {
    let model = lab().classify;
    let canvas = NodeRef::<Canvas>::new();
    let shape = move || {
        model.test.with(|test| test.as_ref().and_then(|test| test.picture)).unwrap_or([28, 28])
    };
    Effect::new(move |_| {
        let Some(canvas) = canvas.get() else { return };
        let [height, width] = shape();
        canvas.set_width(width);
        canvas.set_height(height);
        model.pictures.with(|pixels| {
            let image = nth(pixels.as_ref()?, net as u32, width, height)?;
            put_image(&canvas, &image, 0.0, 0.0);
            Some(())
        });
    });
    view! { <canvas node_ref=canvas width="28" height="28" aria-hidden="true"></canvas> }
}

/// Networks to show, with what the list is called.
fn shown(lab: Lab) -> (String, Vec<Prediction>) {
    let Some(tested) = lab.classify.tested.get() else { return (String::new(), Vec::new()) };
    let names = classes(lab);
    let name = |class: usize| names.get(class).cloned().unwrap_or_default();
    match lab.classify.cell.get() {
        None => {
            let found = most_confused(&tested.predictions, MOST);
            ("Most confused".to_owned(), found.into_iter().cloned().collect())
        }
        Some([row, column]) => {
            let of = |p: &&Prediction| p.label == row as i64 && p.predicted == column as u64;
            let found = tested.predictions.iter().filter(of).take(3 * MOST).cloned().collect();
            (format!("{} taken for {}", name(row), name(column)), found)
        }
    }
}

#[component]
pub(super) fn Confused() -> impl IntoView {
    let lab = lab();
    let model = lab.classify;
    let name = move |class: i64| {
        let names = classes(lab);
        usize::try_from(class).ok().and_then(|c| names.get(c).cloned()).unwrap_or_default()
    };
    let item = move |prediction: Prediction| {
        let net = prediction.net;
        let (truth, said) = (name(prediction.label), name(prediction.predicted as i64));
        let title = format!("{truth}, taken for {said}, {}", percent(prediction.confidence()));
        view! {
            <li>
                <button
                    type="button"
                    title=title
                    aria-pressed=move || (model.net.get() == Some(net)).to_string()
                    on:click=move |_| model.net.set(Some(net))
                >
                    <Thumb net/>
                    <span class="truth">{truth}</span>
                    <span class="unseen">" taken for "</span>
                    <span class="said">{format!("{said}?")}</span>
                </button>
            </li>
        }
    };
    let looked_at = move || {
        let net = model.net.get()?;
        let tested = model.tested.get()?;
        tested.predictions.iter().find(|p| p.net == net).cloned()
    };
    view! {
        <section class="confused" aria-labelledby="confused-title">
            <div class="row">
                <h4 id="confused-title">{move || shown(lab).0}</h4>
                <Show when=move || model.cell.with(Option::is_some)>
                    <button type="button" on:click=move |_| model.cell.set(None)>"Show the most confused"</button>
                </Show>
            </div>
            {move || {
                let (_, nets) = shown(lab);
                if nets.is_empty() {
                    view! { <p class="note">"There are none."</p> }.into_any()
                } else {
                    view! { <ul class="nets">{nets.into_iter().map(item).collect_view()}</ul> }.into_any()
                }
            }}
            {move || match looked_at() {
                None => view! {
                    <p class="note">"Choose one to see how sure the classifier is."</p>
                }.into_any(),
                Some(p) => view! {
                    <div class="looked-at" id="looked-at">
                        <p>
                            <strong>{format!("Test network #{}", p.net)}</strong>
                            {format!(" draws: {}. Probabilities of the classes:", name(p.label))}
                        </p>
                        <Bars
                            classes=classes(lab)
                            probabilities=p.probabilities
                            truth=usize::try_from(p.label).ok()
                        />
                    </div>
                }.into_any(),
            }}
        </section>
    }
}
