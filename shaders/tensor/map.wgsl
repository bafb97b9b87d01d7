alias T = f32;

//#include tensor/parts/map.wgsl
