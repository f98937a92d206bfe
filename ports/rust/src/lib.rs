//! A scalar autograd engine, micrograd's, and arrays, with the digits of csrc/SPEC.md on every machine.
//!
//! ```
//! use pymicrograd::{Op, Value};
//!
//! let x = Value::new(2.0);
//! let y = (&(&x * 3.0) - 1.0).apply(Op::Relu);
//! y.backward();
//! assert_eq!((y.data(), x.grad()), (5.0, 3.0));
//! ```

#![forbid(unsafe_code)]
// Constants stand here with the digits of SPEC.md, formulas with its comparisons.
#![allow(clippy::approx_constant, clippy::excessive_precision, clippy::manual_clamp)]

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub mod arrays;
pub mod floats;
pub mod generator;
pub mod losses;
pub mod network;
pub mod optimizers;
pub mod program;
pub mod value;
pub mod vmath;

pub use arrays::{load, ArrayProgram, Stored};
pub use floats::MathError;
pub use generator::Generator;
pub use network::Mlp;
pub use optimizers::{Adam, Optimizer, Sgd};
pub use program::Program;
pub use value::{Op, Value};
