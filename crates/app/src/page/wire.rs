//! The page's end of the wire to the worker.

use crate::protocol::{Reply, Request};
use crate::web;
use js_sys::Array;
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{ErrorEvent, MessageEvent, Worker, WorkerOptions, WorkerType};

/// Where `web/start.js` leaves the program, for the worker.
const PROGRAM: &str = "weightlabProgram";

/// What comes over the wire.
pub(super) enum Incoming {
    /// A reply and its buffers.
    Reply(Box<Reply>, Array),
    /// The worker cannot be used, or no longer.
    Broken(String),
}

/// Messages that wait, each with what changes hands; `None` once the worker listens.
type Waiting = Option<Vec<(JsValue, Array)>>;

/// A worker that may not listen yet: what is sent before it does is kept.
#[derive(Clone)]
pub(super) struct Wire {
    worker: Option<Worker>,
    waiting: Rc<RefCell<Waiting>>,
}

impl Wire {
    /// Starts the worker; `listener` gets everything it says.
    pub(super) fn open(listener: impl Fn(Incoming) + 'static) -> Wire {
        let waiting = Rc::new(RefCell::new(Some(Vec::new())));
        let listener = Rc::new(listener);
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        // Relative, so that the page works in any folder.
        let started = Worker::new_with_options("./worker.js", &options).and_then(|worker| {
            let program = web::get(&js_sys::global(), PROGRAM).unwrap_or_default();
            worker.post_message(&program)?;
            Ok(worker)
        });
        let worker = match started {
            Ok(worker) => worker,
            Err(error) => {
                listener(Incoming::Broken(web::words(&error)));
                return Wire { worker: None, waiting };
            }
        };
        let wire = Wire { worker: Some(worker.clone()), waiting };
        let (heard, of) = (listener.clone(), wire.clone());
        let on_message = Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| {
            if let Some(incoming) = of.understand(&event.data()) {
                heard(incoming);
            }
        });
        worker.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        // Both listen as long as the page lives.
        on_message.forget();
        let on_error = Closure::<dyn Fn(ErrorEvent)>::new(move |event: ErrorEvent| {
            let why = match event.message() {
                text if text.is_empty() => "its files could not be loaded".to_owned(),
                text => text,
            };
            listener(Incoming::Broken(why));
        });
        worker.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        on_error.forget();
        wire
    }

    fn understand(&self, data: &JsValue) -> Option<Incoming> {
        if let Some(panic) = web::get(data, "panic") {
            return Some(Incoming::Broken(panic.as_string().unwrap_or_default()));
        }
        let (reply, parts) = web::unpack::<Reply>(data)?;
        if matches!(reply, Reply::Hello) {
            for (message, parts) in self.waiting.borrow_mut().take().unwrap_or_default() {
                self.post(&message, &parts);
            }
        }
        Some(Incoming::Reply(Box::new(reply), parts))
    }

    /// Sends a request with `parts`, of which those in `transfer` change hands.
    pub(super) fn send_with(&self, request: &Request, parts: &Array, transfer: &Array) {
        let message = web::pack(request, parts).into();
        match self.waiting.borrow_mut().as_mut() {
            Some(waiting) => waiting.push((message, transfer.clone())),
            None => self.post(&message, transfer),
        }
    }

    fn post(&self, message: &JsValue, transfer: &Array) {
        if let Some(worker) = &self.worker {
            // Fails on what cannot be cloned; text, files and bitmaps can.
            let _sent = worker.post_message_with_transfer(message, transfer);
        }
    }
}
