//! Which operations are done, with a slider for each of their parameters.

use crate::page::lab::{Lab, lab};
use crate::state::augment::{Control, MOST_OPS, control, known, parameter, with_parameter};
use leptos::prelude::*;
use weightlab_nets::symmetry::{Effect, Op, Parameter};

/// Kinds of operations, as headings of the menu.
const KINDS: [(Effect, &str); 3] = [
    (Effect::PreservesFunction, "Same function, other numbers"),
    (Effect::ActsOnInput, "Moves the picture"),
    (Effect::ChangesFunction, "Changes the function"),
];

/// What an operation with usual parameters does.
fn kind(name: &str) -> Option<Effect> {
    match Op::parse(name).ok()?.as_slice() {
        [op] => Some(op.effect()),
        _ => Some(Effect::ChangesFunction),
    }
}

/// Operation number `place`, if there are so many.
fn op(lab: Lab, place: usize) -> Option<Op> {
    lab.state.with(|state| state.augment.ops.get(place).copied())
}

fn change(lab: Lab, change: impl FnOnce(&mut Vec<Op>)) {
    lab.state.update(|state| {
        let ops = &mut state.augment.ops;
        change(ops);
        ops.truncate(MOST_OPS);
    });
}

#[component]
pub(super) fn Chain() -> impl IntoView {
    let lab = lab();
    // Rows stay while their sliders move.
    let rows = Memo::new(move |_| {
        lab.state.with(|state| {
            let names = state.augment.ops.iter().map(Op::name);
            names.enumerate().collect::<Vec<_>>()
        })
    });
    let full = move || rows.with(Vec::len) >= MOST_OPS;
    view! {
        <div class="chain" role="group" aria-label="Operations">
            <ol>
                <For each=move || rows.get() key=|row| *row let:row>
                    {row_of(lab, row.0, row.1)}
                </For>
            </ol>
            <div class="row">
                <button
                    class="main"
                    id="draw"
                    title="Draw other random numbers for all operations"
                    on:click=move |_| lab.state.update(|state| {
                        state.augment.draw = state.augment.draw.wrapping_add(1);
                    })
                >
                    "Another draw"
                </button>
                <button disabled=full on:click=move |_| change(lab, |ops| ops.push(Op::Permutation))>
                    "Add an operation"
                </button>
                <span class="dim">{move || lab.state.with(|s| format!("draw number {}", s.augment.draw))}</span>
            </div>
        </div>
    }
}

/// One operation: which, what it does, its parameters.
fn row_of(lab: Lab, place: usize, name: &'static str) -> AnyView {
    let about = known(&match op(lab, place) {
        Some(op) => op,
        None => return ().into_any(),
    });
    let alone = move || lab.state.with(|state| state.augment.ops.len() < 2);
    let parameters = about.map_or(&[][..], |known| known.parameters);
    let effect = move || op(lab, place).map_or("", |op| op.effect().name());
    let drawn = move || {
        let tried = lab.tried()?;
        let draw = tried.draws.get(place)?;
        (!draw.is_empty()).then(|| format!("This draw: {draw}."))
    };
    view! {
        <li>
            <div class="op-head">
                {menu(lab, place, name)}
                <span class="tag" data-effect=effect>{effect}</span>
                <button
                    class="quiet"
                    aria-label=format!("Remove {name}")
                    disabled=alone
                    on:click=move |_| change(lab, |ops| {
                        let mut at = 0..;
                        ops.retain(|_| at.next() != Some(place));
                    })
                >
                    "Remove"
                </button>
            </div>
            <p class="note">{about.map(|known| capital(known.what))}". "{drawn}</p>
            <div class="parameters">
                {parameters.iter().map(|p| setting(lab, place, name, p)).collect_view()}
            </div>
        </li>
    }
    .into_any()
}

/// The menu of operations, by kind; those that the network does not have say why.
fn menu(lab: Lab, place: usize, name: &'static str) -> AnyView {
    let choose = move |chosen: String| {
        if let Ok(chosen) = Op::parse(&chosen) {
            change(lab, |ops| {
                if place < ops.len() {
                    ops.splice(place..=place, chosen);
                }
            });
        }
    };
    let options = move |effect: Effect| {
        let reasons = lab.augment.reasons.get();
        let all = Op::known().iter().zip(reasons.into_iter().chain(std::iter::repeat(None)));
        all.filter(|(known, _)| kind(known.name) == Some(effect))
            .map(|(known, reason)| {
                let label = match &reason {
                    Some(reason) => format!("{} ({reason})", known.name),
                    None => known.name.to_owned(),
                };
                view! {
                    <option value=known.name selected=known.name == name disabled=reason.is_some()>{label}</option>
                }
            })
            .collect_view()
    };
    view! {
        <select
            aria-label=format!("Operation {}", place + 1)
            on:change=move |ev| choose(event_target_value(&ev))
        >
            {KINDS.map(|(effect, title)| view! {
                <optgroup label=title>{move || options(effect)}</optgroup>
            })}
        </select>
    }
    .into_any()
}

/// A slider or a menu for a parameter.
fn setting(lab: Lab, place: usize, name: &'static str, about: &'static Parameter) -> AnyView {
    let key = about.name;
    let value = move || op(lab, place).map_or_else(String::new, |op| parameter(&op, key));
    let set = move |text: String| {
        lab.state.update(|state| {
            let Some(op) = state.augment.ops.get_mut(place) else { return };
            if let Some(changed) = with_parameter(op, key, &text) {
                *op = changed;
            }
        });
    };
    let how = control(name, key);
    let input = match how {
        Control::Choice(all) => view! {
            <select on:change=move |ev| set(event_target_value(&ev))>
                {all.iter().map(|choice| view! {
                    <option value=*choice selected=move || value() == *choice>{*choice}</option>
                }).collect_view()}
            </select>
        }
        .into_any(),
        Control::Slider(..) | Control::Powers(..) => {
            let (from, to, step) = match how {
                Control::Slider(from, to, step) => (from, to, step),
                Control::Powers(from, to) => (from.log10(), to.log10(), 0.01),
                Control::Choice(_) => (0.0, 1.0, 1.0),
            };
            let powers = matches!(how, Control::Powers(..));
            let at = move || {
                let value: f32 = value().parse().unwrap_or(0.0);
                if powers { value.max(1e-9).log10() } else { value }.to_string()
            };
            view! {
                <input
                    type="range"
                    aria-label=format!("{name}: {key}")
                    aria-valuetext=value
                    min=from.to_string()
                    max=to.to_string()
                    step=step.to_string()
                    prop:value=at
                    on:input=move |ev| {
                        let text = event_target_value(&ev);
                        let text = match text.parse::<f32>() {
                            // Two digits are as much as a slider can tell.
                            Ok(power) if powers => {
                                let value = 10f32.powf(power);
                                let digits = (1.0 - power.floor()).max(0.0) as usize;
                                format!("{value:.digits$}")
                            }
                            _ => text,
                        };
                        set(text);
                    }
                />
            }
            .into_any()
        }
    };
    view! {
        <label class="field">
            <span>{key.replace('_', " ")}" " <output>{value}</output></span>
            {input}
            <small>{about.what}</small>
        </label>
    }
    .into_any()
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
