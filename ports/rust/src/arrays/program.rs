//! Programs of arrays from files, which csrc/SPEC.md describes: one call after the other.
//!
//! All that a file tells is done once while it is loaded, so that each call is checked as every
//! call is. Then the file is read again: nothing has changed.

use super::array::{count_of, Array};
use super::dtype::{DType, Group};
use super::elements;
use super::error::{need, Error, Result};
use super::numbers::Numbers;
use super::ops::{Kind, Op};
use super::tensor::{apply, sweep, Identity, Operand, Scalar, Stop, Tensor, Totals};
use super::updates::{Rule, Stepped};
use crate::program::{header_of, refuse_if, FileError, Program, Reader, HEADER, NONE, TOO_LARGE};
use crate::Generator;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::num::Wrapping;

const NUMBERS: u32 = 1;
const ARRAYS: u32 = 2;
const FOUND: u32 = 1 << 31; // from here on a value is an array of the file
const RECORDS: u32 = 1;
const OVER: u32 = 2;
const REQUIRES: u32 = 4;
const MOST_ROOTS: usize = 16;
const MOST_SWEEPS: usize = 16; // within each other
const MOST_INTEGERS: usize = 64;
const MOST_NUMBERS: usize = 8;
const MOST_WEAK: usize = 31; // operands of a call, some of which are numbers
const MOST_STEPS: u64 = 1 << 62;

/// A program of either kind.
pub enum Stored {
    Numbers(Program),
    Arrays(ArrayProgram),
}

/// The program of a whole file, of Values or of arrays.
///
/// # Errors
/// The file is damaged, or wrong.
pub fn load(bytes: &[u8]) -> Result<Stored> {
    match header_of(bytes)?.0 {
        NUMBERS => Ok(Stored::Numbers(Program::new(bytes)?)),
        ARRAYS => Ok(Stored::Arrays(ArrayProgram::new(bytes)?)),
        _ => Err(FileError("it is of another kind").into()),
    }
}

// ---- parts of a file

type Read<T> = std::result::Result<T, FileError>;

/// A float16.
fn half_of(bits: u16) -> f64 {
    let (exponent, fraction) = (bits >> 10 & 31, f64::from(bits & 1023));
    let power = |n: u16| f64::from_bits(u64::from(n) << 52);
    let size = match exponent {
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        0 => fraction * power(1023 - 24),
        _ => (1024.0 + fraction) * power(1023 - 25 + exponent),
    };
    size.copysign(if bits >> 15 == 1 { -1.0 } else { 1.0 })
}

