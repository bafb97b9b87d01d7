//! Parameters on the GPU with everything that belongs to them.

use crate::error::TensorError;
use crate::params::{Arena, ParamSet};
use weightlab_gpu::{Buffer, Gpu};

/// How parameters are updated. Rates and weight decay come with every step, see
/// [`UpdateSettings`](crate::UpdateSettings).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Optimizer {
    /// Gradient descent with momentum; weight decay is added to the gradient.
    Sgd {
        /// Share of the last step that is kept.
        momentum: f32,
    },
    /// Adam (Kingma & Ba 2015); weight decay is added to the gradient.
    Adam {
        /// Decay of the first moment.
        beta1: f32,
        /// Decay of the second.
        beta2: f32,
        /// Added to the root of the second.
        epsilon: f32,
        /// Use the greatest second moment so far (Reddi et al. 2018), as PyTorch does it: before bias correction.
        amsgrad: bool,
    },
    /// Adam with weight decay apart from the gradient (Loshchilov & Hutter 2019).
    AdamW {
        /// Decay of the first moment.
        beta1: f32,
        /// Decay of the second.
        beta2: f32,
        /// Added to the root of the second.
        epsilon: f32,
        /// As for Adam.
        amsgrad: bool,
    },
}

impl Optimizer {
    /// AdamW with PyTorch's betas and epsilon.
    pub fn adamw(amsgrad: bool) -> Optimizer {
        Optimizer::AdamW { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, amsgrad }
    }

    /// Adam with PyTorch's betas and epsilon.
    pub fn adam() -> Optimizer {
        Optimizer::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, amsgrad: false }
    }

    /// Arenas of moments.
    pub(crate) fn moments(&self) -> usize {
        match *self {
            Optimizer::Sgd { .. } => 1,
            Optimizer::Adam { amsgrad, .. } | Optimizer::AdamW { amsgrad, .. } => {
                2 + usize::from(amsgrad)
            }
        }
    }
}

/// Values, gradients, moments and state of a [`ParamSet`] on the GPU.
#[derive(Clone, Debug)]
pub struct ParamStore {
    gpu: Gpu,
    set: ParamSet,
    optimizer: Optimizer,
    values: Buffer,
    gradients: Buffer,
    state: Buffer,
    moments: Vec<Buffer>,
}

impl ParamStore {
    /// Uploads values, one number per parameter in the order of the set, and state; moments are zero.
    ///
    /// # Errors
    /// Another number of values, or the GPU.
    pub fn new(
        gpu: &Gpu,
        set: &ParamSet,
        values: &[f32],
        state: &[f32],
        optimizer: &Optimizer,
    ) -> Result<ParamStore, TensorError> {
        let zeros = vec![0f32; set.params.places()];
        let zero = |label: &str| gpu.upload(label, &zeros);
        Ok(ParamStore {
            gpu: gpu.clone(),
            set: set.clone(),
            optimizer: *optimizer,
            values: gpu.upload("parameters", &spread(&set.params, "parameters", values)?)?,
            gradients: zero("gradients")?,
            state: gpu.upload("state", &spread(&set.state, "state", state)?)?,
            moments: (0..optimizer.moments()).map(|_| zero("moments")).collect::<Result<_, _>>()?,
        })
    }

    /// GPU bytes that a store takes.
    pub fn bytes(set: &ParamSet, optimizer: &Optimizer) -> u64 {
        let arena = crate::plan::bytes_of;
        arena(set.params.places()) * (2 + optimizer.moments() as u64) + arena(set.state.places())
    }

    /// Names and shapes.
    pub fn set(&self) -> &ParamSet {
        &self.set
    }

    /// How the parameters are updated.
    pub fn optimizer(&self) -> &Optimizer {
        &self.optimizer
    }

    pub(crate) fn places(&self) -> usize {
        self.set.params.places()
    }

