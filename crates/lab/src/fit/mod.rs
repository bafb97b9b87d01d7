//! The job that turns images into a zoo of fitted networks.
//!
//! What a network becomes depends on its image, its (object, view), the seed and the settings alone.
//! Batches, shards and parts only decide what is done when; so parts merged equal the whole, and a
//! resumed job equals an uninterrupted one, bit for bit on one device.

mod live;
mod run;

pub use live::FitCheckpoint;

use crate::error::LabError;
use crate::job::Job;
use crate::message::{Diverged, Finished, Message, Started, Warning};
use crate::meter::{Meter, networks_text};
use std::collections::VecDeque;
use std::ops::Range;
use web_time::Instant;
use weightlab_data::{
    ComputedOn, ImageSet, MANIFEST_FILE, Part, Plan, Shard, Store, TARGETS_FILE, Targets, Zoo,
    ZooError, ZooManifest,
};
use weightlab_nets::{Device, FitBatch, FitPlan, FitSettings, Mlp, NetId, image_grid, plan_fit};

/// What to fit, how, and how to store it.
#[derive(Clone, Debug)]
pub struct FitOptions {
    /// The optimiser.
    pub settings: FitSettings,
    /// Networks per image, each from another start.
    pub views: u32,
    /// Key of all random numbers.
    pub seed: u64,
    /// Skip this many images.
    pub offset: u64,
    /// Fit at most this many images.
    pub limit: Option<u64>,
    /// Do one part of the job only.
    pub part: Option<Part>,
    /// Networks per shard; `None` for what an existing zoo has, else 256 on a CPU and 4096 on a GPU.
    pub nets_per_shard: Option<u32>,
    /// Continue a zoo that was begun with the same options.
    pub resume: bool,
    /// Put per-network values into metrics.
    pub curves: bool,
    /// Steps between two metrics; `None` for a hundredth of the steps.
    pub metric_every: Option<u32>,
    /// Evaluate this many networks of a batch along with each metric.
    pub previews: u32,
}

impl Default for FitOptions {
    fn default() -> FitOptions {
        FitOptions {
            settings: FitSettings::default(),
            views: 1,
            seed: 0,
            offset: 0,
            limit: None,
            part: None,
            nets_per_shard: None,
            resume: false,
            curves: false,
            metric_every: None,
            previews: 0,
        }
    }
}

/// An architecture for images with this many channels, as the published data sets have it.
pub fn default_dims(channels: usize) -> Vec<usize> {
    vec![2, 32, 32, channels]
}

/// A fit, as a stream of messages.
#[derive(Debug)]
pub struct FitJob<S: Store> {
    device: Device,
    images: ImageSet,
    coords: Vec<f32>,
    mlp: Mlp,
    options: FitOptions,
    plan: Plan,
    fit_plan: FitPlan,
    zoo: Zoo<S>,
    state: State,
    queue: VecDeque<Message>,
    clock: Clock,
    totals: Totals,
    /// Networks of the current shard that are finished.
    partial: Shard,
    batch: Option<Batch>,
    /// Shards of an earlier run that are damaged or gone, to be computed anew before all else.
    damaged: VecDeque<usize>,
    /// Whether the kernels have run in this job, and whether it was told that they are going to be compiled.
    compiled: bool,
    told: bool,
    /// Most updates of each network per pull, if not as many as fill a slice.
    most_steps: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    Over,
}

/// Time and rates of this run.
#[derive(Debug, Default)]
struct Clock {
    begun: Option<Instant>,
    meter: Meter,
}

/// What has been fitted so far.
#[derive(Debug, Default)]
struct Totals {
    /// Networks that were there at the start.
    before: u64,
    /// Networks finished in this run, and their steps.
    finished: u64,
    finished_steps: u64,
    /// Of every finished network of the zoo.
    psnr: Vec<f32>,
    reached_target: u64,
    diverged: Vec<Diverged>,
}