/// An element from its bytes: a float, or an integer or bool.
fn element_of(bytes: &[u8], dtype: DType) -> (f64, i64) {
    let mut wide = [0; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
    let bits = u64::from_le_bytes(wide);
    match dtype {
        DType::Float64 => (f64::from_bits(bits), 0),
        DType::Float32 => (f64::from(f32::from_bits(bits as u32)), 0),
        DType::BFloat16 => (f64::from(f32::from_bits((bits as u32) << 16)), 0),
        DType::Float16 => (half_of(bits as u16), 0),
        DType::Bool | DType::UInt8 => (0.0, bits as i64),
        _ => {
            let unused = 64 - 8 * bytes.len() as u32;
            (0.0, (bits as i64) << unused >> unused)
        }
    }
}

/// Pass over the zeros that fill up some bytes to a whole multiple of 8.
fn skip_zeros(reader: &mut Reader, size: usize) -> Read<()> {
    let rest = reader.bytes(size.wrapping_neg() % 8)?;
    refuse_if(rest.iter().any(|x| *x != 0), "there are no zeros between its parts")
}

fn elements_of(reader: &mut Reader, dtype: DType, shape: &[usize]) -> Result<Array> {
    let size = count_of(shape)? * dtype.size();
    let bytes = reader.bytes(size)?;
    skip_zeros(reader, size)?;
    let elements = bytes.chunks(dtype.size()).map(|x| element_of(x, dtype));
    let numbers = if dtype.is_float() {
        Numbers::Double(elements.map(|x| x.0).collect())
    } else {
        Numbers::Whole(elements.map(|x| Wrapping(x.1)).collect())
    };
    let are_bools = dtype != DType::Bool || bytes.iter().all(|x| *x <= 1);
    refuse_if(!are_bools, "a bool is 0 or 1")?;
    Array::new(dtype, shape, &numbers)
}

/// An array, and its gradient if it has one; a constant has neither flag.
fn array_of(reader: &mut Reader, flags_known: u32) -> Result<Tensor> {
    let (number, rank) = (reader.u32()?, reader.u32()?);
    let (flags, zero) = (reader.u32()?, reader.u32()?);
    let dtype = DType::numbered(i64::from(number)).ok_or(FileError("an array has no type"))?;
    refuse_if(flags > flags_known || zero != 0, "an array has other flags")?;
    let sizes = reader.list(rank, Reader::u64)?;
    let sizes: Option<Vec<usize>> = sizes.into_iter().map(|n| usize::try_from(n).ok()).collect();
    let sizes = sizes.filter(|sizes| sizes.iter().all(|n| *n as u64 >> 59 == 0));
    let shape = sizes.ok_or(FileError("an array is too large"))?;
    let made = Tensor::new(elements_of(reader, dtype, &shape)?);
    let gradient = if flags & 2 != 0 { Some(elements_of(reader, dtype, &shape)?) } else { None };
    made.set_gradient(gradient.map(Tensor::new));
    if flags & 1 == 0 {
        return Ok(made);
    }
    refuse_if(!dtype.is_float(), "what is no float requires no gradient")?;
    Ok(made.requiring_gradient())
}

fn generator_of(reader: &mut Reader) -> Result<Generator> {
    let (state, spare, has_spare) = (reader.u64()?, reader.f64()?, reader.u64()?);
    refuse_if(has_spare > 1, "a generator has a second number or none")?;
    let made = Generator::restored(state, (has_spare == 1).then_some(spare));
    Ok(made.ok_or(FileError("a generator has no state"))?)
}

/// A list of items, each of which may be refused for more than its bytes.
fn list_of<T>(
    reader: &mut Reader,
    count: impl Into<u64>,
    read: impl Fn(&mut Reader) -> Result<T>,
) -> Result<Vec<T>> {
    let count = count.into();
    refuse_if(count > reader.0.len() as u64, "a count is larger than the file")?;
    (0..count).map(|_| read(reader)).collect()
}

/// Parameters that a rule updates with the same numbers.
#[derive(Debug)]
pub struct UpdateGroup {
    rule: &'static Rule,
    /// Hyperparameters, as `names` has them.
    pub numbers: Vec<f64>,
    /// Steps made, and remembered numbers, of each parameter.
    pub steps: Vec<u64>,
    pub scalars: Vec<Vec<f64>>,
    parameters: Vec<usize>,
    arrays: Vec<Vec<usize>>,
}

impl UpdateGroup {
    fn read(reader: &mut Reader, rule: &'static Rule, count: usize) -> Result<Self> {
        let (parameters, has_arrays) = (reader.u32()?, reader.u32()?);
        refuse_if(has_arrays > 1, "a group has arrays or none")?;
        let numbers = reader.list(rule.numbers.len() as u64, Reader::f64)?;
        let steps = reader.list(parameters, Reader::u64)?;
        let scalars =
            reader.list(rule.scalars.len() as u64, |r| r.list(parameters, Reader::f64))?;
        let places = |r: &mut Reader| r.list(parameters, |r| Ok(r.u32()? as usize));
        let named = if has_arrays == 1 { rule.arrays.len() } else { 0 };
        let mut lists = reader.list(1 + named as u64, places)?;
        skip_zeros(reader, 4 * lists.iter().map(Vec::len).sum::<usize>())?;
        let own = lists.remove(0);
        let is_there = |i: &usize| *i < count || *i == NONE as usize;
        refuse_if(own.iter().any(|i| *i >= count), TOO_LARGE)?;
        refuse_if(!lists.iter().flatten().all(is_there), TOO_LARGE)?;
        refuse_if(steps.iter().any(|t| *t >= MOST_STEPS), "it has made too many steps")?;
        for (i, p) in own.iter().enumerate() {
            let used = lists.iter().map(|of| of[i]).chain([*p]).filter(|x| *x != NONE as usize);
            let used: Vec<usize> = used.collect();
            let unique: HashSet<&usize> = used.iter().collect();
            refuse_if(unique.len() < used.len(), "an update uses an array twice")?;
        }
        Ok(Self { rule, numbers, steps, scalars, parameters: own, arrays: lists })
    }

    /// What stands for each of `numbers`, by PyTorch's names.
    pub fn names(&self) -> &'static [&'static str] {
        self.rule.numbers
    }

    /// The arrays that parameter i needs, by their names.
    fn remembered(&self, i: usize, arrays: &[Tensor]) -> Result<HashMap<&'static str, Tensor>> {
        let (rule, p) = (self.rule.name, &arrays[self.parameters[i]]);
        need(p.dtype().is_float(), || format!("an update of {}", p.dtype().name()))?;
        let mut found = HashMap::new();
        for place in self.rule.needed(&self.numbers) {
            let name = self.rule.arrays[place].0;
            let which = self.arrays.get(place).map(|of| of[i]).filter(|x| *x != NONE as usize);
            let x = which.map(|which| &arrays[which]);
            let x = x.ok_or_else(|| Error::Argument(format!("{rule} needs {name}")))?;
            let is_like = x.shape() == p.shape() && x.dtype() == p.dtype().wide();
            need(is_like, || format!("{rule}: {name} is not like its parameter"))?;
            found.insert(name, x.clone());
        }
        Ok(found)
    }

    /// Make the step of parameter i, if it has a gradient.
    fn step(&mut self, i: usize, arrays: &[Tensor]) -> Result<()> {
        let (p, kept) = (&arrays[self.parameters[i]], self.remembered(i, arrays)?);
        let Some(gradient) = p.gradient() else { return Ok(()) };
        let scalars = self.rule.scalars.iter().zip(&self.scalars).map(|(name, of)| (*name, of[i]));
        let Stepped { made, scalars, arrays: remembered } = self.rule.step(
            &self.numbers,
            p,
            &gradient,
            self.steps[i] + 1,
            scalars.collect(),
            kept.clone(),
        )?;
        self.steps[i] += 1;
        for (name, of) in self.rule.scalars.iter().zip(&mut self.scalars) {
            of[i] = scalars.get(name).copied().unwrap_or(0.0);
        }
        for (name, x) in kept {
            if let Some(renewed) = remembered.get(name) {
                x.array().write(&renewed.array().numbers()?)?;
            }
        }
        p.array().write(&made.array().numbers()?)
    }
}

