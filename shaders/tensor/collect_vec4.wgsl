alias T = vec4<f32>;

//#include tensor/parts/collect.wgsl
