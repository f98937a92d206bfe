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
mod program;
mod reductions;
mod rows;
mod tensor;
mod term;
mod updates;

pub use array::Array;
pub use dtype::{DType, NUMBERED};
pub use error::{Error, Result};
pub use numbers::{Int, Numbers};
pub use ops::Op;
pub use program::{load, ArrayProgram, Stored, UpdateGroup};
pub use tensor::{apply, gradients, Operand, Scalar, Tensor};