    pub(crate) fn state_places(&self) -> usize {
        self.set.state.places()
    }

    /// Values, gradients and state.
    pub(crate) fn arenas(&self) -> [Buffer; 3] {
        [self.values.clone(), self.gradients.clone(), self.state.clone()]
    }

    /// The values on the GPU; every tensor begins at a multiple of four numbers.
    pub fn values(&self) -> &Buffer {
        &self.values
    }

    /// Their gradients, in the same places: for kernels beside a [`Program`](crate::Program).
    pub fn gradients_buffer(&self) -> &Buffer {
        &self.gradients
    }

    pub(crate) fn moment_buffers(&self) -> &[Buffer] {
        &self.moments
    }

    async fn read(&self, arena: &Arena, buffer: &Buffer) -> Result<Vec<f32>, TensorError> {
        Ok(arena.pack(&self.gpu.read(buffer, 0, arena.places()).await?))
    }

    /// The values.
    ///
    /// # Errors
    /// The GPU.
    pub async fn params(&self) -> Result<Vec<f32>, TensorError> {
        self.read(&self.set.params, &self.values).await
    }

    /// The gradients of the last run.
    ///
    /// # Errors
    /// The GPU.
    pub async fn gradients(&self) -> Result<Vec<f32>, TensorError> {
        self.read(&self.set.params, &self.gradients).await
    }

    /// What is not trained.
    ///
    /// # Errors
    /// The GPU.
    pub async fn state(&self) -> Result<Vec<f32>, TensorError> {
        self.read(&self.set.state, &self.state).await
    }

    /// The optimiser's memory, one vector after another, each as long as the parameters.
    ///
    /// # Errors
    /// The GPU.
    pub async fn moments(&self) -> Result<Vec<f32>, TensorError> {
        let mut all = Vec::with_capacity(self.moments_len());
        for buffer in &self.moments {
            all.extend(self.read(&self.set.params, buffer).await?);
        }
        Ok(all)
    }

    /// Length of [`ParamStore::moments`].
    pub fn moments_len(&self) -> usize {
        self.set.len() * self.moments.len()
    }

    /// Replaces the values.
    ///
    /// # Errors
    /// Another number of values.
    pub fn write_params(&self, values: &[f32]) -> Result<(), TensorError> {
        self.gpu.write(&self.values, 0, &spread(&self.set.params, "parameters", values)?);
        Ok(())
    }

    /// Replaces the gradients, as a test of an optimiser does.
    ///
    /// # Errors
    /// Another number of values.
    pub fn write_gradients(&self, values: &[f32]) -> Result<(), TensorError> {
        self.gpu.write(&self.gradients, 0, &spread(&self.set.params, "gradients", values)?);
        Ok(())
    }

    /// Replaces the state.
    ///
    /// # Errors
    /// Another number of values.
    pub fn write_state(&self, values: &[f32]) -> Result<(), TensorError> {
        self.gpu.write(&self.state, 0, &spread(&self.set.state, "state", values)?);
        Ok(())
    }

    /// Replaces the optimiser's memory.
    ///
    /// # Errors
    /// Another number of values.
    pub fn write_moments(&self, values: &[f32]) -> Result<(), TensorError> {
        if values.len() != self.moments_len() {
            return Err(length("moments", values.len(), self.moments_len()));
        }
        for (buffer, values) in self.moments.iter().zip(values.chunks(self.set.len().max(1))) {
            self.gpu.write(buffer, 0, &spread(&self.set.params, "moments", values)?);
        }
        Ok(())
    }
}

fn length(what: &str, got: usize, expected: usize) -> TensorError {
    TensorError::Length { what: what.to_owned(), got, expected }
}

fn spread(arena: &Arena, what: &str, values: &[f32]) -> Result<Vec<f32>, TensorError> {
    if values.len() != arena.len() {
        return Err(length(what, values.len(), arena.len()));
    }
    Ok(arena.spread(values))
}
