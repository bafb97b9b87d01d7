//! Runs a model's calls as they are, every buffer by itself.

use std::collections::BTreeMap;
use weightlab_gpu::{Buffer, Gpu};
use weightlab_learn::calls::{Call, Groups, Operand, Temp};
use weightlab_learn::dws::{Dws, Recorded, Wanted};

pub struct Runner {
    gpu: Gpu,
    pub recorded: Recorded,
    params: Buffer,
    gradients: Buffer,
    state: Buffer,
    temps: BTreeMap<Temp, Buffer>,
}

impl Runner {
    pub fn new(gpu: &Gpu, model: &Dws, wanted: &Wanted, params: &[f32], state: &[f32]) -> Runner {
        let recorded = model.record(wanted);
        let mut runner = Runner {
            gpu: gpu.clone(),
            params: gpu.upload("params", params).unwrap(),
            gradients: gpu.buffer("gradients", 4 * params.len() as u64).unwrap(),
            state: gpu.upload("state", state).unwrap(),
            temps: BTreeMap::new(),
            recorded,
        };
        let calls: Vec<Call> =
            runner.recorded.forward.iter().chain(&runner.recorded.backward).cloned().collect();
        for call in &calls {
            for operand in &call.operands {
                if let Operand::Temp(temp) = *operand {
                    runner.buffer(temp);
                }
            }
        }
        runner
    }

    fn buffer(&mut self, temp: Temp) -> &Buffer {
        let spec = &self.recorded.calls.temps()[temp.index()];
        self.temps.entry(temp).or_insert_with(|| match &spec.table {
            Some(words) => self.gpu.upload(&spec.name, words).unwrap(),
            None => self.gpu.buffer(&spec.name, 4 * spec.words as u64).unwrap(),
        })
    }

    pub fn write(&mut self, temp: Temp, values: &[f32]) {
        let gpu = self.gpu.clone();
        gpu.write(self.buffer(temp), 0, values);
    }

    pub fn run(&self, calls: &[Call]) {
        let mut recording = self.gpu.record();
        for call in calls {
            let pipeline = self.gpu.pipeline(call.shader, &call.constants).unwrap();
            let buffers: Vec<&Buffer> = call
                .operands
                .iter()
                .map(|o| match o {
                    Operand::Temp(temp) => &self.temps[temp],
                    Operand::Params => &self.params,
                    Operand::Gradients => &self.gradients,
                    Operand::State => &self.state,
                    Operand::Step => unreachable!("no dropout here"),
                })
                .collect();
            // Larger than any block.
            let mut uniform = [0u8; 128];
            uniform[..call.uniform.len()].copy_from_slice(&call.uniform);
            let limit = self.gpu.report().max_workgroups;
            let groups = match call.groups {
                Groups::Space(x, y, z) => [x, y, z],
                Groups::Linear(n) if n <= limit => [n, 1, 1],
                Groups::Linear(n) => [limit, n.div_ceil(limit), 1],
            };
            recording.dispatch(&pipeline, &uniform, &buffers, groups);
        }
        recording.submit().unwrap();
    }

    pub fn forward(&self) {
        self.run(&self.recorded.forward);
    }

    pub fn backward(&self) {
        self.run(&self.recorded.backward);
    }
}