/// Networks on the device.
#[derive(Debug)]
struct Batch {
    fit: FitBatch,
    ids: Vec<NetId>,
    /// Position in the zoo of the first network.
    first: u64,
    /// Metrics are due from this step on.
    next_metric: u32,
}

impl<S: Store> FitJob<S> {
    /// Checks everything, states the memory, and begins or opens the zoo in `store`.
    ///
    /// # Errors
    /// Options that make no sense, an architecture that does not suit the images or the device, or
    /// a zoo that is in the way or cannot be continued.
    pub async fn new(
        device: impl Into<Device>,
        images: ImageSet,
        mlp: &Mlp,
        mut options: FitOptions,
        store: S,
    ) -> Result<FitJob<S>, LabError> {
        let device = device.into();
        check_dims(mlp, &images)?;
        options.settings.validate()?;
        for (option, value) in [
            ("--views", Some(options.views)),
            ("--shard-size", options.nets_per_shard),
            ("--limit", options.limit.map(|l| l.min(1) as u32)),
        ] {
            if value == Some(0) {
                return Err(LabError::Zero { option });
            }
        }
        let plan = Plan {
            objects: objects(&options, images.len())?,
            views: options.views,
            part: options.part,
        };
        let nets_per_shard = shard_size(&device, &options, &store).await?;
        let fit_plan = plan_on(&device, mlp, &images, &plan, nets_per_shard)?;

        let manifest = manifest(mlp, &images, &options, plan, nets_per_shard);
        let mut zoo = if options.resume {
            Zoo::resume(store, manifest).await?
        } else {
            Zoo::create(store, manifest).await?
        };
        let renamed = renamed(zoo.manifest(), &images);
        let computed_on = computed_on(&device, &fit_plan);
        let (totals, damaged) = Totals::of(&zoo, &options).await?;
        let goes_on = !damaged.is_empty() || !zoo.manifest().is_complete();
        let mut warnings: Vec<Warning> = renamed.into_iter().collect();
        warnings.extend(other_devices(zoo.manifest(), &computed_on).filter(|_| goes_on));
        warnings.extend(damaged.iter().map(|(shard, error)| recomputed(&zoo, *shard, error)));
        zoo.set_computing_on(computed_on);
        let part = plan.part_objects();
        if !part.is_empty() {
            let objects = part.start as usize..part.end as usize;
            if zoo.manifest().targets.is_some() && zoo.read_targets().await.is_err() {
                let file = zoo.store().locate(TARGETS_FILE);
                warnings
                    .push(Warning::remark(format!("{file}: damaged or gone; it is written anew")));
            }
            zoo.write_targets(&Targets::from_images(&images, objects)).await?;
        }
        options.metric_every =
            Some(options.metric_every.unwrap_or(options.settings.max_steps / 100).max(1));
        let mut job = FitJob {
            device,
            coords: image_grid(images.height, images.width),
            images,
            mlp: mlp.clone(),
            options,
            plan,
            fit_plan,
            zoo,
            state: State::Running,
            queue: VecDeque::new(),
            clock: Clock::default(),
            totals,
            partial: Shard::default(),
            batch: None,
            damaged: damaged.into_iter().map(|(shard, _)| shard).collect(),
            compiled: false,
            told: false,
            most_steps: None,
        };
        let started = job.started();
        job.queue.push_back(Message::Started(started));
        job.queue.extend(warnings.into_iter().map(Message::Warning));
        Ok(job)
    }

    /// The next message; see [`Job::next`].
    pub async fn next(&mut self) -> Option<Message> {
        Job::next(self).await
    }

    /// The zoo as far as it is stored.
    pub fn zoo(&self) -> &Zoo<S> {
        &self.zoo
    }

    /// Networks that are stored, those of damaged shards left out.
    pub fn stored(&self) -> u64 {
        let shards = &self.zoo.manifest().shards;
        let damaged: u64 = self.damaged.iter().map(|&s| u64::from(shards[s].nets)).sum();
        self.zoo.nets() - damaged
    }

