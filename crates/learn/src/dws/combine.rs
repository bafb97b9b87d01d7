//! Sums of all maps' outputs into the next state, and back. Kernels: `shaders/learn/combine*.wgsl`.

use super::layout::Columns;
use crate::calls::{Calls, Operand, Temp, threads, word};
use bytemuck::{Pod, Zeroable};
use weightlab_kernels as kernels;

/// Where a sum goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    /// Columns of the state.
    State,
    /// Columns of the terms of inner matrices.
    Extra,
}

/// Where a map left its output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum From {
    /// Set attention: o + relu(z), which share columns.
    Attended,
    /// An affine map of positions.
    Direct,
    /// A map of descriptors, one vector per net.
    Pooled,
}

/// `target[columns] += scale * from[columns]`; a narrower source repeats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Term {
    pub target: (Target, Columns),
    pub from: (From, Columns),
    pub scale: f32,
}

impl Term {
    /// Pairs of single quads.
    fn quads(&self) -> impl Iterator<Item = ((Target, usize), (From, usize), f32)> + '_ {
        let ((target, to), (from, source)) = (self.target, self.from);
        assert!(to.quads.is_multiple_of(source.quads), "{self:?}");
        (0..to.quads)
            .map(move |q| ((target, to.at + q), (from, source.at + q % source.quads), self.scale))
    }
}

/// All sums over one group of positions.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Combine {
    pub positions: usize,
    pub terms: Vec<Term>,
    /// Targets, which are all written, also those without terms.
    pub targets: Vec<(Target, Columns)>,
    /// Sources per position, whose gradients are all written.
    pub sources: Vec<(From, Columns)>,
    pub strides: Strides,
}

/// From one row to the next, in quads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Strides {
    pub state: usize,
    pub extra: usize,
    pub attended: usize,
    pub direct: usize,
    pub pooled: usize,
}

/// The buffers of a forward pass; absent ones are replaced by any.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sources {
    pub attended: Option<Temp>,
    pub mixed: Option<Temp>,
    pub direct: Option<Temp>,
    pub pooled: Temp,
}

/// What a backward pass starts from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given {
    pub state: Temp,
    /// Of the state and of the extra terms.
    pub gradients: [Temp; 2],
    pub mixed: Option<Temp>,
}

/// How a state is finished.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Finish {
    /// ReLU on the state.
    pub relu: bool,
    /// Add to what is in the state.
    pub accumulate: bool,
    /// Factor of gradients through the ReLU.
    pub factor: f32,
}

/// `Block` of `shaders/learn/parts/combine.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(crate) struct Uniform {
    pub rows: u32,
    pub positions: u32,
    pub columns: u32,
    pub relu: u32,
    pub state_stride: u32,
    pub extra_stride: u32,
    pub o_stride: u32,
    pub direct_stride: u32,
    pub pooled_stride: u32,
    pub accumulate: u32,
    pub factor: f32,
    pub pad: u32,
}

impl Combine {
    fn uniform(&self, nets: usize, columns: usize, finish: &Finish) -> Uniform {
        let s = &self.strides;
        Uniform {
            rows: word(nets * self.positions),
            positions: word(self.positions),
            columns: word(columns),
            relu: finish.relu.into(),
            state_stride: word(s.state),
            extra_stride: word(s.extra),
            o_stride: word(s.attended),
            direct_stride: word(s.direct),
            pooled_stride: word(s.pooled),
            accumulate: finish.accumulate.into(),
            factor: finish.factor,
            pad: 0,
        }
    }

    /// Writes all targets.
    pub fn forward(
        &self,
        calls: &mut Calls,
        nets: usize,
        from: &Sources,
        state: Temp,
        extra: Temp,
        finish: &Finish,
    ) {
        let columns: Vec<(Target, usize)> = self
            .targets
            .iter()
            .flat_map(|&(target, c)| (c.at..c.at + c.quads).map(move |q| (target, q)))
            .collect();
        let mut table = Table::new(columns.len());
        for &column in &columns {
            let terms = self.terms.iter().flat_map(Term::quads).filter(|(to, ..)| *to == column);
            let kind = |from| match from {
                From::Attended => 0,
                From::Direct => 1,
                From::Pooled => 2,
            };
            let head = [u32::from(column.0 == Target::Extra), word(column.1)];
            table.push(head, terms.map(|(_, (from, q), scale)| (kind(from), q, scale)));
        }
        let table = calls.table("combine", table.words());
        let pooled = from.pooled;
        let operands = [
            table,
            from.attended.unwrap_or(pooled),
            from.mixed.unwrap_or(pooled),
            from.direct.unwrap_or(pooled),
            pooled,
            state,
            extra,
        ];
        let uniform = self.uniform(nets, columns.len(), finish);
        let count = nets * self.positions * columns.len();
        let operands = operands.map(Operand::from);
        calls.call(&kernels::LEARN_COMBINE, &[], &uniform, &operands, threads(count));
    }

