// Equivariant map of a matrix, see parts/matrix_forward.wgsl.
// For software renderers: 8 threads, the lanes of one vector, 16 x 16 numbers each. A load costs as much there as some fifty
// multiply-adds, and spilt accumulators cost next to nothing; 32 vec4 loads feed 1,024 multiply-adds.

//#set THREADS 8
//#set ACROSS 1
//#set ROWS 16
//#set QUADS 4
//#include learn/parts/matrix_forward.wgsl
