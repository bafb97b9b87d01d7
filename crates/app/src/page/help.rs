//! What the keys do, and what the words mean.

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::HtmlDialogElement;

fn dialog(id: &str) -> Option<HtmlDialogElement> {
    document().get_element_by_id(id)?.dyn_into().ok()
}

/// Shows a dialog that is in the page already.
pub(super) fn show_dialog(id: &str) {
    if let Some(dialog) = dialog(id).filter(|dialog| !dialog.open()) {
        // Fails only for elements that are not in the page.
        let _shown = dialog.show_modal();
    }
}

/// Closes a dialog.
pub(super) fn hide_dialog(id: &str) {
    dialog(id).into_iter().for_each(|dialog| dialog.close());
}

/// Shows the help.
pub(super) fn open() {
    show_dialog("help");
}

#[component]
pub(super) fn HelpPanel() -> impl IntoView {
    view! {
        <dialog id="help" aria-labelledby="help-title">
            <form method="dialog" class="dialog-head">
                <h2 id="help-title">"Help"</h2>
                <button class="quiet">"Close"</button>
            </form>
            <dl class="keys">
                <div><dt><kbd>"Space"</kbd></dt><dd>"run, or pause"</dd></div>
                <div><dt><kbd>"→"</kbd></dt><dd>"one step"</dd></div>
                <div><dt><kbd>"R"</kbd></dt><dd>"reset to step 0"</dd></div>
                <div><dt><kbd>"?"</kbd></dt><dd>"this help"</dd></div>
            </dl>
            <h3>"Words"</h3>
            <dl class="words">
                <dt>"Network"</dt>
                <dd>
                    "A chain of layers. Each layer multiplies what it gets by its weights, adds its biases, and \
                     all but the last take the sine of the sum. This one gets a place (x, y) and gives a \
                     brightness."
                </dd>
                <dt>"Step"</dt>
                <dd>
                    "The network is asked about every pixel at once; then every weight is moved a little in the \
                     direction that makes the answers better (Adam, a kind of gradient descent)."
                </dd>
                <dt>"Loss"</dt>
                <dd>"The mean of the squared errors over all pixels. Zero would be perfect."</dd>
                <dt>"dB"</dt>
                <dd>
                    "The same on the scale of ears and engineers (PSNR): 20 dB is a loss of 0.01, and every 10 \
                     dB more divide the loss by ten. From about 35 dB on, eyes see no difference."
                </dd>
                <dt>"ω₀"</dt>
                <dd>
                    "Read “omega nought”: what every layer multiplies its sum by before the sine. It sets how \
                     fine the waves are that the network is made of."
                </dd>
                <dt>"Epoch"</dt>
                <dd>
                    "A classifier has been shown every network that it learns from once. Its accuracy on networks that it \
                     has never been shown, the test networks, says whether it has understood something or learnt by heart."
                </dd>
                <dt>"Augmentation"</dt>
                <dd>"Showing a network changed in a way that should not matter, so that there is more to learn from."</dd>
                <dt>"Convention"</dt>
                <dd>
                    "How the first weights are drawn and what the output means. Published collections of networks \
                     differ in it; dwsnets and sitzmann are the two most used."
                </dd>
                <dt>"Augmentation"</dt>
                <dd>
                    "Something done to the weights of a network before another network learns from them. Some keep its \
                     function exactly: the order of the neurons in a layer says nothing, and a neuron with all its signs \
                     turned round says the same, since sin(−z) = −sin z."
                </dd>
                <dt>"Alignment"</dt>
                <dd>
                    "Putting the neurons of one network into the order of another's: those that have the most alike weights \
                     become partners, no two the same one (a linear assignment). Signed alignment also tries every neuron \
                     with its signs turned round and its wave shifted."
                </dd>
                <dt>"Squared distance"</dt>
                <dd>"The squares of the differences of all numbers of two networks, or of two neurons, added up."</dd>
            </dl>
            <p>
                "Teachers: the address holds everything you have set. Add "
                <code>"&run=1"</code> " to start at once, and "
                <code>"&hide=network,many"</code>
                " to hide parts; there are tabs, intro, picture, network, many, chart, waves, difference, \
                 view, picker, operations, weights, strips, figures, costs, reading, training, share, device."
            </p>
        </dialog>
    }
}
