//#set NI 8
//#set NR 2
//#set NQ 4
//#include tensor/parts/matmul_vec4.wgsl
//#include tensor/parts/matmul_software.wgsl
