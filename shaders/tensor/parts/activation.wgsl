// Activations for a scalar or four at once: the entry file says which by `alias T`.

// erf to 1.5e-7 (Abramowitz and Stegun 7.1.26).
fn erf(x: T) -> T {
  let z = abs(x);
  let t = T(1.0) / (T(1.0) + z * 0.3275911);
  let p = ((((t * 1.061405429 - T(1.453152027)) * t + T(1.421413741)) * t - T(0.284496736)) * t + T(0.254829592)) * t;
  return sign(x) * (T(1.0) - p * exp(-z * z));
}

// Some devices make tanh of large numbers a NaN.
fn safe_tanh(x: T) -> T {
  return tanh(clamp(x, T(-15.0), T(15.0)));
}

// kind: 0 none, 1 ReLU, 2 GELU (the erf form), 3 tanh, 4 sigmoid.
fn activate(kind: u32, x: T) -> T {
  switch kind {
    case 1u: { return select(T(), x, x > T()); }
    case 2u: { return x * (erf(x * 0.70710678) + T(1.0)) * 0.5; }
    case 3u: { return safe_tanh(x); }
    case 4u: { return T(1.0) / (T(1.0) + exp(-x)); }
    default: { return x; }
  }
}

// d activate / d x, from y = activate(x), for GELU from x itself.
fn slope(kind: u32, y: T) -> T {
  switch kind {
    case 1u: { return select(T(), T(1.0), y > T()); }
    case 2u: { return (erf(y * 0.70710678) + T(1.0)) * 0.5 + y * exp(y * y * -0.5) * 0.39894228; }
    case 3u: { return T(1.0) - y * y; }
    case 4u: { return y * (T(1.0) - y); }
    default: { return T(1.0); }
  }
}
