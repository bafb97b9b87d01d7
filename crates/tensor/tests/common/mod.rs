//! Random problems, plain f64 tensors, and the comparison of an operation with its reference: forward directly,
//! backward with finite differences of the reference.
#![allow(dead_code, reason = "each test file uses a part")]

use std::sync::OnceLock;
use weightlab_gpu::{Gpu, OpenOptions};
use weightlab_kernels::philox::{philox4x32, symmetric};
use weightlab_tensor::{Graph, Optimizer, ParamSet, ParamStore, Pass, Program, Target, Var};

/// Poisoned buffers and no more than the WebGPU default limits.
pub fn gpu() -> &'static Gpu {
    static GPU: OnceLock<Gpu> = OnceLock::new();
    GPU.get_or_init(|| {
        let options = OpenOptions { poison: true, default_limits: true, ..Default::default() };
        let gpu = pollster::block_on(Gpu::open(&options)).expect("the tests need an adapter");
        println!("adapter: {:?}", gpu.report());
        gpu
    })
}

/// Both choices of kernels.
pub fn targets() -> [Target; 2] {
    [true, false].map(|software| Target { software, ..Target::of(gpu()) })
}

/// Random numbers from a seed.
pub struct Random {
    seed: u32,
    at: u32,
}

impl Random {
    pub fn new(seed: u32) -> Random {
        Random { seed, at: 0 }
    }

    /// Uniform on [-1, 1).
    pub fn next(&mut self) -> f32 {
        self.at += 1;
        symmetric(philox4x32([self.at, 0, 0, 77], [self.seed, 5])[0])
    }

    /// Uniform on 0..n.
    pub fn below(&mut self, n: usize) -> usize {
        ((f64::from(self.next()) * 0.5 + 0.5) * n as f64) as usize
    }

    pub fn numbers(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.next()).collect()
    }

    /// One of these.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// A plain tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Nd {
    pub shape: Vec<usize>,
    pub data: Vec<f64>,
}

impl Nd {
    pub fn new(shape: &[usize], data: Vec<f64>) -> Nd {
        assert_eq!(shape.iter().product::<usize>(), data.len());
        Nd { shape: shape.to_vec(), data }
    }

    pub fn from_fn(shape: &[usize], mut f: impl FnMut(&[usize]) -> f64) -> Nd {
        let count: usize = shape.iter().product();
        let mut index = vec![0; shape.len()];
        let mut data = Vec::with_capacity(count);
        for _ in 0..count {
            data.push(f(&index));
            for axis in (0..shape.len()).rev() {
                index[axis] += 1;
                if index[axis] < shape[axis] {
                    break;
                }
                index[axis] = 0;
            }
        }
        Nd { shape: shape.to_vec(), data }
    }

    /// Element at an index that may have more axes in front and longer axes where this has length 1.
    pub fn at(&self, index: &[usize]) -> f64 {
        let lead = index.len() - self.shape.len();
        let flat = self
            .shape
            .iter()
            .zip(&index[lead..])
            .fold(0, |flat, (&n, &i)| flat * n + if n == 1 { 0 } else { i });
        self.data[flat]
    }

    pub fn map(&self, f: impl Fn(f64) -> f64) -> Nd {
        Nd { shape: self.shape.clone(), data: self.data.iter().map(|&x| f(x)).collect() }
    }

    /// Elementwise with broadcasting.
    pub fn with(&self, other: &Nd, f: impl Fn(f64, f64) -> f64) -> Nd {
        let shape = broadcast(&self.shape, &other.shape);
        Nd::from_fn(&shape, |i| f(self.at(i), other.at(i)))
    }

    pub fn reshape(&self, shape: &[usize]) -> Nd {
        Nd::new(shape, self.data.clone())
    }

    pub fn permute(&self, order: &[usize]) -> Nd {
        let shape: Vec<usize> = order.iter().map(|&a| self.shape[a]).collect();
        Nd::from_fn(&shape, |i| {
            let mut source = vec![0; i.len()];
            order.iter().zip(i).for_each(|(&a, &x)| source[a] = x);
            self.at(&source)
        })
    }

    pub fn slice(&self, axis: usize, range: std::ops::Range<usize>) -> Nd {
        let mut shape = self.shape.clone();
        shape[axis] = range.len();
        Nd::from_fn(&shape, |i| {
            let mut source = i.to_vec();
            source[axis] += range.start;
            self.at(&source)
        })
    }

