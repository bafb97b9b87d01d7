// The fused fit, one workgroup per network, memory placement `storage`.
//#include siren/parts/fit_fused.wgsl
//#include siren/parts/memory_storage.wgsl
