alias T = f32;

//#include tensor/parts/collect.wgsl
