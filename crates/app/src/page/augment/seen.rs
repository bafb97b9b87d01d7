//! What became of the network: in a sentence, in figures, as pictures and as matrices.

use crate::page::lab::lab;
use crate::page::shown::shown;
use crate::state::Part;
use leptos::prelude::*;

/// Titles of the three columns.
const TITLES: [&str; 3] = ["Before", "After", "Difference"];

/// A number for people: as many digits as say something.
fn figure(x: Option<f64>) -> String {
    match x {
        None => "–".to_owned(),
        Some(0.0) => "0".to_owned(),
        Some(x) if x.abs() < 0.001 => format!("{x:.1e}"),
        Some(x) => format!("{x:.4}"),
    }
}

#[component]
pub(super) fn Seen() -> impl IntoView {
    let lab = lab();
    let tried = Signal::derive(move || lab.tried());
    let shows = move |part| lab.state.with(|state| !state.hides(part));
    let sentence = move || {
        lab.augment
            .failed
            .get()
            .or_else(|| tried.with(|t| t.as_ref().map(|t| t.sentence())))
            .unwrap_or_else(|| lab.coming("The network is on its way …"))
    };
    let overall = move || tried.with(|t| t.as_ref().map(|t| t.overall.clone()));
    let kept = move || overall().and_then(|o| o.of_range).is_some_and(|share| share < 1e-4);
    let picture = move || tried.with(|t| t.as_ref().is_none_or(|t| t.picture.is_some()));
    let points = move || tried.with(|t| t.as_ref().map_or(0, |t| t.points));
    view! {
        <div class="verdict" class:kept=kept>
            <p id="sentence" aria-live="polite">{sentence}</p>
            <dl class="figures">
                <div class="large">
                    <dt>"max |f − f′|"</dt>
                    <dd id="max-change">{move || figure(overall().and_then(|o| o.max))}</dd>
                </div>
                <div>
                    <dt>"numbers changed"</dt>
                    <dd id="changed">
                        {move || tried.with(|t| t.as_ref().map_or("–".to_owned(), |t| format!("{} of {}", t.changed[0], t.changed[1])))}
                    </dd>
                </div>
                {move || {
                    let checked = tried.with(|t| t.as_ref().and_then(|t| match t.ops.as_slice() {
                        [one] => one.max_on_moved_input,
                        _ => None,
                    }));
                    checked.map(|off| view! {
                        <div>
                            <dt>"max |f(g x) − f′(x)|"</dt>
                            <dd id="max-moved">{figure(Some(off))}</dd>
                        </div>
                    })
                }}
            </dl>
        </div>
        <Show when=picture>
            <section aria-label="The function">
                <h3 class="kicker">"What it draws"</h3>
                <div class="trio">
                    {[0, 1, 2].map(|which| view! {
                        <figure>
                            {shown(
                                ["What the network drew before", "What it draws after", "Where both differ"][which],
                                "pane still",
                                move || lab.augment.picture(which),
                            )}
                            <figcaption>
                                <strong>{TITLES[which]}</strong>
                                {match which {
                                    0 => view! { <span>"f"</span> }.into_any(),
                                    1 => view! { <span>"f′"</span> }.into_any(),
                                    _ => legend("darker", "brighter"),
                                }}
                            </figcaption>
                        </figure>
                    })}
                </div>
            </section>
        </Show>
        <Show when=move || shows(Part::Weights)>
            <section aria-label="The weights">
                <h3 class="kicker">"The numbers it is made of"</h3>
                <div class="trio">
                    {[0, 1, 2].map(|which| view! {
                        <figure>
                            {shown(
                                ["All weights before, as matrices", "All weights after", "What was added to every weight"][which],
                                "weights",
                                move || lab.augment.weights(which),
                            )}
                            <figcaption>
                                <strong>{TITLES[which]}</strong>
                                {if which == 2 { legend("less", "more") } else { legend("−", "+") }}
                            </figcaption>
                        </figure>
                    })}
                </div>
                <p class="note">
                    "The strip on top is the first layer: two weights (for x and y) and a bias for each of its neurons. The \
                     square is the second layer, one column for each neuron above and one row for each of its own, whose biases \
                     stand beside it. The last column is the output. So a neuron is one line through two matrices. \
                     Every matrix has its own scale of colours, the same in all three drawings."
                </p>
            </section>
        </Show>
        <Show when=move || tried.with(|t| t.as_ref().is_some_and(|t| t.ops.len() > 1))>
            <div class="scroll" tabindex="0" role="region" aria-label="The operations one by one">
                <table class="figures-table">
                    <caption>"Each operation by itself, on what the one before has made"</caption>
                    <thead>
                        <tr>
                            <th scope="col">"operation"</th>
                            <th scope="col" class="words">"effect"</th>
                            <th scope="col">"max |f − f′|"</th>
                            <th scope="col">"max |f(g x) − f′(x)|"</th>
                        </tr>
                    </thead>
                    <tbody>
                        {move || tried.with(|t| t.as_ref().map(|t| t.ops.iter().map(|op| view! {
                            <tr>
                                <th scope="row">{op.op.clone()}</th>
                                <td class="words">{op.effect.clone()}</td>
                                <td>{figure(op.max)}</td>
                                <td>{figure(op.max_on_moved_input)}</td>
                            </tr>
                        }).collect_view()))}
                    </tbody>
                </table>
            </div>
        </Show>
        <p class="note">
            {move || format!("f is the network before, f′ the one after, both asked at {} points.", points())}
            " Outputs go from 0 (black) to 1 (white) in most zoos. Where the operation moves the picture, g moves a point so."
        </p>
    }
}

/// The colours and what their ends mean.
pub(in crate::page) fn legend(low: &'static str, high: &'static str) -> AnyView {
    view! { <span class="legend">{low}<i class="scale blue-orange" aria-hidden="true"></i>{high}</span> }
        .into_any()
}
