//#set TILE 64
//#include tensor/parts/matmul_vec4.wgsl
//#include tensor/parts/matmul_gpu.wgsl
