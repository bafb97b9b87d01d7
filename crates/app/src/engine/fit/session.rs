//! One fit: its images, its job, and whether it runs.

use super::shot::Camera;
use super::tell;
use crate::engine::desk::Trouble;
use crate::engine::port::Port;
use crate::palette;
use crate::protocol;
use crate::protocol::fit::{Frame, Look, Point, Reply, Target};
use crate::state::{FitSpec, Many, Picture};
use crate::web;
use js_sys::WebAssembly::Memory;
use wasm_bindgen::JsCast;
use web_time::{Duration, Instant};
use weightlab_data::{ImageSet, MemStore, SourceOptions, Zoo};
use weightlab_lab::fit::FitCheckpoint;
use weightlab_lab::message::{Failed, Finished, Metric, Progress};
use weightlab_lab::meter::{self, Meter, networks_text};
use weightlab_lab::{FitJob, LabError, Message, builtin};
use weightlab_nets::Device;

/// Time between two steps when going slowly.
const SLOW: Duration = Duration::from_millis(120);
/// Time between two checkpoints: what a lost device costs.
const CHECKPOINT: Duration = Duration::from_secs(2);

/// Steps at the beginning that are done few at a time.
const EARLY: u32 = 100;

/// Most numbers that the networks of a fit may have together: with every frame all of them come from the device.
const MOST_NUMBERS: u64 = 20_000_000;

/// One fit.
pub(super) struct Session {
    run: u32,
    spec: FitSpec,
    images: ImageSet,
    job: Option<FitJob<MemStore>>,
    saved: Option<FitCheckpoint>,
    saved_at: Option<Instant>,
    gait: Gait,
    /// Whether the page must be shown how things are.
    stale: bool,
    /// Whether the networks are on the device and their kernel is compiled.
    prepared: bool,
    over: bool,
    /// What it came to, until the page is told: after the last frame, so that what it shows is what was reached.
    finished: Option<Finished>,
    camera: Camera,
    standing: Standing,
}

/// How it goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gait {
    Paused,
    /// To this step, then pause.
    Until(u32),
    Running,
}

/// What the page is told with the next frame.
#[derive(Default)]
struct Standing {
    points: Vec<Point>,
    each: Vec<Option<f32>>,
    progress: Option<Progress>,
    step: u32,
    /// Seconds that it ran, drawing included: pauses do not count.
    seconds: f64,
    meter: Meter,
}

impl Session {
    /// Finds the images. The device comes later.
    pub(super) fn new(run: u32, spec: FitSpec, own: Option<&ImageSet>) -> Result<Session, Trouble> {
        let images = images(&spec, own)?;
        Ok(Session {
            run,
            spec,
            images,
            job: None,
            saved: None,
            saved_at: None,
            gait: Gait::Paused,
            stale: true,
            prepared: false,
            over: false,
            finished: None,
            camera: Camera::default(),
            standing: Standing::default(),
        })
    }

    /// The number the page knows it by.
    pub(super) fn run(&self) -> u32 {
        self.run
    }

    /// Shows the page what the networks are to become; needs no device.
    pub(super) fn show_target(&self, port: &Port) {
        let options = self.spec.options();
        let all = self.images.len() as u64;
        let end = options.limit.map_or(all, |limit| (options.offset + limit).min(all));
        let wanted: Vec<usize> = (options.offset as usize..end as usize).collect();
        let rgba: Vec<u8> = wanted
            .iter()
            .flat_map(|&i| palette::opaque(self.images.image(i), self.images.channels))
            .collect();
        let name = |&i: &usize| {
            let class = usize::try_from(self.images.label(i)).ok();
            class.and_then(|c| self.images.class_names.get(c)).cloned().unwrap_or_default()
        };
        let target = Target {
            run: self.run,
            height: self.images.height as u32,
            width: self.images.width as u32,
            count: wanted.len() as u32,
            names: wanted.iter().map(name).collect(),
        };
        port.reply_with(&protocol::Reply::Fit(Reply::Target(target)), &[rgba]);
    }

    /// Networks of the whole fit.
    fn nets(&self) -> u64 {
        let options = self.spec.options();
        let images = (self.images.len() as u64).min(options.limit.unwrap_or(u64::MAX));
        images * u64::from(options.views)
    }

