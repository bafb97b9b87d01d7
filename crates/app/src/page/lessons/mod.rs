//! Lessons: guided tours through the benches, each step with a question, and links for a class.

use super::address;
use super::lab::{Gpu, lab};
use crate::lessons::{Recorded, Step, TOURS};
use crate::state::{Bench, Lesson, Part, State};
use leptos::prelude::*;

/// The bench that lists the tours.
#[component]
pub(super) fn LessonsBench() -> impl IntoView {
    let lab = lab();
    let shown = move |part| lab.state.with(|state| !state.hides(part));
    view! {
        <Show when=move || shown(Part::Intro)>
            <section class="intro">
                <h2>"Lessons"</h2>
                <p>
                    "Guided tours for a class or for yourself: each takes some ten minutes and needs no more than \
                     school mathematics. Every step sets the lab up, says what to look at, and asks a question."
                </p>
            </section>
        </Show>
        <div class="lessons">
            <ol class="tours">
                {TOURS.iter().enumerate().map(|(tour, about)| view! {
                    <li>
                        <h3>{about.title}</h3>
                        <p>{about.about}</p>
                        <button class="main" on:click=move |_| lab.go_to_step(Lesson { tour, step: 0 })>
                            {format!("Begin ({} steps)", about.steps.len())}
                        </button>
                    </li>
                }).collect_view()}
            </ol>
            <ClassLink/>
        </div>
    }
}

/// A link to the lab as it is, with parts hidden.
#[component]
fn ClassLink() -> impl IntoView {
    let lab = lab();
    let hidden = RwSignal::new(Vec::<Part>::new());
    let bench = RwSignal::new(Bench::Fit);
    let link = move || {
        let mut state = lab.state.get();
        (state.bench, state.lesson, state.hide) = (bench.get(), None, hidden.get());
        let address = address::link();
        let page = address.split('#').next().unwrap_or_default();
        format!("{page}#{}", state.to_fragment())
    };
    view! {
        <section class="class-link" aria-labelledby="class-link-title">
            <h3 id="class-link-title">"A link for your class"</h3>
            <p>
                "Set a bench up as you want it, come back here, and tick what your class should not see: the \
                 link opens exactly that."
            </p>
            <label class="row">
                "Opens "
                <select
                    class="short"
                    on:change=move |ev| {
                        let index: usize = event_target_value(&ev).parse().unwrap_or(0);
                        bench.set(Bench::ALL.get(index).copied().unwrap_or(Bench::Fit));
                    }
                >
                    {Bench::ALL.iter().enumerate().map(|(i, b)| view! {
                        <option value=i selected=move || bench.get() == *b>{b.title()}</option>
                    }).collect_view()}
                </select>
            </label>
            <p id="hide-title">"Hide"</p>
            <div class="parts" role="group" aria-labelledby="hide-title">
                {Part::ALL.iter().map(|&(_, part)| view! {
                    <label class="switch">
                        <input
                            type="checkbox"
                            on:change=move |ev| {
                                let on = event_target_checked(&ev);
                                hidden.update(|hidden| {
                                    hidden.retain(|p| *p != part);
                                    if on {
                                        hidden.push(part);
                                    }
                                });
                            }
                        />
                        {part.title()}
                    </label>
                }).collect_view()}
            </div>
            <p><a id="class-link" href=link>{link}</a></p>
        </section>
    }
}

/// The step that one is at, above the bench.
#[component]
pub(super) fn LessonPanel() -> impl IntoView {
    let lab = lab();
    let at = Memo::new(move |_| lab.state.with(|state| state.lesson));
    // Whoever goes on to a step begins at its title.
    let title = NodeRef::<leptos::html::H2>::new();
    Effect::new(move |before: Option<Option<Lesson>>| {
        let now = at.get();
        if before.flatten().is_some_and(|before| Some(before) != now)
            && let Some(title) = title.get_untracked()
        {
            // An element of this page takes the focus.
            let _focused = title.focus();
            window().scroll_to_with_x_and_y(0.0, 0.0);
        }
        now
    });
    move || {
        let lesson = at.get()?;
        let tour = TOURS.get(lesson.tour)?;
        let step = tour.steps.get(lesson.step)?;
        let last = lesson.step + 1 == tour.steps.len();
        let go = move |step: usize| lab.go_to_step(Lesson { step, ..lesson });
        let end = move |_| {
            lab.go_to(State { bench: Bench::Lessons, ..State::default() });
        };
        let missing = move || lab.gpu.with(|gpu| matches!(gpu, Gpu::Missing(_)));
        Some(view! {
            <section class="lesson" aria-labelledby="lesson-title">
                <p class="dim">
                    {format!("{} · step {} of {}", tour.title, lesson.step + 1, tour.steps.len())}
                </p>
                <h2 id="lesson-title" tabindex="-1" node_ref=title>{step.title}</h2>
                {step.text.iter().map(|text| view! { <p>{*text}</p> }).collect_view()}
                <Show when=missing>
                    <p class="note">
                        "There is no GPU here (“No GPU” above says why). Fits run on the processor, slowly; nothing else can run, \
                         whatever the text asks you to press: read along, and see what was recorded earlier."
                    </p>
                </Show>
                {move || step.recorded.filter(|_| missing()).map(figure)}
                <Question step/>
                <div class="row">
                    <button
                        disabled=lesson.step == 0
                        on:click=move |_| go(lesson.step.saturating_sub(1))
                    >
                        "Back"
                    </button>
                    {if last {
                        view! { <button class="main" on:click=end>"Finish"</button> }.into_any()
                    } else {
                        view! { <button class="main" on:click=move |_| go(lesson.step + 1)>"Next"</button> }.into_any()
                    }}
                    <button class="quiet" on:click=move |_| go(lesson.step)>"Set up again"</button>
                    <button class="quiet" on:click=end>"Leave the lesson"</button>
                </div>
            </section>
        })
    }
}

/// What was computed earlier, where nothing can be computed now.
pub(super) fn figure(recorded: Recorded) -> impl IntoView {
    view! {
        <figure class="recorded">
            <img src=format!("recorded/{}", recorded.file) alt=recorded.what/>
            <figcaption>{recorded.what}</figcaption>
        </figure>
    }
}

#[component]
fn Question(step: &'static Step) -> impl IntoView {
    let lab = lab();
    let chosen = RwSignal::new(None::<usize>);
    let question = step.question;
    let verdict = move || {
        chosen.get().map(|choice| {
            if choice == question.right {
                format!("Yes. {}", question.because)
            } else {
                "Not quite. Look again, and choose another.".to_owned()
            }
        })
    };
    view! {
        <fieldset class="question">
            <legend>{question.text}</legend>
            <div class="answers">
                {question.answers.iter().enumerate().map(|(i, answer)| view! {
                    <button
                        type="button"
                        aria-pressed=move || (chosen.get() == Some(i)).to_string()
                        class:right=move || chosen.get() == Some(i) && i == question.right
                        on:click=move |_| {
                            chosen.set(Some(i));
                            lab.said.set(untrack(verdict).unwrap_or_default());
                        }
                    >
                        {*answer}
                    </button>
                }).collect_view()}
            </div>
            <p class="because">{verdict}</p>
        </fieldset>
    }
}
