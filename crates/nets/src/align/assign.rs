//! Linear assignment problems on the GPU. Kernel: `shaders/align/assign.wgsl`.

use super::MAX_MATCH_WIDTH;
use super::shape::Shape;
use crate::symmetry::SymmetryError;
use weightlab_gpu::Gpu;
use weightlab_kernels::ALIGN_ASSIGN;

/// Columns of least total cost for every row, one problem per entry of `problems`, each `(n, costs
/// [n, n])` with n up to [`MAX_MATCH_WIDTH`].
///
/// # Errors
/// A matrix that is not n x n, too large or not finite, or the GPU.
pub async fn solve_assignments(
    gpu: &Gpu,
    problems: &[(usize, Vec<f32>)],
) -> Result<Vec<Vec<usize>>, SymmetryError> {
    for (i, (n, costs)) in problems.iter().enumerate() {
        if costs.len() != n * n || *n == 0 || *n > MAX_MATCH_WIDTH {
            return Err(SymmetryError::Length {
                what: "costs of an assignment of 1 to 128 rows",
                got: costs.len(),
                expected: n * n,
            });
        }
        if let Some(entry) = costs.iter().position(|c| !c.is_finite()) {
            return Err(SymmetryError::NotFinite { net: i, layer: 0, tensor: "cost", entry });
        }
    }
    let widest = problems.iter().map(|(n, _)| *n).max().unwrap_or(1);
    let shape = Shape::choose(gpu, widest, widest);
    let side = shape.side as usize;
    let pipeline = gpu.pipeline(&ALIGN_ASSIGN, &shape.assign_constants())?;
    let mut all = Vec::with_capacity(problems.len());
    let most = (gpu.report().max_binding_bytes / (side * side * 4) as u64).clamp(1, 2048) as usize;
    for chunk in problems.chunks(most) {
        let mut padded = vec![0f32; chunk.len() * side * side];
        for ((n, costs), into) in chunk.iter().zip(padded.chunks_exact_mut(side * side)) {
            for (row, into) in costs.chunks_exact(*n).zip(into.chunks_exact_mut(side)) {
                into[..*n].copy_from_slice(row);
            }
        }
        let sizes: Vec<u32> = chunk.iter().map(|(n, _)| *n as u32).collect();
        let sizes = gpu.upload("sizes", &sizes)?;
        let costs = gpu.upload("costs", &padded)?;
        let columns = gpu.buffer("columns", (chunk.len() * side * 4) as u64)?;
        let mut recording = gpu.record();
        let count = chunk.len() as u32;
        let block = [count, 0, 0, 0];
        recording.dispatch_linear(&pipeline, &block, &[&sizes, &costs, &columns], count);
        recording.submit()?;
        let columns: Vec<u32> = gpu.read(&columns, 0, chunk.len() * side).await?;
        for ((n, _), row) in chunk.iter().zip(columns.chunks_exact(side)) {
            all.push(row[..*n].iter().map(|&c| c as usize).collect());
        }
    }
    Ok(all)
}