    /// The zoo as far as it is stored, and the images.
    pub fn into_parts(self) -> (Zoo<S>, ImageSet) {
        (self.zoo, self.images)
    }

    /// What it takes on the device that it is on.
    pub fn started(&self) -> Started {
        Started {
            nets: self.plan.nets(),
            nets_before: self.totals.before,
            steps: self.options.settings.max_steps,
            bytes: self.fit_plan.bytes,
            nets_per_batch: (self.fit_plan.nets_per_batch as u64)
                .min(u64::from(self.zoo.manifest().nets_per_shard))
                .min(self.plan.nets()),
            nets_per_shard: self.zoo.manifest().nets_per_shard,
            adapter: self.device.name().to_owned(),
            kernel: self.fit_plan.kernel.clone(),
            dims: self.mlp.dims_text(),
            points: (self.images.height * self.images.width) as u64,
        }
    }
}

impl<S: Store> Job for FitJob<S> {
    type Started = Started;
    type Finished = Finished;

    async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some(message) = self.queue.pop_front() {
                return Some(message);
            }
            if self.state == State::Over {
                return None;
            }
            if let Err(error) = self.step().await {
                self.state = State::Over;
                // The device's memory is free again even if the caller keeps the job.
                self.batch = None;
                return Some(Message::Failed(error.failed()));
            }
        }
    }
}

impl Totals {
    /// Of the networks that a zoo already holds, and the shards that are not what they were. Reads every shard, and
    /// so checks every hash.
    async fn of<S: Store>(
        zoo: &Zoo<S>,
        options: &FitOptions,
    ) -> Result<(Totals, Vec<(usize, ZooError)>), LabError> {
        let mut totals = Totals::default();
        let mut damaged = Vec::new();
        for s in 0..zoo.manifest().shards.len() {
            match zoo.read_shard(s).await {
                Ok(shard) => {
                    totals.before += shard.len() as u64;
                    totals.take(&shard, 0..shard.len(), &options.settings);
                }
                Err(error @ ZooError::Store(_)) => return Err(error.into()),
                Err(error) => damaged.push((s, error)),
            }
        }
        Ok((totals, damaged))
    }

    /// Counts finished networks. What a shard stores says how each of them ended.
    fn take(&mut self, shard: &Shard, nets: Range<usize>, settings: &FitSettings) {
        for i in nets {
            let psnr = shard.psnr[i];
            self.psnr.push(psnr);
            if psnr.is_nan() {
                self.diverged.push(Diverged {
                    object: shard.objects[i],
                    view: shard.views[i],
                    step: shard.steps[i],
                });
            } else if settings.until_psnr.is_some_and(|target| psnr >= target) {
                self.reached_target += 1;
            }
        }
    }
}

fn check_dims(mlp: &Mlp, images: &ImageSet) -> Result<(), LabError> {
    mlp.validate()?;
    let wanted = || {
        let mut dims = mlp.dims.clone();
        dims[0] = 2;
        if let Some(last) = dims.last_mut() {
            *last = images.channels;
        }
        dims.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    };
    let dims = mlp.dims.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    if mlp.inputs() != 2 {
        return Err(LabError::Dims {
            dims,
            end: "first",
            got: mlp.inputs(),
            why: "an image has 2 coordinates".to_owned(),
            wanted: wanted(),
        });
    }
    if mlp.outputs() != images.channels {
        let kind = if images.channels == 1 { "grey" } else { "RGB" };
        return Err(LabError::Dims {
            dims,
            end: "last",
            got: mlp.outputs(),
            why: format!("these images are {kind} ({} per pixel)", images.channels),
            wanted: wanted(),
        });
    }
    Ok(())
}