fn update_of(reader: &mut Reader, count: usize) -> Result<Vec<UpdateGroup>> {
    let rule = Rule::named(reader.name()?)?;
    let groups = reader.u64()?;
    list_of(reader, groups, |r| UpdateGroup::read(r, rule, count))
}

/// What an event is: a call of an op, or something else that is done.
#[derive(Clone, Copy, Debug)]
enum Event {
    Call(&'static Op),
    Constant,
    InPlace,
    Gradient,
    SetGradient,
    Backward,
    Update,
    Random,
    Require,
    RequiresGrad,
    Grad,
    Arrived,
    Contribute,
    Resume,
}

fn event_of(reader: &mut Reader) -> Result<Event> {
    let name = reader.name()?;
    refuse_if(reader.u64()? != 0, "there are no zeros behind the name of an op")?;
    Ok(match name {
        "constant" => Event::Constant,
        "in_place" => Event::InPlace,
        "gradient" => Event::Gradient,
        "set_gradient" => Event::SetGradient,
        "backward" => Event::Backward,
        "update" => Event::Update,
        "random" => Event::Random,
        "require" => Event::Require,
        "requires_grad" => Event::RequiresGrad,
        "grad" => Event::Grad,
        "arrived" => Event::Arrived,
        "contribute" => Event::Contribute,
        "resume" => Event::Resume,
        _ => Event::Call(Op::named(name)?),
    })
}

/// What is done, word by word.
struct Words<'a>(&'a [u32]);

impl<'a> Words<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u32]> {
        need(count <= self.0.len(), || "the words end within a call".to_owned())?;
        let (found, rest) = self.0.split_at(count);
        self.0 = rest;
        Ok(found)
    }

    fn next(&mut self) -> Result<u32> {
        Ok(self.take(1)?[0])
    }

    /// Integers, each of two words.
    fn integers(&mut self, count: usize) -> Result<Vec<i64>> {
        let pair = |x: &[u32]| (u64::from(x[1]) << 32 | u64::from(x[0])) as i64;
        Ok(self.take(2 * count)?.chunks(2).map(pair).collect())
    }

    /// Numbers, each of two words.
    fn numbers(&mut self, count: usize) -> Result<Vec<f64>> {
        Ok(self.integers(count)?.into_iter().map(|x| f64::from_bits(x as u64)).collect())
    }
}

