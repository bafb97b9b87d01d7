alias T = f32;
alias U = u32;
alias B = bool;

//#include tensor/parts/reduce_max.wgsl
