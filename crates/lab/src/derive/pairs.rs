//! Pairs of networks, from a file.

use crate::error::LabError;
use std::collections::BTreeSet;
use weightlab_data::{Store, Zoo};
use weightlab_kernels::philox::{self, Purpose};
use weightlab_nets::align::Pair;
use weightlab_nets::symmetry::SymmetryError;

/// Characters of a line that messages repeat.
const SHOWN: usize = 40;

/// Among which networks partners are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pool {
    /// Those that are mixed.
    Same,
    /// All of the zoo, views that are left out otherwise included: what the reference code does.
    All,
}

/// Pairs of positions in a zoo: what stays, and what is moved towards it or mixed with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairList(pub Vec<(u64, u64)>);

impl PairList {
    /// Two positions per line, with a comma, a semicolon or white space between them; empty lines and what follows
    /// a `#` are left out. `file` is the name used in messages, `nets` the number of networks.
    ///
    /// # Errors
    /// A line that is something else, a position beyond the zoo, or no pair at all.
    pub fn parse(text: &str, file: &str, nets: u64) -> Result<PairList, LabError> {
        let mut pairs = Vec::new();
        // Editors of some systems begin a file with a byte order mark.
        for (i, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let content = line.split('#').next().unwrap_or_default().trim();
            if content.is_empty() {
                continue;
            }
            let wrong = |what: String, expected: String| LabError::PairsLine {
                file: file.to_owned(),
                line: i + 1,
                what,
                expected,
            };
            let pair = split_index(content).ok_or_else(|| {
                let shown: String = content.chars().take(SHOWN).collect();
                wrong(format!("`{shown}`"), "two positions of networks, such as 0,1".to_owned())
            })?;
            if let Some(beyond) = [pair.0, pair.1].into_iter().find(|&p| p >= nets) {
                return Err(wrong(
                    format!("there is no network {beyond}"),
                    format!("positions below {nets}, the number of networks"),
                ));
            }
            pairs.push(pair);
        }
        match pairs.is_empty() {
            true => Err(LabError::NoPairs { file: file.to_owned() }),
            false => Ok(PairList(pairs)),
        }
    }

    /// Every network of a zoo of `nets` with `reference` as its first.
    pub fn with_reference(reference: u64, nets: u64) -> PairList {
        PairList((0..nets).map(|net| (reference, net)).collect())
    }

    /// Every network of the first `views` views (all without) with a partner, drawn uniformly from the pool for its
    /// position; itself and its class included, as in the reference code. The draws are those of
    /// [`Partners`](weightlab_nets::mix::Partners) in the first epoch.
    ///
    /// # Errors
    /// A damaged shard, fewer views than wanted, or no network to mix.
    pub async fn with_partners<S: Store>(
        zoo: &Zoo<S>,
        views: Option<u32>,
        pool: Pool,
        seed: u64,
    ) -> Result<PairList, LabError> {
        if views == Some(0) {
            return Err(LabError::Zero { option: "--views" });
        }
        let mut mixed: Vec<u64> = Vec::new();
        let mut there: BTreeSet<i64> = BTreeSet::new();
        let mut position = 0;
        for s in 0..zoo.manifest().shards.len() {
            for view in zoo.read_shard(s).await?.views {
                there.insert(view);
                if views.is_none_or(|views| view < i64::from(views)) {
                    mixed.push(position);
                }
                position += 1;
            }
        }
        if let Some(wanted) = views.filter(|&wanted| wanted as usize > there.len()) {
            let (store, found) = (zoo.store().describe(), there.len());
            return Err(LabError::FewerViews { store, wanted, found });
        }
        let len = match pool {
            Pool::Same => mixed.len() as u64,
            Pool::All => position,
        };
        if mixed.is_empty() {
            return Err(LabError::NoPairs { file: zoo.store().describe() });
        }
        let partner = |&net: &u64| {
            let counter = [0, net as u32, (net >> 32) as u32, Purpose::Partner as u32];
            let word = philox::philox4x32(counter, philox::key(seed))[0];
            let at = ((u128::from(word) * u128::from(len)) >> 32) as u64;
            (net, if pool == Pool::Same { mixed[at as usize] } else { at })
        };
        Ok(PairList(mixed.iter().map(partner).collect()))
    }

    /// BLAKE3 of the pairs as lines `a,b`, to recognise a list by.
    pub(crate) fn hash(&self) -> String {
        let lines: String = self.0.iter().map(|(a, b)| format!("{a},{b}\n")).collect();
        weightlab_data::blake3_hex(lines.as_bytes())
    }

    /// Pairs `first ..` of a job, at most `count`: positions of the first nets, of the second nets, and the pairs
    /// as those of two batches that hold them.
    pub(crate) fn chunk(&self, first: usize, count: usize) -> (Vec<u64>, Vec<u64>, Vec<Pair>) {
        let part = &self.0[first..self.0.len().min(first + count)];
        let pair = |i: usize| {
            let number = (first + i) as u64;
            Pair { a: i as u32, b: i as u32, stream: [number as u32, (number >> 32) as u32] }
        };
        let (a, b) = part.iter().copied().unzip();
        (a, b, (0..part.len()).map(pair).collect())
    }
}

/// `3,7`, `3;7`, or `3 7`.
pub fn split_index(text: &str) -> Option<(u64, u64)> {
    let text = text.trim();
    let (a, b) = match text.split_once([',', ';']) {
        Some(parts) => parts,
        None => text.split_once(char::is_whitespace)?,
    };
    Some((a.trim().parse().ok()?, b.trim().parse().ok()?))
}

/// An error about pairs of a chunk, with positions in the zoo instead of the batch.
pub(crate) fn in_words(error: SymmetryError, a: &[u64], b: &[u64]) -> LabError {
    LabError::Symmetry(match error {
        SymmetryError::Overflow { a: i, b: j, layer } => {
            SymmetryError::Overflow { a: a[i] as usize, b: b[j] as usize, layer }
        }
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_separators_and_comments() {
        let text = "\u{feff}# pairs\n0,1\n 2\t3 # the third\r\n\n4 ;5\n6   7\n";
        let pairs = PairList::parse(text, "pairs.csv", 8).unwrap();
        assert_eq!(pairs.0, [(0, 1), (2, 3), (4, 5), (6, 7)]);
        let (a, b, chunk) = pairs.chunk(1, 2);
        assert_eq!((a, b), (vec![2, 4], vec![3, 5]));
        assert_eq!(chunk[1], Pair { a: 1, b: 1, stream: [2, 0] });
        assert_eq!(PairList::with_reference(2, 3).0, [(2, 0), (2, 1), (2, 2)]);
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        let told = |text: &str| PairList::parse(text, "p.txt", 4).unwrap_err().to_string();
        for bad in ["a,b", "1", "1,", "1,2,3", "-1,2", "1.0,2", "99999999999999999999,1"] {
            let error = told(&format!("0,1\n# fine\n{bad}"));
            assert!(error.starts_with(&format!("p.txt, line 3: `{bad}`")), "{error}");
        }
        let beyond = told("0,1\n3,4\n");
        assert!(beyond.contains("line 2") && beyond.contains("network 4"), "{beyond}");
        assert!(told("# none\n").contains("holds no pair"));
    }
}