// ---- the program

/// A program of arrays.
pub struct ArrayProgram {
    /// What was made by the last run.
    pub outputs: Vec<Array>,
    /// The groups of each update, with numbers that may be changed.
    pub updates: Vec<Vec<UpdateGroup>>,
    pub generators: Vec<Generator>,
    arrays: Vec<Tensor>,
    names: Vec<String>,
    inputs: Vec<Option<usize>>,
    constants: Vec<Array>,
    events: Vec<Event>,
    words: Vec<u32>,
    returned: Vec<u32>,
    /// Arrays, and whether a run begins with a gradient of theirs.
    begins: BTreeMap<usize, bool>,
    /// Whether what a program requires of elements is asked.
    checks: bool,
}

/// What a run has made, and the tensors whose gradients it has met.
#[derive(Default)]
struct Run {
    values: Vec<Tensor>,
    met: HashSet<Identity>,
    /// Where backwards have stopped, the last one last.
    stops: Vec<Stop>,
}

impl ArrayProgram {
    /// The program of a whole file.
    ///
    /// # Errors
    /// The file is damaged, or wrong.
    pub fn new(bytes: &[u8]) -> Result<Self> {
        let wrong = |error| match error {
            Error::File(text) => Error::File(text),
            other => Error::File(format!("a program file that is wrong: {other}")),
        };
        let mut tried = Self::read(bytes).map_err(wrong)?;
        tried.step().map_err(wrong)?;
        let own = Self::read(bytes).map_err(wrong)?;
        let mut pairs = tried.arrays.iter().zip(&own.arrays);
        let is_same = pairs.all(|(x, y)| x.requires_grad() == y.requires_grad());
        let text = || "an array requires a gradient at the end, or none, other than before";
        need(is_same, || text().to_owned()).map_err(wrong)?;
        Ok(Self { begins: tried.begins, checks: true, ..own })
    }

    fn read(bytes: &[u8]) -> Result<Self> {
        let (kind, flags, counts) = header_of(bytes)?;
        refuse_if(kind != ARRAYS, "it is of numbers")?;
        refuse_if(flags != 0 || counts[9] != 0, "it has flags that arrays have not")?;
        let mut reader = Reader(&bytes[HEADER..]);
        let arrays = list_of(&mut reader, counts[0], |r| array_of(r, 3))?;
        let constants = list_of(&mut reader, counts[1], |r| Ok(array_of(r, 0)?.array().clone()))?;
        let generators = list_of(&mut reader, counts[2], generator_of)?;
        let updates = list_of(&mut reader, counts[3], |r| update_of(r, arrays.len()))?;
        let events = list_of(&mut reader, counts[4], event_of)?;
        let words = reader.list(counts[5], Reader::u32)?;
        let inputs = reader.list(counts[6], |r| match r.u32()? {
            NONE => Ok(None),
            i if (i as usize) < arrays.len() => Ok(Some(i as usize)),
            _ => Err(FileError(TOO_LARGE)),
        })?;
        let returned = reader.list(counts[7], Reader::u32)?;
        let text = reader.text(counts[8] as usize)?;
        let names: Vec<String> = text.split_terminator('\0').map(str::to_owned).collect();
        let is_whole = text.is_empty() || text.ends_with('\0');
        refuse_if(names.len() != arrays.len() || !is_whole, "an array has no name")?;
        refuse_if(!reader.0.is_empty(), "it goes on behind its end")?;
        Ok(Self {
            outputs: Vec::new(),
            updates,
            generators,
            arrays,
            names,
            inputs,
            constants,
            events,
            words,
            returned,
            begins: BTreeMap::new(),
            checks: false,
        })
    }

    /// What it reads and writes, with gradients: parameters, inputs, what updates remember.
    pub fn arrays(&self) -> &[Tensor] {
        &self.arrays
    }

    /// The names of these, which may be empty.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Those that are its inputs; None for one that nothing uses.
    pub fn inputs(&self) -> Vec<Option<&Array>> {
        self.inputs.iter().map(|i| i.map(|i| self.arrays[i].array())).collect()
    }