    /// Begins on this device, or goes on there if another was lost.
    pub(super) async fn take_device(
        &mut self,
        device: &Device,
        look: &Look,
        port: &Port,
    ) -> Result<(), Trouble> {
        self.stale = true;
        self.prepared = false;
        if let Some(job) = &mut self.job {
            job.resume_on(device, self.saved.as_ref())?;
            if !self.over {
                // What came after what was kept is gone.
                let step = job.steps_now().unwrap_or(0);
                self.standing =
                    Standing { step, seconds: self.standing.seconds, ..Standing::default() };
            }
            tell(port, Reply::Started { run: self.run, started: job.started() });
            return Ok(());
        }
        let mlp = self.spec.mlp(self.images.channels).map_err(LabError::from)?;
        let (nets, each) = (self.nets(), mlp.param_count() as u64);
        if nets * each > MOST_NUMBERS {
            return Err(Trouble(Failed {
                what: format!(
                    "{} of {each} numbers are more than the page can show at once, which is {} million: take fewer networks, or \
                     fewer or narrower layers",
                    networks_text(nets),
                    MOST_NUMBERS / 1_000_000
                ),
                hint: String::new(),
            }));
        }
        let store = MemStore::new();
        let mut job =
            FitJob::new(device, self.images.clone(), &mlp, self.spec.options(), store).await?;
        if let Some(Message::Started(started)) = job.next().await {
            tell(port, Reply::Started { run: self.run, started });
        }
        job.limit_steps(look.slow.then_some(1));
        self.job = Some(job);
        Ok(())
    }

    /// The step from which the fit could go on if the GPU went away now.
    pub(super) fn resumes_at(&self) -> Option<u32> {
        (self.job.is_some() && !self.over)
            .then(|| self.saved.as_ref().map_or(0, FitCheckpoint::steps))
    }

    /// The networks, once all are fitted.
    pub(super) fn zoo(&self) -> Option<&Zoo<MemStore>> {
        self.job.as_ref().filter(|_| self.over).map(FitJob::zoo)
    }

    /// The GPU is gone.
    pub(super) fn lose_gpu(&mut self) {
        self.gait = Gait::Paused;
        (self.stale, self.prepared) = (false, true);
    }

    /// Goes on by itself.
    pub(super) fn go(&mut self, look: &Look) {
        self.gait = Gait::Running;
        self.pace(look);
    }

    /// Stops where it is.
    pub(super) fn pause(&mut self) {
        self.gait = Gait::Paused;
        self.stale = true;
    }

    /// One update, then stops.
    pub(super) fn step(&mut self) {
        let now = self.job.as_ref().and_then(FitJob::steps_now).unwrap_or(self.standing.step);
        // A second press before the first has taken effect is a second step.
        self.gait = Gait::Until(match self.gait {
            Gait::Until(step) => step + 1,
            _ => now + 1,
        });
        if let Some(job) = &mut self.job {
            job.limit_steps(Some(1));
        }
    }

    /// Looks another way.
    pub(super) fn look_anew(&mut self, look: &Look) {
        self.stale = true;
        if !matches!(self.gait, Gait::Until(_)) {
            self.pace(look);
        }
    }

    fn pace(&mut self, look: &Look) {
        if let Some(job) = &mut self.job {
            job.limit_steps(look.slow.then_some(1));
        }
    }

    /// One slice of the fit, or one frame; false if there is nothing to do.
    pub(super) async fn work(
        &mut self,
        device: &Device,
        look: &Look,
        port: &Port,
    ) -> Result<bool, Trouble> {
        let moving = self.gait != Gait::Paused && !self.over;
        if moving {
            let begun = Instant::now();
            if matches!(device, Device::Host) {
                // To wait for a GPU lets wishes come in, and the processor never makes one wait.
                web::sleep(0).await;
            }
            self.advance(look, port).await?;
            self.prepared = true;
            self.save().await?;
            if look.slow && self.gait == Gait::Running && self.is_even() {
                let rest = SLOW.saturating_sub(begun.elapsed());
                web::sleep(rest.as_millis() as i32).await;
            }
            self.standing.seconds += begun.elapsed().as_secs_f64();
        }
        let moving = self.gait != Gait::Paused && !self.over;
        if self.stale && (!moving || self.camera.is_due()) {
            let begun = Instant::now();
            self.frame(device, look, port).await?;
            if moving {
                self.standing.seconds += begun.elapsed().as_secs_f64();
            }
            if let Some(finished) = self.finished.take() {
                tell(port, Reply::Finished { run: self.run, finished });
            }
        } else if let (false, Some(job)) = (self.prepared, &mut self.job) {
            // The page has something to show by now.
            job.prepare().await?;
            (self.prepared, self.stale) = (true, true);
        }
        Ok(moving || self.stale || !self.prepared && self.job.is_some())
    }

    fn is_even(&self) -> bool {
        self.job.as_ref().is_none_or(FitJob::is_even)
    }

