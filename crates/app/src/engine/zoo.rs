//! The desk of the shelf: shows what networks a zoo has.

use super::desk::{Desk, Tools, Trouble};
use super::port::Port;
use super::shelf::{BUILT_IN, OpenZoo};
use crate::palette;
use crate::protocol;
use crate::protocol::zoo::{Net, Opened, Reply, Request};
use js_sys::Array;
use weightlab_gpu::Gpu;
use weightlab_lab::message::Failed;
use weightlab_lab::view::{self, Window};

/// Side in pixels of the pictures that networks without images are shown by.
const SIDE: usize = 28;

/// The desk.
#[derive(Default)]
pub(super) struct ZooDesk {
    /// Zoos that are to be shown.
    wanted: Vec<String>,
}

impl Desk for ZooDesk {
    type Request = Request;

    fn note(&mut self, request: Request, _parts: &Array) {
        match request {
            Request::Open { name } => self.wanted.push(name),
        }
    }

    async fn work(&mut self, tools: &mut Tools<'_>) -> Result<bool, Trouble> {
        let Some(name) = self.wanted.pop() else { return Ok(false) };
        self.wanted.retain(|other| *other != name);
        match tools.shelf.get(&name).await {
            Ok(open) => {
                let (opened, pixels) = show(&open, tools.gpu.as_ref()).await?;
                tools.port.reply_with(&protocol::Reply::Zoo(Reply::Opened(opened)), &[pixels]);
            }
            Err(what) => {
                tools.port.reply(&protocol::Reply::Zoo(Reply::Refused { name, what }));
            }
        }
        Ok(true)
    }

    fn lose_gpu(&mut self) {}

    fn fail(&mut self, failed: Failed, port: &Port) {
        let what = format!("The networks could not be drawn: {}.", failed.what);
        port.reply(&protocol::Reply::Zoo(Reply::Refused { name: String::new(), what }));
    }
}

/// What is known of the networks, and a picture of each: the image it was fitted to, else what it draws.
async fn show(open: &OpenZoo, gpu: Option<&Gpu>) -> Result<(Opened, Vec<u8>), Trouble> {
    let (manifest, mlp, nets) = (open.manifest(), open.mlp(), &open.nets);
    let title = BUILT_IN.iter().find(|(name, ..)| *name == open.name);
    let mut opened = Opened {
        name: open.name.clone(),
        title: title.map_or_else(|| open.name.clone(), |(_, _, title)| (*title).to_owned()),
        dims: mlp.dims_text(),
        convention: mlp.convention().map(|c| c.name().to_owned()),
        hidden: mlp.dims[1..mlp.dims.len() - 1].iter().map(|&w| w as u32).collect(),
        classes: manifest.class_names.clone(),
        nets: (0..nets.len())
            .map(|i| Net {
                object: nets.objects[i],
                view: nets.views[i],
                label: nets.labels[i],
                db: Some(nets.psnr[i]).filter(|db| db.is_finite()),
            })
            .collect(),
        picture: None,
    };
    let known = open.targets.as_ref().filter(|t| nets.objects.iter().all(|&o| t.find(o).is_some()));
    if let Some(targets) = known {
        opened.picture = Some([targets.height as u32, targets.width as u32]);
        let images = nets.objects.iter().filter_map(|&object| targets.find(object));
        let pixels = images.flat_map(|image| palette::opaque(image, targets.channels)).collect();
        return Ok((opened, pixels));
    }
    if let (Some(gpu), 2, 1 | 3) = (gpu, mlp.inputs(), mlp.outputs()) {
        let [height, width, channels] = open.shape();
        let rows = (SIDE * height / width.max(1)).clamp(1, 4 * SIDE);
        let grid = Window::WHOLE.grid((height, width), (rows, SIDE));
        let pixels = view::draw(gpu, mlp, &nets.params, &grid).await?;
        opened.picture = Some([rows as u32, SIDE as u32]);
        return Ok((opened, palette::opaque(&pixels, channels)));
    }
    Ok((opened, Vec::new()))
}
