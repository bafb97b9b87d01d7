//! Which parameters a model has and where they lie.

/// A trainable tensor of a [`ParamSet`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParamId(pub(crate) usize);

/// A tensor of a [`ParamSet`] that is not trained, as running statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StateId(pub(crate) usize);

/// A named tensor of an arena.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Name, for messages and files.
    pub name: String,
    /// Shape.
    pub shape: Vec<usize>,
    /// First number in vectors on the host, which have no gaps.
    pub offset: usize,
    /// First number on the GPU: a multiple of [`ALIGN`], so that kernels can load four at once.
    pub(crate) place: usize,
}

impl Entry {
    /// First number on the GPU; all tensors begin at multiples of four.
    pub fn place(&self) -> usize {
        self.place
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Tensors begin at multiples of this many numbers.
pub(crate) const ALIGN: usize = 4;

/// Tensors one after another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Arena {
    pub entries: Vec<Entry>,
}

impl Arena {
    fn add(&mut self, name: String, shape: &[usize]) -> usize {
        let offset = self.len();
        let place = self.places();
        self.entries.push(Entry { name, shape: shape.to_vec(), offset, place });
        self.entries.len() - 1
    }

    /// Numbers on the host.
    pub fn len(&self) -> usize {
        self.entries.last().map_or(0, |e| e.offset + e.len())
    }

    /// Numbers on the GPU, gaps included.
    pub fn places(&self) -> usize {
        self.entries.last().map_or(0, |e| (e.place + e.len()).next_multiple_of(ALIGN))
    }

    /// From the host's order to the GPU's, zeros in the gaps.
    pub fn spread(&self, values: &[f32]) -> Vec<f32> {
        let mut out = vec![0.0; self.places()];
        for e in &self.entries {
            out[e.place..e.place + e.len()].copy_from_slice(&values[e.offset..e.offset + e.len()]);
        }
        out
    }

    /// Back.
    pub fn pack(&self, spread: &[f32]) -> Vec<f32> {
        self.entries
            .iter()
            .flat_map(|e| spread[e.place..e.place + e.len()].iter().copied())
            .collect()
    }
}

/// The parameters of a model, in the order in which they were added: names and shapes, no values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParamSet {
    pub(crate) params: Arena,
    pub(crate) state: Arena,
}

impl ParamSet {
    /// None yet.
    pub fn new() -> ParamSet {
        ParamSet::default()
    }

    /// Adds a trainable tensor.
    pub fn add(&mut self, name: impl Into<String>, shape: &[usize]) -> ParamId {
        ParamId(self.params.add(name.into(), shape))
    }

    /// Adds a tensor that the optimiser leaves alone.
    pub fn add_state(&mut self, name: impl Into<String>, shape: &[usize]) -> StateId {
        StateId(self.state.add(name.into(), shape))
    }

    /// Trainable numbers in all.
    pub fn len(&self) -> usize {
        self.params.len()
    }

    /// Whether nothing is trainable.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Numbers that are not trained.
    pub fn state_len(&self) -> usize {
        self.state.len()
    }

    /// The trainable tensors; [`ParamId`]s count them in this order.
    pub fn entries(&self) -> &[Entry] {
        &self.params.entries
    }

    /// The others.
    pub fn state_entries(&self) -> &[Entry] {
        &self.state.entries
    }

    /// Name, shape and place of a trainable tensor.
    pub fn entry(&self, id: ParamId) -> &Entry {
        &self.params.entries[id.0]
    }

    /// Name, shape and place of another.
    pub fn state_entry(&self, id: StateId) -> &Entry {
        &self.state.entries[id.0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_exist_on_the_gpu_alone() {
        let mut set = ParamSet::new();
        set.add("a", &[3]);
        let b = set.add("b", &[2, 2]);
        assert_eq!((set.len(), set.entry(b).offset, set.entry(b).place), (7, 3, 4));
        let values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];
        let spread = set.params.spread(&values);
        assert_eq!(spread, [1.0, 2.0, 3.0, 0.0, 4.0, 5.0, 6.0, 7.0]);
        assert_eq!(set.params.pack(&spread), values);
    }
}
