//#set NI 8
//#set NR 2
//#set NQ 2
//#include tensor/parts/matmul_scalar.wgsl
//#include tensor/parts/matmul_software.wgsl
