//! The desk of the Fit bench: the fit there is, and the user's own picture.

mod own;
mod session;
mod shot;

use super::desk::{Desk, Tools, Trouble};
use super::port::Port;
use crate::protocol::fit::{Look, Reply, Request};
use crate::protocol::{self};
use crate::state::{FitSpec, FitView};
use js_sys::Array;
use session::Session;
use weightlab_data::ImageSet;
use weightlab_lab::message::Failed;

/// The desk.
pub(super) struct FitDesk {
    look: Look,
    session: Option<Session>,
    /// Whether the session has its networks on the device there is.
    placed: bool,
    own: Option<ImageSet>,
    /// Pictures that are to be read.
    offered: Option<(String, Array)>,
    /// What the networks are to be kept as.
    keep: Option<String>,
    /// A fit that is to begin.
    wanted: Option<(u32, FitSpec)>,
}

impl Default for FitDesk {
    fn default() -> FitDesk {
        FitDesk {
            look: Look::new(&FitView::default()),
            session: None,
            placed: false,
            own: None,
            offered: None,
            keep: None,
            wanted: None,
        }
    }
}

fn tell(port: &Port, reply: Reply) {
    port.reply(&protocol::Reply::Fit(reply));
}

impl FitDesk {
    /// The step from which the fit could go on if the GPU went away now.
    pub(super) fn resumes_at(&self) -> Option<u32> {
        self.session.as_ref().and_then(Session::resumes_at)
    }

    async fn read(&mut self, name: String, parts: &Array, port: &Port) {
        match own::read(&name, parts).await {
            Ok((pictures, note)) => {
                let count = pictures.len() as u32;
                self.own = Some(pictures);
                tell(port, Reply::OwnReady { count, note });
            }
            Err(what) => tell(port, Reply::OwnRefused { what }),
        }
    }
}

impl Desk for FitDesk {
    type Request = Request;

    fn note(&mut self, request: Request, parts: &Array) {
        let session = self.session.as_mut();
        match request {
            Request::Fit { run, spec } => {
                // The old one is not worth another slice.
                self.session = None;
                self.wanted = Some((run, spec));
            }
            Request::Run => session.into_iter().for_each(|s| s.go(&self.look)),
            Request::Pause => session.into_iter().for_each(Session::pause),
            Request::Step => session.into_iter().for_each(Session::step),
            Request::Look(look) => {
                self.look = look;
                session.into_iter().for_each(|s| s.look_anew(&self.look));
            }
            Request::Keep { name } => self.keep = Some(name),
            Request::Own { name } => self.offered = Some((name, parts.clone())),
        }
    }

    async fn work(&mut self, tools: &mut Tools<'_>) -> Result<bool, Trouble> {
        let port = &tools.port;
        if let Some((name, parts)) = self.offered.take() {
            self.read(name, &parts, port).await;
            return Ok(true);
        }
        if let Some((run, spec)) = self.wanted.take() {
            match Session::new(run, spec, self.own.as_ref()) {
                Ok(session) => {
                    session.show_target(port);
                    (self.session, self.placed) = (Some(session), false);
                }
                Err(Trouble(failed)) => tell(port, Reply::Failed { run, failed }),
            }
            return Ok(true);
        }
        if let Some(name) = self.keep.take() {
            if let Some(zoo) = self.session.as_ref().and_then(Session::zoo) {
                tell(
                    port,
                    match tools.shelf.put(&name, zoo).await {
                        Ok(name) => Reply::Kept { name },
                        Err(what) => Reply::KeepRefused { what },
                    },
                );
            }
            return Ok(true);
        }
        let (Some(session), Some(device)) = (&mut self.session, &tools.device) else {
            return Ok(false);
        };
        if !self.placed {
            session.take_device(device, &self.look, port).await?;
            self.placed = true;
            return Ok(true);
        }
        session.work(device, &self.look, port).await
    }

    fn lose_gpu(&mut self) {
        self.placed = false;
        self.session.iter_mut().for_each(Session::lose_gpu);
    }

    fn fail(&mut self, failed: Failed, port: &Port) {
        if let Some(session) = self.session.take() {
            tell(port, Reply::Failed { run: session.run(), failed });
        }
    }
}
