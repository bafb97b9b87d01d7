// The fused fit: register tiles of 8 neurons x 8 points, memory placement `workgroup`.
// 64 accumulators and 64 for the weight gradient leave room for the operands within 255 registers.
//#set NI 8
//#set RQ 2
//#set NQ 2
//#set KEEP 0
//#include siren/parts/fit_fused.wgsl
//#include siren/parts/memory_workgroup.wgsl
