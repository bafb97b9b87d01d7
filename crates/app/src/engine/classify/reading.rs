//! One picture that becomes a network and is read.

use super::{tell, tell_with};
use crate::drawing::{SIDE, like_clothes};
use crate::engine::desk::Trouble;
use crate::engine::port::Port;
use crate::palette;
use crate::protocol::classify::{self as words, Reply, Subject, Verdict, Whose};
use js_sys::Uint8Array;
use wasm_bindgen::JsValue;
use web_time::{Duration, Instant};
use weightlab_data::{ImageSet, MemStore, SourceOptions};
use weightlab_gpu::Gpu;
use weightlab_lab::train::Classifier;
use weightlab_lab::view::{self, Window};
use weightlab_lab::{FitJob, FitOptions, LabError, Message, builtin};
use weightlab_nets::{Device, FitSettings};

/// Pixels of the network's drawing in each direction.
const FINE: usize = 112;
/// Time between two drawings.
const FRAME: Duration = Duration::from_millis(120);

/// One reading.
pub(super) struct Reading {
    number: u32,
    subject: Subject,
    whose: Whose,
    drawing: Vec<u8>,
    job: Option<FitJob<MemStore>>,
    begun: Option<Instant>,
    shown_at: Option<Instant>,
    db: Option<f32>,
}

impl Reading {
    /// Of a picture; a drawing is in `part`.
    pub(super) fn new(number: u32, subject: Subject, whose: Whose, part: &JsValue) -> Reading {
        let drawing = match subject {
            Subject::Drawing { .. } => Uint8Array::new(part).to_vec(),
            Subject::Fashion(_) => Vec::new(),
        };
        let (job, begun, shown_at, db) = (None, None, None, None);
        Reading { number, subject, whose, drawing, job, begun, shown_at, db }
    }

    /// The number the page knows it by.
    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// Who is asked.
    pub(super) fn whose(&self) -> Whose {
        self.whose
    }

    /// The GPU is gone: the fit begins again on the next.
    pub(super) fn lose_gpu(&mut self) {
        self.job = None;
    }

    /// The picture as a set of one, and its place in it.
    fn image(&self) -> Result<Option<(ImageSet, u64)>, LabError> {
        let fill = match self.subject {
            Subject::Fashion(number) => {
                return Ok(Some((builtin::fashion_mnist()?, u64::from(number))));
            }
            Subject::Drawing { fill } => fill,
        };
        let side = (self.drawing.len() as f64).sqrt() as usize;
        let Some(pixels) = like_clothes(&self.drawing, side, fill) else { return Ok(None) };
        let shape = [SIDE, SIDE, 1];
        let image = ImageSet::from_pixels(
            pixels,
            shape,
            vec!["drawing".to_owned()],
            &SourceOptions::default(),
        )?;
        Ok(Some((image, 0)))
    }

    async fn begin(
        &mut self,
        gpu: &Gpu,
        classifier: &Classifier,
        port: &Port,
    ) -> Result<bool, Trouble> {
        let Some((images, offset)) = self.image()? else {
            let what = "Nothing is drawn yet.".to_owned();
            tell(port, Reply::ReadFailed { read: self.number, what });
            return Ok(false);
        };
        let options = FitOptions {
            // The recipe of the networks that the classifiers learnt from.
            settings: FitSettings::default(),
            offset,
            limit: Some(1),
            ..FitOptions::default()
        };
        let mlp = &classifier.info().mlp;
        self.job =
            Some(FitJob::new(&Device::from(gpu), images, mlp, options, MemStore::new()).await?);
        self.begun = Some(Instant::now());
        self.show(gpu, None, port).await?;
        Ok(true)
    }

    /// One piece of the fit, and at its end the reading; true if that was all.
    pub(super) async fn work(
        &mut self,
        gpu: &Gpu,
        classifier: &Classifier,
        port: &Port,
    ) -> Result<bool, Trouble> {
        let Some(job) = &mut self.job else {
            return Ok(!self.begin(gpu, classifier, port).await?);
        };
        loop {
            match job.next().await {
                Some(Message::Progress(_)) => break,
                Some(Message::Metric(metric)) => {
                    self.db = metric.psnr.median.map(|db| db as f32);
                }
                Some(Message::Failed(failed)) => return Err(Trouble(failed)),
                Some(Message::Finished(_)) | None => {
                    let verdict = self.verdict(gpu, classifier).await?;
                    self.show(gpu, Some(verdict), port).await?;
                    return Ok(true);
                }
                Some(_) => {}
            }
        }
        if self.shown_at.is_none_or(|at| at.elapsed() > FRAME) {
            self.show(gpu, None, port).await?;
        }
        Ok(false)
    }

    async fn verdict(&self, gpu: &Gpu, classifier: &Classifier) -> Result<Verdict, LabError> {
        let fit_s = self.begun.map_or(0.0, |at| at.elapsed().as_secs_f64());
        let nets = match &self.job {
            Some(job) => job.params(0..1).await?,
            None => Vec::new(),
        };
        let at = Instant::now();
        let all = classifier.probabilities(gpu, &nets).await?;
        Ok(Verdict {
            whose: self.whose,
            numbers: nets.len() as u32,
            classes: classifier.info().class_names.clone(),
            probabilities: all.into_iter().next().unwrap_or_default(),
            fit_s,
            read_s: at.elapsed().as_secs_f64(),
        })
    }

    /// Shows the page how things are.
    async fn show(
        &mut self,
        gpu: &Gpu,
        verdict: Option<Verdict>,
        port: &Port,
    ) -> Result<(), LabError> {
        let Some(job) = &self.job else { return Ok(()) };
        let (images, at) = (job.images(), job.id(0).object as usize);
        let mut parts = vec![palette::opaque(images.image(at), images.channels)];
        let most = FitSettings::default().max_steps;
        let steps = job.steps_now().unwrap_or(if verdict.is_some() { most } else { 0 });
        if steps > 0 {
            let grid = Window::WHOLE.grid((SIDE, SIDE), (FINE, FINE));
            let pixels =
                view::draw(&Device::from(gpu), job.mlp(), &job.params(0..1).await?, &grid).await?;
            parts.push(palette::opaque(&pixels, 1));
        }
        let reading = words::Reading {
            read: self.number,
            side: SIDE as u32,
            truth: u32::try_from(images.label(at)).ok(),
            steps: [steps, most],
            db: self.db,
            verdict,
        };
        self.shown_at = Some(Instant::now());
        tell_with(port, Reply::Reading(reading), &parts);
        Ok(())
    }
}
