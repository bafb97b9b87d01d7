// State of one network of a fit, kept across dispatches.
struct NetState {
  status: u32,         // 0 running, 1 reached the target, 2 all steps done, 3 diverged
  steps: u32,          // updates applied
  mse: f32,            // loss last evaluated; of the stored parameters once not running
  pad: u32,
}
