//! The program of the page and of its worker: which of them it is, the thread that it runs in decides.

fn main() {
    #[cfg(target_arch = "wasm32")]
    weightlab_app::start();
}
