//! The browser's private file system (OPFS) as a place for zoos, and what it says of its room.

use crate::web;
use js_sys::{AsyncIterator, Function, Promise, Reflect, Uint8Array};
use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    Blob, FileSystemDirectoryHandle, FileSystemFileHandle, FileSystemGetDirectoryOptions,
    FileSystemGetFileOptions, FileSystemRemoveOptions, FileSystemWritableFileStream,
    StorageManager, WorkerGlobalScope,
};
use weightlab_data::{Store, StoreError};

/// The folder that holds a folder for each zoo.
const ZOOS: &str = "zoos";

async fn done<T: JsCast>(promise: Promise) -> Result<T, JsValue> {
    JsFuture::from(promise).await?.dyn_into()
}

fn manager() -> Option<StorageManager> {
    let scope: WorkerGlobalScope = js_sys::global().unchecked_into();
    // Absent where the page came over an insecure connection.
    web::get(&scope.navigator(), "storage")?.dyn_into().ok()
}

/// The folder of all zoos, if this browser keeps any: not in every private window.
async fn folder() -> Option<FileSystemDirectoryHandle> {
    let root: FileSystemDirectoryHandle = done(manager()?.get_directory()).await.ok()?;
    inner(&root, ZOOS, true).await.ok()
}

async fn inner(
    folder: &FileSystemDirectoryHandle,
    name: &str,
    create: bool,
) -> Result<FileSystemDirectoryHandle, JsValue> {
    let options = FileSystemGetDirectoryOptions::new();
    options.set_create(create);
    done(folder.get_directory_handle_with_options(name, &options)).await
}

async fn keys(folder: &FileSystemDirectoryHandle) -> Result<Vec<String>, JsValue> {
    let iterator: AsyncIterator = folder.keys();
    let mut names = Vec::new();
    loop {
        let next = JsFuture::from(iterator.next()?).await?;
        if web::get(&next, "done").and_then(|done| done.as_bool()) == Some(true) {
            names.sort();
            return Ok(names);
        }
        names.push(web::text(&next, "value"));
    }
}

/// The zoos there are; `None` if this browser keeps nothing.
pub(super) async fn zoos() -> Option<Vec<String>> {
    keys(&folder().await?).await.ok()
}

/// A zoo's place, made if that is wanted; `None` if there is none.
pub(super) async fn place(name: &str, create: bool) -> Option<Opfs> {
    let folder = inner(&folder().await?, name, create).await.ok()?;
    Some(Opfs { folder, name: name.to_owned() })
}

/// Deletes a zoo.
pub(super) async fn delete(name: &str) -> Result<(), String> {
    let folder = folder().await.ok_or("this browser keeps nothing")?;
    let options = FileSystemRemoveOptions::new();
    options.set_recursive(true);
    let removed = JsFuture::from(folder.remove_entry_with_options(name, &options)).await;
    removed.map(drop).map_err(|error| web::words(&error))
}

/// Bytes that the page's site takes, and may take, in this browser.
pub(super) async fn room() -> Option<[u64; 2]> {
    let estimate = JsFuture::from(manager()?.estimate().ok()?).await.ok()?;
    let number = |key| web::get(&estimate, key).and_then(|v| v.as_f64()).map(|v| v as u64);
    Some([number("usage")?, number("quota")?])
}

/// A zoo's folder.
#[derive(Clone, Debug)]
pub(super) struct Opfs {
    folder: FileSystemDirectoryHandle,
    name: String,
}

/// Folders within a zoo's are part of the names of its files.
fn escaped(name: &str) -> String {
    name.replace('%', "%25").replace('/', "%2F")
}

impl Opfs {
    async fn file(&self, name: &str, create: bool) -> Result<FileSystemFileHandle, JsValue> {
        let options = FileSystemGetFileOptions::new();
        options.set_create(create);
        done(self.folder.get_file_handle_with_options(&escaped(name), &options)).await
    }