    /// Pulls the job until it has done a slice.
    async fn advance(&mut self, look: &Look, port: &Port) -> Result<(), Trouble> {
        let Some(job) = &mut self.job else {
            self.gait = Gait::Paused;
            return Ok(());
        };
        if self.gait == Gait::Running && !look.slow {
            // What a network learns first it learns within a few steps, and they are to be seen.
            let now = job.steps_now().unwrap_or(0);
            job.limit_steps((now < EARLY).then_some(1 + now / 8));
        }
        let run = self.run;
        self.stale = true;
        loop {
            match job.next().await {
                Some(Message::Progress(progress)) => {
                    self.standing.progress = Some(progress);
                    break;
                }
                Some(Message::Metric(metric)) => self.standing.note(&metric),
                Some(Message::Warning(warning)) => tell(port, Reply::Warning { run, warning }),
                Some(Message::Finished(finished)) => {
                    (self.over, self.finished) = (true, Some(finished));
                    break;
                }
                Some(Message::Failed(failed)) => return Err(Trouble(failed)),
                Some(_) => {}
                None => {
                    self.over = true;
                    break;
                }
            }
        }
        if let Some(step) = job.steps_now() {
            self.standing.step = step;
            if let Gait::Until(wanted) = self.gait
                && step >= wanted
                && job.is_even()
            {
                self.gait = Gait::Paused;
                job.limit_steps(look.slow.then_some(1));
            }
        }
        Ok(())
    }

    /// Keeps a copy of what a lost device would take along, now and then and at every stop.
    async fn save(&mut self) -> Result<(), Trouble> {
        let due = self.saved_at.is_none_or(|at| at.elapsed() > CHECKPOINT);
        if !(due || self.gait == Gait::Paused) || self.over {
            return Ok(());
        }
        if let Some(job) = &self.job
            && let Some(saved) = job.checkpoint().await?
        {
            self.saved = Some(saved);
            self.saved_at = Some(Instant::now());
        }
        Ok(())
    }

    /// Shows the page how things are.
    async fn frame(&mut self, device: &Device, look: &Look, port: &Port) -> Result<(), Trouble> {
        let Some(job) = &self.job else { return Ok(()) };
        let still = self.gait == Gait::Paused || self.over;
        let shot = self.camera.shoot(device, job, look, still).await?;
        self.stale = false;
        let standing = &mut self.standing;
        let progress = standing.progress.as_ref();
        if let (false, Some(progress)) = (still, progress) {
            standing.meter.observe(standing.seconds, progress.steps as f64);
        }
        let net = look.net.min(job.nets().saturating_sub(1) as u32);
        let frame = Frame {
            run: self.run,
            step: standing.step,
            running: !still,
            prepared: self.prepared,
            nets: [progress.map_or(0, |p| p.nets_done), job.nets()],
            // The meter counts steps of every network; together they make one step of the fit.
            rate: standing.meter.rate().map(|rate| rate / job.nets().max(1) as f64),
            eta_s: progress.filter(|_| !still).and_then(|p| {
                let left = p.steps as f64 * (1.0 / p.fraction.max(1e-9) - 1.0);
                meter::eta(left, standing.meter.rate())
            }),
            db: shot.db.or_else(|| standing.each.get(net as usize).copied().flatten()),
            points: std::mem::take(&mut standing.points),
            each: if self.spec.many == Many::One { Vec::new() } else { standing.each.clone() },
            waves: shot.waves,
            drawings: shot.drawings,
            bytes: [device.live_bytes(), memory()],
        };
        port.reply_with(&protocol::Reply::Fit(Reply::Frame(Box::new(frame))), &shot.parts);
        Ok(())
    }
}

impl Standing {
    fn note(&mut self, metric: &Metric) {
        self.step = metric.step;
        let psnr = &metric.psnr;
        if let (Some(low), Some(middle), Some(high)) = (psnr.min, psnr.median, psnr.max) {
            let [low, middle, high] = [low, middle, high].map(|x| x as f32);
            self.points.push(Point { step: metric.step, low, middle, high });
        }
        match &metric.nets {
            Some(nets) => self.each.clone_from(nets),
            None => self.each = vec![psnr.median.map(|x| x as f32)],
        }
    }
}

/// Bytes of this thread's memory.
fn memory() -> u64 {
    let buffer = wasm_bindgen::memory().dyn_into::<Memory>().ok().map(|memory| memory.buffer());
    buffer.and_then(|b| web::get(&b, "byteLength")?.as_f64()).map_or(0, |bytes| bytes as u64)
}

/// The set that the picture is from.
fn images(spec: &FitSpec, own: Option<&ImageSet>) -> Result<ImageSet, LabError> {
    let side = spec.side as usize;
    let options =
        SourceOptions { size: Some((side, side)), grey: spec.grey.then_some(true), split: None };
    let images = match (spec.many, spec.picture, own) {
        (_, Picture::Own, Some(own)) => {
            // Small ones stay as they are.
            let size = options.size.filter(|_| own.height > side);
            let count = if spec.many == Many::Set { own.len() } else { 1 };
            own.clone().first(count, &SourceOptions { size, ..options })?
        }
        (Many::One | Many::Views(_), Picture::Named(which), _) => {
            builtin::picture(which, &options)?
        }
        _ => builtin::fashion_mnist()?,
    };
    Ok(images)
}
