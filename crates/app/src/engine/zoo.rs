//! The desk of the shelf: shows what networks a zoo has, takes zoos in and hands them out.

use super::desk::{Desk, Tools, Trouble};
use super::port::Port;
use super::shelf::{OpenZoo, title};
use crate::palette;
use crate::protocol;
use crate::protocol::zoo::{Format, Net, Opened, Reply, Request};
use crate::web;
use js_sys::{Array, Uint8Array};
use std::collections::VecDeque;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::File;
use weightlab_data::{
    ExchangeError, FileFormat, ImportOptions, ImportReport, MemStore, Zoo, export_file,
    export_zoos, import_files, import_zoos,
};
use weightlab_lab::message::Failed;
use weightlab_lab::meter::{bytes_text, networks_text};
use weightlab_lab::view::{self, Window};
use weightlab_nets::Device;

/// Side in pixels of the pictures that networks without images are shown by.
const SIDE: usize = 28;
/// Most bytes of files that are taken in at once: they are unpacked in memory.
const MAX_BYTES: f64 = 256e6;

/// The desk.
#[derive(Default)]
pub(super) struct ZooDesk {
    wishes: VecDeque<(Request, Array)>,
}

fn tell(port: &Port, reply: Reply) {
    port.reply(&protocol::Reply::Zoo(reply));
}

impl Desk for ZooDesk {
    type Request = Request;

    fn note(&mut self, request: Request, parts: &Array) {
        if matches!(request, Request::Open { .. }) {
            // Only the zoo that is wanted now.
            self.wishes.retain(|(wish, _)| !matches!(wish, Request::Open { .. }));
        }
        self.wishes.push_back((request, parts.clone()));
    }

    async fn work(&mut self, tools: &mut Tools<'_>) -> Result<bool, Trouble> {
        let Some((wish, parts)) = self.wishes.pop_front() else { return Ok(false) };
        let port = tools.port.clone();
        let changed =
            !matches!(wish, Request::Open { .. } | Request::Export { .. } | Request::ExportAll);
        let outcome = match wish {
            Request::List => Ok(()),
            Request::Open { name } => match tools.shelf.get(&name).await {
                Ok(open) => {
                    let (opened, pixels) = show(&open, tools.device.as_ref()).await?;
                    port.reply_with(&protocol::Reply::Zoo(Reply::Opened(opened)), &[pixels]);
                    Ok(())
                }
                Err(what) => {
                    tell(&port, Reply::Missing { name, what });
                    Ok(())
                }
            },
            Request::Import => import(&parts, tools).await,
            Request::Export { name, format } => export(&name, format, tools).await,
            Request::ExportAll => export_all(tools).await,
            Request::Delete { name } => match tools.shelf.delete(&name).await {
                Ok(()) => {
                    tell(&port, Reply::Deleted { name });
                    Ok(())
                }
                Err(what) => Err(what),
            },
            Request::Rename { name, wanted } => match tools.shelf.rename(&name, &wanted).await {
                Ok(now) => {
                    tell(&port, Reply::Renamed { name, now });
                    Ok(())
                }
                Err(what) => Err(what),
            },
        };
        if let Err(what) = outcome {
            tell(&port, Reply::Refused { what });
        }
        if changed {
            tell(&port, Reply::Shelf(tools.shelf.list().await));
        }
        Ok(true)
    }

    fn lose_gpu(&mut self) {}

    fn fail(&mut self, failed: Failed, port: &Port) {
        let what = format!("The networks could not be drawn: {}.", failed.what);
        tell(port, Reply::Refused { what });
    }
}

