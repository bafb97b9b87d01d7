//! The worker: it owns the GPU, the pictures and the jobs, and does one bounded piece of work after the
//! other. Between two of them it takes what the page has asked for in the meantime, the newest wish first,
//! so that cancelling and looking elsewhere take effect within one slice.

mod device;
mod own;
mod port;
mod session;
mod shot;

use crate::protocol::{BUILD, Look, NoGpu, Reply, Request};
use crate::state::{FitSpec, FitView};
use crate::web;
use futures_channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use js_sys::Array;
use port::Port;
use session::Session;
use wasm_bindgen::JsValue;
use weightlab_data::{ImageSet, MemStore};
use weightlab_gpu::Gpu;
use weightlab_lab::LabError;
use weightlab_lab::bench::{self, FitBenchOptions};
use weightlab_lab::check::{Check, Summary};
use weightlab_lab::message::Failed;

/// Milliseconds between two looks at whether the GPU is still there, while nothing else is done.
const WATCH: i32 = 500;

/// What comes in.
enum Event {
    Request(Request, Array),
    /// Time to see whether the GPU is still there.
    Watch,
}

/// Starts the worker's program.
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

/// Why a fit cannot begin or go on.
struct Trouble(Failed);

impl From<LabError> for Trouble {
    fn from(error: LabError) -> Trouble {
        Trouble(error.failed())
    }
}

/// All that the worker has.
struct Engine {
    port: Port,
    gpu: Option<Gpu>,
    look: Look,
    session: Option<Session>,
    check: Option<(Check<MemStore>, Summary)>,
    own: Option<ImageSet>,
    /// What has been asked for and not been done yet.
    todo: Todo,
}

/// Wishes, of each kind the newest.
#[derive(Default)]
struct Todo {
    open: bool,
    own: Option<(String, JsValue)>,
    fit: Option<(u32, FitSpec)>,
    check: bool,
    measure: bool,
}

impl Engine {
    fn new(port: Port) -> Engine {
        Engine {
            port,
            gpu: None,
            look: Look::new(&FitView::default()),
            session: None,
            check: None,
            own: None,
            todo: Todo::default(),
        }
    }

    async fn serve(mut self, mut inbox: UnboundedReceiver<Event>) {
        self.port.reply(&Reply::Hello { build: BUILD.to_owned() });
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
        let session = self.session.as_mut();
        match request {
            Request::Open => self.todo.open = true,
            Request::Fit { run, spec } => {
                // The old one is not worth another slice.
                self.session = None;
                self.todo.fit = Some((run, spec));
            }
            Request::Run => session.into_iter().for_each(|s| s.go(&self.look)),
            Request::Pause => session.into_iter().for_each(Session::pause),
            Request::Step => session.into_iter().for_each(Session::step),
            Request::Look(look) => {
                self.look = look;
                session.into_iter().for_each(|s| s.look_anew(&self.look));
            }
            Request::Own { name } => self.todo.own = Some((name, parts.get(0))),
            Request::Check => self.todo.check = true,
            Request::Measure => self.todo.measure = true,
            Request::Lose => self.gpu.iter().for_each(Gpu::destroy),
        }
    }

    /// One piece of work; false if there is none.
    async fn work(&mut self) -> bool {
        if std::mem::take(&mut self.todo.open) {
            self.open().await;
        } else if let Some((name, part)) = self.todo.own.take() {
            match own::read(&name, part).await {
                Ok(picture) => {
                    self.own = Some(picture);
                    self.port.reply(&Reply::OwnReady { name });
                }
                Err(what) => self.port.reply(&Reply::OwnRefused { what }),
            }
        } else if let Some((run, spec)) = self.todo.fit.take() {
            self.begin(run, spec).await;
        } else if std::mem::take(&mut self.todo.check) {
            self.begin_check().await;
        } else if std::mem::take(&mut self.todo.measure) {
            self.measure().await;
        } else if self.check.is_some() {
            self.next_case().await;
        } else if let (Some(session), Some(gpu)) = (&mut self.session, &self.gpu) {
            match session.work(gpu, &self.look, &self.port).await {
                Ok(busy) => return busy,
                Err(error) => self.session_failed(error).await,
            }
        } else {
            return false;
        }
        true
    }

    async fn open(&mut self) {
        self.gpu = None;
        match device::open().await {
            Ok((gpu, device)) => {
                self.port.reply(&Reply::Ready(device));
                let outcome = match &mut self.session {
                    Some(session) => session.take_gpu(&gpu, &self.look, &self.port).await,
                    None => Ok(()),
                };
                self.gpu = Some(gpu);
                if let Err(error) = outcome {
                    self.session_failed(error).await;
                }
            }
            Err(why) => self.port.reply(&Reply::NoGpu(why)),
        }
    }

    async fn begin(&mut self, run: u32, spec: FitSpec) {
        let mut session = match Session::new(run, spec, self.own.as_ref()) {
            Ok(session) => session,
            Err(Trouble(failed)) => return self.port.reply(&Reply::Failed { run, failed }),
        };
        session.show_target(&self.port);
        let outcome = match &self.gpu {
            Some(gpu) => session.take_gpu(gpu, &self.look, &self.port).await,
            None => Ok(()),
        };
        self.session = Some(session);
        if let Err(error) = outcome {
            self.session_failed(error).await;
        }
    }

    /// A fit could not go on. If that is because the GPU went away, it can be resumed on another.
    async fn session_failed(&mut self, Trouble(failed): Trouble) {
        if self.lost().await.is_some() {
            return self.watch();
        }
        if let Some(session) = self.session.take() {
            self.port.reply(&Reply::Failed { run: session.run(), failed });
        }
    }

    /// Why the GPU is gone, if it is. The browser may say so a little after the call that failed.
    async fn lost(&self) -> Option<String> {
        let gpu = self.gpu.as_ref()?;
        for _ in 0..10 {
            if let Some(why) = gpu.lost() {
                return Some(why);
            }
            web::sleep(20).await;
        }
        None
    }

    /// Tells the page if the GPU is gone.
    fn watch(&mut self) {
        let Some(why) = self.gpu.as_ref().and_then(Gpu::lost) else { return };
        self.gpu = None;
        self.check = None;
        let step = self.session.as_mut().and_then(Session::lose_gpu);
        self.port.reply(&Reply::Lost { why, step });
    }

    async fn begin_check(&mut self) {
        let Some(gpu) = &self.gpu else {
            return self.port.reply(&Reply::NoGpu(NoGpu::NoAdapter));
        };
        match Check::new(gpu, 0, None).await {
            Ok(check) => self.check = Some((check, Summary::default())),
            Err(error) => self.port.reply(&Reply::CheckFailed(error.failed())),
        }
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
                if self.lost().await.is_some() {
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
                if self.lost().await.is_some() {
                    self.watch();
                }
                self.port.reply(&Reply::CheckFailed(error.failed()));
            }
        }
        self.check = None;
    }
}
