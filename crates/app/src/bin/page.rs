//! The page's thread.

fn main() {
    #[cfg(target_arch = "wasm32")]
    weightlab_app::page::start();
}
