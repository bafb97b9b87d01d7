//#set ROWS 1
//#set MAXQ 8
//#include tensor/parts/attention_forward.wgsl
