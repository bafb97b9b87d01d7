//! Tables and figures of the papers, and answers to questions of our own, each by one command.

pub mod accuracy;
pub mod augmentations;
pub mod midpoints;
