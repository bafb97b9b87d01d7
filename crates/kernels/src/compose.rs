//! The shader language beyond WGSL: directives, each alone on a line, and `$`.
//!
//! * `//#include shared/sine.wgsl` inserts a file, once per shader.
//! * `//#for i in 0..8` up to `//#end` repeats the lines between, with `i` = 0, 1, .. 7; from 0 to 0 nothing.
//!   Register tiles are written this way because a driver then sees constant indices whatever it
//!   thinks of unrolling, and loops that wgpu guards with counters are never unrolled.
//! * `//#if a` up to `//#end` keeps the lines between if `a` is not 0.
//! * `//#set NAME 16` gives a number a name from here on, wherever it stands; `//#default NAME 16` only
//!   if the name is free: what a template is composed with unless told otherwise.
//! * In the text `$NAME` stands for the number (the longest known name counts: in `$iu` it is `i`), and
//!   `$[4 * i + 1]` for the value of an expression.
//!
//! Expressions know `+ - * / %`, `==` (1 or 0), brackets, `min(a, b)`, names, and indexed names:
//! `WIDTH[l+1]` is the name `WIDTH3` if l is 2. All numbers are whole and not negative.
//!
//! Used by the build script, which checks every shader, and by the program, which carries the files and composes what it
//! needs: composed, with everything that many shaders share, they are five times as long.

use std::collections::{BTreeMap, BTreeSet};

type Names = BTreeMap<String, u32>;

/// The text of a file below `shaders/`, by its path.
pub type TextOf<'a> = dyn Fn(&str) -> Option<&'a str> + 'a;

/// Follows the directives in a file, given some numbers by name.
pub fn compose(file: &str, text_of: &TextOf<'_>, values: &[(&str, u32)]) -> Result<String, String> {
    let mut lines = Vec::new();
    include(file, text_of, &mut BTreeSet::new(), &mut lines)?;
    let mut names: Names = values.iter().map(|&(name, value)| (name.to_owned(), value)).collect();
    let mut out = String::new();
    let end = block(&lines, 0, None, &mut names, &mut out)?;
    debug_assert_eq!(end, lines.len());
    Ok(out)
}

/// Adds the lines of a file, and of what it includes.
fn include<'a>(
    file: &str,
    text_of: &TextOf<'a>,
    included: &mut BTreeSet<String>,
    lines: &mut Vec<&'a str>,
) -> Result<(), String> {
    if included.insert(file.to_owned()) {
        for line in text_of(file).ok_or_else(|| format!("there is no shaders/{file}"))?.lines() {
            match line.trim().strip_prefix("//#include ") {
                Some(target) => include(target.trim(), text_of, included, lines)?,
                None => lines.push(line),
            }
        }
    }
    Ok(())
}

/// Copies `lines[at..]` to `out` until the `//#end` of the directive `open` or the end of the text. Returns the
/// index after the last line consumed.
fn block(
    lines: &[&str],
    mut at: usize,
    open: Option<&str>,
    names: &mut Names,
    out: &mut String,
) -> Result<usize, String> {
    while at < lines.len() {
        let line = lines[at].trim();
        let Some(directive) = line.strip_prefix("//#") else {
            substitute(lines[at], names, out).map_err(|e| format!("`{line}`: {e}"))?;
            out.push('\n');
            at += 1;
            continue;
        };
        let wrong = |e: String| format!("`{line}`: {e}");
        let (word, rest) = directive.split_once(' ').unwrap_or((directive, ""));
        match word {
            "set" | "default" => {
                let (name, value) = assignment(rest, names).map_err(wrong)?;
                if word == "set" {
                    names.insert(name, value);
                } else {
                    names.entry(name).or_insert(value);
                }
                at += 1;
            }
            "for" => {
                let (name, from, to) = range(rest, names).map_err(wrong)?;
                let hidden = names.remove(&name);
                for value in from..to {
                    names.insert(name.clone(), value);
                    block(lines, at + 1, Some(line), names, out)?;
                }
                names.remove(&name);
                names.extend(hidden.map(|value| (name, value)));
                at = end_of(lines, at)?;
            }
            "if" => {
                if value(rest, names).map_err(wrong)? != 0 {
                    block(lines, at + 1, Some(line), names, out)?;
                }
                at = end_of(lines, at)?;
            }
            "end" if open.is_some() => return Ok(at + 1),
            "end" => return Err("`//#end` without `//#for` or `//#if`".to_owned()),
            _ => return Err(wrong("no such directive".to_owned())),
        }
    }
    match open {
        Some(header) => Err(format!("`{header}` without `//#end`")),
        None => Ok(at),
    }
}

