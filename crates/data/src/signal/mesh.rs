//! Meshes as pictures: slices through a body, each pixel its signed distance from the outline.
//!
//! Read here rather than by libraries: of OFF none is kept well, and what slices need of OBJ and STL is a few lines, where a
//! page pays for every kilobyte of its program.

use super::error::SourceError;
use super::{ImageSet, SourceKind, SourceOptions};

/// Slices through a mesh.
pub const SLICES: usize = 16;
/// Side of a slice, in pixels, unless [`SourceOptions::size`] says otherwise.
const SIDE: usize = 128;
/// Half the longest side of the body, where half the side of the picture is 1.
const EXTENT: f64 = 0.8;
/// How much brightness, of 1, changes over half the side of the picture.
const SLOPE: f64 = 2.0;

/// Triangles in space.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mesh {
    vertices: Vec<[f64; 3]>,
    triangles: Vec<[usize; 3]>,
}

/// Where a slice cuts a triangle. Outwards is to the right of the way from the first point to the second, if the triangle's corners
/// go round against the clock seen from outside.
type Segment = [[f64; 2]; 2];

/// Whether a name is that of a mesh.
pub fn is_mesh_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [".off", ".obj", ".stl"].iter().any(|end| name.ends_with(end))
}

impl Mesh {
    /// Reads OFF (also with ModelNet's header `OFF8 6 0`), Wavefront OBJ or STL, text or binary, by the end of `file`'s name.
    /// Polygons become fans of triangles; colours, normals and textures are passed over.
    ///
    /// # Errors
    /// Text that is not what its format asks for, with the line; corners that do not exist; no triangle; a body without extent.
    pub fn read(bytes: &[u8], file: &str) -> Result<Mesh, SourceError> {
        let name = file.to_ascii_lowercase();
        let text = String::from_utf8_lossy(bytes);
        let mesh = if name.ends_with(".off") {
            off(&text, file)?
        } else if name.ends_with(".stl") {
            if bytes.contains(&0) { binary_stl(bytes, file)? } else { text_stl(&text, file)? }
        } else {
            obj(&text, file)?
        };
        let vertices = mesh.vertices.len();
        let missing = mesh.triangles.iter().flatten().find(|&&corner| corner >= vertices);
        if let Some(missing) = missing {
            let found = format!("a face with vertex {missing} (counted from 0)");
            return Err(wrong(file, None, found, format!("one of the {vertices} there are")));
        }
        if mesh.triangles.is_empty() {
            return Err(wrong(file, None, "no face".to_owned(), "a mesh of triangles or polygons"));
        }
        if mesh.vertices.iter().flatten().any(|x| !x.is_finite()) {
            return Err(wrong(file, None, "a coordinate that is no number".to_owned(), "numbers"));
        }
        if mesh.bounds().iter().filter(|[low, high]| high > low).count() < 2 {
            return Err(wrong(
                file,
                None,
                "a body without extent".to_owned(),
                "one to cut slices of",
            ));
        }
        Ok(mesh)
    }

    /// Least and greatest coordinate along each axis.
    fn bounds(&self) -> [[f64; 2]; 3] {
        let mut bounds = [[f64::INFINITY, f64::NEG_INFINITY]; 3];
        for corner in self.triangles.iter().flatten() {
            for (bound, &x) in bounds.iter_mut().zip(&self.vertices[*corner]) {
                *bound = [bound[0].min(x), bound[1].max(x)];
            }
        }
        bounds
    }

    /// [`SLICES`] slices across the shortest side, where outlines show most, `[slice, side, side]`: grey 127.5 is the outline,
    /// brighter within and darker beyond, 255 levels for a quarter of the picture's side. The body's longest side is 0.8 of the
    /// picture's. In a slice whose outline is not closed nothing is within, and all is as dark as it is far from the surface.
    pub fn slices(&self, side: usize) -> Vec<u8> {
        let bounds = self.bounds();
        let extent = |axis: usize| bounds[axis][1] - bounds[axis][0];
        let middle = |axis: usize| 0.5 * (bounds[axis][0] + bounds[axis][1]);
        let across =
            (0..3).fold(0, |least, axis| if extent(axis) < extent(least) { axis } else { least });
        // Upwards is y, as in OBJ files, unless one looks along it.
        let (right, up) = [(2, 1), (0, 2), (0, 1)][across];
        let longest = extent(right).max(extent(up));
        let scale = 2.0 * EXTENT / longest;
        let place = |corner: usize| {
            let vertex = self.vertices[corner];
            [scale * (vertex[right] - middle(right)), scale * (middle(up) - vertex[up])]
        };
        let mut pixels = Vec::with_capacity(SLICES * side * side);
        for slice in 0..SLICES {
            let height = bounds[across][0] + extent(across) * (slice as f64 + 0.5) / SLICES as f64;
            let segments: Vec<Segment> = self
                .triangles
                .iter()
                .filter_map(|corners| {
                    cut(corners.map(|c| (self.vertices[c][across] - height, place(c))))
                })
                .collect();
            draw(&segments, side, &mut pixels);
        }
        pixels
    }
}