    /// The table of gradients by some columns, which begins `before` quads after the buffer.
    fn back_table(&self, columns: &[(From, usize)], before: usize) -> Vec<u32> {
        let mut table = Table::new(before + columns.len());
        for &column in columns {
            let terms = self.terms.iter().flat_map(Term::quads).filter(|(_, of, _)| *of == column);
            let head = [u32::from(column.0 == From::Direct), word(column.1)];
            let kind = |target| u32::from(target == Target::Extra);
            table.push(head, terms.map(|((target, q), _, scale)| (kind(target), q, scale)));
        }
        table.words()
    }

    /// Gradients of everything per position: `out` are those of attended, mixed and direct outputs.
    pub fn backward(
        &self,
        calls: &mut Calls,
        nets: usize,
        given: &Given,
        out: [Temp; 3],
        finish: &Finish,
    ) {
        let columns: Vec<(From, usize)> = self
            .sources
            .iter()
            .flat_map(|&(from, c)| (c.at..c.at + c.quads).map(move |q| (from, q)))
            .collect();
        if columns.is_empty() {
            return;
        }
        let uniform = self.uniform(nets, columns.len(), finish);
        let mut words: Vec<u32> = bytemuck::cast_slice(bytemuck::bytes_of(&uniform)).to_vec();
        let head = words.len() / 4;
        words.extend(self.back_table(&columns, head));
        let table = calls.table("combine back", words);
        let Given { state, gradients: [d_state, d_extra], mixed } = *given;
        let operands =
            [table, state, d_state, d_extra, mixed.unwrap_or(state), out[0], out[1], out[2]];
        let count = nets * self.positions * columns.len();
        let operands = operands.map(Operand::from);
        // The block is in the table.
        calls.call(&kernels::LEARN_COMBINE_BACK, &[], &(), &operands, threads(count));
    }

    /// Gradients of those columns of `pooled` that this group uses.
    pub fn pooled_backward(
        &self,
        calls: &mut Calls,
        nets: usize,
        state: Temp,
        gradients: [Temp; 2],
        d_pooled: Temp,
        finish: &Finish,
    ) {
        let mut columns: Vec<(From, usize)> = self
            .terms
            .iter()
            .flat_map(Term::quads)
            .map(|(_, of, _)| of)
            .filter(|(from, _)| *from == From::Pooled)
            .collect();
        columns.sort_unstable();
        columns.dedup();
        if columns.is_empty() {
            return;
        }
        let table = calls.table("combine pooled", self.back_table(&columns, 0));
        let [d_state, d_extra] = gradients;
        let uniform = self.uniform(nets, columns.len(), finish);
        calls.call(
            &kernels::LEARN_COMBINE_POOLED,
            &[],
            &uniform,
            &[table, state, d_state, d_extra, d_pooled].map(Operand::from),
            threads(nets * columns.len()),
        );
    }
}

/// Heads `(a, b, first term, terms)`, then terms `(kind, quad, scale, 0)`.
struct Table {
    heads: Vec<u32>,
    terms: Vec<u32>,
    /// Place of the first term.
    first: usize,
}

impl Table {
    fn new(first: usize) -> Table {
        Table { heads: Vec::new(), terms: Vec::new(), first }
    }

    fn push(&mut self, head: [u32; 2], terms: impl Iterator<Item = (u32, usize, f32)>) {
        let first = self.first + self.terms.len() / 4;
        let before = self.terms.len();
        for (kind, quad, scale) in terms {
            self.terms.extend([kind, word(quad), scale.to_bits(), 0]);
        }
        self.heads.extend(head);
        self.heads.extend([word(first), word((self.terms.len() - before) / 4)]);
    }

    fn words(self) -> Vec<u32> {
        let mut words = self.heads;
        words.extend(self.terms);
        words
    }
}