    /// Folds the elements along axes, which are dropped.
    pub fn fold(&self, axes: &[usize], f: impl Fn(&[f64]) -> f64) -> Nd {
        let kept: Vec<usize> = (0..self.shape.len()).filter(|a| !axes.contains(a)).collect();
        let gone: Vec<usize> = (0..self.shape.len()).filter(|a| axes.contains(a)).collect();
        let sizes = |axes: &[usize]| axes.iter().map(|&a| self.shape[a]).collect::<Vec<_>>();
        Nd::from_fn(&sizes(&kept), |i| {
            let mut source = vec![0; self.shape.len()];
            kept.iter().zip(i).for_each(|(&a, &x)| source[a] = x);
            let line = Nd::from_fn(&sizes(&gone), |j| {
                let mut source = source.clone();
                gone.iter().zip(j).for_each(|(&a, &x)| source[a] = x);
                self.at(&source)
            });
            f(&line.data)
        })
    }

    /// Applies `f`, which keeps the length, to every line along the last axis.
    pub fn lines(&self, f: impl Fn(&[f64]) -> Vec<f64>) -> Nd {
        let width = *self.shape.last().expect("an axis");
        Nd::new(&self.shape, self.data.chunks(width.max(1)).flat_map(f).collect())
    }

    /// `[.., m, k] x [.., k, n]`.
    pub fn matmul(&self, other: &Nd) -> Nd {
        let (ra, rb) = (self.shape.len(), other.shape.len());
        let (m, k, n) = (self.shape[ra - 2], self.shape[ra - 1], other.shape[rb - 1]);
        let mut shape = broadcast(&self.shape[..ra - 2], &other.shape[..rb - 2]);
        let lead = shape.len();
        shape.extend([m, n]);
        Nd::from_fn(&shape, |i| {
            (0..k)
                .map(|x| {
                    let (mut a, mut b) = (i.to_vec(), i.to_vec());
                    a[lead + 1] = x;
                    b[lead] = x;
                    self.at(&a) * other.at(&b)
                })
                .sum()
        })
    }

    pub fn t(&self) -> Nd {
        let mut order: Vec<usize> = (0..self.shape.len()).collect();
        let n = order.len();
        order.swap(n - 2, n - 1);
        self.permute(&order)
    }
}

pub fn broadcast(a: &[usize], b: &[usize]) -> Vec<usize> {
    let rank = a.len().max(b.len());
    let of = |s: &[usize], i: usize| (i + s.len()).checked_sub(rank).map_or(1, |i| s[i]);
    (0..rank)
        .map(|i| match (of(a, i), of(b, i)) {
            (1, n) => n,
            (n, _) => n,
        })
        .collect()
}

/// Largest difference relative to the largest number expected, or 0.05 if that is larger: inputs are of size one, and
/// so are the errors of what leads to a small result. Infinite for a NaN.
pub fn worst(got: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(got.len(), expected.len());
    let scale = expected.iter().fold(0.05, |m: f64, x| m.max(x.abs()));
    got.iter().zip(expected).fold(0.0, |worst, (a, b)| {
        let error = (f64::from(*a) - b).abs() / scale;
        if error.is_nan() && !b.is_nan() { f64::INFINITY } else { f64::max(worst, error) }
    })
}

/// An empty store for graphs without parameters.
pub fn no_params() -> ParamStore {
    ParamStore::new(gpu(), &ParamSet::new(), &[], &[], &Optimizer::Sgd { momentum: 0.0 }).unwrap()
}

/// Tolerances of a comparison, relative to the largest number.
#[derive(Clone, Copy)]
pub struct Tolerance {
    pub forward: f64,
    pub backward: f64,
}

impl Default for Tolerance {
    fn default() -> Self {
        // Sums of some hundred f32 products; finite differences of the reference are good to 1e-8.
        Tolerance { forward: 2e-6, backward: 5e-6 }
    }
}

