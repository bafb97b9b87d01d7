//#set ROWS 4
//#set MAXQ 2
//#include tensor/parts/attention_forward.wgsl
