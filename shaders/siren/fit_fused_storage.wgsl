// The fused fit with the memory placement `storage`.
//#include siren/parts/fit_fused.wgsl
//#include siren/parts/memory_storage.wgsl
