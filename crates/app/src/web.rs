//! What both threads need of the browser: messages, time.

use crate::protocol::{decode, encode};
use js_sys::{Array, Function, Object, Promise, Reflect, Uint8Array};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

/// A value and its large parts as one message; [`unpack`] undoes it.
pub fn pack(value: &impl Serialize, parts: &Array) -> Object {
    let message = Object::new();
    set(&message, "value", &Uint8Array::from(encode(value).as_slice()));
    set(&message, "parts", parts);
    message
}

/// The value and its parts, if the message is one of ours.
pub fn unpack<T: DeserializeOwned>(message: &JsValue) -> Option<(T, Array)> {
    let value: Uint8Array = get(message, "value")?.dyn_into().ok()?;
    let parts = get(message, "parts")?.dyn_into().ok()?;
    Some((decode(&value.to_vec())?, parts))
}

/// A property, if there is a value in it.
pub fn get(object: &JsValue, key: &str) -> Option<JsValue> {
    let value = Reflect::get(object, &key.into()).ok()?;
    (!value.is_undefined() && !value.is_null()).then_some(value)
}

/// Sets a property of an object of ours.
pub fn set(object: &Object, key: &str, value: &JsValue) {
    // Fails on frozen objects only.
    let _set = Reflect::set(object, &key.into(), value);
}

/// A property that is text; empty if there is none.
pub fn text(object: &JsValue, key: &str) -> String {
    get(object, key).and_then(|value| value.as_string()).unwrap_or_default()
}

/// Bytes as a buffer that can be handed over to the other thread.
pub fn buffer(bytes: &[u8]) -> JsValue {
    Uint8Array::from(bytes).buffer().into()
}

/// Lets the browser do other things for at least so long.
pub async fn sleep(milliseconds: i32) {
    let mut start = |resolve: Function, _reject: Function| {
        let timer =
            get(&js_sys::global(), "setTimeout").and_then(|f| f.dyn_into::<Function>().ok());
        let started = timer.map(|f| f.call2(&JsValue::UNDEFINED, &resolve, &milliseconds.into()));
        debug_assert!(matches!(started, Some(Ok(_))), "every browser has timers");
    };
    // A timer's promise is kept.
    let _kept = JsFuture::from(Promise::new(&mut start)).await;
}

/// The bytes at an address relative to the program's, or why they cannot be had.
pub async fn fetch(address: &str) -> Result<Vec<u8>, String> {
    let fetch: Option<Function> =
        get(&js_sys::global(), "fetch").and_then(|function| function.dyn_into().ok());
    let Some(fetch) = fetch else { return Err("this browser cannot fetch".to_owned()) };
    let bytes = async {
        let answer =
            JsFuture::from(Promise::from(fetch.call1(&JsValue::UNDEFINED, &address.into())?))
                .await?;
        if get(&answer, "ok").and_then(|ok| ok.as_bool()) != Some(true) {
            let status = get(&answer, "status").and_then(|status| status.as_f64());
            return Err(JsValue::from(format!(
                "the server answers {}",
                status.unwrap_or_default()
            )));
        }
        let read: Function = Reflect::get(&answer, &"arrayBuffer".into())?.dyn_into()?;
        let buffer = JsFuture::from(Promise::from(read.call0(&answer)?)).await?;
        Ok(Uint8Array::new(&buffer).to_vec())
    };
    bytes.await.map_err(|error| words(&error))
}

/// What went wrong, in the browser's words.
pub fn words(error: &JsValue) -> String {
    match text(error, "message") {
        message if message.is_empty() => {
            error.as_string().unwrap_or_else(|| "unknown reason".to_owned())
        }
        message => message,
    }
}
