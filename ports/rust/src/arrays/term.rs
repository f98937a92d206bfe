//! Formulas of tensors, written with operators: an error within one comes out at its end.

use super::error::Result;
use super::ops::Op;
use super::tensor::{apply, Operand, Scalar, Tensor};
use std::ops::{Add, Div, Mul, Neg, Sub};

/// A tensor or a number in a formula, or what went wrong before.
#[derive(Clone)]
pub(crate) struct Term(pub Result<Operand>);

impl From<f64> for Term {
    fn from(x: f64) -> Self {
        Self(Ok(Operand::Number(Scalar::Float(x))))
    }
}

impl From<&Tensor> for Term {
    fn from(x: &Tensor) -> Self {
        Self(Ok(x.into()))
    }
}

impl From<&Term> for Term {
    fn from(x: &Term) -> Self {
        x.clone()
    }
}

impl From<Result<Tensor>> for Term {
    fn from(x: Result<Tensor>) -> Self {
        Self(x.map(Operand::Tensor))
    }
}

impl Term {
    /// The op of a name, of terms.
    fn of(name: &str, operands: Vec<Self>, numbers: &[f64]) -> Self {
        let made = || {
            let operands = operands.into_iter().map(|x| x.0).collect::<Result<Vec<Operand>>>()?;
            apply(Op::named(name)?, &operands, &[], numbers)
        };
        made().into()
    }

    /// What it stands for; a number as a leaf like a tensor, without axes.
    pub fn tensor(self, like: &Tensor) -> Result<Tensor> {
        match self.0? {
            Operand::Tensor(x) => Ok(x),
            Operand::Number(Scalar::Float(x)) => constant(like, x),
            Operand::Number(_) => unreachable!("numbers of formulas are floats"),
        }
    }

    pub fn pow_number(&self, k: f64) -> Self {
        Self::of("pow_number", vec![self.clone()], &[k])
    }

    /// Elements of one of two where it holds, of the other elsewhere.
    pub fn choose(&self, then: impl Into<Self>, otherwise: impl Into<Self>) -> Self {
        Self::of("where", vec![self.clone(), then.into(), otherwise.into()], &[])
    }
}

/// A number of a tensor's type, without axes.
pub(crate) fn constant(like: &Tensor, x: f64) -> Result<Tensor> {
    Ok(Tensor::new(super::array::Array::filled(like.dtype(), &[], x)?))
}

macro_rules! unary {
    ($($name:ident)*) => {
        impl Term {
            $(pub fn $name(&self) -> Self {
                Self::of(stringify!($name), vec![self.clone()], &[])
            })*
        }
    };
}

macro_rules! binary {
    ($($name:ident)*) => {
        impl Term {
            $(pub fn $name(&self, other: impl Into<Self>) -> Self {
                Self::of(stringify!($name), vec![self.clone(), other.into()], &[])
            })*
        }
    };
}

unary! { abs cos cosh exp gelu_slope log neg rsqrt sigmoid sign sin sinh sqrt step tanh }
binary! {
    at_least below bitwise_and bitwise_or clamp_max clamp_min eq floor_divide ge gt lt mask maximum
    ne pow share
}

macro_rules! operators {
    ($($Trait:ident $method:ident $name:literal;)*) => {
        $(
            impl<B: Into<Term>> $Trait<B> for Term {
                type Output = Term;
                fn $method(self, b: B) -> Term {
                    Term::of($name, vec![self, b.into()], &[])
                }
            }

            impl<B: Into<Term>> $Trait<B> for &Term {
                type Output = Term;
                fn $method(self, b: B) -> Term {
                    Term::of($name, vec![self.clone(), b.into()], &[])
                }
            }

            impl $Trait<Term> for f64 {
                type Output = Term;
                fn $method(self, b: Term) -> Term {
                    Term::of($name, vec![self.into(), b], &[])
                }
            }

            impl $Trait<&Term> for f64 {
                type Output = Term;
                fn $method(self, b: &Term) -> Term {
                    Term::of($name, vec![self.into(), b.clone()], &[])
                }
            }
        )*
    };
}

operators! {
    Add add "add";
    Sub sub "sub";
    Mul mul "mul";
    Div div "div";
}

impl Neg for Term {
    type Output = Term;
    fn neg(self) -> Term {
        Term::neg(&self)
    }
}
