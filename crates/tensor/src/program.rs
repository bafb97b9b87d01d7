//! A plan on a device.

use crate::error::TensorError;
use crate::graph::{Kind, MAX_METRICS, METRIC_ROWS, STEP};
use crate::plan::{Place, Plan};
use crate::shape::{TensorId, Var};
use crate::store::ParamStore;
use crate::twin::Part;
use std::collections::BTreeMap;
use std::ops::Range;
use weightlab_gpu::{Buffer, Gpu, Prepared, Recording};
use weightlab_kernels as kernels;

/// Words of the block that changes with every run: seed (2), step, row of the metrics.
pub(crate) const STEP_WORDS: usize = 4;

/// What distinguishes one run from another, inputs apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pass {
    /// Key of the random numbers.
    pub seed: u64,
    /// Their counter: runs of different steps draw different numbers.
    pub step: u32,
    /// Row of the metrics, modulo [`METRIC_ROWS`].
    pub row: u32,
}

/// A plan with its buffers, pipelines and bindings: ready to run many times.
#[derive(Debug)]
pub struct Program {
    gpu: Gpu,
    plan: Plan,
    /// Those that are needed on the GPU.
    buffers: Vec<Option<Buffer>>,
    arenas: [Buffer; 3],
    prepared: Prepared,
    parts: Vec<Part>,
    #[cfg(not(target_arch = "wasm32"))]
    memory: crate::twin::Memory,
}

