//! Conformance of an adapter: kernels against plain references, and golden values of published code.

mod builtin;
mod dws;
mod golden;
mod pipeline;
mod siren;
mod symmetry;
mod tensor;

use crate::error::LabError;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use weightlab_data::Store;
use weightlab_gpu::Gpu;

/// How a case ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CaseStatus {
    /// Within its tolerance.
    Pass,
    /// Outside.
    Fail,
    /// This program does not do what the case is about.
    Unsupported,
}

/// One case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// What it is about.
    pub group: String,
    /// Which of its group.
    pub case: String,
    /// How it ended.
    pub status: CaseStatus,
    /// Largest error divided by its tolerance; null if nothing was compared.
    pub worst: Option<f64>,
    /// In words, where there is more to say.
    pub detail: Option<String>,
}

impl Case {
    fn judged(group: &str, case: impl Into<String>, worst: Worst) -> Case {
        // JSON has no infinity.
        let ratio = worst.ratio.min(f64::MAX);
        let status = if ratio <= 1.0 { CaseStatus::Pass } else { CaseStatus::Fail };
        Case {
            group: group.to_owned(),
            case: case.into(),
            status,
            worst: Some(ratio),
            detail: worst.at.filter(|_| status == CaseStatus::Fail),
        }
    }

    fn unsupported(group: &str, case: &str) -> Case {
        Case {
            group: group.to_owned(),
            case: case.to_owned(),
            status: CaseStatus::Unsupported,
            worst: None,
            detail: None,
        }
    }
}

/// The largest error so far, in units of its tolerance, and where.
#[derive(Clone, Debug, Default, PartialEq)]
struct Worst {
    ratio: f64,
    at: Option<String>,
}

impl Worst {
    /// Compares one number. A NaN on either side is an infinite error.
    fn see(&mut self, what: &str, index: usize, got: f64, expected: f64, tolerance: f64) {
        let error = (got - expected).abs();
        let ratio = match error <= tolerance {
            // Also where both are zero.
            true if error == 0.0 => 0.0,
            _ if error.is_nan() || tolerance <= 0.0 => f64::INFINITY,
            _ => error / tolerance,
        };
        if ratio > self.ratio {
            self.ratio = ratio;
            self.at = Some(format!(
                "{what}[{index}]: {got:e} here, {expected:e} expected, tolerance {tolerance:.1e}"
            ));
        }
    }

    /// Compares all; lengths must agree.
    fn see_all(
        &mut self,
        what: &str,
        got: &[f64],
        expected: &[f64],
        tolerance: impl Fn(f64) -> f64,
    ) {
        if got.len() != expected.len() {
            self.ratio = f64::INFINITY;
            self.at =
                Some(format!("{what}: {} numbers here, {} expected", got.len(), expected.len()));
            return;
        }
        for (i, (&x, &g)) in got.iter().zip(expected).enumerate() {
            self.see(what, i, x, g, tolerance(g));
        }
    }
}

/// What came out, by count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Cases within their tolerance.
    pub pass: u64,
    /// Cases outside.
    pub fail: u64,
    /// Cases that were not run.
    pub unsupported: u64,
}

impl Summary {
    /// Counts a case.
    pub fn count(&mut self, case: &Case) {
        match case.status {
            CaseStatus::Pass => self.pass += 1,
            CaseStatus::Fail => self.fail += 1,
            CaseStatus::Unsupported => self.unsupported += 1,
        }
    }
}

/// The built-in cases, as a stream. All of them take a few seconds.
#[derive(Debug)]
pub struct Check {
    gpu: Gpu,
    seed: u64,
    todo: VecDeque<builtin::Task>,
    ready: VecDeque<Case>,
}

impl Check {
    /// Cases over architectures drawn from `seed`.
    #[must_use]
    pub fn new(gpu: &Gpu, seed: u64) -> Check {
        Check { gpu: gpu.clone(), seed, todo: builtin::tasks(seed).into(), ready: VecDeque::new() }
    }

    /// The next case; `None` after the last.
    ///
    /// # Errors
    /// The GPU.
    pub async fn next(&mut self) -> Result<Option<Case>, LabError> {
        loop {
            if let Some(case) = self.ready.pop_front() {
                return Ok(Some(case));
            }
            let Some(task) = self.todo.pop_front() else { return Ok(None) };
            self.ready.extend(builtin::run(&self.gpu, self.seed, &task).await?);
        }
    }
}

/// The cases of a golden set, as a stream.
#[derive(Debug)]
pub struct GoldenCheck<S: Store> {
    gpu: Gpu,
    set: golden::Set<S>,
    todo: VecDeque<Task>,
    ready: VecDeque<Case>,
}

#[derive(Clone, Debug)]
enum Task {
    Nets(String),
    Fit(siren::FitTask),
    Aug(String),
    Match(String),
    Assignments,
    Mixup(String),
    Pipeline(String),
    NtXent(String),
    Projection,
    Optim(String),
    Dws(dws::Task),
    Unsupported { group: String, case: String },
}

