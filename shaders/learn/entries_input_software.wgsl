// Gradient of the equivariant map of a matrix by its input, see parts/matrix_input.wgsl.
// For software renderers: 16 threads, the lanes of two vectors, 8 x 16 numbers each. Fewer than in linear_software.wgsl, because what
// is done to each number at the end is more, and compiling it takes seconds.

//#set THREADS 16
//#set ACROSS 1
//#set ROWS 8
//#set QUADS 4
//#include learn/parts/matrix_input.wgsl
