// The fused fit, one workgroup per network, memory placement `workgroup`.
//#include siren/parts/fit_fused.wgsl
//#include siren/parts/memory_workgroup.wgsl
