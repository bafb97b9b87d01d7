// A uniform permutation of a layer: neuron h goes to the rank of its random key. Sorting by rank costs width^2
// comparisons, all independent, instead of the chain of swaps of a shuffle.
// Expects `shape`.

//#include shared/philox.wgsl

// The words of neurons h / 4 * 4 and the next three, for the subject s: the identity of a net, the stream of a pair.
fn words_of(s: vec2<u32>, h: u32) -> vec4<u32> {
  return philox4x32(vec4<u32>(h / 4u, s, shape.stream), shape.seed);
}

// New place within its layer of neuron h, in a layer of `width` neurons from `first` on.
fn rank_of(s: vec2<u32>, h: u32, first: u32, width: u32) -> u32 {
  let word = words_of(s, h)[h % 4u];
  var rank = 0u;
  for (var other = first / 4u; other <= (first + width - 1u) / 4u; other++) {
    let words = words_of(s, 4u * other);
//#for i in 0..4
    {
      let g = 4u * other + $iu;
      if g >= first && g < first + width && (words[$i] < word || (words[$i] == word && g < h)) {
        rank++;
      }
    }
//#end
  }
  return rank;
}
