//! The table of ops: what each takes, as csrc/ops.def says, what computes it, and its gradient.

use super::array::Array;
use super::dtype::DType;
use super::elements::Types;
use super::error::{need, Error, Result};
use super::gradients::{self, Known};
use super::tensor::Tensor;
use super::{movement, products, reductions, rows};

/// Integers that an op takes beside its operands.
#[derive(Clone, Copy, Debug)]
enum Integers {
    These(usize),
    /// Lists of one for each axis of operand 0.
    PerAxis,
    /// One for each axis of the result.
    Shape,
    /// How many, from 1 to 3, and three lists of so many.
    Windows,
}

#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Elements(Types),
    Arrays(fn(&Call) -> Result<Array>),
}

/// A row of the table.
pub struct Op {
    pub name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) gradient: Option<fn(&Known) -> Result<Tensor>>,
    operands: usize,
    /// More of them: all or none; `usize::MAX` for any number.
    optional: usize,
    integers: Integers,
    numbers: usize,
}

impl std::fmt::Debug for Op {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Op {
    /// The op of a name.
    ///
    /// # Errors
    /// There is none.
    pub fn named(name: &str) -> Result<&'static Self> {
        let found = OPS.iter().find(|op| op.name == name);
        found.ok_or_else(|| Error::Argument(format!("no op is named {name:?}")))
    }

    /// Whether it takes so many operands and nothing else.
    pub(crate) fn takes(&self, operands: usize) -> bool {
        self.check(operands, 0, 0).is_ok()
    }

    /// Refuse what an op does not take; lists of integers are checked by those who read them.
    pub(crate) fn check(&self, operands: usize, integers: usize, numbers: usize) -> Result<()> {
        let is_more = match self.optional {
            usize::MAX => operands >= self.operands,
            _ => operands == self.operands + self.optional,
        };
        let of_integers = !matches!(self.integers, Integers::These(n) if n != integers);
        let fits = (operands == self.operands || is_more) && of_integers && numbers == self.numbers;
        need(fits, || format!("{} takes other operands, integers and numbers", self.name))
    }
}

/// What an op is computed of.
pub(crate) struct Call<'a> {
    pub op: &'static Op,
    pub operands: &'a [Array],
    pub integers: &'a [i64],
    pub numbers: &'a [f64],
}

impl<'a> Call<'a> {
    pub fn a(&self) -> &'a Array {
        &self.operands[0]
    }

    fn refused<T>(&self, what: &str) -> Result<T> {
        Err(Error::Argument(format!("{}: {what}", self.op.name)))
    }

    /// Lists of one integer for each axis of operand 0.
    pub fn lists<const N: usize>(&self) -> Result<[&'a [i64]; N]> {
        lists_of(self.op, self.integers, self.a().rank())
    }

    /// Three lists of as many integers as windows have axes.
    pub fn windows(&self) -> Result<[&'a [i64]; 3]> {
        windows_of(self.op, self.integers)
    }

    /// Integers as sizes.
    pub fn sizes(&self, integers: &[i64]) -> Result<Vec<usize>> {
        let sizes = integers.iter().map(|n| usize::try_from(*n).ok()).collect();
        let below = || Error::Argument(format!("{}: a size below 0", self.op.name));
        Option::ok_or_else(sizes, below)
    }

    /// The axes that the first integer is a mask of.
    pub fn axes(&self) -> Result<Vec<usize>> {
        axes_of(self.integers[0], self.a().rank())
            .map_or_else(|| self.refused("axes that the operand has not"), Ok)
    }

    pub fn keeps(&self) -> bool {
        self.integers[1] != 0
    }

    /// The axis that an integer is.
    pub fn axis(&self, which: usize) -> Result<usize> {
        match usize::try_from(self.integers[which]) {
            Ok(d) if d < self.a().rank() => Ok(d),
            _ => self.refused("an axis that the operand has not"),
        }
    }

    /// The type of operand 0, which is one of floats.
    pub fn floats(&self) -> Result<DType> {
        match self.a().dtype() {
            dtype if dtype.is_float() => Ok(dtype),
            dtype => self.refused(&format!("is of floats, not of {}", dtype.name())),
        }
    }

    /// The same, float32 of integers and bools.
    pub fn float_or_single(&self) -> DType {
        let dtype = self.a().dtype();
        if dtype.is_float() {
            dtype
        } else {
            DType::Float32
        }
    }
}

pub(crate) fn lists_of<'a, const N: usize>(
    op: &Op,
    integers: &'a [i64],
    rank: usize,
) -> Result<[&'a [i64]; N]> {
    need(integers.len() == N * rank, || format!("{} takes {N} x {rank} integers", op.name))?;
    Ok(std::array::from_fn(|i| &integers[i * rank..(i + 1) * rank]))
}

