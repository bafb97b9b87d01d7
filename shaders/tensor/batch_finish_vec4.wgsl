alias T = vec4<f32>;

//#include tensor/parts/batch_finish.wgsl
