//! Taking a photograph.

use super::super::lab::lab;
use crate::web;
use leptos::html::Video;
use leptos::prelude::*;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{HtmlVideoElement, MediaStream, MediaStreamConstraints, MediaStreamTrack};

/// Switches the camera on.
async fn open() -> Result<MediaStream, String> {
    let words = |error: JsValue| web::words(&error);
    let devices = window().navigator().media_devices().map_err(words)?;
    let wanted = MediaStreamConstraints::new();
    wanted.set_video(&true.into());
    let promise = devices.get_user_media_with_constraints(&wanted).map_err(words)?;
    JsFuture::from(promise).await.and_then(JsCast::dyn_into).map_err(words)
}

fn close(stream: &MediaStream) {
    for track in stream.get_tracks() {
        if let Ok(track) = track.dyn_into::<MediaStreamTrack>() {
            track.stop();
        }
    }
}

#[component]
pub(super) fn Camera() -> impl IntoView {
    let lab = lab();
    let video = NodeRef::<Video>::new();
    let stream = StoredValue::new_local(None::<MediaStream>);
    let on = RwSignal::new(false);
    let gone = StoredValue::new(false);
    let switch_on = move |_| {
        leptos::task::spawn_local(async move {
            let opened = open().await;
            match opened {
                // Meanwhile the user may have gone elsewhere.
                Ok(opened) if gone.try_get_value() != Some(false) => close(&opened),
                Ok(opened) => {
                    if let Some(video) = video.get_untracked() {
                        let video: &HtmlVideoElement = &video;
                        video.set_src_object(Some(&opened));
                    }
                    stream.set_value(Some(opened));
                    on.set(true);
                }
                Err(why) => lab.tell(
                    true,
                    format!("The camera cannot be used ({why}). Allow it for this page in the browser, or choose a file."),
                ),
            }
        });
    };
    on_cleanup(move || {
        stream.with_value(|stream| stream.iter().for_each(close));
        gone.set_value(true);
    });
    let take = move |_| {
        let Some(video) = video.get_untracked() else { return };
        let Ok(promise) = window().create_image_bitmap_with_html_video_element(&video) else {
            return;
        };
        leptos::task::spawn_local(async move {
            if let Ok(bitmap) = JsFuture::from(promise).await {
                lab.offer("photograph", &bitmap);
            }
        });
    };
    view! {
        <div class="camera">
            <video node_ref=video autoplay playsinline muted class:off=move || !on.get()></video>
            <Show
                when=move || on.get()
                fallback=move || view! {
                    <button type="button" on:click=switch_on>"Switch the camera on"</button>
                }
            >
                <button type="button" class="main" on:click=take>"Take a picture"</button>
            </Show>
            <p class="note">"The picture stays on this device."</p>
        </div>
    }
}