impl ImageSet {
    /// A mesh as the set of its slices ([`Mesh::slices`]), of 128 x 128 pixels unless `opts` says otherwise.
    ///
    /// # Errors
    /// As [`Mesh::read`].
    pub fn from_mesh_bytes(
        bytes: &[u8],
        file: &str,
        opts: &SourceOptions,
    ) -> Result<ImageSet, SourceError> {
        let pixels = Mesh::read(bytes, file)?.slices(SIDE);
        let names = (1..=SLICES).map(|slice| format!("slice {slice}")).collect();
        let mut set = ImageSet::from_pixels(pixels, [SIDE, SIDE, 1], names, opts)?;
        (set.source.kind, set.source.name) = (SourceKind::Mesh, file.to_owned());
        Ok(set)
    }
}

/// Where the plane at height 0 cuts a triangle, given its corners' heights and places. A corner in the plane counts as above it, so
/// that neighbours agree; and an edge is cut at the same point from both of its sides, to the last bit.
fn cut(corners: [(f64, [f64; 2]); 3]) -> Option<Segment> {
    let above = corners.map(|(height, _)| height >= 0.0);
    let crossing = |from: usize| {
        let (mut low, mut high) = (corners[from], corners[(from + 1) % 3]);
        if above[from] {
            (low, high) = (high, low);
        }
        let part = low.0 / (low.0 - high.0);
        [0, 1].map(|i| low.1[i] + part * (high.1[i] - low.1[i]))
    };
    let edge = |up: bool| (0..3).find(|&i| above[i] != up && above[(i + 1) % 3] == up);
    Some([crossing(edge(true)?), crossing(edge(false)?)])
}

/// Appends the picture of an outline.
fn draw(segments: &[Segment], side: usize, pixels: &mut Vec<u8>) {
    let at = |i: usize| (2 * i + 1) as f64 / side as f64 - 1.0;
    let mut distances = Vec::with_capacity(side * side);
    let mut inside = Vec::with_capacity(side * side);
    // Whether the outline goes round everything, and, if its pieces do not all go the same way, whether it is closed at all.
    let (mut wound, mut closed) = (true, true);
    let mut crossings = Vec::new();
    for row in 0..side {
        let y = at(row);
        crossings.clear();
        for &[[ax, ay], [bx, by]] in segments {
            if (ay > y) != (by > y) {
                let turn = if by > ay { 1 } else { -1 };
                crossings.push((ax + (y - ay) / (by - ay) * (bx - ax), turn));
            }
        }
        // To the right of all of it nothing is within.
        wound &= crossings.iter().map(|(_, turn)| turn).sum::<i32>() == 0;
        closed &= crossings.len().is_multiple_of(2);
        for column in 0..side {
            let x = at(column);
            let nearest = segments.iter().map(|segment| square_distance([x, y], segment));
            distances.push(nearest.fold(f64::INFINITY, f64::min).sqrt());
            let left = crossings.iter().filter(|(at, _)| *at < x);
            let turns: i32 = left.clone().map(|(_, turn)| turn).sum();
            inside.push([turns != 0, left.count() % 2 == 1]);
        }
    }
    pixels.extend(distances.iter().zip(inside).map(|(&distance, inside)| {
        let inside = if wound { inside[0] } else { closed && inside[1] };
        let signed = if inside { -distance } else { distance };
        (255.0 * (0.5 - SLOPE * signed).clamp(0.0, 1.0)).round() as u8
    }));
}

fn square_distance([x, y]: [f64; 2], &[[ax, ay], [bx, by]]: &Segment) -> f64 {
    let (ex, ey, px, py) = (bx - ax, by - ay, x - ax, y - ay);
    let length = ex * ex + ey * ey;
    let along = if length > 0.0 { ((px * ex + py * ey) / length).clamp(0.0, 1.0) } else { 0.0 };
    (px - along * ex).powi(2) + (py - along * ey).powi(2)
}

fn wrong(
    file: &str,
    line: Option<usize>,
    found: String,
    expected: impl Into<String>,
) -> SourceError {
    let place = line.map_or_else(String::new, |line| format!("line {}: ", line + 1));
    SourceError::Mesh { file: file.to_owned(), place, found, expected: expected.into() }
}

/// A line, its number from 0.
type Line<'a> = (usize, &'a str);

/// The first three numbers of a line.
fn numbers((line, text): Line<'_>, file: &str) -> Result<[f64; 3], SourceError> {
    let mut words = text.split_ascii_whitespace().map(str::parse);
    match [words.next(), words.next(), words.next()] {
        [Some(Ok(x)), Some(Ok(y)), Some(Ok(z))] => Ok([x, y, z]),
        _ => Err(wrong(file, Some(line), quoted(text), "three numbers")),
    }
}

