// One number into the row of metrics of this run: metrics[row % rows][column] = x. One thread.

struct Metric {
  place: u32,
  column: u32,
  columns: u32,
  rows: u32,
}

@group(0) @binding(0) var<uniform> metric: Metric;
@group(0) @binding(1) var<storage, read> step: array<u32>;   // see program.rs
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> metrics: array<f32>;

@compute @workgroup_size(1)
fn main() {
  metrics[(step[3] % metric.rows) * metric.columns + metric.column] = x[metric.place];
}
