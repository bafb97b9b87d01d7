//! The worker: it owns the GPU, the zoos and the jobs, and does one bounded piece of work after the other.
//!
//! Every bench has a desk here. A desk takes wishes in ([`Desk`] says what else it does), of each kind the newest, and
//! between two pieces of work the engine looks for more of them, so that cancelling and looking elsewhere take effect
//! within one slice.

mod augment;
mod classify;
mod desk;
mod device;
mod fit;
mod mix;
mod port;
mod shelf;
mod storage;
mod zoo;

use crate::protocol::{NoGpu, Reply, Request};
use crate::state::FitSpec;
use crate::web;
use desk::{Desk, Tools};
use futures_channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use js_sys::Array;
use port::Port;
use shelf::Shelf;
use wasm_bindgen::JsValue;
use weightlab_gpu::Gpu;
use weightlab_lab::bench::{self, FitBenchOptions};
use weightlab_lab::check::{Check, Summary};
use weightlab_nets::Device;

/// Milliseconds between two looks at whether the GPU is still there, while nothing else is done.
const WATCH: i32 = 500;

/// What comes in.
enum Event {
    Request(Request, Array),
    /// Time to see whether the GPU is still there.
    Watch,
}

/// Starts the work.
pub fn start() {
    let (sender, receiver) = unbounded();
    let port = Port::open(forward_to(sender.clone()));
    wasm_bindgen_futures::spawn_local(async move {
        loop {
            web::sleep(WATCH).await;
            if sender.unbounded_send(Event::Watch).is_err() {
                return;
            }
        }
    });
    wasm_bindgen_futures::spawn_local(Engine::new(port).serve(receiver));
}

/// Puts every message that is one of ours into the queue.
fn forward_to(sender: UnboundedSender<Event>) -> impl Fn(JsValue) {
    move |data| {
        if let Some((request, parts)) = web::unpack(&data) {
            // Nobody listens only after a panic, which the page has been told.
            let _unheard = sender.unbounded_send(Event::Request(request, parts));
        }
    }
}

/// All that the worker has.
struct Engine {
    port: Port,
    gpu: Option<Gpu>,
    /// Whether it is known that there is no GPU.
    missing: bool,
    shelf: Shelf,
    fit: fit::FitDesk,
    augment: augment::AugmentDesk,
    mix: mix::MixDesk,
    classify: classify::ClassifyDesk,
    zoo: zoo::ZooDesk,
    check: Option<(Check, Summary)>,
    /// What has been asked of the device and not been done yet.
    todo: Todo,
}

/// Wishes about the device.
#[derive(Default)]
struct Todo {
    open: bool,
    check: bool,
    measure: bool,
}

impl Engine {
    fn new(port: Port) -> Engine {
        Engine {
            port,
            gpu: None,
            missing: false,
            shelf: Shelf::default(),
            fit: fit::FitDesk::default(),
            augment: augment::AugmentDesk::default(),
            mix: mix::MixDesk::default(),
            classify: classify::ClassifyDesk::default(),
            zoo: zoo::ZooDesk::default(),
            check: None,
            todo: Todo::default(),
        }
    }

    async fn serve(mut self, mut inbox: UnboundedReceiver<Event>) {
        self.port.reply(&Reply::Hello);
        loop {
            while let Ok(event) = inbox.try_recv() {
                self.note(event);
            }
            if !self.work().await {
                match inbox.recv().await {
                    Ok(event) => self.note(event),
                    Err(_) => return,
                }
            }
        }
    }

    /// Takes a wish in; doing it is [`Engine::work`].
    fn note(&mut self, event: Event) {
        let (request, parts) = match event {
            Event::Request(request, parts) => (request, parts),
            Event::Watch => return self.watch(),
        };
        match request {
            Request::Open => self.todo.open = true,
            Request::Check => self.todo.check = true,
            Request::Measure => self.todo.measure = true,
            Request::Lose => self.gpu.iter().for_each(Gpu::destroy),
            Request::Fit(request) => self.fit.note(request, &parts),
            Request::Augment(request) => self.augment.note(request, &parts),
            Request::Mix(request) => self.mix.note(request, &parts),
            Request::Classify(request) => self.classify.note(request, &parts),
            Request::Zoo(request) => self.zoo.note(request, &parts),
        }
    }

