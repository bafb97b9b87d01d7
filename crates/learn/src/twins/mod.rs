//! Native twins of this crate's kernels, for devices that are this processor (see `weightlab_tensor`'s `twin.rs`): the same tables, strides
//! and sums, in f32. Each says which kernel it is the twin of; equations and layouts stand there. Products of matrices work on tiles of eight
//! rows (`tile.rs`), attention on the queries of a net; what takes time does so on all cores, with the processor's vectors.

mod attention;
mod entries;
mod linear;
mod state;
mod tile;

use weightlab_kernels::{self as kernels, Shader};
use weightlab_tensor::Twin;

/// The twin of a kernel, if it has one.
pub(crate) fn of(shader: &'static Shader) -> Option<Twin> {
    let known: [(&Shader, Twin); 20] = [
        (&kernels::LEARN_EMBED, state::embed),
        (&kernels::LEARN_LINEAR_SOFTWARE, linear::forward),
        (&kernels::LEARN_LINEAR_INPUT_SOFTWARE, linear::input),
        (&kernels::LEARN_LINEAR_WEIGHT_SOFTWARE, linear::weight),
        (&kernels::LEARN_LINEAR_REDUCE, linear::reduce),
        (&kernels::LEARN_ATTENTION, attention::forward_groups),
        (&kernels::LEARN_ATTENTION_NARROW, attention::forward_groups),
        (&kernels::LEARN_ATTENTION_SOFTWARE, attention::forward_lanes),
        (&kernels::LEARN_ATTENTION_BACK, attention::back_groups),
        (&kernels::LEARN_ATTENTION_BACK_NARROW, attention::back_groups),
        (&kernels::LEARN_ATTENTION_BACK_SOFTWARE, attention::back_lanes),
        (&kernels::LEARN_ENTRIES_SOFTWARE, entries::forward),
        (&kernels::LEARN_ENTRIES_INPUT_SOFTWARE, entries::input),
        (&kernels::LEARN_COMBINE, state::combine),
        (&kernels::LEARN_COMBINE_BACK, state::combine_back),
        (&kernels::LEARN_COMBINE_POOLED, state::combine_pooled),
        (&kernels::LEARN_POOL_ENTRIES, state::pool_entries),
        (&kernels::LEARN_POOL_POSITIONS, state::pool_positions),
        (&kernels::LEARN_POOL_POSITIONS_BACK, state::pool_positions_back),
        (&kernels::LEARN_MASK, state::mask),
    ];
    known.into_iter().find(|(s, _)| std::ptr::eq(*s, shader)).map(|(_, twin)| twin)
}
