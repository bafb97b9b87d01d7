//#set TILE 64
//#include tensor/parts/matmul_scalar.wgsl
//#include tensor/parts/matmul_gpu.wgsl
