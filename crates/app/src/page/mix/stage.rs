//! The slider from one network to the other, and what the mixtures draw there.

use super::WHAT;
use crate::page::lab::lab;
use crate::page::shown::shown;
use crate::protocol::mix::name;
use leptos::prelude::*;

/// An error for people, and for comparing it with the command line's.
pub(super) fn figure(x: f64) -> String {
    format!("{x:.5}")
}

#[component]
pub(super) fn Stage() -> impl IntoView {
    let lab = lab();
    let mix = lab.mix;
    let t = move || lab.state.with(|state| state.mix.t);
    let title = move |end: usize| {
        mix.line
            .with(|line| line.as_ref().map_or_else(String::new, |line| line.titles[end].clone()))
    };
    let sentence = move || {
        if let Some(failed) = mix.failed.get() {
            return failed;
        }
        let said = mix.at.with(|at| at.as_ref().map(|at| at.sentence(&mix.methods())));
        said.unwrap_or_else(|| lab.coming("The networks are on their way …"))
    };
    view! {
        <div class="between">
            <figure>
                {shown("The picture of the first network", "pane still", move || mix.end_picture(0))}
                <figcaption><strong>"First"</strong><span>{move || title(0)}</span></figcaption>
            </figure>
            <figure>
                {shown("The average of both pictures", "pane still", move || mix.picture(0))}
                <figcaption><strong>"Average"</strong><span>"of both pictures"</span></figcaption>
            </figure>
            <figure>
                {shown("The picture of the second network", "pane still", move || mix.end_picture(1))}
                <figcaption><strong>"Second"</strong><span>{move || title(1)}</span></figcaption>
            </figure>
            <label class="field">
                <span>
                    "From the first to the second: share of the second "
                    <output id="share">{move || format!("{:.0} %", 100.0 * t())}</output>
                </span>
                <input
                    id="t"
                    type="range"
                    min="0"
                    max="1"
                    step="0.01"
                    aria-valuetext=move || format!("{:.0} percent of the second network", 100.0 * t())
                    prop:value=move || t().to_string()
                    on:input=move |ev| lab.state.update(|state| {
                        state.mix.t = event_target_value(&ev).parse().unwrap_or(state.mix.t);
                    })
                />
            </label>
        </div>
        <div class="verdict">
            <p id="sentence" aria-live="polite">{sentence}</p>
        </div>
        <div class="four">
            {move || mix.methods().into_iter().enumerate().map(|(place, method)| {
                let error = move || mix.at.with(|at| {
                    at.as_ref().and_then(|at| Some(figure(at.points.get(place + 1)?.mse_blend)))
                });
                let label = match name(method) {
                    "direct" => "What the average of the weights draws",
                    "random" => "What it draws after a random shuffle",
                    "aligned" => "What it draws after matching",
                    _ => "What it draws after matching with signs and phases",
                };
                view! {
                    <figure data-method=name(method)>
                        {shown(label, "pane still", move || mix.picture(place + 1))}
                        <figcaption>
                            <strong><i class="key" aria-hidden="true"></i>{name(method)}</strong>
                            <span class="error">{error}</span>
                            <small>{WHAT[method as usize % WHAT.len()]}</small>
                        </figcaption>
                    </figure>
                }
            }).collect_view()}
        </div>
    }
}
