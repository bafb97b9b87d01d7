//! Which step of which lesson one is at.

use super::table::Codec;
use crate::lessons::TOURS;

/// A step of a tour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lesson {
    /// Index in [`TOURS`].
    pub tour: usize,
    /// Index in the tour's steps.
    pub step: usize,
}

pub(super) struct Lessons;

impl Codec<Lesson> for Lessons {
    fn read(&self, text: &str) -> Option<Lesson> {
        let (key, step) = text.split_once(':')?;
        let tour = TOURS.iter().position(|tour| tour.key == key)?;
        let step = step.parse::<usize>().ok()?.checked_sub(1)?;
        (step < TOURS[tour].steps.len()).then_some(Lesson { tour, step })
    }
    fn write(&self, value: &Lesson) -> String {
        TOURS.get(value.tour).map_or_else(String::new, |t| format!("{}:{}", t.key, value.step + 1))
    }
    fn expected(&self) -> String {
        let tours: Vec<_> = TOURS.iter().map(|t| format!("{}:1", t.key)).collect();
        format!("a lesson and its step, such as {}", tours.join(" or "))
    }
}
