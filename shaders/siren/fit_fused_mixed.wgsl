// The fused fit with the memory placement `mixed`.
//#include siren/parts/fit_fused.wgsl
//#include siren/parts/memory_mixed.wgsl