/// Objects `[first, end)` of the whole job.
fn objects(options: &FitOptions, images: usize) -> Result<[u32; 2], LabError> {
    let images = images as u64;
    if options.offset >= images {
        return Err(LabError::Offset { offset: options.offset, images });
    }
    let end = options.limit.map_or(images, |l| options.offset.saturating_add(l).min(images));
    // An index of an image in memory; sets of four thousand million images do not occur.
    let index = |i: u64| u32::try_from(i).unwrap_or(u32::MAX);
    Ok([index(options.offset), index(end)])
}

/// What batches of as many networks as a shard holds take.
fn plan_on(
    device: &Device,
    mlp: &Mlp,
    images: &ImageSet,
    plan: &Plan,
    nets_per_shard: u32,
) -> Result<FitPlan, LabError> {
    let at_once =
        usize::try_from(plan.nets().min(u64::from(nets_per_shard)).max(1)).unwrap_or(usize::MAX);
    Ok(plan_fit(device, mlp, images.height * images.width, at_once)?)
}

fn computed_on(device: &Device, plan: &FitPlan) -> ComputedOn {
    let kernel = plan.arithmetic.clone();
    match device {
        Device::Gpu(gpu) => crate::computed_on::on_gpu(gpu, kernel),
        Device::Host => ComputedOn {
            adapter: device.name().to_owned(),
            backend: "no GPU".to_owned(),
            driver: "plain f32".to_owned(),
            kernel,
        },
    }
}

/// What is to be said if a zoo was begun on another device than it goes on.
fn other_devices(zoo: &ZooManifest, here: &ComputedOn) -> Option<Warning> {
    let meaning = "the networks of each are as good as the other's, but the zoo will not be the same, bit for bit, \
                   as one made in one go. `weightlab inspect` keeps them apart";
    crate::computed_on::other_devices(("zoo", meaning), &zoo.computed_on, here)
}

/// What is to be said of a shard that is not what it was.
fn recomputed<S: Store>(zoo: &Zoo<S>, shard: usize, error: &ZooError) -> Warning {
    let entry = &zoo.manifest().shards[shard];
    let what = if matches!(error, ZooError::Missing { .. }) { "gone" } else { "damaged" };
    Warning::remark(format!(
        "{}: {what}; its {} are computed anew",
        zoo.store().locate(&entry.file),
        networks_text(entry.nets.into())
    ))
}

/// What is to be said if the source was called otherwise when the zoo was begun. Its contents are the same, or the zoo
/// would not have been resumed.
fn renamed(zoo: &ZooManifest, images: &ImageSet) -> Option<Warning> {
    let before = &zoo.source.as_ref()?.name;
    (*before != images.source.name).then(|| {
        Warning::remark(format!(
            "the source was called {before} when this zoo was begun, and is called {} now; its contents are the \
             same, and the zoo keeps the first name",
            images.source.name
        ))
    })
}

async fn shard_size<S: Store>(
    device: &Device,
    options: &FitOptions,
    store: &S,
) -> Result<u32, LabError> {
    if let Some(size) = options.nets_per_shard {
        return Ok(size);
    }
    if options.resume && store.exists(MANIFEST_FILE).await? {
        let bytes = store.read(MANIFEST_FILE).await?;
        return Ok(ZooManifest::from_json(&bytes, MANIFEST_FILE)?.nets_per_shard);
    }
    Ok(if device.is_cpu() { 256 } else { 4096 })
}

fn manifest(
    mlp: &Mlp,
    images: &ImageSet,
    options: &FitOptions,
    plan: Plan,
    nets_per_shard: u32,
) -> ZooManifest {
    ZooManifest {
        source: Some(images.source.clone()),
        image_shape: Some([images.height, images.width, images.channels]),
        fit: Some(options.settings),
        plan: Some(plan),
        nets_per_shard,
        class_names: images.class_names.clone(),
        ..ZooManifest::new(mlp.clone(), options.seed)
    }
}
