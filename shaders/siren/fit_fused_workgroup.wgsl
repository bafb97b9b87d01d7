// The fused fit with the memory placement `workgroup`.
//#include siren/parts/fit_fused.wgsl
//#include siren/parts/memory_workgroup.wgsl