/// Files of the user's become a zoo on the shelf.
async fn import(parts: &Array, tools: &mut Tools<'_>) -> Result<(), String> {
    let given: Vec<File> = parts.iter().filter_map(|part| part.dyn_into().ok()).collect();
    let bytes: f64 = given.iter().map(|file| file.size()).sum();
    let first = given.first().map(File::name).unwrap_or_default();
    if bytes > MAX_BYTES {
        return Err(format!(
            "“{first}” has {}; up to {} can be taken in here. The program `weightlab import` takes any size.",
            bytes_text(bytes as u64),
            bytes_text(MAX_BYTES as u64)
        ));
    }
    let mut files = Vec::new();
    for file in given {
        let buffer = JsFuture::from(file.array_buffer()).await;
        let buffer = buffer.map_err(|error| {
            format!("“{}” cannot be read ({}).", file.name(), web::words(&error))
        })?;
        files.push((file.name(), Uint8Array::new(&buffer).to_vec()));
    }
    let unreadable =
        |error: ExchangeError| format!("These are no networks that can be read here. {error}.");
    if let [(name, bytes)] = files.as_slice() {
        let several = import_zoos(bytes, name).await.map_err(unreadable)?;
        if !several.is_empty() {
            for (name, zoo, report) in several {
                take(&name, &zoo, &report, tools).await?;
            }
            return Ok(());
        }
    }
    let options = ImportOptions::default();
    let (zoo, report) =
        import_files(&files, MemStore::new(), &options).await.map_err(unreadable)?;
    drop(files);
    let stem = first.rsplit_once('.').map_or(first.as_str(), |(stem, _)| stem);
    take(stem, &zoo, &report, tools).await
}

/// Puts a zoo that was read on the shelf and says so.
async fn take(
    wanted: &str,
    zoo: &Zoo<MemStore>,
    report: &ImportReport,
    tools: &mut Tools<'_>,
) -> Result<(), String> {
    let name = tools.shelf.put(wanted, zoo).await?;
    let mut notes = Vec::new();
    if let Some(assumed) = report.assumed {
        notes.push(format!(
            "The file does not say under which convention its networks were made; {} is assumed.",
            assumed.name()
        ));
    }
    if report.unlabelled > 0 {
        notes.push(format!("Without a class: {}.", networks_text(report.unlabelled)));
    }
    tell(&tools.port, Reply::Imported { name, nets: report.nets, notes });
    Ok(())
}

async fn export(name: &str, format: Format, tools: &mut Tools<'_>) -> Result<(), String> {
    let open = tools.shelf.get(name).await?;
    let format = match format {
        Format::Zip => FileFormat::Zip,
        Format::Safetensors => FileFormat::Safetensors,
        Format::Npz => FileFormat::Npz,
        Format::Torch => FileFormat::Torch,
    };
    let bytes = export_file(&open.zoo, format, name)
        .await
        .map_err(|error| format!("“{name}” could not be packed: {error}."))?;
    let file = format!("{name}{}", format.suffix());
    tools.port.reply_with(&protocol::Reply::Zoo(Reply::Exported { file }), &[bytes]);
    Ok(())
}

/// All zoos of the user's.
async fn export_all(tools: &mut Tools<'_>) -> Result<(), String> {
    let mut zoos = Vec::new();
    for entry in tools.shelf.list().await.entries.iter().filter(|entry| entry.own) {
        zoos.push(tools.shelf.get(&entry.name).await?);
    }
    let each: Vec<_> = zoos.iter().map(|open| (open.name.as_str(), &open.zoo)).collect();
    let bytes = export_zoos(&each)
        .await
        .map_err(|error| format!("Your zoos could not be packed: {error}."))?;
    let file = "weightlab-zoos.zip".to_owned();
    tools.port.reply_with(&protocol::Reply::Zoo(Reply::Exported { file }), &[bytes]);
    Ok(())
}

/// What is known of the networks, and a picture of each: the image it was fitted to, else what it draws.
pub(super) async fn show(
    open: &OpenZoo,
    device: Option<&Device>,
) -> Result<(Opened, Vec<u8>), Trouble> {
    let (manifest, mlp, nets) = (open.manifest(), open.mlp(), &open.nets);
    let mut opened = Opened {
        name: open.name.clone(),
        title: title(&open.name).to_owned(),
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
    if let (Some(device), 2, 1 | 3) = (device, mlp.inputs(), mlp.outputs()) {
        let [height, width, channels] = open.shape();
        let rows = (SIDE * height / width.max(1)).clamp(1, 4 * SIDE);
        let grid = Window::WHOLE.grid((height, width), (rows, SIDE));
        let pixels = view::draw(device, mlp, &nets.params, &grid).await?;
        opened.picture = Some([rows as u32, SIDE as u32]);
        return Ok((opened, palette::opaque(&pixels, channels)));
    }
    Ok((opened, Vec::new()))
}
