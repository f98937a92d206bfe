//! Programs of numbers from files, which csrc/SPEC.md describes: run one operation after the other.

use crate::floats::{Errors, MathError};
use crate::optimizers::{Adam, Optimizer, Sgd};
use crate::value::{Op, Value};

const HEADER: usize = 64;
const NUMBERS: u32 = 1;
const NONE: u32 = u32::MAX;

/// Why a file is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileError(&'static str);

impl std::fmt::Display for FileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "no intact program file: {}", self.0)
    }
}

impl std::error::Error for FileError {}

/// The CRC-32 of bytes, as zip has it.
fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ if crc & 1 == 1 { 0xEDB8_8320 } else { 0 }
        })
    })
}

/// Bytes that are read from the front to the end.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> Result<&'a [u8], FileError> {
        if count > self.0.len() {
            return Err(FileError("a count is larger than the file"));
        }
        let (found, rest) = self.0.split_at(count);
        self.0 = rest;
        Ok(found)
    }

    fn u32(&mut self) -> Result<u32, FileError> {
        Ok(u32::from_le_bytes(self.bytes(4)?.try_into().expect("4 bytes")))
    }

    fn u64(&mut self) -> Result<u64, FileError> {
        Ok(u64::from_le_bytes(self.bytes(8)?.try_into().expect("8 bytes")))
    }

    fn f64(&mut self) -> Result<f64, FileError> {
        Ok(f64::from_bits(self.u64()?))
    }

    fn list<T>(
        &mut self,
        count: u32,
        mut read: impl FnMut(&mut Self) -> Result<T, FileError>,
    ) -> Result<Vec<T>, FileError> {
        if count as usize > self.0.len() {
            return Err(FileError("a count is larger than the file"));
        }
        (0..count).map(|_| read(self)).collect()
    }

    fn text(&mut self, size: usize) -> Result<&'a str, FileError> {
        std::str::from_utf8(self.bytes(size)?).map_err(|_| FileError("a name is no text"))
    }
}

/// The counts of a file whose header is right.
fn counts_of(bytes: &[u8]) -> Result<Vec<u32>, FileError> {
    let mut reader = Reader(bytes);
    if bytes.len() < HEADER || reader.bytes(4)? != b"MGP1" {
        return Err(FileError("it is another one"));
    }
    let (kind, crc, _functions) = (reader.u32()?, reader.u32()?, reader.u32()?);
    if reader.u64()? != bytes.len() as u64 {
        return Err(FileError("it has another size"));
    }
    if checksum(&bytes[16..]) != crc {
        return Err(FileError("it has another checksum"));
    }
    if kind != NUMBERS {
        return Err(FileError("it is of arrays"));
    }
    reader.list(10, Reader::u32)
}

/// An update: an optimizer of Values that stand for the parameters.
fn optimizer_of(reader: &mut Reader) -> Result<Box<dyn Optimizer>, FileError> {
    let (is_adam, flags) = (reader.u32()? == 1, reader.u32()?);
    let (count, steps) = (reader.u64()? as u32, reader.u64()? as i32);
    let (lr, weight_decay) = (reader.f64()?, reader.f64()?);
    let (beta1, beta2, eps) = (reader.f64()?, reader.f64()?, reader.f64()?);
    let parameters = reader.list(count, |_| Ok(Value::new(0.0)))?;
    if is_adam {
        let first = reader.list(count, Reader::f64)?;
        let second = reader.list(count, Reader::f64)?;
        let is_decoupled = flags & 1 != 0;
        let new = if is_decoupled { Adam::decoupled } else { Adam::new };
        let mut made = new(parameters);
        (made.lr, made.weight_decay, made.eps) = (lr, weight_decay, eps);
        (made.beta1, made.beta2) = (beta1, beta2);
        made.restore(first.into_iter().zip(second).collect(), steps);
        return Ok(Box::new(made));
    }
    let mut made = Sgd::new(parameters);
    (made.lr, made.weight_decay) = (lr, weight_decay);
    (made.momentum, made.dampening, made.nesterov) = (beta1, beta2, flags & 2 != 0);
    if beta1 != 0.0 {
        let velocity = reader.list(count, Reader::f64)?;
        made.restore(if flags & 4 != 0 { velocity } else { Vec::new() });
    }
    Ok(Box::new(made))
}

/// What is done, as a row of the table of ops has it.
#[derive(Clone, Copy)]
enum Deed {
    Compute(Op, u32), // the value, or what is passed on to operand 1 or 2
    Power(u32),       // the same of pow_number
    Pick,
    Where,
    SetData,
    SetGradient,
    Update,
}

fn deed_of(reader: &mut Reader) -> Result<(Deed, usize), FileError> {
    let name = reader.text(24)?.trim_end_matches('\0');
    let (which, words) = (reader.u32()?, reader.u32()? as usize);
    let deed = match name {
        "pow_number" => Deed::Power(which),
        "pick" => Deed::Pick,
        "where" => Deed::Where,
        "set_data" => Deed::SetData,
        "set_gradient" => Deed::SetGradient,
        "update" => Deed::Update,
        _ => Deed::Compute(Op::named(name).ok_or(FileError("there is no such op"))?, which),
    };
    Ok((deed, words))
}

