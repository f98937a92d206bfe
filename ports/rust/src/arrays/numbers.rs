//! Numbers as they are computed: float32, float64 and, for all integers and bools, 64 bits that wrap.

use super::dtype::DType;
use super::float32;
use crate::vmath;
use std::num::Wrapping;
use std::ops::{Add, Div, Mul, Neg, Rem, Sub};

pub type Int = Wrapping<i64>;

/// Elements in the type that they are computed in; each is always a number of its own type.
#[derive(Clone, Debug)]
pub enum Numbers {
    Single(Vec<f32>),
    Double(Vec<f64>),
    Whole(Vec<Int>),
}

/// An expression of the numbers, whichever they are.
macro_rules! each {
    ($numbers:expr, $x:ident => $result:expr) => {
        match $numbers {
            Numbers::Single($x) => $result,
            Numbers::Double($x) => $result,
            Numbers::Whole($x) => $result,
        }
    };
}
pub(crate) use each;

/// A call of a function of the type T that numbers of a dtype are computed in.
macro_rules! in_type {
    ($dtype:expr, $T:ident => $result:expr) => {
        match $dtype.wide() {
            DType::Float32 => {
                type $T = f32;
                $result
            }
            DType::Float64 => {
                type $T = f64;
                $result
            }
            _ => {
                type $T = crate::arrays::numbers::Int;
                $result
            }
        }
    };
}
pub(crate) use in_type;

/// The same of floats alone; what is no float is computed in float32.
macro_rules! in_float {
    ($dtype:expr, $T:ident => $result:expr) => {
        match $dtype.wide() {
            DType::Float64 => {
                type $T = f64;
                $result
            }
            _ => {
                type $T = f32;
                $result
            }
        }
    };
}
pub(crate) use in_float;

impl Numbers {
    pub fn len(&self) -> usize {
        each!(self, x => x.len())
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The same numbers as numbers of a type.
    pub(crate) fn cast(&self, dtype: DType) -> Self {
        if matches!(
            (self, dtype),
            (Self::Single(_), DType::Float32) | (Self::Double(_), DType::Float64)
        ) {
            return self.clone();
        }
        in_type!(dtype, T => each!(self, x => T::pack(x.iter().map(|x| T::of(*x, dtype)).collect())))
    }

    /// Those at some places.
    pub(crate) fn at(&self, places: &[usize]) -> Self {
        each!(self, x => Number::pack(places.iter().map(|i| x[*i]).collect()))
    }

    /// Number i as a float; an integer beyond 2^53 is rounded.
    pub fn float(&self, i: usize) -> f64 {
        each!(self, x => x[i].double())
    }
}

/// A type that elements are computed in.
pub trait Number:
    Copy
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Neg<Output = Self>
    + 'static
{
    const ZERO: Self;
    const ONE: Self;
    /// What no number is below, and what none is above.
    const ENDS: (Self, Self);

    fn pack(numbers: Vec<Self>) -> Numbers;
    /// What `pack` has packed.
    ///
    /// # Panics
    /// Of numbers of another type.
    fn unpack(numbers: Numbers) -> Vec<Self>;
    /// Any number as one of a dtype that is computed in this type.
    fn of(x: impl Number, dtype: DType) -> Self;
    fn double(self) -> f64;
    /// As a double that is rounded to a narrower float as the number itself is.
    fn odd(self) -> f64;
    fn whole(self, dtype: DType) -> Int;
    /// self * b + c, of floats rounded once.
    fn fma(self, b: Self, c: Self) -> Self;
}

macro_rules! float_number {
    ($T:ident, $variant:ident) => {
        impl Number for $T {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const ENDS: (Self, Self) = ($T::NEG_INFINITY, $T::INFINITY);

            fn pack(numbers: Vec<Self>) -> Numbers {
                Numbers::$variant(numbers)
            }

            fn unpack(numbers: Numbers) -> Vec<Self> {
                match numbers {
                    Numbers::$variant(x) => x,
                    _ => panic!("numbers of another type"),
                }
            }

            fn of(x: impl Number, dtype: DType) -> Self {
                match dtype {
                    DType::Float64 => x.double() as $T,
                    _ => dtype.rounded(x.odd()) as $T,
                }
            }

            fn double(self) -> f64 {
                f64::from(self)
            }

            fn odd(self) -> f64 {
                f64::from(self)
            }

            fn whole(self, dtype: DType) -> Int {
                dtype.cut(f64::from(self))
            }

            fn fma(self, b: Self, c: Self) -> Self {
                self.mul_add(b, c)
            }
        }
    };
}

float_number!(f32, Single);
float_number!(f64, Double);

impl Number for Int {
    const ZERO: Self = Wrapping(0);
    const ONE: Self = Wrapping(1);
    const ENDS: (Self, Self) = (Wrapping(i64::MIN), Wrapping(i64::MAX));