    /// Run once on other inputs; gives the outputs.
    ///
    /// # Errors
    /// There are more or fewer than it takes, or of other shapes or types; or as `run`.
    pub fn call(&mut self, inputs: &[Array]) -> Result<&[Array]> {
        need(inputs.len() == self.inputs.len(), || {
            format!("{} inputs for a program of {}", inputs.len(), self.inputs.len())
        })?;
        let places = || self.inputs.iter().zip(inputs).filter_map(|(i, x)| Some(((*i)?, x)));
        for (i, x) in places() {
            let own = self.arrays[i].array();
            let is_like = (x.dtype(), x.shape()) == (own.dtype(), own.shape());
            need(is_like, || "an input has another shape or type than in the file".to_owned())?;
        }
        for (i, x) in places() {
            self.arrays[i].array().write(&x.numbers()?)?;
        }
        self.run()
    }

    /// Run once; gives the outputs. What was written before an error stays.
    ///
    /// # Errors
    /// An index is out of range; or an array has a gradient, or none, other than in the file.
    pub fn run(&mut self) -> Result<&[Array]> {
        for (i, begins) in &self.begins {
            if self.arrays[*i].gradient().is_some() != *begins {
                let text = format!("array {i} has a gradient, or none, other than when saved");
                return Err(Error::State(text));
            }
        }
        self.step()?;
        Ok(&self.outputs)
    }

    /// Do all once.
    fn step(&mut self) -> Result<()> {
        let mut run = Run::default();
        let all = std::mem::take(&mut self.words);
        let done = self.follow(&mut run, &mut Words(&all));
        self.words = all;
        done?;
        let outputs = self.returned.iter().map(|i| self.value(&run, *i)?.array().copied());
        self.outputs = outputs.collect::<Result<Vec<Array>>>()?;
        Ok(())
    }

    fn follow(&mut self, run: &mut Run, words: &mut Words) -> Result<()> {
        while !words.0.is_empty() {
            self.next(run, words)?;
        }
        Ok(())
    }

    /// Do what comes next; tells what it was.
    fn next(&mut self, run: &mut Run, words: &mut Words) -> Result<Event> {
        let event = self.event(words.next()?)?;
        match event {
            Event::Call(op) => {
                let made = self.call_of(run, op, words)?;
                run.values.push(made);
            }
            Event::Constant => {
                let known = self.constants.get(words.next()? as usize);
                let known = known.ok_or_else(|| not_there("a constant"))?;
                run.values.push(Tensor::new(known.copied()?));
            }
            Event::InPlace => self.in_place(run, words)?,
            Event::Gradient => {
                let x = self.value(run, words.next()?)?;
                self.look(run, &x);
                let gradient = x.gradient().ok_or_else(|| not_there("a gradient"))?;
                run.values.push(gradient);
            }
            Event::SetGradient => self.set_gradient(run, words)?,
            Event::Backward => self.backward(run, words)?,
            Event::Update => self.update(run, words)?,
            Event::Random => self.random(run, words)?,
            Event::Require => self.require(run, words)?,
            Event::RequiresGrad => self.requires_grad(run, words)?,
            Event::Grad => self.grad(run, words)?,
            Event::Arrived => {
                let x = self.value(run, words.next()?)?;
                let made = Tensor::new(stop_of(run)?.arrived(&x)?.array().copied()?);
                made.array().memory().is_lent.set(true);
                run.values.push(made);
            }
            Event::Contribute => {
                let (which, part) = (words.next()? as usize, self.value(run, words.next()?)?);
                stop_of(run)?.give(which, part)?;
            }
            Event::Resume => _ = stop_of(run)?,
        }
        Ok(event)
    }

    fn event(&self, which: u32) -> Result<Event> {
        self.events.get(which as usize).copied().ok_or_else(|| not_there("an op"))
    }

    /// The tensor that a value is.
    fn value(&self, run: &Run, which: u32) -> Result<Tensor> {
        let found = match which.checked_sub(FOUND) {
            None => run.values.get(which as usize),
            Some(i) => self.arrays.get(i as usize),
        };
        found.cloned().ok_or_else(|| not_there("a value"))
    }

    fn maybe(&self, run: &Run, which: u32) -> Result<Option<Tensor>> {
        if which == NONE {
            return Ok(None);
        }
        self.value(run, which).map(Some)
    }