pub(crate) fn windows_of<'a>(op: &Op, integers: &'a [i64]) -> Result<[&'a [i64]; 3]> {
    let s = integers.first().copied().unwrap_or(0);
    need((1..=3).contains(&s), || format!("{}: windows lie along 1 to 3 axes", op.name))?;
    lists_of(op, &integers[1..], s as usize)
}

/// The axes of a mask, below a rank.
pub(crate) fn axes_of(mask: i64, rank: usize) -> Option<Vec<usize>> {
    let is_known = mask >= 0 && mask >> rank.min(63) == 0;
    is_known.then(|| (0..rank).filter(|d| mask >> d & 1 == 1).collect())
}

use Integers::{PerAxis, Shape, These, Windows};
use Types::*;

/// A row of elements.
macro_rules! element {
    ($name:literal, $arity:literal, $types:ident, $numbers:literal) => {
        Op {
            name: $name,
            kind: Kind::Elements($types),
            gradient: if matches!($types, Compares | Truths | Integral | IntegralAndBools) {
                None
            } else {
                Some(gradients::of_elements)
            },
            operands: $arity,
            optional: 0,
            integers: These(0),
            numbers: $numbers,
        }
    };
    ($name:literal, $arity:literal, $types:ident) => {
        element!($name, $arity, $types, 0)
    };
}

/// A row of whole arrays; the numbers of operands, of those that are optional, and of numbers.
macro_rules! array {
    ($name:literal, $compute:path, $operands:literal + $optional:expr, $integers:expr, $numbers:literal, $gradient:expr) => {
        Op {
            name: $name,
            kind: Kind::Arrays($compute),
            gradient: $gradient,
            operands: $operands,
            optional: $optional,
            integers: $integers,
            numbers: $numbers,
        }
    };
}

const MANY: usize = usize::MAX;

