//! The ops on elements: what a row of csrc/ops.def computes of numbers, and in which types.

use super::array::{broadcast, Array};
use super::dtype::{promoted, DType, Group};
use super::error::{need, Error, Result};
use super::numbers::{in_float, in_type, Float, Int, Number};
use std::num::Wrapping;

/// Which types a row takes, as csrc/ops.def names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Types {
    Floats,
    Numbers,
    NumbersOnly,
    NumbersAndBools,
    Integral,
    IntegralAndBools,
    Compares,
    Truths,
}

/// The type that a row is computed in for operands of these types, and that of its result.
pub(crate) fn computed_in(
    name: &str,
    types: Types,
    operands: &[(DType, Group)],
) -> Result<(DType, DType)> {
    let mut common = promoted(operands);
    let refused = || format!("{name} has no meaning for {}", common.name());
    match types {
        Types::Truths => return Ok((DType::Bool, DType::Bool)),
        Types::Compares => {
            let has_number = operands.iter().any(|x| x.1 == Group::Number);
            let is_wide = has_number && common.is_integer();
            return Ok((if is_wide { DType::Int64 } else { common.wide() }, DType::Bool));
        }
        Types::Integral => need(common.is_integer(), refused)?,
        Types::IntegralAndBools => need(!common.is_float(), refused)?,
        Types::NumbersOnly => need(common != DType::Bool, refused)?,
        Types::Floats if !common.is_float() => common = DType::Float32,
        Types::Numbers if common == DType::Bool => common = DType::Int64,
        _ => {}
    }
    Ok((common.wide(), common))
}

/// What a row does with one element of each operand.
pub(crate) enum Kernel<T> {
    One(fn(T) -> T),
    Two(fn(T, T) -> T),
    Test(fn(&T, &T) -> bool),
}

use Kernel::{One, Test, Two};

// ---- formulas

/// The larger, a of equal ones; NaN if one is.
pub(crate) fn larger<T: Number>(a: T, b: T) -> T {
    if a >= b {
        a
    } else if b > a {
        b
    } else {
        a + b
    }
}

pub(crate) fn smaller<T: Number>(a: T, b: T) -> T {
    if a <= b {
        a
    } else if b < a {
        b
    } else {
        a + b
    }
}

/// 1 or 0.
fn one_if<T: Number>(condition: bool) -> T {
    if condition {
        T::ONE
    } else {
        T::ZERO
    }
}

fn one_over<T: Float>(a: T) -> T {
    T::ONE / a
}

fn remainder<T: Float>(a: T, b: T) -> T {
    let rest = a % b;
    if rest == T::ZERO {
        T::ZERO.signed(b)
    } else if (rest < T::ZERO) != (b < T::ZERO) {
        rest + b
    } else {
        rest
    }
}

/// a / b rounded down, from what a % b leaves, so that both fit together.
fn floor_divide<T: Float>(a: T, b: T) -> T {
    if b == T::ZERO {
        return a / b;
    }
    let rest = a % b;
    let mut quotient = (a - rest) / b;
    if rest != T::ZERO && (rest < T::ZERO) != (b < T::ZERO) {
        quotient = quotient - T::ONE;
    }
    if quotient == T::ZERO {
        return T::ZERO.signed(a / b);
    }
    let down = quotient.down();
    if quotient - down > T::narrow(0.5) {
        down + T::ONE
    } else {
        down
    }
}

/// a to the power of k, which some k have in plain operations.
fn power_of_number<T: Float>(a: T, k: f64) -> T {
    match k {
        2.0 => a * a,
        1.0 => a,
        0.0 => T::ONE,
        -1.0 => one_over(a),
        0.5 => a.root(),
        -0.5 => one_over(a.root()),
        3.0 => (a * a) * a,
        _ => a.power(T::narrow(k)),
    }
}

fn integer_power(a: Int, k: Int) -> Int {
    if k.0 < 0 {
        return match a.0 {
            1 => a,
            -1 if k.0 % 2 != 0 => a,
            -1 => Wrapping(1),
            _ => Wrapping(0),
        };
    }
    let (mut result, mut square, mut left) = (Wrapping(1), a, k.0);
    while left > 0 {
        if left & 1 == 1 {
            result *= square;
        }
        square *= square;
        left >>= 1;
    }
    result
}

