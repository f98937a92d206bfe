//! Programs of numbers from files, which csrc/SPEC.md describes: run one operation after the other.

use crate::floats::{Errors, MathError};
use crate::optimizers::{Adam, Optimizer, Sgd};
use crate::value::{Op, Value};

pub(crate) const HEADER: usize = 64;
const NUMBERS: u32 = 1;
pub(crate) const NONE: u32 = u32::MAX;
pub(crate) const TOO_LARGE: &str = "an index is larger than what it names";

/// Why a file is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileError(pub(crate) &'static str);

impl std::fmt::Display for FileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "no intact program file: {}", self.0)
    }
}

impl std::error::Error for FileError {}

pub(crate) fn refuse_if(is_wrong: bool, rule: &'static str) -> Result<(), FileError> {
    (!is_wrong).then_some(()).ok_or(FileError(rule))
}

/// The CRC-32 of bytes, as zip has it.
fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ if crc & 1 == 1 { 0xEDB8_8320 } else { 0 }
        })
    })
}

/// Bytes that are read from the front to the end.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn bytes(&mut self, count: usize) -> Result<&'a [u8], FileError> {
        refuse_if(count > self.0.len(), "a count is larger than the file")?;
        let (found, rest) = self.0.split_at(count);
        self.0 = rest;
        Ok(found)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, FileError> {
        Ok(u32::from_le_bytes(self.bytes(4)?.try_into().expect("4 bytes")))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, FileError> {
        Ok(u64::from_le_bytes(self.bytes(8)?.try_into().expect("8 bytes")))
    }

    pub(crate) fn f64(&mut self) -> Result<f64, FileError> {
        Ok(f64::from_bits(self.u64()?))
    }

    pub(crate) fn list<T>(
        &mut self,
        count: impl Into<u64>,
        mut read: impl FnMut(&mut Self) -> Result<T, FileError>,
    ) -> Result<Vec<T>, FileError> {
        let count = count.into();
        refuse_if(count > self.0.len() as u64, "a count is larger than the file")?;
        (0..count).map(|_| read(self)).collect()
    }

    pub(crate) fn text(&mut self, size: usize) -> Result<&'a str, FileError> {
        std::str::from_utf8(self.bytes(size)?).map_err(|_| FileError("a name is no text"))
    }

    /// A name: 24 bytes, zeros behind it.
    pub(crate) fn name(&mut self) -> Result<&'a str, FileError> {
        let name = self.text(24)?.strip_suffix('\0').map(|text| text.trim_end_matches('\0'));
        name.filter(|name| !name.contains('\0')).ok_or(FileError("a name does not end in zeros"))
    }
}

/// The kind, the flags and the counts of a file whose header is right.
pub(crate) fn header_of(bytes: &[u8]) -> Result<(u32, u32, Vec<u32>), FileError> {
    let mut reader = Reader(bytes);
    refuse_if(bytes.len() < HEADER || reader.bytes(4)? != b"MGP1", "it is another one")?;
    let (kind, crc, flags) = (reader.u32()?, reader.u32()?, reader.u32()?);
    refuse_if(reader.u64()? != bytes.len() as u64, "it has another size")?;
    refuse_if(checksum(&bytes[16..]) != crc, "it has another checksum")?;
    Ok((kind, flags, reader.list(10u32, Reader::u32)?))
}

/// An update: an optimizer of Values that stand for the parameters.
fn optimizer_of(reader: &mut Reader) -> Result<Box<dyn Optimizer>, FileError> {
    let (is_adam, flags) = (reader.u32()? == 1, reader.u32()?);
    let (count, steps) = (reader.u64()?, i32::try_from(reader.u64()?));
    let steps = steps.map_err(|_| FileError("it has made too many steps"))?;
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
    Update(usize), // by which optimizer
}

/// Read a row of that table, and how many words it takes.
fn deed_of(reader: &mut Reader) -> Result<(Deed, usize), FileError> {
    let name = reader.name()?;
    let (which, words) = (reader.u32()?, reader.u32()? as usize);
    let (deed, operands, most) = match name {
        "pow_number" => (Deed::Power(which), 2, 1),
        "pick" => (Deed::Pick, 2, 0),
        "where" => (Deed::Where, 4, 0),
        "set_data" => (Deed::SetData, 2, 0),
        "set_gradient" => (Deed::SetGradient, 2, 0),
        "update" => (Deed::Update(0), 1, 0),
        _ => {
            let op = Op::named(name).ok_or(FileError("there is no such op"))?;
            (Deed::Compute(op, which), op.arity(), op.arity())
        }
    };
    let with_gradient = if which == 0 { operands } else { operands + 2 };
    refuse_if(which as usize > most || words != with_gradient, "an op takes other words")?;
    Ok((deed, words))
}

/// What is done and its operands: values, but for the node that is set.
type Operation = (Deed, Vec<usize>);

