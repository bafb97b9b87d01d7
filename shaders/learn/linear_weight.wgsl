// Gradient of many affine maps by their weights, see parts/linear_weight.wgsl.
// For GPUs: 64 threads, 8 x 8 numbers each.

//#set THREADS 64
//#set TILES 1
//#set ACROSS 4
//#set QUADS 2
//#include learn/parts/linear_weight.wgsl