/// The index after the `//#end` of the directive at `at`.
fn end_of(lines: &[&str], at: usize) -> Result<usize, String> {
    let mut depth = 0;
    for (i, line) in lines.iter().enumerate().skip(at) {
        let line = line.trim();
        if line.starts_with("//#for ") || line.starts_with("//#if ") {
            depth += 1;
        } else if line == "//#end" {
            depth -= 1;
            if depth == 0 {
                return Ok(i + 1);
            }
        }
    }
    Err(format!("`{}` without `//#end`", lines[at].trim()))
}

/// `NAME expression` or `NAME[index] expression`.
fn assignment(text: &str, names: &Names) -> Result<(String, u32), String> {
    let (target, expression) =
        text.trim().split_once(' ').ok_or("expected `NAME NUMBER`, as in `//#set TILE 16`")?;
    let name = match target.split_once('[') {
        None => target.to_owned(),
        Some((name, index)) => {
            let index = index.strip_suffix(']').ok_or("the index is not closed")?;
            format!("{name}{}", value(index, names)?)
        }
    };
    Ok((name, value(expression, names)?))
}

/// `NAME in expression..expression`.
fn range(text: &str, names: &Names) -> Result<(String, u32, u32), String> {
    let expected = "expected `NAME in FROM..TO`, as in `//#for i in 0..8`";
    let (name, bounds) = text.split_once(" in ").ok_or(expected)?;
    let (from, to) = bounds.split_once("..").ok_or(expected)?;
    let (from, to) = (value(from, names)?, value(to, names)?);
    if from > to {
        return Err(format!("from {from} to {to} is backwards"));
    }
    Ok((name.trim().to_owned(), from, to))
}

/// Appends `line` to `out` with every `$` replaced.
fn substitute(line: &str, names: &Names, out: &mut String) -> Result<(), String> {
    let mut rest = line;
    while let Some(dollar) = rest.find('$') {
        *out += &rest[..dollar];
        rest = &rest[dollar + 1..];
        let number = if rest.starts_with('[') {
            let close = closing(rest).ok_or("`$[` is not closed")?;
            let number = value(&rest[1..close], names)?;
            rest = &rest[close + 1..];
            number
        } else {
            let word = rest.find(|c: char| !is_name(c)).unwrap_or(rest.len());
            let (length, number) = (1..=word)
                .rev()
                .find_map(|n| names.get(&rest[..n]).map(|value| (n, *value)))
                .ok_or_else(|| format!("`${}` is not known", &rest[..word]))?;
            rest = &rest[length..];
            number
        };
        *out += &number.to_string();
    }
    *out += rest;
    Ok(())
}

