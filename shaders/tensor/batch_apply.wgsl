alias T = f32;

//#include tensor/parts/batch_apply.wgsl
