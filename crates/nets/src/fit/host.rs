//! The fit on the processor: what the tiled path does, for where there is no GPU.

use super::{FitPath, FitPlan, FitSettings, FitSnapshot, NetOutcome, Problem, Status};
use crate::Mlp;
use crate::host::{BLOCK, Passes};
use web_time::{Duration, Instant};

/// Time of one slice.
const SLICE: Duration = Duration::from_millis(40);

/// Blocks of points after which it looks at the clock.
const BLOCKS: usize = 16;

pub(super) fn plan(nets: usize) -> FitPlan {
    let kernel = "f32 on one core of the processor".to_owned();
    let arithmetic = format!("blocks of {BLOCK} points");
    FitPlan { path: FitPath::Host, nets_per_batch: nets.max(1), bytes: 0, kernel, arithmetic }
}

/// A batch on the processor. A round is a step of every network that runs.
#[derive(Debug)]
pub(super) struct Host {
    mlp: Mlp,
    coords: Vec<f32>,
    targets: Vec<f32>,
    settings: FitSettings,
    target_mse: f64,
    passes: Passes,
    params: Vec<f32>,
    moments: [Vec<f32>; 2],
    /// Networks still running, in order.
    running: Vec<u32>,
    /// Updates applied to every running network before this round.
    steps_done: u32,
    /// Which of `running` is next in this round.
    turn: usize,
    /// Its next point, and of those before: the sum of squared errors, the gradient.
    point: usize,
    squares: f64,
    gradient: Vec<f32>,
    most_steps: Option<u32>,
    longest: Duration,
}

impl Host {
    pub(super) fn new(problem: &Problem<'_>, params: &[f32]) -> Host {
        let Problem { mlp, settings, .. } = *problem;
        Host {
            mlp: mlp.clone(),
            coords: problem.coords.to_vec(),
            targets: problem.targets.to_vec(),
            settings,
            target_mse: settings.target_mse(mlp).into(),
            passes: Passes::new(mlp),
            params: params.to_vec(),
            moments: [vec![0.0; params.len()], vec![0.0; params.len()]],
            running: (0..problem.nets as u32).collect(),
            steps_done: 0,
            turn: 0,
            point: 0,
            squares: 0.0,
            gradient: vec![0.0; mlp.param_count()],
            most_steps: None,
            longest: Duration::ZERO,
        }
    }

    /// One slice.
    pub(super) fn advance(&mut self, outcomes: &mut [NetOutcome]) {
        let begun = Instant::now();
        let end = self.most_steps.map(|most| self.steps_done + most);
        while !self.running.is_empty() && begun.elapsed() < SLICE {
            self.points();
            if self.point == self.coords.len() / self.mlp.inputs() {
                self.update(outcomes);
            }
            if self.turn == self.running.len() {
                self.running.retain(|&net| outcomes[net as usize].status == Status::Running);
                (self.turn, self.steps_done) = (0, self.steps_done + 1);
                if end.is_some_and(|end| self.steps_done >= end) {
                    break;
                }
            }
        }
        self.longest = self.longest.max(begun.elapsed());
    }

    /// Parameters of the network whose turn it is.
    fn range(&self) -> std::ops::Range<usize> {
        let (net, count) = (self.running[self.turn] as usize, self.gradient.len());
        net * count..(net + 1) * count
    }

    /// Forward and back over some points.
    fn points(&mut self) {
        let [inputs, outputs] = [self.mlp.inputs(), self.mlp.outputs()];
        let params = &self.params[self.range()];
        let points = self.coords.len() / inputs;
        let targets = &self.targets[self.running[self.turn] as usize * points * outputs..];
        // Derivative of the mean of squares by one of them.
        let scale = 2.0 / (points * outputs) as f32;
        let end = points.min(self.point + BLOCKS * BLOCK);
        while self.point < end {
            let block = BLOCK.min(end - self.point);
            self.passes.forward(params, &self.coords[self.point * inputs..][..block * inputs]);
            let targets = &targets[self.point * outputs..][..block * outputs];
            let errors: Vec<f32> =
                self.passes.outputs(block).zip(targets).map(|(y, t)| y - t).collect();
            self.squares += errors.iter().map(|e| f64::from(e * e)).sum::<f64>();
            let deltas: Vec<f32> = errors.iter().map(|e| scale * e).collect();
            self.passes.backward(params, &deltas, &mut self.gradient);
            self.point += block;
        }
    }

    /// The verdict on the network whose turn it is, and its update.
    fn update(&mut self, outcomes: &mut [NetOutcome]) {
        let mse = self.squares / (self.point * self.mlp.outputs()) as f64;
        let outcome = &mut outcomes[self.running[self.turn] as usize];
        outcome.mse = mse as f32;
        outcome.status = if !mse.is_finite() {
            Status::Diverged
        } else if mse < self.target_mse {
            Status::ReachedTarget
        } else if outcome.steps >= self.settings.max_steps {
            Status::StepsDone
        } else {
            Status::Running
        };
        if outcome.status == Status::Running {
            outcome.steps += 1;
            self.adam();
        }
        (self.point, self.squares) = (0, 0.0);
        self.gradient.fill(0.0);
        self.turn += 1;
    }

    /// Kingma & Ba 2015, algorithm 1.
    fn adam(&mut self) {
        let FitSettings { beta1, beta2, epsilon, .. } = self.settings;
        let [rate, correction] = self.settings.rates(self.steps_done + 1);
        let range = self.range();
        let [first, second] = &mut self.moments;
        let moments = first[range.clone()].iter_mut().zip(&mut second[range.clone()]);
        let params = self.params[range].iter_mut();
        for ((p, g), (m, v)) in params.zip(&self.gradient).zip(moments) {
            *m += (1.0 - beta1) * (g - *m);
            *v = beta2 * *v + (1.0 - beta2) * g * g;
            *p -= rate * *m / (v.sqrt() * correction + epsilon);
        }
    }

    pub(super) fn limit_steps(&mut self, most: Option<u32>) {
        self.most_steps = most;
    }

    pub(super) fn longest_slice(&self) -> Duration {
        self.longest
    }

    pub(super) fn params(&self) -> Vec<f32> {
        self.params.clone()
    }

    /// First and second moments, `[nets, P]` each.
    pub(super) fn moments(&self) -> [Vec<f32>; 2] {
        self.moments.clone()
    }

    pub(super) fn is_even(&self) -> bool {
        self.turn == 0 && self.point == 0
    }

    /// Takes over everything but the parameters.
    pub(super) fn restore(&mut self, snapshot: &FitSnapshot) {
        self.moments.clone_from(&snapshot.moments);
        self.running = snapshot.running();
        self.steps_done = snapshot.steps_done();
    }
}