impl Program {
    /// Allocates and compiles.
    ///
    /// # Errors
    /// The GPU, or a store of other parameters.
    pub fn new(gpu: &Gpu, plan: Plan, store: &ParamStore) -> Result<Program, TensorError> {
        for (what, got, expected) in [
            ("parameters of the store", store.places(), plan.arenas[0]),
            ("state of the store", store.state_places(), plan.arenas[1]),
        ] {
            if got != expected {
                return Err(TensorError::Length { what: what.to_owned(), got, expected });
            }
        }
        let buffers = buffers(gpu, &plan, |i| plan.on_gpu[i])?;
        let arenas = store.arenas();
        let mut parts = plan.parts.clone();
        let mut recording = gpu.record();
        for part in &mut parts {
            // Kernels that have twins are not compiled, which may take longer than what they are for.
            let Part::Gpu(calls) = part else { continue };
            let first = recording.len();
            for call in calls.clone() {
                record(gpu, &plan, &buffers, &arenas, call, &mut recording)?;
            }
            *calls = first..recording.len();
        }
        let prepared = recording.prepare()?;
        Ok(Program {
            gpu: gpu.clone(),
            #[cfg(not(target_arch = "wasm32"))]
            memory: crate::twin::Memory::new(&plan),
            plan,
            buffers,
            arenas,
            prepared,
            parts,
        })
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The buffer of a whole input or kept tensor, for other kernels to write to or read from.
    ///
    /// # Panics
    /// For any other tensor.
    #[track_caller]
    pub fn buffer(&self, x: Var) -> &Buffer {
        match self.lasting(x) {
            Ok(buffer) => buffer,
            Err(error) => panic!("{error}"),
        }
    }

    /// Bytes of the memory of native twins, which is none of the GPU's.
    pub fn native_bytes(&self) -> u64 {
        #[cfg(not(target_arch = "wasm32"))]
        return self.memory.bytes();
        #[cfg(target_arch = "wasm32")]
        0
    }

    fn lasting(&self, x: Var) -> Result<&Buffer, TensorError> {
        let tensor = &self.plan.tensors[x.tensor.0 as usize];
        let lasts = tensor.kept || matches!(tensor.kind, Kind::Input);
        match self.plan.places.get(&x.tensor) {
            Some(&place) if lasts && x.is_contiguous() => {
                Ok(buffer_of(place, &self.buffers, &self.arenas))
            }
            _ => Err(TensorError::NotKept { name: tensor.label.clone() }),
        }
    }

    fn write_words(&self, x: Var, words: &[u32]) -> Result<(), TensorError> {
        if words.len() != x.len() {
            let what = self.plan.tensors[x.tensor.0 as usize].label.clone();
            return Err(TensorError::Length { what, got: words.len(), expected: x.len() });
        }
        self.gpu.write(self.lasting(x)?, 4 * x.offset as u64, words);
        Ok(())
    }

    /// Fills an input.
    ///
    /// # Errors
    /// Another number of elements, or not an input.
    pub fn write(&self, x: Var, data: &[f32]) -> Result<(), TensorError> {
        self.write_words(x, bytemuck::cast_slice(data))
    }

    /// Fills an input of row numbers.
    ///
    /// # Errors
    /// As [`Program::write`].
    pub fn write_indices(&self, x: Var, data: &[u32]) -> Result<(), TensorError> {
        self.write_words(x, data)
    }

    /// Runs everything: forward, and back if the graph does. Does not wait, but for native twins, if the device runs them.
    ///
    /// # Errors
    /// The GPU.
    pub fn run(&mut self, pass: &Pass) -> Result<(), TensorError> {
        self.write_pass(pass);
        for part in &self.parts {
            match part {
                Part::Gpu(dispatches) => self.prepared.submit_range(dispatches.clone())?,
                #[cfg(not(target_arch = "wasm32"))]
                Part::Twins { calls, fetch, send } => {
                    for &(place, words) in fetch {
                        let from = buffer_of(place, &self.buffers, &self.arenas);
                        self.memory.put(place, pollster::block_on(self.gpu.read(from, 0, words))?);
                    }
                    self.memory.run(&self.plan, calls.clone());
                    for &(place, words) in send {
                        let to = buffer_of(place, &self.buffers, &self.arenas);
                        self.gpu.write(to, 0, &self.memory.get(place)[..words]);
                    }
                }
                #[cfg(target_arch = "wasm32")]
                Part::Twins { .. } => unreachable!("a browser has no twins"),
            }
        }
        Ok(())
    }

    fn write_pass(&self, pass: &Pass) {
        let words: [u32; STEP_WORDS] =
            [pass.seed as u32, (pass.seed >> 32) as u32, pass.step, pass.row];
        if let Some(Place::Own(step)) = self.plan.places.get(&STEP) {
            self.gpu.write(buffer_of(Place::Own(*step), &self.buffers, &self.arenas), 0, &words);
        }
    }

    /// An input or kept tensor, after all that was submitted.
    ///
    /// # Errors
    /// The GPU, or a tensor that is not kept.
    pub async fn read(&self, x: Var) -> Result<Vec<f32>, TensorError> {
        Ok(self.gpu.read(self.lasting(x)?, x.offset, x.len()).await?)
    }

    /// Names of the metrics.
    pub fn metric_names(&self) -> &[String] {
        &self.plan.metrics
    }

    /// Metrics of these rows, `[rows][metrics]`.
    ///
    /// # Errors
    /// The GPU.
    ///
    /// # Panics
    /// If the range leaves the [`METRIC_ROWS`].
    pub async fn metrics(&self, rows: Range<usize>) -> Result<Vec<Vec<f32>>, TensorError> {
        assert!(rows.end <= METRIC_ROWS, "rows {rows:?} of {METRIC_ROWS}");
        let Some(&place) = self.plan.places.get(&TensorId(1)) else {
            return Ok(Vec::new());
        };
        let buffer = buffer_of(place, &self.buffers, &self.arenas);
        let (first, count) = (rows.start * MAX_METRICS, rows.len() * MAX_METRICS);
        let all: Vec<f32> = self.gpu.read(buffer, first, count).await?;
        let used = self.plan.metrics.len();
        Ok(all.chunks_exact(MAX_METRICS).map(|row| row[..used].to_vec()).collect())
    }

    /// Runs again, looking at every input, parameter and result: the name of the first that has a number that is not
    /// finite. Slow, and it allocates: for when a loss has turned out so.
    ///
    /// # Errors
    /// The GPU.
    pub async fn first_non_finite(&mut self, pass: &Pass) -> Result<Option<String>, TensorError> {
        self.write_pass(pass);
        let plan = &self.plan;
        // Kernels do all of it, also what has twins.
        let missing = buffers(&self.gpu, plan, |i| self.buffers[i].is_none())?;
        let all = self.buffers.iter().zip(missing);
        let own: Vec<_> = all.map(|(own, missing)| own.clone().or(missing)).collect();
        // Results are looked at after the last call that writes them: before, there may be gaps.
        let mut last: BTreeMap<TensorId, usize> = BTreeMap::new();
        for (i, call) in plan.calls.iter().enumerate() {
            last.extend(call.bindings().filter(|(_, written)| *written).map(|(t, _)| (t, i)));
        }
        // Of the metrics a run writes one row.
        last.retain(|id, _| !matches!(plan.tensors[id.0 as usize].kind, Kind::Metrics));
        let given = |id: &TensorId| {
            matches!(plan.tensors[id.0 as usize].kind, Kind::Input | Kind::Param(_))
        };
        let mut seen: Vec<TensorId> = plan.places.keys().copied().filter(given).collect();
        let flags = seen.len() + last.len();
        let found = self.gpu.upload("flags", &vec![0u32; flags.max(1)])?;
        let finite = self.gpu.pipeline(&kernels::TENSOR_FINITE, &[])?;
        let look = |recording: &mut Recording, id: TensorId, flag: usize| {
            let tensor = &plan.tensors[id.0 as usize];
            let block = [tensor.place() as u32, tensor.len() as u32, flag as u32, 0];
            let buffer = buffer_of(plan.places[&id], &own, &self.arenas);
            recording.dispatch_linear(
                &finite,
                &block,
                &[buffer, &found],
                tensor.len().div_ceil(256) as u32,
            );
        };
        let mut recording = self.gpu.record();
        for (flag, id) in seen.iter().enumerate() {
            look(&mut recording, *id, flag);
        }
        for (i, call) in plan.calls.iter().enumerate() {
            record(&self.gpu, plan, &own, &self.arenas, i, &mut recording)?;
            for (tensor, written) in call.bindings() {
                if written && last.get(&tensor) == Some(&i) {
                    look(&mut recording, tensor, seen.len());
                    seen.push(tensor);
                }
            }
        }
        recording.submit()?;
        let found: Vec<u32> = self.gpu.read(&found, 0, seen.len()).await?;
        let first = found.iter().position(|&f| f != 0);
        Ok(first.map(|i| plan.tensors[seen[i].0 as usize].label.clone()))
    }
}

/// Buffers of a program, with the constants in those that hold some.
fn buffers(
    gpu: &Gpu,
    plan: &Plan,
    wanted: impl Fn(usize) -> bool,
) -> Result<Vec<Option<Buffer>>, TensorError> {
    let made = |(i, &bytes)| wanted(i).then(|| gpu.buffer("tensor", bytes)).transpose();
    let buffers = plan.buffers.iter().enumerate().map(made).collect::<Result<Vec<_>, _>>()?;
    for (id, place) in &plan.places {
        if let (Kind::Constant(words), Place::Own(i)) = (&plan.tensors[id.0 as usize].kind, place)
            && let Some(buffer) = &buffers[*i]
        {
            gpu.write(buffer, 0, words);
        }
    }
    Ok(buffers)
}

fn buffer_of<'a>(place: Place, own: &'a [Option<Buffer>], arenas: &'a [Buffer; 3]) -> &'a Buffer {
    match place {
        Place::Own(i) => own[i].as_ref().expect("the plan knows what is needed on the GPU"),
        Place::Params => &arenas[0],
        Place::Gradients => &arenas[1],
        Place::State => &arenas[2],
    }
}

fn record(
    gpu: &Gpu,
    plan: &Plan,
    own: &[Option<Buffer>],
    arenas: &[Buffer; 3],
    call: usize,
    recording: &mut Recording,
) -> Result<(), TensorError> {
    let call = &plan.calls[call];
    let pipeline = gpu.pipeline(call.shader, &call.constants)?;
    let buffers: Vec<&Buffer> =
        call.buffers.iter().map(|id| buffer_of(plan.places[id], own, arenas)).collect();
    recording.dispatch_bytes(&pipeline, &call.uniform, &buffers, call.groups);
    Ok(())
}