    /// Note whether a run begins with the gradient that an array has.
    fn look(&mut self, run: &mut Run, x: &Tensor) {
        if run.met.insert(x.identity()) {
            let place = self.arrays.iter().position(|own| own.identity() == x.identity());
            if let Some(i) = place {
                self.begins.insert(i, x.gradient().is_some());
            }
        }
    }

    // ---- events

    fn call_of(&self, run: &Run, op: &'static Op, words: &mut Words) -> Result<Tensor> {
        let [operands, integers, numbers, weak, how] = words.take(5)? else {
            unreachable!("five words were taken")
        };
        let [count, integers, numbers] = [operands, integers, numbers].map(|n| *n as usize);
        let is_small = count > 0 && integers <= MOST_INTEGERS && numbers <= MOST_NUMBERS;
        let has_weak = *weak == 0 || (count <= MOST_WEAK && weak >> count == 0);
        let fits = is_small && *how < 8 && has_weak;
        need(fits, || format!("{} takes not so much", op.name))?;
        let operands = words.take(count)?.iter().map(|i| self.value(run, *i));
        let operands = operands.collect::<Result<Vec<Tensor>>>()?;
        let (integers, numbers) = (words.integers(integers)?, words.numbers(numbers)?);
        let is_output = op.name != "output" || operands[0].is_of("function");
        need(is_output, || "an output of no function".to_owned())?;
        let is_weak = |i: usize| *weak > 0 && weak >> i & 1 > 0;
        let given = |(i, x): (usize, &Tensor)| match (is_weak(i), how & RECORDS) {
            (true, _) => number_of(x),
            (_, 0) => Ok(Operand::Tensor(x.detached())),
            _ => Ok(x.into()),
        };
        let given = operands.iter().enumerate().map(given).collect::<Result<Vec<Operand>>>()?;
        let mut made = apply(op, &given, &integers, &numbers)?;
        if how & OVER != 0 {
            let writes = matches!(op.name, "assign" | "add_at" | "put_at" | "scatter_add");
            need(writes, || format!("{} takes over no memory", op.name))?;
            let a = &operands[0];
            a.array().write(&made.array().numbers()?)?;
            made = if made.requires_grad() { made.moved(a.array().clone()) } else { a.clone() };
        }
        let is_as_told = made.requires_grad() == (how & REQUIRES != 0);
        need(is_as_told, || format!("{}: a gradient flows, or does not", op.name))?;
        Ok(made)
    }

    /// op(a, b), or a cast of b, is written over a.
    fn in_place(&self, run: &Run, words: &mut Words) -> Result<()> {
        let (event, weak) = (self.event(words.next()?)?, words.next()?);
        let (a, b) = (self.value(run, words.next()?)?, self.maybe(run, words.next()?)?);
        let made = match (event, b) {
            (Event::Call(op), Some(b)) if op.name == "cast" => b.array().expand(a.shape())?,
            (Event::Call(op), b) => written_over(op, &a, b.as_ref(), weak)?,
            _ => return Err(Error::Argument("that is not done in place".to_owned())),
        };
        need(made.shape() == a.shape(), || {
            format!("in place: shape {:?} is not {:?}", made.shape(), a.shape())
        })?;
        a.array().write(&made.numbers()?)
    }

    fn set_gradient(&self, run: &mut Run, words: &mut Words) -> Result<()> {
        let (x, gradient) = (self.value(run, words.next()?)?, self.maybe(run, words.next()?)?);
        let is_like = |g: &Tensor| (g.shape(), g.dtype()) == (x.shape(), x.dtype());
        let fits = gradient.as_ref().map_or(true, is_like);
        need(fits, || "a gradient of another shape or type".to_owned())?;
        run.met.insert(x.identity());
        x.set_gradient(gradient);
        Ok(())
    }

    /// Whether a gradient of a leaf is wanted from now on.
    fn requires_grad(&self, run: &Run, words: &mut Words) -> Result<()> {
        let (x, on) = (self.value(run, words.next()?)?, words.next()?);
        let fits = x.is_leaf() && on < 2 && (on == 0 || x.dtype().is_float());
        need(fits, || "a gradient is wanted of a leaf of floats, or not".to_owned())?;
        x.set_requires_gradient(on == 1);
        Ok(())
    }

    fn values(&self, run: &Run, words: &mut Words, count: usize) -> Result<Vec<Tensor>> {
        words.take(count)?.iter().map(|i| self.value(run, *i)).collect()
    }

