//! Nets of one architecture on the GPU, in the layout of the files: what augmentation, alignment and
//! mixing work on.

use crate::symmetry::{Block, SymmetryError, flat_step, run_length};
use crate::{Mlp, NetId};
use weightlab_gpu::{Buffer, Gpu, Recording};
use weightlab_kernels as kernels;

/// `nets` networks in one buffer, `[nets, P]` row-major, with the identities that their random draws
/// are made for.
#[derive(Clone, Debug)]
pub struct NetBatch {
    gpu: Gpu,
    mlp: Mlp,
    nets: usize,
    params: Buffer,
    ids: Buffer,
}

impl NetBatch {
    /// Nets with parameters `[nets, P]`; `ids` has one entry per net.
    ///
    /// # Errors
    /// Lengths that do not fit, the architecture, or the GPU.
    pub fn upload(
        gpu: &Gpu,
        mlp: &Mlp,
        params: &[f32],
        ids: &[NetId],
    ) -> Result<NetBatch, SymmetryError> {
        let expected = ids.len() * mlp.param_count();
        if params.len() != expected {
            return Err(SymmetryError::Length {
                what: "parameters of a batch",
                got: params.len(),
                expected,
            });
        }
        let batch = NetBatch::empty(gpu, mlp, ids.len())?;
        gpu.write(&batch.params, 0, params);
        batch.set_ids(ids)?;
        Ok(batch)
    }

    /// Room for `nets` networks; contents and identities are undefined until a kernel writes them.
    ///
    /// # Errors
    /// The architecture, or the GPU.
    pub fn empty(gpu: &Gpu, mlp: &Mlp, nets: usize) -> Result<NetBatch, SymmetryError> {
        mlp.validate()?;
        Ok(NetBatch {
            gpu: gpu.clone(),
            mlp: mlp.clone(),
            nets,
            params: gpu.buffer("nets", NetBatch::bytes(mlp, nets))?,
            ids: gpu.buffer("net ids", nets as u64 * 8)?,
        })
    }

    /// Bytes of the parameters of `nets` networks.
    pub fn bytes(mlp: &Mlp, nets: usize) -> u64 {
        (nets * mlp.param_count() * 4) as u64
    }

    /// Most networks that one batch can hold on this device.
    pub fn most_nets(gpu: &Gpu, mlp: &Mlp) -> usize {
        (gpu.report().max_binding_bytes / NetBatch::bytes(mlp, 1)) as usize
    }

    /// The same nets under other identities, so with other draws.
    ///
    /// # Errors
    /// Not one identity per net.
    pub fn set_ids(&self, ids: &[NetId]) -> Result<(), SymmetryError> {
        if ids.len() != self.nets {
            return Err(SymmetryError::Length {
                what: "identities of a batch",
                got: ids.len(),
                expected: self.nets,
            });
        }
        let words: Vec<[u32; 2]> = ids.iter().map(|id| [id.object, id.view]).collect();
        self.gpu.write(&self.ids, 0, &words);
        Ok(())
    }

    /// The device.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// The architecture.
    pub fn mlp(&self) -> &Mlp {
        &self.mlp
    }

    /// Number of networks.
    pub fn len(&self) -> usize {
        self.nets
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.nets == 0
    }

    /// The parameters, `[nets, P]` f32.
    pub fn params(&self) -> &Buffer {
        &self.params
    }

    /// The identities, `[nets, 2]` u32: object, view.
    pub fn ids(&self) -> &Buffer {
        &self.ids
    }

    /// Copies the parameters back, `[nets, P]`.
    ///
    /// # Errors
    /// The GPU.
    pub async fn read(&self) -> Result<Vec<f32>, SymmetryError> {
        Ok(self.gpu.read(&self.params, 0, self.nets * self.mlp.param_count()).await?)
    }

    /// The nets at `indices`, as a new batch. Repetitions are allowed.
    ///
    /// # Errors
    /// An index out of range, or the GPU.
    pub fn pick(&self, indices: &[u32]) -> Result<NetBatch, SymmetryError> {
        if let Some(&index) = indices.iter().find(|&&i| i as usize >= self.nets) {
            return Err(SymmetryError::Index { index: index as usize, nets: self.nets });
        }
        let into = NetBatch::empty(&self.gpu, &self.mlp, indices.len())?;
        let list = self.gpu.upload("indices", indices)?;
        let mut recording = self.gpu.record();
        self.record_pick(&mut recording, &list, &into)?;
        recording.submit()?;
        Ok(into)
    }

