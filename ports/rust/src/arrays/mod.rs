//! Arrays: ops, gradients, rules of optimizers, and programs of them from files, with the bits of
//! csrc/SPEC.md. The engine of Values does not need this.

mod array;
mod dtype;
mod elements;
mod error;
mod float32;
mod gradients;
mod movement;
mod numbers;
mod ops;
mod products;
mod reductions;
mod rows;
mod tensor;
mod term;

pub use array::Array;
pub use dtype::{DType, NUMBERED};
pub use error::{Error, Result};
pub use numbers::{Int, Numbers};
pub use ops::Op;
pub use tensor::{apply, gradients, Operand, Scalar, Tensor};
