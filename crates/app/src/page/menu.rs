//! A field that offers some values.

use leptos::prelude::*;

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
    let options = StoredValue::new(options);
    let all = move || {
        let now = value();
        options.with_value(|options| {
            let mut all = options.clone();
            if !all.iter().any(|(value, _)| *value == now) {
                all.push((now.clone(), other.run(now.clone())));
            }
            all
        })
    };
    let chosen = move || {
        let now = value();
        all().iter().position(|(value, _)| *value == now).unwrap_or(0).to_string()
    };
    view! {
        <label class="field">
            <span>{label}</span>
            <select
                prop:value=chosen
                on:change=move |ev| {
                    let index = event_target_value(&ev).parse().unwrap_or(0);
                    let found = untrack(all).into_iter().nth(index);
                    found.into_iter().for_each(|(value, _)| set.run(value));
                }
            >
                {move || {
                    let now = value();
                    all()
                        .into_iter()
                        .enumerate()
                        .map(|(i, (value, name))| view! {
                            <option value=i selected=value == now>{name}</option>
                        })
                        .collect_view()
                }}
            </select>
            {(!note.is_empty()).then(|| view! { <small>{note}</small> })}
        </label>
    }
}
