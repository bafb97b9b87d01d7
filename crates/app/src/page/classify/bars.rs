//! Probabilities of all classes as bars.

use crate::protocol::classify::Verdict;
use leptos::prelude::*;

/// The most probable class of a verdict.
pub(super) fn top(verdict: &Verdict) -> Option<(String, f64)> {
    let most = verdict.probabilities.iter().copied().fold(0.0, f64::max);
    let at = verdict.probabilities.iter().position(|p| *p == most)?;
    Some((verdict.classes.get(at).cloned().unwrap_or_else(|| at.to_string()), most))
}

/// A share as people read it: `7 %`, and never 0 or 100 where it is not.
pub(super) fn percent(share: f64) -> String {
    match 100.0 * share {
        p if p > 0.0 && p < 1.0 => "< 1 %".to_owned(),
        p if p < 100.0 && p > 99.0 => "> 99 %".to_owned(),
        p => format!("{p:.0} %"),
    }
}

/// One bar per class; what is true and what was said are marked by words and colour.
#[component]
pub(super) fn Bars(
    /// Names of the classes.
    classes: Vec<String>,
    /// Of each.
    probabilities: Vec<f64>,
    /// The class that the picture is of, if that is known.
    truth: Option<usize>,
) -> impl IntoView {
    let most = probabilities.iter().copied().fold(0.0, f64::max);
    let rows = probabilities.into_iter().enumerate().map(move |(class, share)| {
        let name = classes.get(class).cloned().unwrap_or_else(|| class.to_string());
        let kind = match (share == most, truth == Some(class)) {
            (true, true) => "said true",
            (true, false) => "said",
            (false, true) => "true",
            (false, false) => "",
        };
        view! {
            <li class=kind>
                <span class="class">
                    {name}
                    {(truth == Some(class)).then(|| view! { <em>" it is"</em> })}
                </span>
                <span class="bar-track" aria-hidden="true">
                    <i style:width=format!("{:.1}%", 100.0 * share)></i>
                </span>
                <span class="share">{percent(share)}</span>
            </li>
        }
    });
    view! { <ul class="bars">{rows.collect_view()}</ul> }
}