    fn failed(&self, action: &'static str, name: &str, error: &JsValue) -> StoreError {
        let (file, store) = (name.to_owned(), self.describe());
        if web::text(error, "name") == "NotFoundError" {
            return StoreError::NotFound { name: file, store };
        }
        let source = io::Error::other(web::words(error));
        StoreError::Io { action, name: file, store, source }
    }

    async fn try_write(&self, name: &str, bytes: &[u8]) -> Result<(), JsValue> {
        let file = self.file(name, true).await?;
        // Goes to a copy, which takes the file's place when it is closed.
        let stream: FileSystemWritableFileStream = done(file.create_writable()).await?;
        JsFuture::from(stream.write_with_js_u8_array(&Uint8Array::from(bytes))?).await?;
        JsFuture::from(stream.close()).await.map(drop)
    }
}

impl Store for Opfs {
    async fn read(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        let read = async {
            let blob: Blob = done(self.file(name, false).await?.get_file()).await?;
            let buffer = JsFuture::from(blob.array_buffer()).await?;
            Ok(Uint8Array::new(&buffer).to_vec())
        };
        read.await.map_err(|error: JsValue| self.failed("read", name, &error))
    }

    async fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.try_write(name, bytes).await.map_err(|error| {
            if web::text(&error, "name") == "QuotaExceededError" {
                return StoreError::Full {
                    name: name.to_owned(),
                    store: self.describe(),
                    bytes: bytes.len() as u64,
                    source: io::Error::from(io::ErrorKind::QuotaExceeded),
                };
            }
            self.failed("write", name, &error)
        })
    }

    async fn list(&self) -> Result<Vec<String>, StoreError> {
        let names = keys(&self.folder).await.map_err(|error| self.failed("list", "", &error))?;
        Ok(names.iter().map(|name| name.replace("%2F", "/").replace("%25", "%")).collect())
    }

    async fn exists(&self, name: &str) -> Result<bool, StoreError> {
        Ok(self.file(name, false).await.is_ok())
    }

    async fn remove(&self, name: &str) -> Result<(), StoreError> {
        let removed = JsFuture::from(self.folder.remove_entry(&escaped(name))).await;
        match removed.map_err(|error| self.failed("remove", name, &error)) {
            Ok(_) | Err(StoreError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn describe(&self) -> String {
        self.name.clone()
    }
}

/// The right to change a zoo, among all tabs; it ends when this is dropped.
pub(super) struct TabLock {
    release: Option<Function>,
}

impl Drop for TabLock {
    fn drop(&mut self) {
        // A promise takes any value.
        let _released = self.release.as_ref().map(|release| release.call0(&JsValue::UNDEFINED));
    }
}

/// Takes the right to change a zoo; `None` while another tab has it.
pub(super) async fn lock(name: &str) -> Option<TabLock> {
    let scope: WorkerGlobalScope = js_sys::global().unchecked_into();
    let Some(locks) = web::get(&scope.navigator(), "locks") else {
        return Some(TabLock { release: None });
    };
    let (sender, receiver) = futures_channel::oneshot::channel();
    let sender = Rc::new(RefCell::new(Some(sender)));
    let say = move |release: Option<Function>| {
        if let Some(sender) = sender.borrow_mut().take() {
            // The receiver waits below.
            let _heard = sender.send(release);
        }
    };
    // The lock is held for as long as the promise that this returns is not kept.
    let granted = Closure::once_into_js(move |lock: JsValue| -> JsValue {
        if lock.is_null() {
            say(None);
            return JsValue::UNDEFINED;
        }
        Promise::new(&mut |resolve, _| say(Some(resolve))).into()
    });
    let options = js_sys::Object::new();
    web::set(&options, "ifAvailable", &true.into());
    let request: Function = Reflect::get(&locks, &"request".into()).ok()?.dyn_into().ok()?;
    let name = format!("weightlab-zoo-{name}").into();
    request.call3(&locks, &name, &options, &granted).ok()?;
    let release = receiver.await.ok()??;
    Some(TabLock { release: Some(release) })
}
