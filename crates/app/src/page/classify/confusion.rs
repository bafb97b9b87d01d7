//! The confusion matrix: networks by class, and by the class they were taken for.

use super::model::Tested;
use crate::page::lab::{Lab, lab};
use leptos::ev::KeyboardEvent;
use leptos::prelude::*;

/// The names of the classes.
pub(super) fn classes(lab: Lab) -> Vec<String> {
    lab.classify.test.with(|test| test.as_ref().map_or_else(Vec::new, |test| test.classes.clone()))
}

fn name(classes: &[String], class: usize) -> String {
    classes.get(class).cloned().unwrap_or_else(|| class.to_string())
}

/// A cell's colour: as strong as its share of the row, with a floor that can be seen.
fn shade(count: u64, row: &[u64], right: bool) -> String {
    let share = count as f64 / row.iter().sum::<u64>().max(1) as f64;
    let strength = if count == 0 { 0.0 } else { 0.12 + 0.88 * share };
    let colour = if right { "var(--blue)" } else { "var(--orange)" };
    format!("color-mix(in srgb, {colour} calc({strength:.2} * var(--most)), var(--card))")
}

/// Accuracy with its interval, in words.
fn worth(tested: &Tested) -> String {
    let score = &tested.score;
    let [low, high] = score.interval.map(|share| 100.0 * share);
    format!(
        "{} of {} are read right: {:.0} %. With so few, the truth lies between {low:.0} and {high:.0} % (95 % interval).",
        score.correct,
        score.nets,
        100.0 * score.accuracy
    )
}

#[component]
pub(super) fn Confusion() -> impl IntoView {
    let lab = lab();
    let model = lab.classify;
    let chosen = move |cell: [usize; 2]| model.cell.get() == Some(cell);
    let keyed = move |event: KeyboardEvent| {
        let count = untrack(|| classes(lab)).len();
        let [row, column] = model.cell.get_untracked().unwrap_or_default();
        let next = match event.key().as_str() {
            "ArrowRight" => Some([row, (column + 1).min(count.saturating_sub(1))]),
            "ArrowLeft" => Some([row, column.saturating_sub(1)]),
            "ArrowDown" => Some([(row + 1).min(count.saturating_sub(1)), column]),
            "ArrowUp" => Some([row.saturating_sub(1), column]),
            "Escape" => None,
            _ => return,
        };
        event.prevent_default();
        model.cell.set(next);
    };
    let row_of = move |row: usize| {
        let tested = model.tested.get()?;
        tested.score.confusion.get(row).cloned()
    };
    // Cells stay, and only what is in them changes: an epoch may end several times a second.
    let body = move || {
        let names = classes(lab);
        let rows = names.into_iter().enumerate().map(|(row, name)| {
            let counts = Memo::new(move |_| row_of(row).unwrap_or_default());
            let cells = (0..classes(lab).len()).map(|column| {
                let cell = [row, column];
                let count = move || counts.with(|counts| counts.get(column).copied().unwrap_or(0));
                let shade = move || counts.with(|all| shade(count(), all, row == column));
                view! {
                    <td
                        class:chosen=move || chosen(cell)
                        style:background=shade
                        on:click=move |_| model.cell.set(Some(cell))
                    >
                        {move || Some(count()).filter(|count| *count > 0)}
                    </td>
                }
            });
            view! { <tr><th scope="row">{name}</th>{cells.collect_view()}</tr> }
        });
        rows.collect_view()
    };
    let said = move || {
        let names = classes(lab);
        match (model.cell.get(), model.tested.get()) {
            (Some([row, column]), Some(tested)) => {
                let count = tested.score.confusion.get(row).and_then(|r| r.get(column)).copied();
                format!(
                    "{} taken for {}: {}",
                    name(&names, row),
                    name(&names, column),
                    count.unwrap_or(0)
                )
            }
            _ => "none chosen".to_owned(),
        }
    };
    view! {
        <figure class="confusion">
            <figcaption>
                <strong>"Confusion matrix"</strong>
                <span>
                    {move || model.tested.get().map(|t| format!("run {}, epoch {}", t.run, t.epoch))}
                </span>
            </figcaption>
            <div
                class="counts"
                tabindex="0"
                role="group"
                aria-label=move || format!("Confusion matrix. Arrow keys choose a cell: {}.", said())
                on:keydown=keyed
            >
                <table id="confusion">
                    <thead>
                        <tr>
                            <th scope="col"><span class="unseen">"Class"</span></th>
                            {move || classes(lab).into_iter().map(|name| view! {
                                <th scope="col"><span>{name}</span></th>
                            }).collect_view()}
                        </tr>
                    </thead>
                    <tbody>{body}</tbody>
                </table>
            </div>
            <p class="note">
                "A row for each class, a column for what its networks are taken for. On the diagonal it is right."
            </p>
            <p class="note" id="worth">{move || model.tested.get().map(|tested| worth(&tested))}</p>
        </figure>
    }
}
