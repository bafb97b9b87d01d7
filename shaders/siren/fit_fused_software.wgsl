// The fused fit for a software renderer: register tiles of 16 neurons x 16 points, everything in
// workgroup memory. Such a renderer pays by the load, lane by lane, and has a cache instead of
// registers: the larger the tile, the fewer loads per multiply-add, and what is kept in "registers"
// is cheap. For one hidden matrix at most: with more, compiling takes it half a minute.
//#set NI 16
//#set RQ 4
//#set NQ 4
//#set KEEP 1
//#include siren/parts/fit_fused.wgsl
//#include siren/parts/memory_workgroup.wgsl
