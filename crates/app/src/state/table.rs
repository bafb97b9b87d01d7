//! The table of everything an address can hold, read and written by the same lines.
//!
//! A part of the state names its fields once, in a function that is generic over [`Fields`]; given a
//! [`Reader`] it takes them from an address, given a [`Writer`] it puts those that differ from the usual
//! value into one.

/// How a value is written in an address.
pub trait Codec<T> {
    /// The value, or `None` for nonsense.
    fn read(&self, text: &str) -> Option<T>;
    /// The text.
    fn write(&self, value: &T) -> String;
    /// What can be saved of nonsense, instead of the usual value.
    fn saved(&self, _text: &str) -> Option<T> {
        None
    }
    /// What is possible, as the end of "... has to be".
    fn expected(&self) -> String;
}

/// Something that goes through the fields of a state.
pub trait Fields {
    /// One field: its key, how it is written, the value, and what it usually is.
    fn field<T: Clone + PartialEq>(
        &mut self,
        key: &'static str,
        codec: &impl Codec<T>,
        value: &mut T,
        usual: &T,
    );
}

/// A number within bounds.
#[derive(Clone, Copy, Debug)]
pub struct Real(pub f32, pub f32);

impl Codec<f32> for Real {
    fn read(&self, text: &str) -> Option<f32> {
        text.parse().ok().filter(|x| (self.0..=self.1).contains(x))
    }
    fn write(&self, value: &f32) -> String {
        value.to_string()
    }
    fn expected(&self) -> String {
        format!("a number from {} to {}", self.0, self.1)
    }
}

