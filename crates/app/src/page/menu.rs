//! A field that offers some values.

use leptos::prelude::*;
use std::sync::Arc;

/// A menu of values, and of what the state has besides if that is none of them.
#[component]
pub(super) fn Menu<T: Clone + PartialEq + Send + Sync + 'static>(
    label: &'static str,
    #[prop(optional)] note: &'static str,
    options: Vec<(T, String)>,
    value: impl Fn() -> T + Copy + Send + Sync + 'static,
    #[prop(into)] other: Callback<T, String>,
    #[prop(into)] set: Callback<T>,
) -> impl IntoView {
    let (values, names): (Vec<T>, Vec<String>) = options.into_iter().unzip();
    let values = Arc::new(values);
    let of = values.clone();
    let now = Signal::derive(move || {
        let now = value();
        match of.iter().position(|value| *value == now) {
            Some(place) => (place, None),
            None => (of.len(), Some(other.run(now))),
        }
    });
    let choose =
        move |place: usize| values.get(place).cloned().into_iter().for_each(|v| set.run(v));
    menu(label, note, names, now, Callback::new(choose))
}

/// The menu, which knows its values by their places: so the page has it once, not once for every type of value. `now` is the place of
/// the chosen one; with a name, if it is none of `names`.
fn menu(
    label: &'static str,
    note: &'static str,
    names: Vec<String>,
    now: Signal<(usize, Option<String>)>,
    choose: Callback<usize>,
) -> AnyView {
    let options = move || {
        let (chosen, other) = now.get();
        let all = names.iter().cloned().chain(other).enumerate();
        all.map(|(place, name)| {
            view! { <option value=place selected=place == chosen>{name}</option> }
        })
        .collect_view()
    };
    view! {
        <label class="field">
            <span>{label}</span>
            <select
                prop:value=move || now.with(|(place, _)| place.to_string())
                on:change=move |ev| event_target_value(&ev).parse().into_iter().for_each(|place| choose.run(place))
            >
                {options}
            </select>
            {(!note.is_empty()).then(|| view! { <small>{note}</small> })}
        </label>
    }
    .into_any()
}
