alias T = f32;

//#include tensor/parts/batch_stats.wgsl
