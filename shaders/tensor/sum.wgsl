alias T = f32;

//#include tensor/parts/sum.wgsl