/// What an op computes: its value, or a gradient of a, b, y, g, or of a, y, g.
fn computed(op: Op, which: u32, operands: &[f64]) -> Result<f64, MathError> {
    let mut errors = Errors::default();
    let (a, b) = (operands[0], operands[op.arity() - 1]);
    let result = if which == 0 {
        op.value(a, b, &mut errors)
    } else {
        let [y, g] = operands[op.arity()..] else { return Ok(f64::NAN) };
        let (of_a, of_b) = op.gradients(a, b, y, g, &mut errors);
        if which == 1 {
            of_a
        } else {
            of_b
        }
    };
    errors.check(result)
}

/// A program of numbers.
pub struct Program {
    /// What it takes, at first what stands in the file.
    pub inputs: Vec<f64>,
    /// What was returned by the last step.
    pub outputs: Vec<f64>,
    /// What its nodes hold, and their names.
    pub data: Vec<f64>,
    pub gradients: Vec<f64>,
    pub names: Vec<String>,
    constants: Vec<f64>,
    optimizers: Vec<Box<dyn Optimizer>>,
    ops: Vec<(Deed, usize)>,
    words: Vec<u32>,
    returned: Vec<u32>,
    loss: u32,
}

impl Program {
    /// The program of a whole file.
    pub fn new(bytes: &[u8]) -> Result<Self, FileError> {
        let counts = counts_of(bytes)?;
        let mut reader = Reader(&bytes[HEADER..]);
        let constants = reader.list(counts[0], Reader::f64)?;
        let inputs = reader.list(counts[1], Reader::f64)?;
        let state = reader.list(counts[2], |r| Ok((r.f64()?, r.f64()?)))?;
        let (data, gradients) = state.into_iter().unzip();
        let optimizers = reader.list(counts[3], optimizer_of)?;
        let ops = reader.list(counts[4], deed_of)?;
        let words = reader.list(counts[5], Reader::u32)?;
        let returned = reader.list(counts[6], Reader::u32)?;
        let names = reader.text(counts[8] as usize)?.split_terminator('\0').map(str::to_owned);
        let (names, outputs, loss) = (names.collect(), Vec::new(), counts[7]);
        Ok(Self {
            inputs,
            outputs,
            data,
            gradients,
            names,
            constants,
            optimizers,
            ops,
            words,
            returned,
            loss,
        })
    }

    /// Make a step; gives the loss, if there is one. What was set before an error stays.
    ///
    /// # Panics
    /// Where a value is named that there is not: of a file that `save` has not written.
    pub fn step(&mut self) -> Result<Option<f64>, MathError> {
        let parts = [&self.constants, &self.inputs, &self.data, &self.gradients];
        let mut values: Vec<f64> = parts.into_iter().flatten().copied().collect();
        let mut at = 0;
        while at < self.words.len() {
            let (deed, count) = self.ops[self.words[at] as usize];
            let words = &self.words[at + 1..at + 1 + count];
            at += 1 + count;
            let operand = |i: usize| values[words[i] as usize];
            match deed {
                Deed::Compute(op, which) => {
                    let operands: Vec<f64> = (0..count).map(operand).collect();
                    values.push(computed(op, which, &operands)?);
                }
                Deed::Power(which) => {
                    let mut operands: Vec<f64> = (0..count).map(operand).collect();
                    let op = Op::PowNumber(operands.remove(1));
                    values.push(computed(op, which, &operands)?);
                }
                Deed::Pick => {
                    let (a, b) = (operand(0), operand(1));
                    values.push(if b > a { b } else { a });
                }
                Deed::Where => {
                    let of = if operand(2) == operand(1) { 0 } else { 3 };
                    values.push(operand(of));
                }
                Deed::SetData => self.data[words[0] as usize] = operand(1),
                Deed::SetGradient => self.gradients[words[0] as usize] = operand(1),
                Deed::Update => {
                    let optimizer = &mut self.optimizers[words[0] as usize];
                    at += update(optimizer.as_mut(), &self.words[at..], &mut values);
                }
            }
        }
        self.outputs = self.returned.iter().map(|i| values[*i as usize]).collect();
        Ok((self.loss != NONE).then(|| values[self.loss as usize]))
    }
}

/// Make the step of an optimizer; returns how many words it takes.
fn update(optimizer: &mut dyn Optimizer, words: &[u32], values: &mut Vec<f64>) -> usize {
    let count = optimizer.parameters().len();
    for (i, p) in optimizer.parameters().iter().enumerate() {
        p.set_data(values[words[i] as usize]);
        p.set_grad(values[words[count + i] as usize]);
    }
    optimizer.step();
    values.extend(optimizer.parameters().iter().map(Value::data));
    2 * count
}
