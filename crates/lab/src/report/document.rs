//! The shell of every page that stands alone: one file, without scripts, that needs nothing from anywhere.

pub(crate) const STYLE: &str = include_str!("style.css");

/// `text` as HTML shows it.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A whole page with this HTML in it.
pub(crate) fn document(title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        r#"<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Weightlab: {title}</title>
<style>{STYLE}</style></head>
<body><main>{body}</main></body></html>
"#
    )
}
