//! What the desks of all benches have in common.

use super::port::Port;
use super::shelf::Shelf;
use crate::web;
use js_sys::Array;
use weightlab_gpu::Gpu;
use weightlab_lab::LabError;
use weightlab_lab::message::Failed;
use weightlab_nets::Device;

/// Why something cannot begin or go on.
pub(super) struct Trouble(pub(super) Failed);

impl<E: Into<LabError>> From<E> for Trouble {
    fn from(error: E) -> Trouble {
        Trouble(error.into().failed())
    }
}

/// What there is to work with.
pub(super) struct Tools<'a> {
    /// The GPU, while there is one.
    pub(super) gpu: Option<Gpu>,
    /// What a fit runs on: the GPU, or the processor once it is known that there is none.
    pub(super) device: Option<Device>,
    /// To the page.
    pub(super) port: Port,
    /// The zoos.
    pub(super) shelf: &'a mut Shelf,
}

/// A bench's place in the worker.
pub(super) trait Desk {
    /// What the page asks of it.
    type Request;

    /// Takes a wish in, without doing it.
    fn note(&mut self, request: Self::Request, parts: &Array);

    /// One bounded piece of work; false if there is none.
    async fn work(&mut self, tools: &mut Tools<'_>) -> Result<bool, Trouble>;

    /// The GPU is gone, and everything on it; another may come.
    fn lose_gpu(&mut self);

    /// What it was doing failed: tells the page, and begins nothing by itself.
    fn fail(&mut self, failed: Failed, port: &Port);
}

/// One piece of work at a desk; false if there is none. What failed because the GPU went away is not the desk's failure:
/// it goes on with the next GPU.
pub(super) async fn turn(desk: &mut impl Desk, tools: &mut Tools<'_>) -> bool {
    match desk.work(tools).await {
        Ok(busy) => busy,
        Err(Trouble(failed)) => {
            if !lost(tools.gpu.as_ref()).await {
                desk.fail(failed, &tools.port);
            }
            true
        }
    }
}

/// Whether the GPU is gone. The browser may say so a little after the call that failed.
pub(super) async fn lost(gpu: Option<&Gpu>) -> bool {
    let Some(gpu) = gpu else { return false };
    for _ in 0..10 {
        if gpu.lost().is_some() {
            return true;
        }
        web::sleep(20).await;
    }
    false
}
