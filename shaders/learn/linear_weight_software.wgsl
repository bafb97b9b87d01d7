// Gradient of many affine maps by their weights, see parts/linear_weight.wgsl.
// For software renderers: 8 threads, 16 x 16 numbers each, see linear_software.wgsl.

//#set THREADS 8
//#set TILES 8
//#set ACROSS 1
//#set QUADS 4
//#include learn/parts/linear_weight.wgsl
