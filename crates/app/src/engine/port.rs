//! The worker's end of the wire.

use crate::protocol::Reply;
use crate::web;
use js_sys::Array;
use wasm_bindgen::JsCast;
use wasm_bindgen::JsValue;
use wasm_bindgen::closure::Closure;
use web_sys::{DedicatedWorkerGlobalScope, MessageEvent};

/// Sends replies to the page.
#[derive(Clone, Debug)]
pub(super) struct Port {
    scope: DedicatedWorkerGlobalScope,
}

impl Port {
    /// Hands every message's data to `listener` from now on; a panic is reported to the page too.
    pub(super) fn open(listener: impl Fn(JsValue) + 'static) -> Port {
        let scope: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
        let on_message =
            Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| listener(event.data()));
        scope.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        // Listens as long as the worker lives.
        on_message.forget();
        std::panic::set_hook(Box::new(|panic| {
            web_sys::console::error_1(&panic.to_string().into());
            let scope: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
            let message = js_sys::Object::new();
            web::set(&message, "panic", &panic.to_string().into());
            // The page may be gone already.
            let _unheard = scope.post_message(&message);
        }));
        Port { scope }
    }

    /// Sends a reply without large parts.
    pub(super) fn reply(&self, reply: &Reply) {
        self.reply_with(reply, &[]);
    }

    /// Sends a reply and its parts, which are copied once: into the buffers that change hands.
    pub(super) fn reply_with(&self, reply: &Reply, parts: &[Vec<u8>]) {
        let buffers: Array = parts.iter().map(|part| web::buffer(part)).collect();
        let message = web::pack(reply, &buffers);
        // Fails on what cannot be cloned, and these can.
        let _sent = self.scope.post_message_with_transfer(&message, &buffers);
    }
}