/// Index of the `]` that closes the `[` at the start of `text`.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0;
    for (i, c) in text.char_indices() {
        match c {
            '[' => depth += 1,
            ']' if depth == 1 => return Some(i),
            ']' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn value(text: &str, names: &Names) -> Result<u32, String> {
    let mut parser = Parser { rest: text.trim(), names };
    let mut value = parser.sum()?;
    if let Some(rest) = parser.rest.strip_prefix("==") {
        parser.rest = rest.trim_start();
        value = u32::from(value == parser.sum()?);
    }
    if parser.rest.is_empty() { Ok(value) } else { Err(format!("`{}` is too much", parser.rest)) }
}

/// An expression, by recursive descent.
struct Parser<'a> {
    rest: &'a str,
    names: &'a Names,
}

impl Parser<'_> {
    fn take(&mut self, token: char) -> bool {
        let found = self.rest.strip_prefix(token);
        if let Some(rest) = found {
            self.rest = rest.trim_start();
        }
        found.is_some()
    }

    fn expect(&mut self, token: char) -> Result<(), String> {
        if self.take(token) {
            Ok(())
        } else {
            Err(format!("expected `{token}` before `{}`", self.rest))
        }
    }

    fn sum(&mut self) -> Result<u32, String> {
        let mut left = self.product()?;
        loop {
            let result = if self.take('+') {
                left.checked_add(self.product()?)
            } else if self.take('-') {
                left.checked_sub(self.product()?)
            } else {
                return Ok(left);
            };
            left = result.ok_or("a sum or difference is out of range (0 to 2^32 - 1)")?;
        }
    }

    fn product(&mut self) -> Result<u32, String> {
        let mut left = self.atom()?;
        loop {
            let result = if self.take('*') {
                left.checked_mul(self.atom()?)
            } else if self.take('/') {
                left.checked_div(self.atom()?)
            } else if self.take('%') {
                left.checked_rem(self.atom()?)
            } else {
                return Ok(left);
            };
            left = result.ok_or("a product is out of range or a divisor is 0")?;
        }
    }

    fn atom(&mut self) -> Result<u32, String> {
        if self.take('(') {
            let inner = self.sum()?;
            self.expect(')')?;
            return Ok(inner);
        }
        let length = self.rest.find(|c: char| !is_name(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(length);
        self.rest = rest.trim_start();
        if let Ok(number) = word.parse() {
            return Ok(number);
        }
        if word == "min" {
            self.expect('(')?;
            let left = self.sum()?;
            self.expect(',')?;
            let right = self.sum()?;
            self.expect(')')?;
            return Ok(left.min(right));
        }
        let name = if self.take('[') {
            let index = self.sum()?;
            self.expect(']')?;
            format!("{word}{index}")
        } else {
            word.to_owned()
        };
        self.names.get(&name).copied().ok_or_else(|| format!("`{name}` is not known"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Composed from files that are called `a`, `b` ..
    fn composed(files: &[&str], values: &[(&str, u32)]) -> Result<String, String> {
        let text_of = |file: &str| {
            let at = file.bytes().next()?.checked_sub(b'a')?;
            files.get(usize::from(at)).copied()
        };
        compose("a", &text_of, values)
    }

    #[test]
    fn files_are_included_once() {
        let [a, b, c] = ["//#include c\n1\n//#include b\n//#include c\n2", "//#include c\n3", "4"];
        assert_eq!(composed(&[a, b, c], &[]).unwrap(), "4\n1\n3\n2\n");
        assert_eq!(composed(&[a, b], &[]).unwrap_err(), "there is no shaders/c");
    }

    #[test]
    fn expressions() {
        let names = Names::from([("a".into(), 7), ("W2".into(), 5), ("l".into(), 1)]);
        for (text, expected) in [
            ("3 + 4*a", 31),
            ("(3 + 4) * a % 10", 9),
            ("20 - a - 3", 10),
            ("(a + 3) / 4", 2),
            ("min(8 * l + 8, W[l + 1])", 5),
            ("W[l+1]", 5),
            ("a - 2 == W[2]", 1),
            ("a == 1", 0),
        ] {
            assert_eq!(value(text, &names), Ok(expected), "{text}");
        }
        for text in [
            "",
            "3 +",
            "b",
            "W[4]",
            "a - 8",
            "1 / 0",
            "(1",
            "1 2",
            "min(1)",
            "1 ==",
            "1 = 1",
            "4294967296",
        ] {
            assert!(value(text, &names).is_err(), "{text}");
        }
    }

    #[test]
    fn directives() {
        let text = "\
//#default N 2
//#default M 9
//#for i in 0..N
//#set AT[i+1] 10 * i
x$i_$[i + 1] = $iu;
//#for k in i..i
never
//#end
//#if i
odd $M$[AT[i+1]];
//#end
//#end
i is free again: $AT2";
        let composed = composed(&[text], &[("M", 3)]).unwrap();
        assert_eq!(composed, "x0_1 = 0u;\nx1_2 = 1u;\nodd 310;\ni is free again: 10\n");
    }

    #[test]
    fn mistakes_are_named() {
        for (text, part) in [
            ("//#for i in 0..2\nx", "without `//#end`"),
            ("//#for i in 0..0\nx", "without `//#end`"),
            ("//#end", "without `//#for`"),
            ("//#for i in 3..2\n//#end", "backwards"),
            ("//#for i = 1\n//#end", "NAME in FROM..TO"),
            ("//#set A", "NAME NUMBER"),
            ("//#st A 1", "no such directive"),
            ("x$y", "`$y` is not known"),
            ("x$[1 + ", "not closed"),
        ] {
            let error = composed(&[text], &[]).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