    /// One piece of work of everyone; false if there is none.
    async fn work(&mut self) -> bool {
        if std::mem::take(&mut self.todo.open) {
            self.open().await;
        } else if std::mem::take(&mut self.todo.check) {
            self.begin_check();
        } else if std::mem::take(&mut self.todo.measure) {
            self.measure().await;
        } else if self.check.is_some() {
            self.next_case().await;
        } else {
            return self.desks().await;
        }
        true
    }

    /// One piece of work of every desk.
    async fn desks(&mut self) -> bool {
        let device = self.gpu.as_ref().map(Device::from);
        let mut tools = Tools {
            gpu: self.gpu.clone(),
            device: device.or(self.missing.then_some(Device::Host)),
            port: self.port.clone(),
            shelf: &mut self.shelf,
        };
        let busy = [
            desk::turn(&mut self.zoo, &mut tools).await,
            desk::turn(&mut self.augment, &mut tools).await,
            desk::turn(&mut self.mix, &mut tools).await,
            desk::turn(&mut self.fit, &mut tools).await,
            desk::turn(&mut self.classify, &mut tools).await,
        ];
        self.watch();
        busy.contains(&true)
    }

    async fn open(&mut self) {
        self.gpu = None;
        match device::open().await {
            Ok((gpu, device)) => {
                // It may have run on the processor.
                self.fit.lose_gpu();
                self.port.reply(&Reply::Ready(device));
                self.gpu = Some(gpu);
            }
            Err(why) => self.port.reply(&Reply::NoGpu(why)),
        }
        self.missing = self.gpu.is_none();
    }

    /// Tells the page if the GPU is gone.
    fn watch(&mut self) {
        let Some(why) = self.gpu.as_ref().and_then(Gpu::lost) else { return };
        self.gpu = None;
        self.check = None;
        let (step, training) = (self.fit.resumes_at(), self.classify.resumes_at());
        self.fit.lose_gpu();
        self.augment.lose_gpu();
        self.mix.lose_gpu();
        self.classify.lose_gpu();
        self.zoo.lose_gpu();
        self.port.reply(&Reply::Lost { why, step, training });
    }

    fn begin_check(&mut self) {
        let Some(gpu) = &self.gpu else {
            return self.port.reply(&Reply::NoGpu(NoGpu::NoAdapter));
        };
        self.check = Some((Check::new(gpu, 0), Summary::default()));
    }

    /// Measures what `weightlab bench fit` does, but for some seconds only.
    async fn measure(&mut self) {
        let Some(gpu) = &self.gpu else {
            return self.port.reply(&Reply::NoGpu(NoGpu::NoAdapter));
        };
        let outcome = match FitSpec::default().mlp(1) {
            Ok(mlp) => {
                let options =
                    FitBenchOptions { nets: 16, points: 784, mlp, steps: 60, rounds: 1, seed: 0 };
                bench::fit(gpu, &options).await
            }
            Err(error) => Err(error.into()),
        };
        match outcome.map(|rounds| rounds.into_iter().next()) {
            Ok(Some(round)) => self.port.reply(&Reply::Measured(round)),
            Ok(None) => {}
            Err(error) => {
                if desk::lost(self.gpu.as_ref()).await {
                    self.watch();
                }
                self.port.reply(&Reply::MeasureFailed(error.failed()));
            }
        }
    }

    async fn next_case(&mut self) {
        let Some((check, summary)) = &mut self.check else { return };
        match check.next().await {
            Ok(Some(case)) => {
                summary.count(&case);
                self.port.reply(&Reply::Case(case));
                return;
            }
            Ok(None) => self.port.reply(&Reply::Checked(*summary)),
            Err(error) => {
                if desk::lost(self.gpu.as_ref()).await {
                    self.watch();
                }
                self.port.reply(&Reply::CheckFailed(error.failed()));
            }
        }
        self.check = None;
    }
}