/// The beginning of a line, for a message.
fn quoted(text: &str) -> String {
    let start: String = text.chars().filter(|c| !c.is_control()).take(40).collect();
    format!("“{start}”")
}

/// A polygon as triangles that share its first corner.
fn fan(mesh: &mut Mesh, corners: &[usize]) {
    if let [first, rest @ ..] = corners {
        mesh.triangles.extend(rest.windows(2).map(|pair| [*first, pair[0], pair[1]]));
    }
}

fn off(text: &str, file: &str) -> Result<Mesh, SourceError> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    let mut lines = lines.enumerate().filter(|(_, line)| !line.is_empty());
    let ended = |what: &str| wrong(file, None, "the end of the file".to_owned(), what);
    let head = lines.next().ok_or_else(|| ended("OFF"))?;
    // Colours or normals behind the coordinates are passed over, as everything there is.
    let glued = head.1.trim_start_matches(['C', 'N']).strip_prefix("OFF");
    let glued = glued.ok_or_else(|| wrong(file, Some(head.0), quoted(head.1), "OFF"))?;
    let counts = match glued {
        "" => lines.next().ok_or_else(|| ended("numbers of vertices, faces and edges"))?,
        glued => (head.0, glued),
    };
    let [vertices, faces, _] = numbers(counts, file)?;
    let mut mesh = Mesh::default();
    for _ in 0..vertices as usize {
        let line = lines.next().ok_or_else(|| ended(&format!("{vertices} vertices")))?;
        mesh.vertices.push(numbers(line, file)?);
    }
    for _ in 0..faces as usize {
        let (line, text) = lines.next().ok_or_else(|| ended(&format!("{faces} faces")))?;
        let bad = || wrong(file, Some(line), quoted(text), "a number of corners, and the corners");
        let mut words = text.split_ascii_whitespace();
        let count: usize = words.next().and_then(|word| word.parse().ok()).ok_or_else(bad)?;
        let corners: Option<Vec<usize>> = words.take(count).map(|word| word.parse().ok()).collect();
        let corners = corners.filter(|corners| corners.len() == count).ok_or_else(bad)?;
        fan(&mut mesh, &corners);
    }
    Ok(mesh)
}

fn obj(text: &str, file: &str) -> Result<Mesh, SourceError> {
    let mut mesh = Mesh::default();
    for (line, text) in text.lines().enumerate() {
        if let Some(vertex) = text.strip_prefix("v ") {
            mesh.vertices.push(numbers((line, vertex), file)?);
        } else if let Some(face) = text.strip_prefix("f ") {
            // `f 1/2/3`: vertex, texture, normal, from 1; negative ones count back from the last vertex so far.
            let corner = |word: &str| match word.split('/').next()?.parse::<i64>().ok()? {
                back @ ..0 => mesh.vertices.len().checked_sub(back.unsigned_abs() as usize),
                number => usize::try_from(number).ok()?.checked_sub(1),
            };
            let corners: Option<Vec<usize>> = face.split_ascii_whitespace().map(corner).collect();
            let bad =
                || wrong(file, Some(line), quoted(text), "corners that exist, counted from 1");
            fan(&mut mesh, &corners.ok_or_else(bad)?);
        }
    }
    Ok(mesh)
}

fn corners(mut vertices: Vec<[f64; 3]>) -> Mesh {
    vertices.truncate(vertices.len() / 3 * 3);
    let triangles = (0..vertices.len() / 3).map(|i| [3 * i, 3 * i + 1, 3 * i + 2]).collect();
    Mesh { vertices, triangles }
}

fn text_stl(text: &str, file: &str) -> Result<Mesh, SourceError> {
    let of = |(line, text): Line<'_>| {
        let vertex = text.trim_start().strip_prefix("vertex")?;
        Some(numbers((line, vertex), file))
    };
    Ok(corners(text.lines().enumerate().filter_map(of).collect::<Result<_, _>>()?))
}

/// 80 bytes of anything, the number of triangles, and for each 12 numbers (its normal, its corners) and two bytes more. Unlike
/// text it has zeros.
fn binary_stl(bytes: &[u8], file: &str) -> Result<Mesh, SourceError> {
    let (count, triangles) =
        bytes.get(80..).and_then(<[u8]>::split_first_chunk).unwrap_or((&[0; 4], &[]));
    let count = u32::from_le_bytes(*count);
    let expected = 84 + 50 * u64::from(count);
    if bytes.len() as u64 != expected {
        let expected =
            format!("{expected} for its {count} triangles: it is cut off, or no STL file");
        return Err(wrong(file, None, format!("{} bytes", bytes.len()), expected));
    }
    let number = |b: &[u8; 4]| f64::from(f32::from_le_bytes(*b));
    let of = |triangle: &[u8]| {
        let numbers = triangle[12..48].as_chunks::<4>().0;
        numbers.as_chunks::<3>().0.iter().map(|v| v.each_ref().map(number)).collect::<Vec<_>>()
    };
    Ok(corners(triangles.chunks_exact(50).flat_map(of).collect()))
}
