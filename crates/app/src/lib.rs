//! The lab page: a front end in one thread, and in a worker the GPU and the lab's jobs.
//!
//! One program is made of this crate, and it runs twice. `page` shows things and takes what the user does;
//! `engine`, in a worker, owns the WebGPU device and runs the same jobs as the command line. They share the [`state`] of
//! the page, which is its address, and the [`protocol`] in which they speak. There is no science in here.
//!
//! Natively only the state, the protocol and the lessons exist, for their tests.

pub mod drawing;
pub mod lessons;
pub mod palette;
pub mod portrait;
pub mod protocol;
pub mod recorded;
pub mod state;
pub mod words;

#[cfg(target_arch = "wasm32")]
pub mod engine;
#[cfg(target_arch = "wasm32")]
pub mod page;
#[cfg(target_arch = "wasm32")]
mod web;

/// Begins what this thread is for: to show the page where there is a window, and to work where there is none.
#[cfg(target_arch = "wasm32")]
pub fn start() {
    if web_sys::window().is_some() {
        page::start();
    } else {
        engine::start();
    }
}
