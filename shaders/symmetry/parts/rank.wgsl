// A uniform permutation of every hidden layer: a neuron goes to the rank of its random key. Sorting by rank costs width^2
// comparisons, all independent, instead of the chain of swaps of a shuffle. Four neurons at a time, since they share a block of
// random words.
// Expects `shape`.

//#include shared/philox.wgsl

// The words of neurons 4 q to 4 q + 3, for the subject s: the identity of a net, the stream of a pair.
fn words_of(s: vec2<u32>, q: u32) -> vec4<u32> {
  return philox4x32(vec4<u32>(q, s, shape.stream), shape.seed);
}

// First neuron of the layer of each of the four, and the one after its last.
struct Span {
  first: vec4<u32>,
  end: vec4<u32>,
}

fn span_of(q: u32) -> Span {
  let h = vec4<u32>(4u * q) + vec4<u32>(0u, 1u, 2u, 3u);
  var first = vec4<u32>();
  var end = vec4<u32>(shape.layer[0].w);
//#for l in 1..8
  {
    // Layers that do not exist have no first neuron that is low enough.
    let here = h >= vec4<u32>(shape.neuron[$l].x);
    first = select(first, vec4<u32>(shape.neuron[$l].x), here);
    end = select(end, vec4<u32>(shape.neuron[$l].x + shape.layer[$l].w), here);
  }
//#end
  return Span(first, end);
}

// New numbers of the four.
fn ranked(s: vec2<u32>, q: u32, span: Span) -> vec4<u32> {
  let own = words_of(s, q);
  let h = vec4<u32>(4u * q) + vec4<u32>(0u, 1u, 2u, 3u);
  var rank = span.first;
  for (var other = span.first.x / 4u; other <= (span.end.w - 1u) / 4u; other++) {
    let words = words_of(s, other);
//#for i in 0..4
    {
      let g = vec4<u32>(4u * other + $iu);
      let word = vec4<u32>(words[$i]);
      let before = (word < own) | ((word == own) & (g < h));
      rank += select(vec4<u32>(), vec4<u32>(1u), before & (g >= span.first) & (g < span.end));
    }
//#end
  }
  return rank;
}
