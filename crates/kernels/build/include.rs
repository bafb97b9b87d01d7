//! `//#include shared/sine.wgsl`, alone on a line, inserts a file (path from `shaders/`), once per shader.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The text of `relative` (a path below `root`) with everything it includes.
pub fn resolve(root: &Path, relative: &Path) -> Result<String, String> {
    include(root, relative, &mut BTreeSet::new())
}

fn include(
    root: &Path,
    relative: &Path,
    included: &mut BTreeSet<String>,
) -> Result<String, String> {
    let path = root.join(relative);
    let text = fs::read_to_string(&path)
        .map_err(|e| format!("cannot read shaders/{}: {e}", relative.display()))?;
    let mut out = String::new();
    for line in text.lines() {
        match line.trim().strip_prefix("//#include ") {
            Some(target) => {
                if included.insert(target.trim().to_owned()) {
                    out += &include(root, Path::new(target.trim()), included)?;
                }
            }
            None => {
                out += line;
                out.push('\n');
            }
        }
    }
    Ok(out)
}
