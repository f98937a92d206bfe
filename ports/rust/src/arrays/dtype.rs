//! The types of elements: which one some have in common, and what a number is in each.

use super::numbers::Int;

/// A type, from the least to the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DType {
    Bool,
    UInt8,
    Int8,
    Int16,
    Int32,
    Int64,
    Float16,
    BFloat16,
    Float32,
    Float64,
}

use DType::*;

/// The types by their numbers in files.
pub const NUMBERED: [DType; 10] =
    [Float32, Float64, Float16, BFloat16, Int64, Int32, Int16, Int8, UInt8, Bool];

/// Which of three groups an operand belongs to: arrays with axes, without, numbers without array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    Axes,
    NoAxes,
    Number,
}

impl DType {
    pub fn name(self) -> &'static str {
        match self {
            Bool => "bool",
            UInt8 => "uint8",
            Int8 => "int8",
            Int16 => "int16",
            Int32 => "int32",
            Int64 => "int64",
            Float16 => "float16",
            BFloat16 => "bfloat16",
            Float32 => "float32",
            Float64 => "float64",
        }
    }

    /// The type of a number in files.
    pub fn numbered(number: i64) -> Option<Self> {
        NUMBERED.get(usize::try_from(number).ok()?).copied()
    }

    /// Bytes of an element.
    pub fn size(self) -> usize {
        match self {
            Bool | UInt8 | Int8 => 1,
            Int16 | Float16 | BFloat16 => 2,
            Int32 | Float32 => 4,
            Int64 | Float64 => 8,
        }
    }

    pub fn is_float(self) -> bool {
        self >= Float16
    }

    pub fn is_integer(self) -> bool {
        !self.is_float() && self != Bool
    }

    /// What numbers of this type are computed in: floats in float32 at least.
    pub fn wide(self) -> Self {
        match self {
            Float16 | BFloat16 => Float32,
            other => other,
        }
    }

    /// The type of sums: int64 of integers and bools.
    pub(crate) fn of_sum(self) -> Self {
        if self.is_float() {
            self
        } else {
            Int64
        }
    }

    /// 0 for bool, 1 for integers, 2 for floats.
    fn kind(self) -> u8 {
        u8::from(self != Bool) + u8::from(self.is_float())
    }

    /// A float rounded to this type of floats: to nearest, ties to even.
    pub(crate) fn rounded(self, x: f64) -> f64 {
        match self {
            Float16 => rounded(x, 11, -14, 65504.0),
            BFloat16 => rounded(x, 8, -126, f64::from(f32::from_bits(0x7F7F_0000))),
            Float32 => f64::from(x as f32),
            _ => x,
        }
    }

    /// A float cut to this type of integers, or whether it is not 0.
    pub(crate) fn cut(self, x: f64) -> Int {
        std::num::Wrapping(match self {
            Bool => i64::from(x != 0.0),
            UInt8 => i64::from(x as u8),
            Int8 => i64::from(x as i8),
            Int16 => i64::from(x as i16),
            Int32 => i64::from(x as i32),
            _ => x as i64,
        })
    }

    /// The last bits of an integer, in two's complement, or whether it is not 0.
    pub(crate) fn wrapped(self, x: Int) -> Int {
        std::num::Wrapping(match self {
            Bool => i64::from(x.0 != 0),
            UInt8 => i64::from(x.0 as u8),
            Int8 => i64::from(x.0 as i8),
            Int16 => i64::from(x.0 as i16),
            Int32 => i64::from(x.0 as i32),
            _ => x.0,
        })
    }
}

/// x with `digits` bits, the least exponent of a normal number being `least`; infinity above `most`.
fn rounded(x: f64, digits: i32, least: i32, most: f64) -> f64 {
    if x == 0.0 || !x.is_finite() {
        return x;
    }
    let exponent = (x.to_bits() >> 52 & 0x7FF) as i32 - 1023;
    let last = exponent.max(least) - (digits - 1); // the power of two that the last bit is worth
    if last > 900 {
        return f64::INFINITY.copysign(x);
    }
    let rounder = 1.5 * f64::from_bits(((last + 52 + 1023) as u64) << 52);
    let y = ((x + rounder) - rounder).copysign(x);
    if y.abs() > most {
        f64::INFINITY.copysign(x)
    } else {
        y
    }
}

/// The common type of types in one group; bool of none.
pub(crate) fn common(dtypes: impl IntoIterator<Item = DType>) -> DType {
    dtypes.into_iter().fold(Bool, |common, dtype| match (common.min(dtype), common.max(dtype)) {
        (UInt8, Int8) => Int16,
        (Float16, BFloat16) => Float32,
        (_, greater) => greater,
    })
}

/// The common type of operands: a later group counts only if its kind is above all before.
pub(crate) fn promoted(operands: &[(DType, Group)]) -> DType {
    let of = |group| common(operands.iter().filter(|x| x.1 == group).map(|x| x.0));
    [Group::Axes, Group::NoAxes, Group::Number].into_iter().map(of).fold(Bool, |common, dtype| {
        if dtype.kind() > common.kind() {
            dtype
        } else {
            common
        }
    })
}
