//! Programs of numbers from files, which csrc/SPEC.md describes: run one operation after the other.

use crate::floats::{Errors, MathError};
use crate::optimizers::{Adam, Optimizer, Sgd};
use crate::value::{Op, Value};

const HEADER: usize = 64;
const NUMBERS: u32 = 1;
const NONE: u32 = u32::MAX;
const TOO_LARGE: FileError = FileError("an index is larger than what it names");

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

fn within_u32(x: u64) -> Result<u32, FileError> {
    u32::try_from(x).map_err(|_| FileError("a number is too large"))
}

/// An update: an optimizer of Values that stand for the parameters.
fn optimizer_of(reader: &mut Reader) -> Result<Box<dyn Optimizer>, FileError> {
    let (is_adam, flags) = (reader.u32()? == 1, reader.u32()?);
    let (count, steps) = (within_u32(reader.u64()?)?, within_u32(reader.u64()?)?);
    let steps = i32::try_from(steps).map_err(|_| FileError("a number is too large"))?;
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

impl Deed {
    /// How many words it takes; of an update without its values.
    fn words(self) -> usize {
        let with_gradient = |which| if which == 0 { 0 } else { 2 };
        match self {
            Deed::Compute(op, which) => op.arity() + with_gradient(which),
            Deed::Power(which) => 2 + with_gradient(which),
            Deed::Where => 4,
            Deed::Pick | Deed::SetData | Deed::SetGradient => 2,
            Deed::Update => 1,
        }
    }

    /// The last operand that it passes something on to.
    fn most(self) -> usize {
        match self {
            Deed::Compute(op, _) => op.arity(),
            Deed::Power(_) => 1,
            _ => 0,
        }
    }
}

fn deed_of(reader: &mut Reader) -> Result<Deed, FileError> {
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
    if words != deed.words() || which as usize > deed.most() {
        return Err(FileError("an op has other words"));
    }
    Ok(deed)
}

/// An op and its operands: of an update its number, then values.
type Operation = (Deed, Vec<usize>);

/// The operations that words are, and how many values there are after them.
fn operations_of(
    words: &[u32],
    table: &[Deed],
    optimizers: &[Box<dyn Optimizer>],
    nodes: usize,
    mut values: usize,
) -> Result<(Vec<Operation>, usize), FileError> {
    let (mut found, mut updates) = (Vec::new(), 0);
    let mut words = words.iter().map(|word| *word as usize);
    while let Some(word) = words.next() {
        let deed = *table.get(word).ok_or(TOO_LARGE)?;
        let is_update = matches!(deed, Deed::Update);
        let optimizer =
            if is_update { Some(optimizers.get(updates).ok_or(TOO_LARGE)?) } else { None };
        let count = optimizer.map_or(0, |it| it.parameters().len());
        let size = deed.words() + 2 * count;
        let operands: Vec<usize> = words.by_ref().take(size).collect();
        if operands.len() < size {
            return Err(FileError("its last operation is cut off"));
        }
        if is_update && operands[0] != updates {
            return Err(FileError("updates are not in turn"));
        }
        let first = match deed {
            Deed::SetData | Deed::SetGradient => nodes,
            Deed::Update => optimizers.len(),
            _ => values,
        };
        if operands[0] >= first || operands[1..].iter().any(|i| *i >= values) {
            return Err(TOO_LARGE);
        }
        match deed {
            Deed::SetData | Deed::SetGradient => {}
            Deed::Update => (updates, values) = (updates + 1, values + count),
            _ => values += 1,
        }
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
    operations: Vec<Operation>,
    returned: Vec<usize>,
    loss: Option<usize>,
    taken: usize, // inputs
}

impl Program {
    /// The program of a whole file.
    pub fn new(bytes: &[u8]) -> Result<Self, FileError> {
        let counts = counts_of(bytes)?;
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
        let value = |i: u32| Some(i as usize).filter(|i| *i < values).ok_or(TOO_LARGE);
        let returned = reader.list(counts[6], |r| value(r.u32()?))?;
        let loss = if counts[7] == NONE { None } else { Some(value(counts[7])?) };
        let text = reader.text(counts[8] as usize)?;
        let names: Vec<String> = text.split_terminator('\0').map(str::to_owned).collect();
        if names.len() != nodes || !(text.is_empty() || text.ends_with('\0')) {
            return Err(FileError("a node has no name"));
        }
        if !reader.0.is_empty() {
            return Err(FileError("it goes on behind its end"));
        }
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
            let operand = |i: usize| values[operands[i]];
            match *deed {
                Deed::Compute(op, which) => {
                    let given: Vec<f64> = operands.iter().map(|i| values[*i]).collect();
                    values.push(computed(op, which, &given)?);
                }
                Deed::Power(which) => {
                    let mut given: Vec<f64> = operands.iter().map(|i| values[*i]).collect();
                    let op = Op::PowNumber(given.remove(1));
                    values.push(computed(op, which, &given)?);
                }
                Deed::Pick => {
                    let (a, b) = (operand(0), operand(1));
                    values.push(if b > a { b } else { a });
                }
                Deed::Where => {
                    let of = if operand(2) == operand(1) { 0 } else { 3 };
                    values.push(operand(of));
                }
                Deed::SetData => self.data[operands[0]] = operand(1),
                Deed::SetGradient => self.gradients[operands[0]] = operand(1),
                Deed::Update => {
                    update(self.optimizers[operands[0]].as_mut(), &operands[1..], &mut values)
                }
            }
        }
        self.outputs = self.returned.iter().map(|i| values[*i]).collect();
        Ok(self.loss.map(|i| values[i]))
    }
}

/// Make the step of an optimizer of data and gradients; adds the new data to values.
fn update(optimizer: &mut dyn Optimizer, operands: &[usize], values: &mut Vec<f64>) {
    let count = optimizer.parameters().len();
    for (i, p) in optimizer.parameters().iter().enumerate() {
        p.set_data(values[operands[i]]);
        p.set_grad(values[operands[count + i]]);
    }
    optimizer.step();
    values.extend(optimizer.parameters().iter().map(Value::data));
}
