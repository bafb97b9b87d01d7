//! The Classify bench: which picture is read, and how a classifier is trained.

use super::fit::FASHION;
use super::table::{Choice, Codec, Fields, Name, OrNone, Real, SWITCH, Whole};
use serde::{Deserialize, Serialize};
use weightlab_learn::ModelConfig;
use weightlab_learn::dws::{DwsConfig, SetLayer};
use weightlab_learn::train::{Augment, OptimizerConfig, TrainConfig, TrainError};

/// What networks are mixed with while a classifier learns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mixture {
    /// Nothing.
    #[default]
    None,
    /// Another network as it is.
    Direct,
    /// Another network, its neurons aligned to the first one's.
    Aligned,
    /// The same, with signs.
    Signed,
}

/// Mixtures by the names that the command line has for them.
pub const MIXTURES: [(&str, Mixture); 4] = [
    ("none", Mixture::None),
    ("mixup", Mixture::Direct),
    ("mixup-aligned", Mixture::Aligned),
    ("mixup-signed", Mixture::Signed),
];

/// The zoo that comes with the page for learning from.
pub const USUAL_TRAIN: &str = "train";

/// How the classifier looks at a set of weights, by the names in configurations.
const SETS: Choice<SetLayer> = Choice(&[("ds", SetLayer::Ds), ("sab", SetLayer::Sab)]);

/// Numbers of features: multiples of eight, as DWS wants them.
struct Features;

impl Codec<u32> for Features {
    fn read(&self, text: &str) -> Option<u32> {
        Whole(8, 64).read(text).filter(|n: &u32| n.is_multiple_of(8))
    }
    fn write(&self, value: &u32) -> String {
        value.to_string()
    }
    fn expected(&self) -> String {
        "a multiple of 8, from 8 to 64".to_owned()
    }
}

/// What is read, and what is trained; a change of the latter begins anew.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassifySpec {
    /// The built-in picture that is fitted and read.
    pub read: Option<u32>,
    /// Name of the zoo that is learnt from.
    pub zoo: String,
    /// Whether neurons change their signs while the classifier learns.
    pub negate: bool,
    /// What networks are mixed with.
    pub mixture: Mixture,
    /// Passes over the networks.
    pub epochs: u32,
    /// Features of a hidden state of the classifier.
    pub hidden: u32,
    /// How it looks at a set of weights.
    pub sets: SetLayer,
    /// Networks per update.
    pub batch: u32,
    /// Learning rate.
    pub rate: f32,
    /// Key of all random numbers.
    pub seed: u64,
}

impl Default for ClassifySpec {
    /// As small as DWS gets, deep sets instead of attention, and small batches: a processor without a graphics card takes
    /// seconds per epoch, and ten of them are well above chance.
    fn default() -> ClassifySpec {
        ClassifySpec {
            read: None,
            zoo: USUAL_TRAIN.to_owned(),
            negate: false,
            mixture: Mixture::None,
            epochs: 30,
            hidden: 8,
            sets: SetLayer::Ds,
            batch: 32,
            rate: OptimizerConfig::default().learning_rate,
            seed: 0,
        }
    }
}

impl ClassifySpec {
    pub(super) fn fields(&mut self, io: &mut impl Fields) {
        let usual = ClassifySpec::default();
        let fashion = OrNone(Whole(0, u64::from(FASHION) - 1));
        io.field("read", &fashion, &mut self.read, &usual.read);
        io.field("train-zoo", &Name, &mut self.zoo, &usual.zoo);
        io.field("train-negate", &SWITCH, &mut self.negate, &usual.negate);
        io.field("train-mix", &Choice(&MIXTURES), &mut self.mixture, &usual.mixture);
        io.field("train-epochs", &Whole(1, 1000), &mut self.epochs, &usual.epochs);
        io.field("train-hidden", &Features, &mut self.hidden, &usual.hidden);
        io.field("train-sets", &SETS, &mut self.sets, &usual.sets);
        io.field("train-batch", &Whole(4, 256), &mut self.batch, &usual.batch);
        io.field("train-rate", &Real(1e-7, 1.0), &mut self.rate, &usual.rate);
        io.field("train-seed", &Whole(0, u64::MAX), &mut self.seed, &usual.seed);
    }

    /// What is trained, whatever is read.
    pub fn training(&self) -> ClassifySpec {
        ClassifySpec { read: None, ..self.clone() }
    }

    /// What happens to a batch, as the command line calls it.
    pub fn augment(&self) -> String {
        let mixture = MIXTURES.iter().find(|(_, mixture)| *mixture == self.mixture);
        let mixture = mixture.map_or("none", |(name, _)| name);
        match (self.negate, self.mixture) {
            (false, _) => mixture.to_owned(),
            (true, Mixture::None) => "siren-negation".to_owned(),
            (true, _) => format!("siren-negation+{mixture}"),
        }
    }

    /// Everything that decides the training, apart from its networks. None of these are held out: the bench shows what happens on
    /// the test networks after every epoch, and chooses nothing by them.
    ///
    /// # Errors
    /// None for what an address can hold.
    pub fn config(&self) -> Result<TrainConfig, TrainError> {
        let augment: Augment = self.augment().parse()?;
        let hidden = self.hidden as usize;
        let set_layer = self.sets;
        let model = DwsConfig { hidden, hidden_layers: 1, set_layer, ..DwsConfig::default() };
        Ok(TrainConfig {
            seed: self.seed,
            epochs: self.epochs,
            batch: self.batch as usize,
            validation_share: 0.0,
            augment,
            optimizer: OptimizerConfig { learning_rate: self.rate, ..OptimizerConfig::default() },
            model: ModelConfig::Dws(model),
            ..TrainConfig::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weightlab_learn::Network;

    #[test]
    fn every_choice_can_be_trained() {
        for (_, mixture) in MIXTURES {
            for (negate, hidden, sets) in [(false, 8, SetLayer::Ds), (true, 64, SetLayer::Sab)] {
                let usual = ClassifySpec::default();
                let spec = ClassifySpec { negate, mixture, hidden, sets, ..usual };
                let config = spec.config().unwrap();
                assert!(config.validate().is_ok());
                assert_eq!(config.augment.text(), spec.augment());
                assert_eq!(config.augment.mix.is_some(), mixture != Mixture::None);
                assert_eq!(config.augment.ops.len(), usize::from(negate));
                assert!(Network::new(&config.model, &[2, 32, 32, 1], 10).is_ok(), "{spec:?}");
            }
        }
    }
}