    /// Take gradients from roots, to inputs if there are any; at a function do what the words say.
    fn sweep(
        &mut self,
        run: &mut Run,
        words: &mut Words,
        count: usize,
        input_count: usize,
    ) -> Result<(Totals, Vec<Tensor>)> {
        need((1..=MOST_ROOTS).contains(&count), || format!("a backward from {count} values"))?;
        let fits = run.stops.len() < MOST_SWEEPS;
        need(fits, || "too many backwards within each other".to_owned())?;
        let roots = self.values(run, words, count)?;
        let seeds = words.take(count)?.iter().map(|i| self.maybe(run, *i));
        let seeds = seeds.collect::<Result<Vec<Option<Tensor>>>>()?;
        let inputs = self.values(run, words, input_count)?;
        let by = (input_count > 0).then_some(&inputs[..]);
        let (totals, visited) = sweep(&roots, &seeds, by, false, &mut |stop| {
            run.stops.push(stop);
            while !matches!(self.next(run, words)?, Event::Resume) {}
            run.stops.pop().ok_or_else(|| not_there("a stop"))
        })?;
        Ok((totals, if input_count > 0 { inputs } else { visited }))
    }

    /// The gradients of some values by others are values, in memory of their own.
    fn grad(&mut self, run: &mut Run, words: &mut Words) -> Result<()> {
        let (count, input_count) = (words.next()? as usize, words.next()? as usize);
        need(input_count > 0, || "a grad by nothing".to_owned())?;
        let (totals, inputs) = self.sweep(run, words, count, input_count)?;
        let mut made: HashMap<Identity, Tensor> = HashMap::new();
        for x in inputs.iter().map(Tensor::identity) {
            let Some(total) = totals.get(&x) else { continue };
            let known = made.get(&x).cloned();
            let gradient = known.map_or_else(|| total.array().copied().map(Tensor::new), Ok)?;
            run.values.push(gradient.clone());
            made.insert(x, gradient);
        }
        Ok(())
    }

    /// Add gradients to those of leaves: in their memory, where they have any.
    fn backward(&mut self, run: &mut Run, words: &mut Words) -> Result<()> {
        let count = words.next()? as usize;
        let (totals, visited) = self.sweep(run, words, count, 0)?;
        let mut found = Vec::new();
        for x in visited.into_iter().filter(Tensor::is_leaf) {
            if let Some(total) = totals.get(&x.identity()) {
                found.push((x, Tensor::new(total.array().copied()?)));
            }
        }
        for (x, total) in found {
            self.look(run, &x);
            let Some(before) = x.gradient() else {
                x.set_gradient(Some(total));
                continue;
            };
            let added = apply(
                Op::named("add")?,
                &[(&before.detached()).into(), (&total).into()],
                &[],
                &[],
            )?;
            if before.requires_grad() || before.array().overlaps() {
                x.set_gradient(Some(added));
            } else {
                before.array().write(&added.array().numbers()?)?;
            }
        }
        Ok(())
    }

    /// Make a step of all parameters that have a gradient.
    fn update(&mut self, run: &mut Run, words: &mut Words) -> Result<()> {
        let which = words.next()? as usize;
        let groups = self.updates.get(which).ok_or_else(|| not_there("an update"))?;
        let mut parameters = Vec::new();
        for (at, group) in groups.iter().enumerate() {
            for i in 0..group.parameters.len() {
                group.remembered(i, &self.arrays)?;
                parameters.push((at, i, self.arrays[group.parameters[i]].clone()));
            }
        }
        for (_, _, p) in &parameters {
            self.look(run, p);
        }
        for (at, i, _) in parameters {
            self.updates[which][at].step(i, &self.arrays)?;
        }
        Ok(())
    }

