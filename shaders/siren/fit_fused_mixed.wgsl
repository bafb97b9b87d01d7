// The fused fit, one workgroup per network, memory placement `mixed`.
//#include siren/parts/fit_fused.wgsl
//#include siren/parts/memory_mixed.wgsl
