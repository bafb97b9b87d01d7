//! On what something was computed: what is begun on one device and goes on on another is not, bit for bit, what one would have made.

use crate::message::Warning;
use weightlab_data::ComputedOn;
use weightlab_gpu::Gpu;

/// On this GPU, by this kernel.
pub(crate) fn on_gpu(gpu: &Gpu, kernel: String) -> ComputedOn {
    let report = gpu.report();
    let (adapter, backend) = (report.name.clone(), report.backend.clone());
    ComputedOn { adapter, backend, driver: report.driver.clone(), kernel }
}

/// What is to be said if `what` was begun on other devices than it goes on: how it was begun, and with it what that means for the result.
pub(crate) fn other_devices(
    (what, meaning): (&str, &str),
    before: &[ComputedOn],
    here: &ComputedOn,
) -> Option<Warning> {
    let others: Vec<String> =
        before.iter().filter(|&d| d != here).map(ToString::to_string).collect();
    let others = (!others.is_empty()).then(|| others.join(" and "))?;
    Some(Warning::remark(format!(
        "this {what} was begun on {others}, and goes on on {here}: {meaning}"
    )))
}