    /// Draw the elements of a value anew.
    fn random(&mut self, run: &Run, words: &mut Words) -> Result<()> {
        let (x, which, kind) = (self.value(run, words.next()?)?, words.next()?, words.next()?);
        let (numbers, integers) = (words.numbers(2)?, words.integers(2)?);
        let fits = match kind {
            0 | 1 => matches!(x.dtype(), DType::Float32 | DType::Float64),
            2 | 3 => x.dtype() == DType::Int64,
            _ => false,
        };
        need(fits && x.is_leaf(), || format!("random numbers of {}", x.dtype().name()))?;
        need(x.array().is_row_major(), || "random numbers of a view".to_owned())?;
        let rng = self.generators.get_mut(which as usize);
        let rng = rng.ok_or_else(|| not_there("a generator"))?;
        let (count, [a, b], [low, high]) =
            (x.array().count(), [numbers[0], numbers[1]], [integers[0], integers[1]]);
        let numbers = match kind {
            0 => Numbers::Double((0..count).map(|_| rng.uniform(a, b)).collect()),
            1 => Numbers::Double((0..count).map(|_| rng.normal(a, b)).collect()),
            2 => {
                need(low < high, || format!("no integers are from {low} to {high} - 1"))?;
                let span = high.wrapping_sub(low) as u64;
                let below = |rng: &mut Generator| low.wrapping_add(integer_below(rng, span) as i64);
                Numbers::Whole((0..count).map(|_| Wrapping(below(rng))).collect())
            }
            _ => {
                let mut items: Vec<i64> = (0..count as i64).collect();
                rng.shuffle(&mut items);
                Numbers::Whole(items.into_iter().map(Wrapping).collect())
            }
        };
        x.array().write(&numbers)
    }

    /// An error where one of some bools is false; not while a file is loaded.
    fn require(&self, run: &Run, words: &mut Words) -> Result<()> {
        let (x, is_index) = (self.value(run, words.next()?)?, words.next()?);
        need(x.dtype() == DType::Bool && is_index < 2, || "a check of no bools".to_owned())?;
        if self.checks && x.array().integers()?.contains(&0) {
            let text = "a check of elements fails".to_owned();
            return Err(if is_index == 1 { Error::Index(text) } else { Error::Argument(text) });
        }
        Ok(())
    }
}

/// Where a backward has stopped last.
fn stop_of(run: &mut Run) -> Result<&mut Stop> {
    run.stops.last_mut().ok_or_else(|| not_there("a function where a backward has stopped"))
}

fn not_there(what: &str) -> Error {
    Error::Argument(format!("{what} that there is not"))
}

/// The number that a tensor without axes stands for.
fn number_of(x: &Tensor) -> Result<Operand> {
    let is_number = x.shape().is_empty() && !x.requires_grad();
    need(is_number, || "a number has no axes, nor a gradient".to_owned())?;
    Ok(Operand::Number(match x.dtype() {
        DType::Bool => Scalar::Bool(x.array().integers()?[0] != 0),
        dtype if dtype.is_integer() => Scalar::Int(x.array().integers()?[0]),
        _ => Scalar::Float(x.array().numbers()?.float(0)),
    }))
}

/// A row of the table of elements of a and b, as what can be written over a.
fn written_over(op: &Op, a: &Tensor, b: Option<&Tensor>, weak: u32) -> Result<Array> {
    let Kind::Elements(types) = op.kind else {
        return Err(Error::Argument(format!("{} is not done in place", op.name)));
    };
    let operands: Vec<&Tensor> = [Some(a), b].into_iter().flatten().collect();
    let fits = op.takes(operands.len()) && weak < 4;
    need(fits, || format!("{} in place takes other operands", op.name))?;
    let group = |(i, x): (usize, &&Tensor)| {
        Ok(match (weak >> i & 1, x.shape().is_empty()) {
            (1, _) => (number_of(x)?.dtype(), Group::Number),
            (_, true) => (x.dtype(), Group::NoAxes),
            _ => (x.dtype(), Group::Axes),
        })
    };
    let groups = operands.iter().enumerate().map(group).collect::<Result<Vec<(DType, Group)>>>()?;
    let (computed, result) = elements::computed_in(op.name, types, &groups)?;
    let is_held = if result.is_float() {
        a.dtype().is_float()
    } else {
        result == DType::Bool || a.dtype() != DType::Bool
    };
    need(is_held, || {
        format!("{} in place: {} is not written over {}", op.name, result.name(), a.dtype().name())
    })?;
    let arrays: Vec<Array> = operands.iter().map(|x| x.array().clone()).collect();
    elements::compute(op.name, &arrays, None, (computed, result))
}

/// An integer from 0 to span - 1.
fn integer_below(rng: &mut Generator, span: u64) -> u64 {
    let bits = u64::from(rng.u32());
    if span > 1 << 32 {
        (bits << 32 | u64::from(rng.u32())) % span
    } else {
        bits % span
    }
}
