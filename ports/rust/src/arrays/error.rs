//! What goes wrong with arrays: a sentence that names the rule, and of which kind it is.

use crate::program::FileError;

/// Why a file is refused, or a call of an op or a program fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The file is damaged, or wrong.
    File(String),
    /// An index, or a target of a cross-entropy, is out of range.
    Index(String),
    /// Operands or arguments do not fit an op, or an input its program.
    Argument(String),
    /// What is asked for is not there, or not any more: a gradient, what stood in a memory.
    State(String),
}

pub type Result<T> = std::result::Result<T, Error>;

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(text) | Self::Index(text) | Self::Argument(text) | Self::State(text) => {
                f.write_str(text)
            }
        }
    }
}

impl std::error::Error for Error {}

impl From<FileError> for Error {
    fn from(error: FileError) -> Self {
        Self::File(error.to_string())
    }
}

/// An error unless a condition holds.
pub(crate) fn need(condition: bool, rule: impl FnOnce() -> String) -> Result<()> {
    if condition {
        Ok(())
    } else {
        Err(Error::Argument(rule()))
    }
}
