//! What can be wrong with a source of images.

use thiserror::Error;

use super::picture::MAX_PIXELS;

/// A source that cannot be read. Every message names the file, what was expected and what to do.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SourceError {
    /// Pixels that are not as many as their shape says.
    #[error(
        "{name}: {got} bytes of pixels, but height x width x channels is {shape:?} (1 or 3 channels)"
    )]
    Pixels {
        /// What the picture is called.
        name: String,
        /// Bytes given.
        got: u64,
        /// Height, width and channels given.
        shape: [usize; 3],
    },
    /// The file system refused.
    #[error("{path}: cannot {action}: {source}")]
    Io {
        /// The file or folder.
        path: String,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// A name that is no text.
    #[error("{path}: the name of this image is not valid Unicode; rename the file")]
    FileName {
        /// The file, with replacement characters.
        path: String,
    },
    /// An IDX file that does not begin as one.
    #[error(
        "{file}: byte 0: magic number {found:#010x}, expected {expected:#010x} ({meaning}); {hint}"
    )]
    Magic {
        /// The file.
        file: String,
        /// The four bytes found, big-endian.
        found: u32,
        /// The four bytes expected.
        expected: u32,
        /// What a file with the expected magic number holds.
        meaning: &'static str,
        /// What to do.
        hint: &'static str,
    },
    /// Fewer bytes than the format or the header calls for.
    #[error(
        "{file}: ends at byte {offset} of the {stream}, expected {expected} bytes ({what}); the \
         file is truncated: fetch or copy it again"
    )]
    Truncated {
        /// The file.
        file: String,
        /// Where the data end.
        offset: u64,
        /// Total bytes expected.
        expected: u64,
        /// What the expected bytes are.
        what: String,
        /// "file", or "decompressed data" if the offset counts after gunzip.
        stream: &'static str,
    },
    /// More bytes than the header promises.
    #[error(
        "{file}: data go on after byte {offset} of the {stream}, where the {what} end; the header \
         and the data disagree: fetch the file again"
    )]
    Trailing {
        /// The file.
        file: String,
        /// First byte too many.
        offset: u64,
        /// What should have been all.
        what: String,
        /// "file", or "decompressed data" if the offset counts after gunzip.
        stream: &'static str,
    },
    /// A gzip stream that does not decompress.
    #[error(
        "{file}: the gzip data are damaged after byte {offset} of the decompressed data \
         ({detail}); fetch or copy the file again"
    )]
    Gzip {
        /// The file.
        file: String,
        /// Decompressed bytes that came out before the damage.
        offset: u64,
        /// What the decoder said.
        detail: String,
    },
    /// A header without a single pixel.
    #[error(
        "{file}: byte 4: the header declares {dims} (count x height x width), which is no image at all; fetch or \
         write the file again"
    )]
    NoPixels {
        /// The file.
        file: String,
        /// The dimensions.
        dims: String,
    },
    /// Dimensions whose product no memory holds, or that the file cannot possibly hold.
    #[error(
        "{file}: byte {offset}: the header declares {dims}, more than {limit} bytes of this file \
         can hold; the header is damaged: fetch the file again"
    )]
    Dimensions {
        /// The file.
        file: String,
        /// Where the dimensions stand.
        offset: u64,
        /// The dimensions, `count x height x width`.
        dims: String,
        /// Length of the file in bytes.
        limit: u64,
    },
    /// Not one label per image.
    #[error(
        "{images_file} holds {images} images but {labels_file} {labels} labels, expected one \
         label per image; the two files belong to different sets: put the matching one there, or \
         remove the label file to go without labels"
    )]
    LabelCount {
        /// The image file.
        images_file: String,
        /// The label file.
        labels_file: String,
        /// Images found.
        images: u64,
        /// Labels found.
        labels: u64,
    },
    /// A label outside the classes that the format knows.
    #[error("{file}: byte {offset}: label {found}, expected 0 to {max}; {hint}")]
    Label {
        /// The file.
        file: String,
        /// Where the label stands.
        offset: u64,
        /// The label found.
        found: u32,
        /// The largest label of the format.
        max: u32,
        /// What to do.
        hint: &'static str,
    },
    /// A file that is neither PNG nor JPEG.
    #[error(
        "{file}: byte 0: not a PNG or JPEG image (it begins with {found}); convert it to one of \
         the two"
    )]
    ImageFormat {
        /// The file.
        file: String,
        /// The first bytes, as hexadecimal digits.
        found: String,
    },
    /// An image that does not decode.
    #[error("{file}: the {format} data cannot be decoded: {detail}; save the image again")]
    ImageDecode {
        /// The file.
        file: String,
        /// "PNG" or "JPEG".
        format: &'static str,
        /// What the decoder said.
        detail: String,
    },
    /// An image too large to be decoded.
    #[error(
        "{file}: {width} x {height} is {megapixels:.1} megapixels, expected at most {max} \
         megapixels; scale the file down with an image program first (--size acts only after \
         decoding)",
        megapixels = f64::from(*width) * f64::from(*height) / 1e6,
        max = MAX_PIXELS / 1_000_000,
    )]
    ImageTooLarge {
        /// The file.
        file: String,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// An image that is no function worth fitting.
    #[error(
        "{file}: {width} x {height} (width x height), expected at least 2 x 2 pixels: a single row \
         or column has no grid in both coordinates; leave the image out or give --size HxW"
    )]
    ImageTooSmall {
        /// The file.
        file: String,
        /// Width in pixels.
        width: u64,
        /// Height in pixels.
        height: u64,
    },
    /// Images of several sizes in one folder.
    #[error(
        "{second} is {second_width} x {second_height} (width x height) but {first} is \
         {first_width} x {first_height}; networks of one zoo share one grid: give --size HxW, for \
         instance --size {first_height}x{first_width}"
    )]
    SizesDiffer {
        /// The first image.
        first: String,
        /// Its width.
        first_width: usize,
        /// Its height.
        first_height: usize,
        /// The first image of another size.
        second: String,
        /// Its width.
        second_width: usize,
        /// Its height.
        second_height: usize,
    },
    /// Images both beside and inside class folders.
    #[error(
        "{path}: images lie both in the folder itself (such as {loose}) and in its subfolders \
         (such as {nested}), expected one of the two: subfolders become class labels, so move the \
         loose images into one"
    )]
    Mixed {
        /// The folder.
        path: String,
        /// An image in the folder itself.
        loose: String,
        /// An image in a subfolder.
        nested: String,
    },
    /// Nothing in a folder, or a file, that any reader knows.
    #[error(
        "{path}: {found}. Accepted are: a folder with *images-idx3-ubyte[.gz] (and \
         *labels-idx1-ubyte[.gz]) as MNIST and Fashion-MNIST come; a folder with data_batch_*.bin \
         and test_batch*.bin, the binary version of CIFAR-10; a folder of PNG or JPEG images, or \
         of one subfolder of them per class; or one such file; or a mesh (.off, .obj, .stl) or NumPy's arrays (.npz, \
         .npy)"
    )]
    NothingRecognised {
        /// The path given.
        path: String,
        /// What was there instead.
        found: String,
    },
    /// A mesh that is not what its format asks for.
    #[error(
        "{file}: {place}found {found}, expected {expected}; save the mesh again as OFF, OBJ or STL"
    )]
    Mesh {
        /// The file.
        file: String,
        /// Which line, and a colon; empty if it is none.
        place: String,
        /// What was found.
        found: String,
        /// What would do.
        expected: String,
    },
    /// Arrays that cannot be read.
    #[error("{what}")]
    Arrays {
        /// File and array, what was found, what would do.
        what: String,
    },
    /// Arrays of which none is of pictures.
    #[error(
        "{file}: found {}, expected an array of pictures: (count, height, width), with 1 or 3 channels behind it for \
         colour", if found.is_empty() { "no array" } else { found }
    )]
    NoPictures {
        /// The file.
        file: String,
        /// Names and shapes of its arrays.
        found: String,
    },
    /// Numbers that are no grey levels.
    #[error(
        "{file}: {member}: numbers that are not all from 0 to 255 (or 0 to 1, if they are floats); scale them, and save \
         the array again"
    )]
    Levels {
        /// The file.
        file: String,
        /// The array.
        member: String,
    },
    /// The split asked for is not there.
    #[error(
        "{path}: has no {asked} split, only {available}; leave --split out or fetch the missing \
         files"
    )]
    NoSuchSplit {
        /// The folder.
        path: String,
        /// The split asked for.
        asked: &'static str,
        /// The splits found.
        available: String,
    },
    /// Several files could be meant.
    #[error("{path}: {candidates} could all be meant; give the path of the one file instead")]
    Ambiguous {
        /// The folder.
        path: String,
        /// The files.
        candidates: String,
    },
    /// A file without a single image.
    #[error("{path}: holds no image; check that the download is complete")]
    NoImages {
        /// The file or folder.
        path: String,
    },
    /// More pixels than memory.
    #[error(
        "{path}: {count} images of {height} x {width} x {channels} (height x width x channels) do \
         not fit into memory; give a smaller --size or split the set"
    )]
    Memory {
        /// The file or folder.
        path: String,
        /// Images.
        count: u64,
        /// Height in pixels.
        height: u64,
        /// Width in pixels.
        width: u64,
        /// 1 for grey, 3 for colour.
        channels: u64,
    },
}