#[rustfmt::skip]
static OPS: [Op; 122] = [
    element!("add", 2, NumbersAndBools),
    element!("mul", 2, NumbersAndBools),
    element!("pow_number", 1, Floats, 1),
    element!("pow", 2, Numbers),
    element!("relu", 1, Numbers),
    element!("tanh", 1, Floats),
    element!("exp", 1, Floats),
    element!("log", 1, Floats),
    element!("sin", 1, Floats),
    element!("cos", 1, Floats),
    element!("expm1", 1, Floats),
    element!("log1p", 1, Floats),
    element!("sigmoid", 1, Floats),
    element!("softplus", 1, Floats),
    element!("gelu", 1, Floats),
    element!("gelu_tanh", 1, Floats),
    element!("silu", 1, Floats),
    element!("erf", 1, Floats),
    element!("abs", 1, Numbers),
    element!("maximum", 2, NumbersAndBools),
    element!("minimum", 2, NumbersAndBools),
    element!("sub", 2, NumbersOnly),
    element!("div", 2, Floats),
    element!("neg", 1, NumbersOnly),
    element!("sign", 1, NumbersAndBools),
    element!("square", 1, Numbers),
    element!("squared_difference", 2, Floats),
    element!("sqrt", 1, Floats),
    element!("rsqrt", 1, Floats),
    element!("reciprocal", 1, Floats),
    element!("exp2", 1, Floats),
    element!("log2", 1, Floats),
    element!("tan", 1, Floats),
    element!("asin", 1, Floats),
    element!("acos", 1, Floats),
    element!("atan", 1, Floats),
    element!("sinh", 1, Floats),
    element!("cosh", 1, Floats),
    element!("asinh", 1, Floats),
    element!("acosh", 1, Floats),
    element!("atanh", 1, Floats),
    element!("floor", 1, Floats),
    element!("ceil", 1, Floats),
    element!("round", 1, Floats),
    element!("trunc", 1, Floats),
    element!("clamp_min", 2, NumbersAndBools),
    element!("clamp_max", 2, NumbersAndBools),
    element!("floor_divide", 2, Numbers),
    element!("remainder", 2, Numbers),
    element!("gelu_slope", 1, Floats),
    element!("step", 1, Floats),
    element!("share", 2, Floats),
    element!("at_least", 2, Floats),
    element!("below", 2, Floats),
    element!("mask", 2, Floats),
    element!("eq", 2, Compares),
    element!("ne", 2, Compares),
    element!("lt", 2, Compares),
    element!("le", 2, Compares),
    element!("gt", 2, Compares),
    element!("ge", 2, Compares),
    element!("logical_and", 2, Truths),
    element!("logical_or", 2, Truths),
    element!("logical_xor", 2, Truths),
    element!("logical_not", 1, Truths),
    element!("bitwise_and", 2, IntegralAndBools),
    element!("bitwise_or", 2, IntegralAndBools),
    element!("bitwise_xor", 2, IntegralAndBools),
    element!("bitwise_not", 1, IntegralAndBools),
    element!("bitwise_left_shift", 2, Integral),
    element!("bitwise_right_shift", 2, Integral),
    array!("reshape", movement::reshape, 1 + 0, Shape, 0, Some(gradients::reshape)),
    array!("permute", movement::permute, 1 + 0, Shape, 0, Some(gradients::permute)),
    array!("expand", movement::expand, 1 + 0, Shape, 0, Some(gradients::fitted)),
    array!("slice", movement::slice, 1 + 0, PerAxis, 0, Some(gradients::slice)),
    array!("window", movement::window, 1 + 0, Windows, 0, Some(gradients::window)),
    array!("detach", movement::detach, 1 + 0, These(0), 0, None),
    array!("function", movement::function, 1 + MANY, These(0), 0, Some(gradients::of_caller)),
    array!("output", movement::output, 2 + 0, These(1), 0, Some(gradients::of_caller)),
    array!("contiguous", movement::contiguous, 1 + 0, These(0), 0, Some(gradients::fitted)),
    array!("clone", movement::copy, 1 + 0, These(0), 0, Some(gradients::fitted)),
    array!("cast", movement::cast, 1 + 0, These(1), 0, Some(gradients::fitted)),
    array!("pad", movement::pad, 1 + 0, PerAxis, 1, Some(gradients::pad)),
    array!("spread", movement::spread, 1 + 0, PerAxis, 0, Some(gradients::spread)),
    array!("fold", movement::fold, 1 + 0, Windows, 0, Some(gradients::fold)),
    array!("cat", movement::cat, 1 + MANY, These(1), 0, Some(gradients::cat)),
    array!("assign", movement::assign, 2 + 0, PerAxis, 0, Some(gradients::assign)),
    array!("take", movement::take, 2 + 0, These(0), 0, Some(gradients::take)),
    array!("add_at", movement::add_at, 3 + 0, These(0), 0, Some(gradients::add_at)),
    array!("put_at", movement::put_at, 3 + 0, These(0), 0, Some(gradients::put_at)),
    array!("gather", movement::gather, 2 + 0, These(1), 0, Some(gradients::gather)),
    array!("scatter_add", movement::scatter_add, 3 + 0, These(1), 0, Some(gradients::scatter_add)),
    array!("nonzero", movement::nonzero, 1 + 0, These(0), 0, None),
    array!("where", movement::select, 3 + 0, These(0), 0, Some(gradients::select)),
    array!("sum", reductions::sum, 1 + 0, These(2), 0, Some(gradients::sum)),
    array!("mean", reductions::mean, 1 + 0, These(2), 0, Some(gradients::mean)),
    array!("prod", reductions::prod, 1 + 0, These(2), 0, Some(gradients::prod)),
    array!("amax", reductions::amax, 1 + 0, These(2), 0, Some(gradients::extremum)),
    array!("amin", reductions::amin, 1 + 0, These(2), 0, Some(gradients::extremum)),
    array!("argmax", reductions::argmax, 1 + 0, These(2), 0, None),
    array!("argmin", reductions::argmin, 1 + 0, These(2), 0, None),
    array!("argmax_window", reductions::argmax_window, 1 + 0, Windows, 0, None),
    array!("any", reductions::any, 1 + 0, These(2), 0, None),
    array!("all", reductions::all, 1 + 0, These(2), 0, None),
    array!("var", reductions::var, 1 + 0, These(2), 1, Some(gradients::var)),
    array!("std", reductions::std, 1 + 0, These(2), 1, Some(gradients::std)),
    array!("logsumexp", reductions::logsumexp, 1 + 0, These(2), 0, Some(gradients::logsumexp)),
    array!("cumsum", reductions::cumsum, 1 + 0, These(1), 0, Some(gradients::cumsum)),
    array!("matmul", products::matmul, 2 + 0, These(0), 0, Some(gradients::matmul)),
    array!("linear", products::linear, 2 + 1, These(0), 0, Some(gradients::linear)),
    array!("convolve", products::convolve, 2 + 1, Windows, 0, Some(gradients::convolve)),
    array!("softmax", rows::softmax, 1 + 0, These(1), 0, Some(gradients::softmax)),
    array!("log_softmax", rows::log_softmax, 1 + 0, These(1), 0, Some(gradients::log_softmax)),
    array!("cross_entropy", rows::cross_entropy, 2 + 0, These(2), 1, Some(gradients::cross_entropy)),
    array!("layer_norm", rows::layer_norm, 1 + 2, These(1), 1, Some(gradients::layer_norm)),
    array!("rms_norm", rows::rms_norm, 1 + 1, These(1), 1, Some(gradients::rms_norm)),
    array!("group_norm", rows::group_norm, 3 + 0, These(1), 1, None),
    array!("group_back", rows::group_back, 3 + 0, These(1), 1, None),
    array!("group_sums", rows::group_sums, 2 + 0, These(1), 1, None),
    array!("plane_means", rows::plane_means, 2 + 1, These(0), 0, None),
    array!("plane_scale", rows::plane_scale, 3 + 1, These(0), 0, None),
    array!("plane_back", rows::plane_back, 6 + 0, These(0), 0, None),
];