impl Codec<f64> for Real {
    fn read(&self, text: &str) -> Option<f64> {
        let bounds = f64::from(self.0)..=f64::from(self.1);
        text.parse().ok().filter(|x| bounds.contains(x))
    }
    fn write(&self, value: &f64) -> String {
        // A thousandth of a picture: windows need no more, and addresses stay short.
        let text = format!("{value:.4}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
    fn expected(&self) -> String {
        Codec::<f32>::expected(self)
    }
}

/// A whole number within bounds.
#[derive(Clone, Copy, Debug)]
pub struct Whole(pub u64, pub u64);

impl<T: Copy + TryFrom<u64> + Into<u64>> Codec<T> for Whole {
    fn read(&self, text: &str) -> Option<T> {
        let value = text.parse().ok().filter(|x| (self.0..=self.1).contains(x))?;
        T::try_from(value).ok()
    }
    fn write(&self, value: &T) -> String {
        (*value).into().to_string()
    }
    fn expected(&self) -> String {
        format!("a whole number from {} to {}", self.0, self.1)
    }
}

/// One of a few named values.
#[derive(Clone, Copy, Debug)]
pub struct Choice<T: 'static>(pub &'static [(&'static str, T)]);

impl<T: Clone + PartialEq> Codec<T> for Choice<T> {
    fn read(&self, text: &str) -> Option<T> {
        self.0.iter().find(|(name, _)| *name == text).map(|(_, value)| value.clone())
    }
    fn write(&self, value: &T) -> String {
        let found = self.0.iter().find(|(_, v)| v == value);
        found.map_or_else(String::new, |(name, _)| (*name).to_owned())
    }
    fn expected(&self) -> String {
        let names: Vec<_> = self.0.iter().map(|(name, _)| *name).collect();
        match names.as_slice() {
            [all @ .., last] if !all.is_empty() => format!("{} or {last}", all.join(", ")),
            _ => names.concat(),
        }
    }
}

/// Yes or no.
pub const SWITCH: Choice<bool> = Choice(&[("1", true), ("0", false)]);

/// The name of a zoo: letters, digits, spaces and ` -_.()`, no dot or space at its ends, so that it can be a folder's.
#[derive(Clone, Copy, Debug)]
pub struct Name;

impl Name {
    /// Longest name, in bytes.
    pub const LONGEST: usize = 80;

    fn allows(c: char) -> bool {
        c.is_alphanumeric() || " -_.()".contains(c)
    }

    /// A name as near to `text` as there is; of several spaces one is left.
    pub fn nearest(text: &str) -> String {
        let mut name = String::new();
        for c in text.chars().map(|c| if Name::allows(c) { c } else { ' ' }) {
            if name.len() + c.len_utf8() <= Name::LONGEST && !(c == ' ' && name.ends_with(' ')) {
                name.push(c);
            }
        }
        let name = name.trim_matches(|c: char| c == '.' || c.is_whitespace());
        if name.is_empty() { "zoo".to_owned() } else { name.to_owned() }
    }
}

impl Codec<String> for Name {
    fn read(&self, text: &str) -> Option<String> {
        (Name::nearest(text) == text).then(|| text.to_owned())
    }
    fn write(&self, value: &String) -> String {
        value.clone()
    }
    fn expected(&self) -> String {
        "a name of letters, digits, spaces and -_.()".to_owned()
    }
}

/// A value that may be absent, written `none`.
#[derive(Clone, Copy, Debug)]
pub struct OrNone<C>(pub C);

impl<T, C: Codec<T>> Codec<Option<T>> for OrNone<C> {
    fn read(&self, text: &str) -> Option<Option<T>> {
        if text == "none" { Some(None) } else { self.0.read(text).map(Some) }
    }
    fn write(&self, value: &Option<T>) -> String {
        value.as_ref().map_or_else(|| "none".to_owned(), |v| self.0.write(v))
    }
    fn expected(&self) -> String {
        format!("{}, or none", self.0.expected())
    }
}

/// Problems that are told one by one: what has more is no address.
const MOST_PROBLEMS: usize = 20;

/// Takes fields from an address, and collects a sentence for each thing wrong with it.
#[derive(Debug)]
pub struct Reader {
    /// Key, value, and whether a field has asked for it.
    pairs: Vec<(String, String, bool)>,
    problems: Vec<String>,
}

/// Adds a problem, once.
fn tell(problems: &mut Vec<String>, what: String) {
    if problems.len() < MOST_PROBLEMS && !problems.contains(&what) {
        problems.push(what);
    }
}

impl Reader {
    /// From `key=value&key=value`.
    pub fn new(text: &str) -> Reader {
        let mut reader = Reader { pairs: Vec::new(), problems: Vec::new() };
        for pair in text.split('&').filter(|p| !p.trim_start_matches('=').is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            reader.pairs.push((decode(key), decode(value), false));
        }
        reader
    }

    /// Notes something else that is wrong.
    pub fn problem(&mut self, what: String) {
        tell(&mut self.problems, what);
    }

    /// A sentence for each thing that was wrong, keys that nobody asked for among them.
    pub fn finish(mut self) -> Vec<String> {
        for (key, _, _) in self.pairs.iter().filter(|(_, _, asked)| !asked) {
            let key = shortened(key);
            tell(
                &mut self.problems,
                format!("The address has “{key}”, which means nothing here; it is ignored."),
            );
        }
        self.problems
    }
}

impl Fields for Reader {
    fn field<T: Clone + PartialEq>(
        &mut self,
        key: &'static str,
        codec: &impl Codec<T>,
        value: &mut T,
        usual: &T,
    ) {
        *value = usual.clone();
        for (k, text, asked) in &mut self.pairs {
            if k != key {
                continue;
            }
            *asked = true;
            if let Some(read) = codec.read(text) {
                *value = read;
            } else {
                let saved = codec.saved(text);
                let problem = format!(
                    "The address has “{key}={}”, but {key} has to be {}; {} is used instead.",
                    shortened(text),
                    codec.expected(),
                    match codec.write(saved.as_ref().unwrap_or(usual)) {
                        text if text.is_empty() => "the usual value".to_owned(),
                        text => text,
                    }
                );
                tell(&mut self.problems, problem);
                saved.into_iter().for_each(|saved| *value = saved);
            }
        }
    }
}

/// Puts fields that are not as usual into an address.
#[derive(Debug, Default)]
pub struct Writer {
    text: String,
}

impl Writer {
    /// Adds a pair.
    pub fn pair(&mut self, key: &str, value: &str) {
        if !self.text.is_empty() {
            self.text.push('&');
        }
        self.text.push_str(key);
        self.text.push('=');
        self.text.push_str(&encode(value));
    }

    /// `key=value&key=value`.
    pub fn finish(self) -> String {
        self.text
    }
}

impl Fields for Writer {
    fn field<T: Clone + PartialEq>(
        &mut self,
        key: &'static str,
        codec: &impl Codec<T>,
        value: &mut T,
        usual: &T,
    ) {
        if value != usual {
            self.pair(key, &codec.write(value));
        }
    }
}

/// Every field as it is written, usual ones too.
#[derive(Debug, Default)]
pub struct All(pub Vec<(&'static str, String)>);

impl Fields for All {
    fn field<T: Clone + PartialEq>(
        &mut self,
        key: &'static str,
        codec: &impl Codec<T>,
        value: &mut T,
        _: &T,
    ) {
        self.0.push((key, codec.write(value)));
    }
}

/// The beginning of a text that a stranger may have written, for a sentence.
fn shortened(text: &str) -> String {
    let mut out: String = text.chars().filter(|c| !c.is_control()).take(24).collect();
    if out.len() < text.len() {
        out.push('…');
    }
    out
}

/// Percent-decoding; what is not UTF-8 is replaced.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = |b: &[u8]| u8::from_str_radix(std::str::from_utf8(b).ok()?, 16).ok();
        match (first, tail.get(..2).and_then(hex)) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            (b'+', _) => {
                bytes.push(b' ');
                rest = tail;
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Percent-encoding of all but what is harmless in a fragment.
fn encode(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z'
            | b'A'..=b'Z'
            | b'0'..=b'9'
            | b'-'
            | b'_'
            | b'.'
            | b','
            | b':'
            | b';'
            | b'='
            | b'/' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_survives_an_address() {
        for text in ["", "plain", "a b+c=d&e#f%", "größe ×2", "%zz%4"] {
            assert_eq!(decode(&encode(text)), text);
        }
        assert_eq!(decode("%zz%4+%41%ff"), "%zz%4 A\u{fffd}");
    }

    #[test]
    fn names_can_be_folders() {
        for name in ["test", "Größen (2)", "a-b_c.d"] {
            assert_eq!(Name.read(name).as_deref(), Some(name));
        }
        for (text, name) in [
            ("..", "zoo"),
            ("", "zoo"),
            ("../up", "up"),
            ("a/b\\c", "a b c"),
            ("a <>  b", "a b"),
            (" .hidden. ", "hidden"),
            ("tab\there", "tab here"),
        ] {
            assert_eq!(Name.read(text), None, "{text:?}");
            assert_eq!(Name::nearest(text), name, "{text:?}");
        }
        let long = Name::nearest(&"ü".repeat(1000));
        assert_eq!(long.len(), Name::LONGEST);
        assert_eq!(Name.read(&long), Some(long.clone()));
    }

    #[test]
    fn numbers_keep_to_their_bounds() {
        assert_eq!(Codec::<f32>::read(&Real(0.5, 2.0), "1.5"), Some(1.5));
        for nonsense in ["NaN", "inf", "2.1", "", "1,5", "0x1"] {
            assert_eq!(Codec::<f32>::read(&Real(0.5, 2.0), nonsense), None, "{nonsense}");
        }
        assert_eq!(Codec::<u32>::read(&Whole(1, 9), "9"), Some(9));
        for nonsense in ["0", "10", "-1", "1e3", "99999999999999999999999"] {
            assert_eq!(Codec::<u32>::read(&Whole(1, 9), nonsense), None, "{nonsense}");
        }
        assert_eq!(Codec::<f64>::write(&Real(0.0, 1.0), &0.25), "0.25");
        assert_eq!(Codec::<f64>::write(&Real(0.0, 9.0), &2.0), "2");
    }
}
