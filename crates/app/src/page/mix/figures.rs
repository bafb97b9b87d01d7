//! The line in figures.

use super::stage::figure;
use crate::page::lab::lab;
use crate::protocol::mix::name;
use leptos::prelude::*;

#[component]
pub(super) fn Figures() -> impl IntoView {
    let mix = lab().mix;
    let t = move || mix.at.with(|at| at.as_ref().map_or(0.5, |at| at.t));
    let rows = move || {
        let strips = mix.strips.get();
        let points = mix.at.with(|at| at.as_ref().map(|at| at.points.clone())).unwrap_or_default();
        let rows = mix.methods().into_iter().enumerate();
        rows.map(|(place, method)| {
            let strip = strips.iter().find(|strip| strip.method == method);
            let point = points.get(place + 1);
            let worst = strip.map(|s| s.points.iter().map(|p| p.mse_blend).fold(0.0, f64::max));
            let show = |x: Option<f64>| x.map_or("…".to_owned(), figure);
            view! {
                <tr data-method=name(method)>
                    <th scope="row"><i class="key" aria-hidden="true"></i>{name(method)}</th>
                    <td class="error">{show(point.map(|p| p.mse_blend))}</td>
                    <td>{show(point.map(|p| p.mse_nearer()))}</td>
                    <td>{show(worst)}</td>
                    <td class="distance">{strip.map_or("…".to_owned(), |s| format!("{:.3}", s.squared_distance))}</td>
                </tr>
            }
        })
        .collect_view()
    };
    view! {
        <div class="scroll" tabindex="0" role="region" aria-label="The line in figures">
            <table class="figures-table" id="mix-figures">
                <caption>{move || format!("At {:.0} % of the second network", 100.0 * t())}</caption>
                <thead>
                    <tr>
                        <th scope="col"><span class="unseen">"method"</span></th>
                        <th scope="col">"error"</th>
                        <th scope="col">"to the nearer picture"</th>
                        <th scope="col">"greatest on the way"</th>
                        <th scope="col">"squared distance"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
}
