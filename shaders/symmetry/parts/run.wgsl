// Neighbouring parameters of one net: an invocation handles RUN of them, a multiple of four.
//
// Nets do not begin at multiples of sixteen bytes, so numbers are loaded one by one; four of them share a block of
// random words. RUN = 4 on a GPU, where neighbours then load side by side, and 16 on software renderers, whose
// price is the access and not its order. Expects `shape`.

//#include shared/divide.wgsl

override RUN: u32;

struct Run {
  net: u32,
  // The first parameter, and where the net begins in the batch.
  p: u32,
  base: u32,
}

fn run_of(index: u32) -> Run {
  let at = divide(index, (shape.param_count + RUN - 1u) / RUN);
  return Run(at.x, at.y * RUN, at.x * shape.param_count);
}