/// Python's //, of a divisor that is not 0.
fn integer_floor_divide(a: Int, b: Int) -> Int {
    let is_down = integer_rest(a, b) != Wrapping(0) && (a.0 < 0) != (b.0 < 0);
    Wrapping(a.0.wrapping_div(b.0)) - Wrapping(i64::from(is_down))
}

/// What C's % leaves.
fn integer_rest(a: Int, b: Int) -> Int {
    Wrapping(a.0.wrapping_rem(b.0))
}

fn integer_remainder(a: Int, b: Int) -> Int {
    let rest = integer_rest(a, b);
    if rest.0 != 0 && (rest.0 < 0) != (b.0 < 0) {
        rest + b
    } else {
        rest
    }
}

/// By how many bits to shift, 64 for all.
fn shift_of(b: Int) -> u32 {
    u32::try_from(b.0).map_or(64, |n| n.min(64))
}

// ---- the table

/// What a row of numbers and floats computes.
fn of_numbers<T: Number>(name: &str) -> Option<Kernel<T>> {
    Some(match name {
        "add" => Two(|a, b| a + b),
        "sub" => Two(|a, b| a - b),
        "mul" => Two(|a, b| a * b),
        "neg" => One(|a| -a),
        "square" => One(|a| a * a),
        "relu" => One(|a| if a < T::ZERO { T::ZERO } else { a }),
        "sign" => One(|a| one_if::<T>(a > T::ZERO) - one_if(a < T::ZERO)),
        "maximum" | "clamp_min" => Two(larger),
        "minimum" | "clamp_max" => Two(smaller),
        "eq" => Test(T::eq),
        "ne" => Test(T::ne),
        "lt" => Test(T::lt),
        "le" => Test(T::le),
        "gt" => Test(T::gt),
        "ge" => Test(T::ge),
        _ => return None,
    })
}

/// What a row computes of floats.
fn of_floats<T: Float>(name: &str) -> Option<Kernel<T>> {
    Some(match name {
        "div" => Two(|a, b| a / b),
        "pow" => Two(T::power),
        "floor_divide" => Two(floor_divide),
        "remainder" => Two(remainder),
        "squared_difference" => Two(|a, b| (a - b) * (a - b)),
        "share" => Two(|a, b| {
            T::narrow(if a < b {
                0.0
            } else if a == b {
                0.5
            } else {
                1.0
            })
        }),
        "at_least" => Two(|a, b| one_if(a >= b)),
        "below" => Two(|a, b| one_if(a < b)),
        "mask" => Two(|a, b| if a == T::ZERO { T::ZERO } else { a * b }),
        "step" => One(|a| if a <= T::ZERO { T::ZERO } else { T::ONE }),
        "abs" => One(T::size),
        "sqrt" => One(T::root),
        "rsqrt" => One(|a| one_over(a.root())),
        "reciprocal" => One(one_over),
        "floor" => One(T::down),
        "ceil" => One(T::up),
        "trunc" => One(T::inward),
        "round" => One(T::nearest),
        _ => return function(name).map(One),
    })
}

/// The function of a row that is one.
fn function<T: Float>(name: &str) -> Option<fn(T) -> T> {
    Some(match name {
        "acos" => T::acos,
        "acosh" => T::acosh,
        "asin" => T::asin,
        "asinh" => T::asinh,
        "atan" => T::atan,
        "atanh" => T::atanh,
        "cos" => T::cos,
        "cosh" => T::cosh,
        "erf" => T::erf,
        "exp" => T::exp,
        "exp2" => T::exp2,
        "expm1" => T::expm1,
        "gelu" => T::gelu,
        "gelu_slope" => T::gelu_slope,
        "gelu_tanh" => T::gelu_tanh,
        "log" => T::log,
        "log1p" => T::log1p,
        "log2" => T::log2,
        "sigmoid" => T::sigmoid,
        "silu" => T::silu,
        "sin" => T::sin,
        "sinh" => T::sinh,
        "softplus" => T::softplus,
        "tan" => T::tan,
        "tanh" => T::tanh,
        _ => return None,
    })
}