    /// Records `into[n] = self[indices[n]]` for every net of `into`: for indices that are on the GPU
    /// already, all below [`NetBatch::len`].
    ///
    /// # Errors
    /// Another architecture, or the GPU.
    pub fn record_pick(
        &self,
        recording: &mut Recording,
        indices: &Buffer,
        into: &NetBatch,
    ) -> Result<(), SymmetryError> {
        self.record_pick_from(recording, indices, 0, into)
    }

    /// As [`NetBatch::record_pick`], with the indices from position `first` on.
    ///
    /// # Errors
    /// Another architecture, or the GPU.
    ///
    /// # Panics
    /// If there are fewer indices than nets of `into`: a mistake in the caller.
    pub fn record_pick_from(
        &self,
        recording: &mut Recording,
        indices: &Buffer,
        first: usize,
        into: &NetBatch,
    ) -> Result<(), SymmetryError> {
        self.same_architecture(into)?;
        let end = first + into.nets;
        assert!(4 * end as u64 <= indices.bytes(), "{end} indices exceed their buffer");
        let run = run_length(&self.gpu);
        let pipeline = self.gpu.pipeline(&kernels::SYMMETRY_PICK, &[("RUN", run)])?;
        let block = Block { extra: [first as u32, 0, 0, 0], ..Block::new(&self.mlp, into.nets) };
        let buffers = [indices, &self.params, &self.ids, &into.params, &into.ids];
        recording.dispatch_linear(&pipeline, &block, &buffers, block.run_groups(run));
        Ok(())
    }

    /// Records a copy of the parameters into `into`, as fast as a kernel copies on this device.
    ///
    /// # Errors
    /// Another architecture, or the GPU.
    pub fn record_copy(
        &self,
        recording: &mut Recording,
        into: &NetBatch,
    ) -> Result<(), SymmetryError> {
        self.same_architecture(into)?;
        let step = flat_step(&self.gpu);
        let pipeline = self.gpu.pipeline(&kernels::SYMMETRY_COPY, &[("STEP", step)])?;
        let block = Block::new(&self.mlp, self.nets.min(into.nets));
        let buffers = [&self.params, &into.params];
        recording.dispatch_linear(&pipeline, &block, &buffers, block.flat_groups());
        Ok(())
    }

    /// The first `nets` nets, in the same buffers. Kernels that write the part may overwrite three numbers behind it.
    ///
    /// # Errors
    /// There are fewer.
    pub fn prefix(&self, nets: usize) -> Result<NetBatch, SymmetryError> {
        if nets > self.nets {
            let (what, expected) = ("nets of a part of a batch, at most", self.nets);
            return Err(SymmetryError::Length { what, got: nets, expected });
        }
        Ok(NetBatch { nets, ..self.clone() })
    }

    /// Room for as many networks with the same identities, which both then share.
    ///
    /// # Errors
    /// The GPU.
    pub fn twin(&self) -> Result<NetBatch, SymmetryError> {
        let params = self.gpu.buffer("nets", NetBatch::bytes(&self.mlp, self.nets))?;
        Ok(NetBatch { params, ..self.clone() })
    }

    /// Checks that two batches hold nets of the same architecture and convention.
    ///
    /// # Errors
    /// They do not.
    pub fn same_architecture(&self, other: &NetBatch) -> Result<(), SymmetryError> {
        if self.mlp == other.mlp {
            return Ok(());
        }
        Err(SymmetryError::Architectures {
            first: self.mlp.dims_text(),
            second: other.mlp.dims_text(),
        })
    }

    /// Checks that every parameter is finite.
    ///
    /// # Errors
    /// [`SymmetryError::NotFinite`] with the first net that is not, or the GPU.
    pub async fn check_finite(&self) -> Result<(), SymmetryError> {
        let out = self.gpu.buffer("first non-finite", self.nets as u64 * 4)?;
        let pipeline = self.gpu.pipeline(&kernels::SYMMETRY_FINITE, &[])?;
        let mut recording = self.gpu.record();
        recording.dispatch_linear(
            &pipeline,
            &Block::new(&self.mlp, self.nets),
            &[&self.params, &out],
            self.nets as u32,
        );
        recording.submit()?;
        let first: Vec<u32> = self.gpu.read(&out, 0, self.nets).await?;
        match first.iter().position(|&p| p != u32::MAX) {
            Some(net) => Err(SymmetryError::not_finite(&self.mlp, net, first[net] as usize)),
            None => Ok(()),
        }
    }
}
