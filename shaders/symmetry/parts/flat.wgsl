// A batch walked through as one array [nets * param_count], sixteen bytes a load: nets need not begin on such a
// boundary, so a quadruple may hold the end of one net and the beginning of the next.
//
// An invocation handles four quadruples, STEP apart. On a GPU STEP = 64, so that neighbours load side by side. A
// software renderer (STEP = 1) executes loads invocation by invocation, so the four lie side by side for each; there
// loads are dear and arithmetic is cheap, which is why places are computed (place.wgsl) and not looked up.
//
// The last quadruple may reach beyond the last net, into the padding of the buffer. Expects `shape`.

//#include shared/divide.wgsl

override STEP: u32;

// First of the four quadruples of an invocation.
fn first_quad(group: u32, lane: u32) -> u32 {
  return group * 256u + select(lane, 4u * lane, STEP == 1u);
}

fn quad_count() -> u32 {
  return (shape.nets * shape.param_count + 3u) / 4u;
}

// Parameter p of net `net`.
struct Spot {
  net: u32,
  p: u32,
}

fn spot_of(at: u32) -> Spot {
  let place = divide(at, shape.param_count);
  return Spot(place.x, place.y);
}

fn after(spot: Spot) -> Spot {
  let ends = spot.p + 1u == shape.param_count;
  return Spot(select(spot.net, spot.net + 1u, ends), select(spot.p + 1u, 0u, ends));
}