/// What a row computes of integers and bools.
fn of_integers(name: &str) -> Option<Kernel<Int>> {
    Some(match name {
        "pow" => Two(integer_power),
        "floor_divide" => Two(integer_floor_divide),
        "remainder" => Two(integer_remainder),
        "abs" => One(|a| if a.0 < 0 { -a } else { a }),
        "logical_and" | "bitwise_and" => Two(|a, b| a & b),
        "logical_or" | "bitwise_or" => Two(|a, b| a | b),
        "logical_xor" | "bitwise_xor" => Two(|a, b| a ^ b),
        "logical_not" => One(|a| a ^ Wrapping(1)),
        "bitwise_not" => One(|a| !a),
        "bitwise_left_shift" => Two(|a, b| Wrapping(a.0.checked_shl(shift_of(b)).unwrap_or(0))),
        "bitwise_right_shift" => Two(|a, b| Wrapping(a.0 >> shift_of(b).min(63))),
        _ => return None,
    })
}

/// Types of which rows have kernels.
trait Computes: Number {
    fn kernel(name: &str) -> Option<Kernel<Self>>;
}

impl Computes for f32 {
    fn kernel(name: &str) -> Option<Kernel<Self>> {
        of_numbers(name).or_else(|| of_floats(name))
    }
}

impl Computes for f64 {
    fn kernel(name: &str) -> Option<Kernel<Self>> {
        of_numbers(name).or_else(|| of_floats(name))
    }
}

impl Computes for Int {
    fn kernel(name: &str) -> Option<Kernel<Self>> {
        of_numbers(name).or_else(|| of_integers(name))
    }
}

// ---- arrays

/// A row of the table of elements of operands, which are cast and broadcast.
pub(crate) fn compute(
    name: &str,
    operands: &[Array],
    k: Option<f64>,
    (computed, result): (DType, DType),
) -> Result<Array> {
    let shapes: Vec<&[usize]> = operands.iter().map(Array::shape).collect();
    let shape = broadcast(&shapes)?;
    if matches!(name, "floor_divide" | "remainder") && !computed.is_float() {
        let has_zero = operands[1].cast(computed)?.integers()?.contains(&0);
        need(!has_zero, || format!("{name}: an integer is divided by 0"))?;
    }
    if let Some(k) = k {
        return in_float!(computed, T => {
            let x: Vec<T> = operands[0].read(computed)?;
            let y = x.into_iter().map(|x| power_of_number(x, k)).collect();
            Array::stored(result, &shape, y)
        });
    }
    if name == "bitwise_not" && computed == DType::Bool {
        return map::<Int>("logical_not", operands, &shape, computed, result);
    }
    in_type!(computed, T => map::<T>(name, operands, &shape, computed, result))
}

fn map<T: Computes>(
    name: &str,
    operands: &[Array],
    shape: &[usize],
    computed: DType,
    result: DType,
) -> Result<Array> {
    let kernel = T::kernel(name)
        .ok_or_else(|| Error::Argument(format!("{name} has no meaning for {}", computed.name())))?;
    let read = |i: usize| -> Result<Vec<T>> { operands[i].expand(shape)?.read(computed) };
    match kernel {
        One(f) => Array::stored(result, shape, read(0)?.into_iter().map(f).collect()),
        Two(f) => {
            let pairs = read(0)?.into_iter().zip(read(1)?);
            Array::stored(result, shape, pairs.map(|(a, b)| f(a, b)).collect())
        }
        Test(f) => {
            let pairs = read(0)?.into_iter().zip(read(1)?);
            let found = pairs.map(|(a, b)| Wrapping(i64::from(f(&a, &b)))).collect();
            Array::stored::<Int>(result, shape, found)
        }
    }
}

/// The common type of arrays.
pub(crate) fn common_of(arrays: &[&Array]) -> DType {
    let group = |a: &&Array| if a.rank() == 0 { Group::NoAxes } else { Group::Axes };
    let operands: Vec<(DType, Group)> = arrays.iter().map(|a| (a.dtype(), group(a))).collect();
    promoted(&operands)
}
