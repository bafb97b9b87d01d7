//! The desk of the Classify bench: the training there is, and the picture that is read.

mod reading;
mod session;

use super::desk::{Desk, Tools, Trouble};
use super::port::Port;
use super::zoo;
use crate::protocol;
use crate::protocol::classify::{About, Reply, Request, Whose};
use crate::state::USUAL_ZOO;
use crate::web;
use js_sys::Array;
use reading::Reading;
use session::Session;
use std::rc::Rc;
use weightlab_data::{MemStore, Store};
use weightlab_lab::message::Failed;
use weightlab_lab::train::{Classifier, MODEL_FILE, RUN_FILE, STATISTICS_FILE};

/// The zoo on the shelf that is tested on.
const TEST: &str = USUAL_ZOO;
/// Where the classifier that comes with the page lies, from the page's folder.
const SHIPPED: &str = "classifier";

/// The desk.
#[derive(Default)]
pub(super) struct ClassifyDesk {
    /// Whether what comes with the page is to be shown.
    wanted: bool,
    shipped: Option<Rc<Classifier>>,
    /// The model as it was after the latest epoch of the training.
    trained: Option<Rc<Classifier>>,
    session: Option<Session>,
    reading: Option<Reading>,
    doing: Doing,
}

/// What is being done, for the message if it fails.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Doing {
    #[default]
    Opening,
    Reading,
    Training,
}

fn tell(port: &Port, reply: Reply) {
    port.reply(&protocol::Reply::Classify(Box::new(reply)));
}

fn tell_with(port: &Port, reply: Reply, parts: &[Vec<u8>]) {
    port.reply_with(&protocol::Reply::Classify(Box::new(reply)), parts);
}

impl ClassifyDesk {
    /// The step from which the training could go on if the GPU went away now.
    pub(super) fn resumes_at(&self) -> Option<u32> {
        self.session.as_ref().and_then(Session::resumes_at)
    }

    /// Shows the page what comes with it.
    async fn open(&mut self, tools: &mut Tools<'_>) -> Result<(), Trouble> {
        if self.shipped.is_none() {
            match fetch().await {
                Ok(classifier) => self.shipped = Some(Rc::new(classifier)),
                Err(what) => tell(&tools.port, Reply::Absent(what)),
            }
        }
        if let Some(classifier) = &self.shipped {
            let classes = classifier.info().class_names.clone();
            let about = About { parameters: classifier.parameters() as u64, classes };
            tell(&tools.port, Reply::Shipped(about));
        }
        match tools.shelf.get(TEST).await {
            Ok(test) => {
                let (opened, pixels) = zoo::show(&test, tools.device.as_ref()).await?;
                tell_with(&tools.port, Reply::Test(opened), &[pixels]);
            }
            Err(what) => tell(&tools.port, Reply::Absent(what)),
        }
        Ok(())
    }

    /// Who is asked; the classifier that comes with the page is fetched if nobody did yet.
    async fn classifier(&mut self, whose: Whose) -> Result<Rc<Classifier>, String> {
        if whose == Whose::Trained {
            let none = "Your own classifier is there once its first epoch has ended.";
            return self.trained.clone().ok_or_else(|| none.to_owned());
        }
        if self.shipped.is_none() {
            self.shipped = Some(Rc::new(fetch().await?));
        }
        self.shipped.clone().ok_or_else(String::new)
    }

    async fn read(&mut self, tools: &Tools<'_>) -> Result<bool, Trouble> {
        let Some(whose) = self.reading.as_ref().map(Reading::whose) else { return Ok(false) };
        let classifier = match self.classifier(whose).await {
            Ok(classifier) => classifier,
            Err(what) => {
                if let Some(reading) = self.reading.take() {
                    tell(&tools.port, Reply::ReadFailed { read: reading.number(), what });
                }
                return Ok(true);
            }
        };
        let (Some(reading), Some(gpu)) = (&mut self.reading, &tools.gpu) else { return Ok(false) };
        if reading.work(gpu, &classifier, &tools.port).await? {
            self.reading = None;
        }
        Ok(true)
    }

    async fn train(&mut self, tools: &mut Tools<'_>) -> Result<bool, Trouble> {
        let (Some(session), Some(gpu)) = (&mut self.session, &tools.gpu) else { return Ok(false) };
        if session.is_placed() {
            let busy = session.work(&tools.port).await?;
            if let Some(classifier) = session.take_classifier() {
                self.trained = Some(Rc::new(classifier));
            }
            return Ok(busy);
        }
        let zoos = match tools.shelf.get(session.zoo()).await {
            Ok(train) => tools.shelf.get(TEST).await.map(|test| (train, test)),
            Err(what) => Err(what),
        };
        match zoos {
            Ok((train, test)) => session.take_gpu(gpu, &train, &test, &tools.port).await?,
            Err(what) => {
                let what = what.trim_end_matches('.').to_owned();
                let failed = Failed { what, hint: String::new() };
                tell(&tools.port, Reply::Failed { run: session.run(), failed });
                self.session = None;
            }
        }
        Ok(true)
    }
}

impl Desk for ClassifyDesk {
    type Request = Request;

    fn note(&mut self, request: Request, parts: &Array) {
        let session = self.session.as_mut();
        match request {
            Request::Open => self.wanted = true,
            Request::Train { run, spec } => self.session = Some(Session::new(run, spec)),
            Request::Run => session.into_iter().for_each(Session::go),
            Request::Pause => session.into_iter().for_each(Session::pause),
            Request::Drop => self.session = None,
            Request::Read { read, subject, whose } => {
                self.reading = Some(Reading::new(read, subject, whose, &parts.get(0)));
            }
        }
    }

    async fn work(&mut self, tools: &mut Tools<'_>) -> Result<bool, Trouble> {
        if std::mem::take(&mut self.wanted) {
            self.doing = Doing::Opening;
            self.open(tools).await?;
            return Ok(true);
        }
        // Whoever waits for an answer goes before whoever watches a curve.
        self.doing = Doing::Reading;
        let read = self.read(tools).await?;
        self.doing = Doing::Training;
        Ok(self.train(tools).await? || read)
    }

    fn lose_gpu(&mut self) {
        self.session.iter_mut().for_each(Session::lose_gpu);
        self.reading.iter_mut().for_each(Reading::lose_gpu);
    }

    fn fail(&mut self, failed: Failed, port: &Port) {
        match self.doing {
            Doing::Opening => {
                let what = format!("The test networks cannot be shown: {}.", failed.what);
                tell(port, Reply::Absent(what));
            }
            Doing::Reading => {
                if let Some(reading) = self.reading.take() {
                    let what = format!("The picture could not be read: {}.", failed.what);
                    tell(port, Reply::ReadFailed { read: reading.number(), what });
                }
            }
            Doing::Training => {
                if let Some(session) = self.session.take() {
                    tell(port, Reply::Failed { run: session.run(), failed });
                }
            }
        }
    }
}

/// The classifier that comes with the page.
async fn fetch() -> Result<Classifier, String> {
    let store = MemStore::new();
    for file in [RUN_FILE, STATISTICS_FILE, MODEL_FILE] {
        let bytes = web::fetch(&format!("{SHIPPED}/{file}")).await.map_err(|why| {
            format!("The classifier that comes with the page could not be loaded ({file}: {why}).")
        })?;
        store.write(file, &bytes).await.map_err(|error| error.to_string())?;
    }
    Classifier::read(&store, None).await.map_err(|error| {
        format!("The classifier that comes with the page cannot be read: {error}.")
    })
}