/// The operations that words are, and how many values there are after them.
fn operations_of(
    words: &[u32],
    table: &[(Deed, usize)],
    optimizers: &[Box<dyn Optimizer>],
    nodes: usize,
    mut values: usize,
) -> Result<(Vec<Operation>, usize), FileError> {
    let (mut found, mut updates) = (Vec::new(), 0);
    let mut words = words.iter().map(|word| *word as usize);
    while let Some(word) = words.next() {
        let (mut deed, mut size) = *table.get(word).ok_or(FileError(TOO_LARGE))?;
        let (mut limit, mut made) = (values, 1);
        match deed {
            Deed::Update(_) => {
                refuse_if(words.next() != Some(updates), "updates are not in turn")?;
                let optimizer = optimizers.get(updates).ok_or(FileError(TOO_LARGE))?;
                made = optimizer.parameters().len();
                (deed, size, updates) = (Deed::Update(updates), 2 * made, updates + 1);
            }
            Deed::SetData | Deed::SetGradient => (limit, made) = (nodes, 0),
            _ => {}
        }
        let operands: Vec<usize> = words.by_ref().take(size).collect();
        refuse_if(operands.len() < size, "its last operation is cut off")?;
        let is_there = |(i, x): (usize, &usize)| *x < if i == 0 { limit } else { values };
        refuse_if(!operands.iter().enumerate().all(is_there), TOO_LARGE)?;
        values += made;
        found.push((deed, operands));
    }
    Ok((found, values))
}

/// What an op computes: its value, or a gradient of a, b, y, g, or of a, y, g.
fn computed(op: Op, which: u32, operands: &[f64]) -> Result<f64, MathError> {
    let mut errors = Errors::default();
    let (a, b) = (operands[0], operands[op.arity() - 1]);
    let result = if which == 0 {
        op.value(a, b, &mut errors)
    } else {
        let (y, g) = (operands[op.arity()], operands[op.arity() + 1]);
        let (of_a, of_b) = op.gradients(a, b, y, g, &mut errors);
        [of_a, of_b][which as usize - 1]
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
    operations: Vec<Operation>,
    returned: Vec<usize>,
    loss: Option<usize>,
    taken: usize, // inputs
}

impl Program {
    /// The program of a whole file.
    pub fn new(bytes: &[u8]) -> Result<Self, FileError> {
        let (kind, _functions, counts) = header_of(bytes)?;
        refuse_if(kind != NUMBERS, "it is of arrays")?;
        let mut reader = Reader(&bytes[HEADER..]);
        let constants = reader.list(counts[0], Reader::f64)?;
        let inputs = reader.list(counts[1], Reader::f64)?;
        let state = reader.list(counts[2], |r| Ok((r.f64()?, r.f64()?)))?;
        let (taken, nodes) = (inputs.len(), state.len());
        let (data, gradients) = state.into_iter().unzip();
        let optimizers = reader.list(counts[3], optimizer_of)?;
        let table = reader.list(counts[4], deed_of)?;
        let words = reader.list(counts[5], Reader::u32)?;
        let values = constants.len() + taken + 2 * nodes;
        let (operations, values) = operations_of(&words, &table, &optimizers, nodes, values)?;
        let value = |i: u32| Some(i as usize).filter(|i| *i < values).ok_or(FileError(TOO_LARGE));
        let returned = reader.list(counts[6], |r| value(r.u32()?))?;
        let loss = if counts[7] == NONE { None } else { Some(value(counts[7])?) };
        let text = reader.text(counts[8] as usize)?;
        let names: Vec<String> = text.split_terminator('\0').map(str::to_owned).collect();
        let is_whole = text.is_empty() || text.ends_with('\0');
        refuse_if(names.len() != nodes || !is_whole, "a node has no name")?;
        refuse_if(!reader.0.is_empty(), "it goes on behind its end")?;
        let outputs = Vec::new();
        Ok(Self {
            inputs,
            outputs,
            data,
            gradients,
            names,
            constants,
            optimizers,
            operations,
            returned,
            loss,
            taken,
        })
    }

    /// Make a step; gives the loss, if there is one. What was set before an error stays.
    ///
    /// # Panics
    /// Where there are more or fewer inputs than it takes.
    pub fn step(&mut self) -> Result<Option<f64>, MathError> {
        assert_eq!(self.inputs.len(), self.taken, "inputs, and how many the program takes");
        let parts = [&self.constants, &self.inputs, &self.data, &self.gradients];
        let mut values: Vec<f64> = parts.into_iter().flatten().copied().collect();
        for (deed, operands) in &self.operations {
            let mut given: Vec<f64> = operands.iter().map(|i| values[*i]).collect();
            match *deed {
                Deed::Compute(op, which) => values.push(computed(op, which, &given)?),
                Deed::Power(which) => {
                    let op = Op::PowNumber(given.remove(1));
                    values.push(computed(op, which, &given)?);
                }
                Deed::Pick => values.push(if given[1] > given[0] { given[1] } else { given[0] }),
                Deed::Where => values.push(if given[2] == given[1] { given[0] } else { given[3] }),
                Deed::SetData => self.data[operands[0]] = given[1],
                Deed::SetGradient => self.gradients[operands[0]] = given[1],
                Deed::Update(i) => values.extend(updated(self.optimizers[i].as_mut(), &given)),
            }
        }
        self.outputs = self.returned.iter().map(|i| values[*i]).collect();
        Ok(self.loss.map(|i| values[i]))
    }
}

/// Make the step of an optimizer from data and gradients; gives the new data.
fn updated(optimizer: &mut dyn Optimizer, given: &[f64]) -> Vec<f64> {
    let (data, gradients) = given.split_at(given.len() / 2);
    for (i, p) in optimizer.parameters().iter().enumerate() {
        p.set_data(data[i]);
        p.set_grad(gradients[i]);
    }
    optimizer.step();
    optimizer.parameters().iter().map(Value::data).collect()
}
