alias T = vec4<f32>;
alias U = vec4<u32>;
alias B = vec4<bool>;

//#include tensor/parts/reduce_max.wgsl
