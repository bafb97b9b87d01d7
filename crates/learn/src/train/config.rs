//! How a model is trained.

use super::augment::Augment;
use super::error::TrainError;
use crate::network::ModelConfig;
use serde::{Deserialize, Serialize};
use weightlab_nets::mix::Lambda;
use weightlab_tensor::{Optimizer, UpdateSettings, warm_up};

/// What is subtracted from the networks' parameters, and what they are divided by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Normalise {
    /// Mean and standard deviation of every entry over the training networks, as the reference code.
    #[default]
    PerEntry,
    /// Nothing.
    None,
}

/// Among which networks partners for mixing are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartnerPool {
    /// Those that the run trains on.
    #[default]
    SameViews,
    /// All views of the training objects, also those left out by `views`, as the reference code.
    AllViews,
}

/// Which optimiser.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptimizerKind {
    /// Adam with decoupled weight decay.
    #[default]
    Adamw,
    /// Adam; weight decay is added to the gradient.
    Adam,
    /// Gradient descent with momentum.
    Sgd,
}

/// The optimiser; the default is the papers'.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimizerConfig {
    /// Which.
    pub kind: OptimizerKind,
    /// Learning rate.
    pub learning_rate: f32,
    /// Weight decay.
    pub weight_decay: f32,
    /// The greatest second moment so far, in Adam and AdamW.
    pub amsgrad: bool,
    /// Of gradient descent.
    pub momentum: f32,
    /// Steps in which the rate rises linearly to its value.
    pub warmup_steps: u32,
    /// Greatest norm of the gradient.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_norm: Option<f32>,
}

impl Default for OptimizerConfig {
    fn default() -> OptimizerConfig {
        OptimizerConfig {
            kind: OptimizerKind::Adamw,
            learning_rate: 5e-3,
            weight_decay: 5e-4,
            amsgrad: true,
            momentum: 0.9,
            warmup_steps: 0,
            clip_norm: None,
        }
    }
}

impl OptimizerConfig {
    /// As the tensor engine has it.
    pub fn optimizer(&self) -> Optimizer {
        match self.kind {
            OptimizerKind::Adamw => Optimizer::adamw(self.amsgrad),
            OptimizerKind::Adam => match Optimizer::adam() {
                Optimizer::Adam { beta1, beta2, epsilon, .. } => {
                    Optimizer::Adam { beta1, beta2, epsilon, amsgrad: self.amsgrad }
                }
                other => other,
            },
            OptimizerKind::Sgd => Optimizer::Sgd { momentum: self.momentum },
        }
    }

    /// Of update `step`, counted from 1.
    pub fn settings(&self, step: u32) -> UpdateSettings {
        UpdateSettings {
            lr: warm_up(self.learning_rate, step, self.warmup_steps),
            weight_decay: self.weight_decay,
            step,
            clip_norm: self.clip_norm,
        }
    }
}

/// Everything that decides a run, apart from its data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Key of all random numbers.
    pub seed: u64,
    /// Passes over the training networks.
    pub epochs: u32,
    /// Networks per update.
    pub batch: usize,
    /// Train on this many views of each object, the first ones; all if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub views: Option<u32>,
    /// Train on at most so many networks, the first ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Share of the objects held out for validation if there are no networks for it.
    pub validation_share: f32,
    /// What is done to parameters before they are read.
    pub normalise: Normalise,
    /// What happens to a batch.
    pub augment: Augment,
    /// Weights of mixtures: `uniform`, `beta:A`, or a number.
    pub lambda: String,
    /// Partners of mixtures.
    pub partners: PartnerPool,
    /// This share of every label is spread over all classes.
    pub label_smoothing: f32,
    /// Most GPU memory to use, MiB; larger batches are cut into micro-batches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u64>,
    /// The optimiser.
    pub optimizer: OptimizerConfig,
    /// The model. The number of classes is the data's.
    pub model: ModelConfig,
}

impl Default for TrainConfig {
    fn default() -> TrainConfig {
        TrainConfig {
            seed: 0,
            epochs: 100,
            batch: 128,
            views: None,
            limit: None,
            validation_share: 0.1,
            normalise: Normalise::default(),
            augment: Augment::default(),
            lambda: "uniform".to_owned(),
            partners: PartnerPool::default(),
            label_smoothing: 0.0,
            memory_mib: None,
            optimizer: OptimizerConfig::default(),
            model: ModelConfig::default(),
        }
    }
}

impl TrainConfig {
    /// The weights of mixtures.
    ///
    /// # Errors
    /// Not such a text.
    pub fn lambda(&self) -> Result<Lambda, TrainError> {
        Ok(self.lambda.parse()?)
    }

    /// Checks every number.
    ///
    /// # Errors
    /// The first that is out of range.
    pub fn validate(&self) -> Result<(), TrainError> {
        let wrong = |name, value: String, expected: &str| {
            Err(TrainError::Setting { name, value, expected: expected.to_owned() })
        };
        if self.epochs == 0 {
            return wrong("epochs", "0".to_owned(), "at least 1");
        }
        if self.batch == 0 {
            return wrong("batch", "0".to_owned(), "at least 1");
        }
        if self.limit == Some(0) {
            return wrong("limit", "0".to_owned(), "at least 1");
        }
        if self.views == Some(0) {
            return wrong("views", "0".to_owned(), "at least 1");
        }
        for (name, share) in
            [("validation_share", self.validation_share), ("label_smoothing", self.label_smoothing)]
        {
            if !(0.0..1.0).contains(&share) {
                return wrong(name, share.to_string(), "at least 0 and below 1");
            }
        }
        let o = &self.optimizer;
        for (name, value) in [
            ("optimizer.learning_rate", o.learning_rate),
            ("optimizer.weight_decay", o.weight_decay),
            ("optimizer.momentum", o.momentum),
            ("optimizer.clip_norm", o.clip_norm.unwrap_or(1.0)),
        ] {
            if !(value.is_finite() && value >= 0.0) {
                return wrong(name, value.to_string(), "finite and not negative");
            }
        }
        if o.momentum >= 1.0 {
            return wrong("optimizer.momentum", o.momentum.to_string(), "below 1");
        }
        self.lambda()?.validate()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_rises() {
        let config = OptimizerConfig { warmup_steps: 4, learning_rate: 0.8, ..Default::default() };
        let rates = [1, 2, 3, 4, 5].map(|t| config.settings(t).lr);
        assert_eq!(rates, [0.2, 0.4, 0.6, 0.8, 0.8]);
        assert_eq!(OptimizerConfig::default().settings(1).lr, 5e-3);
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        let of = |change: &dyn Fn(&mut TrainConfig)| {
            let mut config = TrainConfig::default();
            change(&mut config);
            config.validate().unwrap_err().to_string()
        };
        assert!(of(&|c| c.batch = 0).contains("`batch`"));
        assert!(of(&|c| c.label_smoothing = 1.0).contains("`label_smoothing`"));
        assert!(of(&|c| c.optimizer.learning_rate = f32::NAN).contains("learning_rate"));
        assert!(of(&|c| c.optimizer.momentum = 1.6).contains("momentum"));
        assert!(of(&|c| c.lambda = "beta:0".to_owned()).contains("0.01"));
        TrainConfig::default().validate().unwrap();
    }
}