impl<S: Store> GoldenCheck<S> {
    /// What there is to check, by the set's manifest.
    ///
    /// # Errors
    /// A manifest that cannot be read.
    pub async fn new(gpu: &Gpu, store: S) -> Result<GoldenCheck<S>, LabError> {
        let set = golden::Set::open(store).await?;
        let mut todo = VecDeque::new();
        for (group, case) in set.cases() {
            match group.as_str() {
                siren::NETS => todo.push_back(Task::Nets(case)),
                siren::FIT => {}
                symmetry::AUG => todo.push_back(Task::Aug(case)),
                symmetry::MATCH => todo.push_back(Task::Match(case)),
                symmetry::MIXUP => todo.push_back(Task::Mixup(case)),
                pipeline::PIPELINE => todo.push_back(Task::Pipeline(case)),
                tensor::NT_XENT => todo.push_back(Task::NtXent(case)),
                tensor::OPTIM => todo.push_back(Task::Optim(case)),
                dws::DWS => todo.extend(dws::tasks(&case).into_iter().map(Task::Dws)),
                _ => todo.push_back(Task::Unsupported { group, case }),
            }
        }
        if set.has_group(siren::FIT) {
            todo.extend(siren::fit_tasks(&set).into_iter().map(Task::Fit));
        }
        if set.has_group(symmetry::MATCH) {
            todo.push_back(Task::Assignments);
        }
        if set.has(tensor::NT_XENT, "proj.in") {
            todo.push_back(Task::Projection);
        }
        Ok(GoldenCheck { gpu: gpu.clone(), set, todo, ready: VecDeque::new() })
    }

    /// The next case; `None` after the last.
    ///
    /// # Errors
    /// A golden set that is not what its manifest says, or the GPU.
    pub async fn next(&mut self) -> Result<Option<Case>, LabError> {
        loop {
            if let Some(case) = self.ready.pop_front() {
                return Ok(Some(case));
            }
            let Some(task) = self.todo.pop_front() else { return Ok(None) };
            let (gpu, set) = (&self.gpu, &mut self.set);
            let cases = match task {
                Task::Nets(case) => siren::nets(gpu, set, &case).await?,
                Task::Fit(task) => siren::fit(gpu, set, &task).await?,
                Task::Aug(case) => symmetry::aug(gpu, set, &case).await?,
                Task::Match(case) => symmetry::matching(gpu, set, &case).await?,
                Task::Assignments => symmetry::assignments(gpu, set).await?,
                Task::Mixup(case) => symmetry::mixture(gpu, set, &case).await?,
                Task::Pipeline(case) => pipeline::item(gpu, set, &case).await?,
                Task::NtXent(case) => tensor::nt_xent(gpu, set, &case).await?,
                Task::Projection => tensor::projection(gpu, set).await?,
                Task::Optim(case) => tensor::optim(gpu, set, &case).await?,
                Task::Dws(task) => dws::run(gpu, set, &task).await?,
                Task::Unsupported { group, case } => vec![Case::unsupported(&group, &case)],
            };
            self.ready.extend(cases);
        }
    }
}

fn to_f64(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&x| f64::from(x)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_error_decides() {
        let mut worst = Worst::default();
        worst.see_all("x", &[1.0, 2.0], &[1.0, 2.001], |_| 0.01);
        let case = Case::judged("g", "c", worst.clone());
        assert_eq!(case.status, CaseStatus::Pass);
        assert!((case.worst.unwrap() - 0.1).abs() < 1e-9);
        worst.see("x", 7, 3.0, 3.1, 0.05);
        let case = Case::judged("g", "c", worst);
        assert_eq!(case.status, CaseStatus::Fail);
        assert!(case.detail.unwrap().contains("x[7]"));
    }

    #[test]
    fn nan_and_other_lengths_fail() {
        for (got, expected) in
            [(vec![f64::NAN], vec![1.0]), (vec![1.0], vec![]), (vec![1.0], vec![f64::NAN])]
        {
            let mut worst = Worst::default();
            worst.see_all("x", &got, &expected, |_| 1.0);
            let case = Case::judged("g", "c", worst);
            assert_eq!(case.status, CaseStatus::Fail);
            let text = serde_json::to_string(&case).unwrap();
            assert!(serde_json::from_str::<serde_json::Value>(&text).unwrap()["worst"].is_f64());
        }
        // Exact equality passes with no tolerance at all.
        let mut worst = Worst::default();
        worst.see("x", 0, 2.0, 2.0, 0.0);
        assert_eq!(worst.ratio, 0.0);
        worst.see("x", 0, 2.0, 2.1, 0.0);
        assert_eq!(worst.ratio, f64::INFINITY);
    }
}
