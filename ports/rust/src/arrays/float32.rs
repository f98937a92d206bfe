//! The functions of float32: those of float64, rounded once; some from a pair, rounded to odd first.

use crate::vmath::{self, Pair};

/// The sum of a pair as a double that is rounded to float32 as the sum itself is.
fn odd(p: Pair) -> f64 {
    let (h, t) = vmath::sum(p.0, p.1);
    let outward = if h.is_sign_negative() { -t } else { t };
    match (h.to_bits() & 1 == 0, outward > 0.0, outward < 0.0) {
        (true, true, _) => f64::from_bits(h.to_bits() + 1),
        (true, _, true) => f64::from_bits(h.to_bits() - 1),
        _ => h,
    }
}

macro_rules! rounded {
    ($($name:ident)*) => {
        $(pub fn $name(x: f32) -> f32 { vmath::$name(f64::from(x)) as f32 })*
    };
}

macro_rules! rounded_to_odd {
    ($($name:ident: $by:ident,)*) => {
        $(pub fn $name(x: f32) -> f32 { vmath::$by(f64::from(x), odd) as f32 })*
    };
}

rounded! {
    acos asin atan atanh cosh erf exp exp2 expm1 gelu_slope log2 sinh softplus tan tanh
}

rounded_to_odd! {
    acosh: acosh_by, asinh: asinh_by, gelu: gelu_by, gelu_tanh: gelu_tanh_by, log: log_by,
    log1p: log1p_by, sigmoid: sigmoid_by, silu: silu_by,
}

/// A sine of one size is too near the middle of two floats for a double to tell.
pub fn sin(x: f32) -> f32 {
    match x.abs().to_bits() {
        0x4619_9998 => f32::from_bits(0x3EB1_FA5D).copysign(-x),
        _ => vmath::sin(f64::from(x)) as f32,
    }
}

/// So are the cosines of two.
pub fn cos(x: f32) -> f32 {
    match x.abs().to_bits() {
        0x5F18_B878 => f32::from_bits(0x3F7F_14BB),
        0x6115_CB11 => f32::from_bits(0x3F78_142F),
        _ => vmath::cos(f64::from(x)) as f32,
    }
}

pub fn pow(x: f32, y: f32) -> f32 {
    vmath::pow(f64::from(x), f64::from(y)) as f32
}