    fn pack(numbers: Vec<Self>) -> Numbers {
        Numbers::Whole(numbers)
    }

    fn unpack(numbers: Numbers) -> Vec<Self> {
        match numbers {
            Numbers::Whole(x) => x,
            _ => panic!("numbers of another type"),
        }
    }

    fn of(x: impl Number, dtype: DType) -> Self {
        x.whole(dtype)
    }

    fn double(self) -> f64 {
        self.0 as f64
    }

    fn odd(self) -> f64 {
        let shift = 11_u32.saturating_sub(self.0.unsigned_abs().leading_zeros());
        let size = self.0.unsigned_abs();
        let cut = size >> shift | u64::from(size & ((1 << shift) - 1) != 0);
        let y = cut as f64 * f64::from(1_u32 << shift);
        if self.0 < 0 {
            -y
        } else {
            y
        }
    }

    fn whole(self, dtype: DType) -> Int {
        dtype.wrapped(self)
    }

    fn fma(self, b: Self, c: Self) -> Self {
        self * b + c
    }
}

/// Names of functions of floats.
macro_rules! functions {
    ($($name:ident)*) => {
        /// A type of floats, with the functions of csrc/SPEC.md.
        pub trait Float: Number + Div<Output = Self> + Rem<Output = Self> {
            /// Squares below this sum, and exponents beyond that, leave the range of a row.
            const LEAST_SQUARES: Self;
            const MOST_EXPONENT: i32;

            $(fn $name(self) -> Self;)*
            fn power(self, y: Self) -> Self;
            fn root(self) -> Self;
            fn size(self) -> Self;
            /// The size with the sign of y.
            fn signed(self, y: Self) -> Self;
            /// To whole numbers: down, up, towards 0, to the nearest with ties to even.
            fn down(self) -> Self;
            fn up(self) -> Self;
            fn inward(self) -> Self;
            fn nearest(self) -> Self;
            /// A double rounded to the type.
            fn narrow(x: f64) -> Self;
        }

        impl Float for f64 {
            const LEAST_SQUARES: Self = 1.0261342003245941e-289; // 2^-960
            const MOST_EXPONENT: i32 = 1022;

            $(fn $name(self) -> Self { vmath::$name(self) })*
            fn power(self, y: Self) -> Self { vmath::pow(self, y) }
            float_basics!();
        }

        impl Float for f32 {
            const LEAST_SQUARES: Self = 8.271806e-25; // 2^-80
            const MOST_EXPONENT: i32 = 126;

            $(fn $name(self) -> Self { float32::$name(self) })*
            fn power(self, y: Self) -> Self { float32::pow(self, y) }
            float_basics!();
        }
    };
}

/// What IEEE 754 defines, as the standard library has it.
macro_rules! float_basics {
    () => {
        fn root(self) -> Self {
            self.sqrt()
        }
        fn size(self) -> Self {
            self.abs()
        }
        fn signed(self, y: Self) -> Self {
            self.copysign(y)
        }
        fn down(self) -> Self {
            self.floor()
        }
        fn up(self) -> Self {
            self.ceil()
        }
        fn inward(self) -> Self {
            self.trunc()
        }
        fn nearest(self) -> Self {
            self.round_ties_even()
        }
        fn narrow(x: f64) -> Self {
            x as Self
        }
    };
}

functions! {
    acos acosh asin asinh atan atanh cos cosh erf exp exp2 expm1 gelu gelu_slope gelu_tanh log log1p
    log2 sigmoid silu sin sinh softplus tan tanh
}
