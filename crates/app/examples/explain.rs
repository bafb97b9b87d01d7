//! What the page's worker says, for the tests of the page: a reply in hexadecimal per line becomes the same as JSON.

use std::io::{self, BufRead, Write};
use weightlab_app::protocol::{Reply, decode};

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let line = line?;
        let bytes: Option<Vec<u8>> = (0..line.len() / 2)
            .map(|i| u8::from_str_radix(line.get(2 * i..2 * i + 2)?, 16).ok())
            .collect();
        let reply = bytes.and_then(|bytes| decode::<Reply>(&bytes));
        let reply =
            reply.ok_or_else(|| io::Error::other(format!("no reply of the worker: {line}")))?;
        serde_json::to_writer(&mut out, &reply)?;
        writeln!(out)?;
    }
    Ok(())
}
