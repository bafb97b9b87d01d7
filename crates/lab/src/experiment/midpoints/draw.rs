//! Which pairs an experiment looks at.

use super::{Kin, MidpointOptions};
use crate::error::LabError;
use std::collections::{BTreeMap, BTreeSet};
use weightlab_data::{Store, Zoo};
use weightlab_kernels::philox::{self, Purpose};

/// Draws for one pair before the zoo is taken to hold too few.
const ATTEMPTS: u32 = 1000;

/// Pairs without repetition, drawn from the seed: a network, and one of the others of its class or image.
pub(super) async fn draw<S: Store>(
    zoo: &Zoo<S>,
    options: &MidpointOptions,
) -> Result<Vec<(u64, u64)>, LabError> {
    let mut families: BTreeMap<i64, Vec<(u64, i64)>> = BTreeMap::new();
    let mut position = 0;
    for s in 0..zoo.manifest().shards.len() {
        let shard = zoo.read_shard(s).await?;
        for (&label, &object) in shard.labels.iter().zip(&shard.objects) {
            let family = if options.kin == Kin::Class { label } else { object };
            families.entry(family).or_default().push((position, object));
            position += 1;
        }
    }
    let all: Vec<(i64, u64, i64)> = families
        .iter()
        .filter(|(family, _)| options.kin == Kin::Image || **family >= 0)
        .flat_map(|(&family, nets)| nets.iter().map(move |&(p, object)| (family, p, object)))
        .collect();
    let too_few = |found: usize| LabError::TooFewPairs {
        store: zoo.store().describe(),
        kin: options.kin.name(),
        wanted: options.pairs,
        found,
    };
    let mut pairs = Vec::new();
    let mut seen = BTreeSet::new();
    let key = philox::key(options.seed);
    for n in 0..options.pairs as u32 {
        let mut found = None;
        for attempt in 0..ATTEMPTS {
            let words = philox::philox4x32([n, attempt, 0, Purpose::Sample as u32], key);
            let below = |word: u32, len: usize| ((u64::from(word) * len as u64) >> 32) as usize;
            let Some(&(family, a, object)) = all.get(below(words[0], all.len())) else { break };
            let kin = &families[&family];
            let (b, other) = kin[below(words[1], kin.len())];
            let suits = match options.kin {
                Kin::Class => object != other,
                Kin::Image => a != b,
            };
            if suits && seen.insert((a.min(b), a.max(b))) {
                found = Some((a, b));
                break;
            }
        }
        pairs.push(found.ok_or_else(|| too_few(pairs.len()))?);
    }
    Ok(pairs)
}
