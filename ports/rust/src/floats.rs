//! Python's arithmetic of floats, with the functions of `vmath` in the place of the C library's
//! ("portable math"). Every function returns what IEEE 754 has, and notes where Python raises.

use crate::vmath;

pub use crate::vmath::{erf, tanh};

/// What Python's floats raise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MathError {
    Division,
    Overflow,
    Domain,
}

impl std::fmt::Display for MathError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Division => "division by zero",
            Self::Overflow => "the result is too large",
            Self::Domain => "the function is not defined there",
        })
    }
}

impl std::error::Error for MathError {}

/// The first error that a computation has met.
#[derive(Default)]
pub struct Errors(Option<MathError>);

impl Errors {
    fn note(&mut self, is_met: bool, error: MathError) {
        if is_met {
            self.0.get_or_insert(error);
        }
    }

    /// A result, unless there was an error.
    pub fn check<T>(self, result: T) -> Result<T, MathError> {
        self.0.map_or(Ok(result), Err)
    }
}

pub fn divide(x: f64, y: f64, errors: &mut Errors) -> f64 {
    errors.note(y == 0.0, MathError::Division);
    x / y
}

/// x to the power of y.
pub fn power(x: f64, y: f64, errors: &mut Errors) -> f64 {
    let is_real = x.is_finite() && y.is_finite();
    errors.note(x == 0.0 && y < 0.0 && y.is_finite(), MathError::Division);
    errors.note(x < 0.0 && is_real && y % 1.0 != 0.0, MathError::Domain);
    let result = vmath::pow(x, y);
    errors.note(is_real && result.is_infinite(), MathError::Overflow);
    result
}

pub fn exp(x: f64, errors: &mut Errors) -> f64 {
    let y = vmath::exp(x);
    errors.note(y.is_infinite() && x.is_finite(), MathError::Overflow);
    y
}

pub fn expm1(x: f64, errors: &mut Errors) -> f64 {
    let y = vmath::expm1(x);
    errors.note(y.is_infinite() && x.is_finite(), MathError::Overflow);
    y
}

pub fn log(x: f64, errors: &mut Errors) -> f64 {
    errors.note(x <= 0.0, MathError::Domain);
    vmath::log(x)
}

pub fn log1p(x: f64, errors: &mut Errors) -> f64 {
    errors.note(x <= -1.0, MathError::Domain);
    vmath::log1p(x)
}

pub fn sin(x: f64, errors: &mut Errors) -> f64 {
    errors.note(x.is_infinite(), MathError::Domain);
    vmath::sin(x)
}

pub fn cos(x: f64, errors: &mut Errors) -> f64 {
    errors.note(x.is_infinite(), MathError::Domain);
    vmath::cos(x)
}

/// 1 / (1 + e^-x), which cannot overflow.
pub fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 {
        return 1.0 / (1.0 + vmath::exp(-x));
    }
    let e = vmath::exp(x);
    e / (1.0 + e)
}

/// The shortest text that reads back as x, as Python writes it: 0.5, 1e-05, 100.0.
pub fn repr(x: f64) -> String {
    if x.is_nan() || x.is_infinite() {
        return format!("{x:?}").to_lowercase();
    }
    let sign = if x.is_sign_negative() { "-" } else { "" };
    let text = format!("{:e}", x.abs());
    let (mantissa, exponent) = text.split_once('e').expect("{:e} writes an exponent");
    let exponent: i32 = exponent.parse().expect("an exponent is an integer");
    let digits = mantissa.replace('.', "");
    match exponent {
        -4..=-1 => format!("{sign}0.{}{digits}", "0".repeat(-exponent as usize - 1)),
        0..=15 => {
            let point = exponent as usize + 1;
            let digits = format!("{digits:0<width$}", width = point + 1);
            format!("{sign}{}.{}", &digits[..point], &digits[point..])
        }
        _ => format!(
            "{sign}{mantissa}e{}{:02}",
            if exponent < 0 { '-' } else { '+' },
            exponent.abs()
        ),
    }
}