/// Compares an operation on inputs of these shapes with its reference, with both choices of kernels, twice.
///
/// Of long inputs only some elements are moved for the finite differences. `prepare` moves the random numbers, uniform on [-1, 1), to where the operation is smooth.
pub fn check(
    what: &str,
    shapes: &[&[usize]],
    seed: u32,
    prepare: impl Fn(f32) -> f32,
    tolerance: Tolerance,
    build: impl Fn(&mut Graph, &[Var]) -> Var,
    reference: impl Fn(&[Nd]) -> Nd,
) {
    let mut random = Random::new(seed);
    let data: Vec<Vec<f32>> = shapes
        .iter()
        .map(|s| random.numbers(s.iter().product()).into_iter().map(&prepare).collect())
        .collect();
    let exact: Vec<Nd> = shapes
        .iter()
        .zip(&data)
        .map(|(s, d)| Nd::new(s, d.iter().map(|&x| f64::from(x)).collect()))
        .collect();
    let expected = reference(&exact);
    let weights = random.numbers(expected.data.len());
    let objective = |x: &[Nd]| -> f64 {
        reference(x).data.iter().zip(&weights).map(|(y, &w)| y * f64::from(w)).sum()
    };
    let looked_at: Vec<Vec<usize>> = exact
        .iter()
        .map(|x| match x.data.len() {
            n @ 0..200 => (0..n).collect(),
            n => (0..40).map(|_| random.below(n)).collect(),
        })
        .collect();
    let slope = |input: usize, i: usize| {
        let h = 1e-5;
        let at = |delta: f64| {
            let mut moved = exact.clone();
            moved[input].data[i] += delta;
            objective(&moved)
        };
        (at(h) - at(-h)) / (2.0 * h)
    };
    let slopes: Vec<Vec<f64>> = looked_at
        .iter()
        .enumerate()
        .map(|(input, places)| places.iter().map(|&i| slope(input, i)).collect())
        .collect();

    for target in targets() {
        let label = format!("{what} {shapes:?}, software {}", target.software);
        let mut graph = Graph::new(&ParamSet::new(), &target);
        let inputs: Vec<Var> = shapes.iter().map(|s| graph.input_with_gradient("x", s)).collect();
        let y = build(&mut graph, &inputs);
        assert_eq!(y.shape(), expected.shape, "{label}");
        let kept = graph.keep(y);
        let w = graph.constant("w", &expected.shape, &weights);
        let product = graph.mul(y, w);
        let axes: Vec<usize> = (0..expected.shape.len()).collect();
        let loss = graph.sum(product, &axes, false);
        graph.backward(loss);
        let gradients: Vec<Var> =
            inputs.iter().map(|x| graph.gradient(*x).expect("asked for")).collect();
        let mut program = Program::new(gpu(), graph.plan().unwrap(), &no_params()).unwrap();
        let mut first: Option<Vec<Vec<f32>>> = None;
        for _ in 0..2 {
            for (x, d) in inputs.iter().zip(&data) {
                program.write(*x, d).unwrap();
            }
            program.run(&Pass::default()).unwrap();
            let got: Vec<Vec<f32>> = [kept]
                .iter()
                .chain(&gradients)
                .map(|v| pollster::block_on(program.read(*v)).unwrap())
                .collect();
            if let Some(first) = &first {
                let bits = |all: &[Vec<f32>]| {
                    all.iter().flatten().map(|x| x.to_bits()).collect::<Vec<_>>()
                };
                assert_eq!(bits(first), bits(&got), "{label}: a second run differs");
                continue;
            }
            let error = worst(&got[0], &expected.data);
            assert!(error <= tolerance.forward, "{label}: forward off by {error:.1e}");
            for (i, slopes) in slopes.iter().enumerate() {
                let here: Vec<f32> = looked_at[i].iter().map(|&at| got[1 + i][at]).collect();
                let error = worst(&here, slopes);
                assert!(
                    error <= tolerance.backward,
                    "{label}: gradient of input {i} off by {error:.1e}: {here:?} not {slopes:?}"
                );
            }
            first = Some(got);
        }
    }
}

/// The error function, by Simpson's rule.
pub fn erf(x: f64) -> f64 {
    let n = 2000;
    let h = x / f64::from(n);
    let f = |t: f64| (-t * t).exp();
    let inner: f64 = (1..n).map(|i| f(h * f64::from(i)) * if i % 2 == 1 { 4.0 } else { 2.0 }).sum();
    (f(0.0) + f(x) + inner) * h / 3.0 * 2.0 / std::f64::consts::PI.sqrt()
}
