// Gradient of many affine maps by their input, see parts/linear_input.wgsl.
// For GPUs: 64 threads, 8 x 8 numbers each; 16 vec4 loads feed 256 multiply-adds.

//#set THREADS 64
//#set ACROSS 4
//#set ROWS 8
//#set QUADS 2
//#include learn/parts/linear_input.wgsl
