//! Arrays that remember what they were computed from, and gradients.
//!
//! A gradient is a composition of the same ops. It is recorded, to be differentiated again, if its
//! operands are given as they are, and not if they are detached first: nothing else tells.

use super::array::{Array, Memory};
use super::dtype::{promoted, DType, Group};
use super::elements;
use super::error::{need, Error, Result};
use super::gradients::{cast_to, Known};
use super::ops::{Call, Kind, Op};
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// A number that is no array: of a lower rank than any in what types have in common.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar {
    Bool(bool),
    Int(i64),
    Float(f64),
}

impl Scalar {
    fn dtype(self) -> DType {
        match self {
            Self::Bool(_) => DType::Bool,
            Self::Int(_) => DType::Int64,
            Self::Float(_) => DType::Float32,
        }
    }

    /// The number as an array without axes.
    fn array(self, dtype: DType) -> Result<Array> {
        match self {
            Self::Bool(x) => Array::filled(dtype, &[], std::num::Wrapping(i64::from(x))),
            Self::Int(x) => Array::filled(dtype, &[], std::num::Wrapping(x)),
            Self::Float(x) => Array::filled(dtype, &[], x),
        }
    }
}

/// What an op takes: a tensor, or a number where it is one of elements.
#[derive(Clone, Debug)]
pub enum Operand {
    Tensor(Tensor),
    Number(Scalar),
}

impl From<&Tensor> for Operand {
    fn from(x: &Tensor) -> Self {
        Self::Tensor(x.clone())
    }
}

impl Operand {
    /// The type that it counts with.
    pub(crate) fn dtype(&self) -> DType {
        self.group().0
    }

    fn group(&self) -> (DType, Group) {
        match self {
            Self::Tensor(x) if x.shape().is_empty() => (x.dtype(), Group::NoAxes),
            Self::Tensor(x) => (x.dtype(), Group::Axes),
            Self::Number(x) => (x.dtype(), Group::Number),
        }
    }

    /// Itself, a number as a leaf of a type.
    fn tensor(&self, dtype: DType) -> Result<Tensor> {
        match self {
            Self::Tensor(x) => Ok(x.clone()),
            Self::Number(x) => Ok(Tensor::new(x.array(dtype)?)),
        }
    }
}

/// How a tensor was made.
#[derive(Debug)]
pub(crate) struct Record {
    pub op: &'static Op,
    pub operands: Vec<Tensor>,
    pub integers: Vec<i64>,
    pub numbers: Vec<f64>,
    /// The memories that a gradient may read, if they were not written to since.
    versions: RefCell<Vec<(Rc<Memory>, u64)>>,
}

#[derive(Debug)]
struct Node {
    array: Array,
    requires_grad: Cell<bool>,
    gradient: RefCell<Option<Tensor>>,
    record: Option<Record>,
}

/// An array in the graph of what it was computed from.
#[derive(Clone, Debug)]
pub struct Tensor(Rc<Node>);

/// Which tensor one is.
pub(crate) type Identity = usize;

impl Node {
    /// What it holds on to.
    fn take(&mut self) -> impl Iterator<Item = Tensor> {
        let operands = self.record.take().map_or_else(Vec::new, |record| record.operands);
        operands.into_iter().chain(self.gradient.take())
    }
}

impl Drop for Node {
    /// Without recursion: a chain of ops may be long.
    fn drop(&mut self) {
        let mut left: Vec<Tensor> = self.take().collect();
        while let Some(x) = left.pop() {
            left.extend(Rc::into_inner(x.0).into_iter().flat_map(|mut node| node.take()));
        }
    }
}

impl Tensor {
    /// A leaf.
    pub fn new(array: Array) -> Self {
        Self::node(array, None)
    }

    fn node(array: Array, record: Option<Record>) -> Self {
        let requires_grad = Cell::new(record.is_some());
        Self(Rc::new(Node { array, requires_grad, gradient: RefCell::new(None), record }))
    }

    /// Itself, a leaf of floats, as one to which gradients flow.
    pub fn requiring_gradient(self) -> Self {
        self.set_requires_gradient(true);
        self
    }

    /// The same of one that stays where it is, or the other way round.
    pub(crate) fn set_requires_gradient(&self, on: bool) {
        self.0.requires_grad.set(on);
    }

    /// Whether it was recorded by an op of this name.
    pub(crate) fn is_of(&self, op: &str) -> bool {
        self.0.record.as_ref().is_some_and(|record| record.op.name == op)
    }

    pub fn array(&self) -> &Array {
        &self.0.array
    }

    pub fn shape(&self) -> &[usize] {
        self.0.array.shape()
    }

    pub fn dtype(&self) -> DType {
        self.0.array.dtype()
    }

    pub fn requires_grad(&self) -> bool {
        self.0.requires_grad.get()
    }

    /// The gradient that a backward has added up here.
    pub fn gradient(&self) -> Option<Tensor> {
        self.0.gradient.borrow().clone()
    }

    pub(crate) fn set_gradient(&self, gradient: Option<Tensor>) {
        self.0.gradient.replace(gradient);
    }

    pub(crate) fn identity(&self) -> Identity {
        Rc::as_ptr(&self.0) as Identity
    }

    pub(crate) fn is_leaf(&self) -> bool {
        self.0.record.is_none()
    }

    pub(crate) fn operands(&self) -> &[Tensor] {
        self.0.record.as_ref().map_or(&[], |record| &record.operands)
    }

    /// A leaf that shows the same memory; itself if it is one to which nothing flows.
    pub(crate) fn detached(&self) -> Self {
        if self.requires_grad() {
            Self::new(self.array().clone())
        } else {
            self.clone()
        }
    }

    /// Another node of the same record, whose array lies elsewhere.
    pub(crate) fn moved(self, array: Array) -> Self {
        let record = Rc::into_inner(self.0).and_then(|mut node| node.record.take());
        let made = Self::node(array, record);
        made.guard();
        made
    }

    /// Let its gradient refuse to read what is written to from now on.
    fn guard(&self) {
        if let Some(record) = &self.0.record {
            let memory = |x: &Tensor| Rc::clone(x.array().memory());
            let all = record.operands.iter().map(memory).chain([memory(self)]);
            *record.versions.borrow_mut() = all.map(|m| (Rc::clone(&m), m.version.get())).collect();
        }
    }

    /// What it passes on to an operand, of its gradient; recorded, or of detached operands.
    fn passed(&self, gradient: &Tensor, which: usize, is_recorded: bool) -> Result<Tensor> {
        let record = self.0.record.as_ref().expect("leaves pass nothing on");
        let own = |x: &Tensor| if is_recorded { x.clone() } else { x.detached() };
        let known = Known {
            y: own(self),
            g: own(gradient),
            operands: record.operands.iter().map(own).collect(),
            op: record.op,
            integers: &record.integers,
            numbers: &record.numbers,
            which,
            wide: std::array::from_fn(|_| OnceCell::new()),
        };
        let rule = record.op.gradient.expect("what is recorded has a gradient");
        for (memory, version) in record.versions.borrow().iter() {
            memory.expected.set(Some(*version));
        }
        let passed = rule(&known);
        for (memory, _) in record.versions.borrow().iter() {
            memory.expected.set(None);
        }
        passed
    }
}

// ---- recording

/// Compute an op, and record it if an operand requires a gradient.
///
/// # Errors
/// Operands, integers or numbers do not fit the op.
pub fn apply(
    op: &'static Op,
    operands: &[Operand],
    integers: &[i64],
    numbers: &[f64],
) -> Result<Tensor> {
    op.check(operands.len(), integers.len(), numbers.len())?;
    let (array, operands) = match op.kind {
        Kind::Elements(types) => elements_of(op, types, operands, numbers)?,
        Kind::Arrays(compute) => {
            let operands = tensors_of(op, operands)?;
            let arrays: Vec<Array> = operands.iter().map(|x| x.array().clone()).collect();
            (compute(&Call { op, operands: &arrays, integers, numbers })?, operands)
        }
    };
    let flows = op.gradient.is_some() && array.dtype().is_float();
    if !flows || !operands.iter().any(Tensor::requires_grad) {
        return Ok(Tensor::new(array));
    }
    let (integers, numbers) = (integers.to_vec(), numbers.to_vec());
    let versions = RefCell::new(Vec::new());
    let record = Record { op, operands, integers, numbers, versions };
    let made = Tensor::node(array, Some(record));
    made.guard();
    Ok(made)
}

fn elements_of(
    op: &'static Op,
    types: elements::Types,
    operands: &[Operand],
    numbers: &[f64],
) -> Result<(Array, Vec<Tensor>)> {
    let groups: Vec<(DType, Group)> = operands.iter().map(Operand::group).collect();
    let in_types = elements::computed_in(op.name, types, &groups)?;
    if let [_, Operand::Number(Scalar::Int(k))] = operands {
        let is_inverse = op.name == "pow" && *k < 0 && !in_types.1.is_float();
        need(!is_inverse, || "pow: an integer has no inverse; make it a float first".to_owned())?;
    }
    let own = operands.iter().map(|x| x.tensor(in_types.0)).collect::<Result<Vec<Tensor>>>()?;
    let arrays: Vec<Array> = own.iter().map(|x| x.array().clone()).collect();
    Ok((elements::compute(op.name, &arrays, numbers.first().copied(), in_types)?, own))
}

/// The operands of an op of whole arrays; of `where` a and b may be numbers.
fn tensors_of(op: &'static Op, operands: &[Operand]) -> Result<Vec<Tensor>> {
    let groups: Vec<(DType, Group)> = operands.iter().map(Operand::group).collect();
    let is_number = |i: usize| groups[i].1 == Group::Number;
    let most = if op.name == "where" { 1 } else { operands.len() };
    need(!(0..most).any(is_number), || format!("{} takes no number there", op.name))?;
    let dtype = promoted(&groups[1.min(groups.len())..]);
    operands.iter().map(|x| x.tensor(dtype)).collect()
}

// ---- gradients

/// What roots depend on and gradients flow to, depth first, operands before those who use them.
fn postorder(roots: &[Tensor]) -> Vec<Tensor> {
    let (mut listed, mut seen) = (Vec::new(), HashSet::new());
    for root in roots {
        let mut path = vec![(root.clone(), false)];
        while let Some((node, is_done)) = path.pop() {
            if is_done {
                listed.push(node);
            } else if node.requires_grad() && seen.insert(node.identity()) {
                path.push((node.clone(), true));
                path.extend(node.operands().iter().rev().map(|x| (x.clone(), false)));
            }
        }
    }
    listed
}

/// The gradient that a root begins with: 1 of a single number.
fn seed_of(root: &Tensor, seed: Option<&Tensor>) -> Result<Tensor> {
    let refused = |text: &str| Err(Error::State(text.to_owned()));
    if !root.requires_grad() {
        return refused("nothing here requires a gradient");
    }
    match seed {
        Some(seed) => {
            let fits = seed.shape() == root.shape();
            need(fits, || format!("a gradient {:?} for {:?}", seed.shape(), root.shape()))?;
            cast_to(seed, root.dtype())
        }
        None if root.array().count() != 1 => refused("a gradient is needed for many numbers"),
        None => Ok(Tensor::new(Array::filled(root.dtype(), root.shape(), 1.0)?)),
    }
}

/// Gradients by nodes.
pub(crate) type Totals = HashMap<Identity, Tensor>;

fn arrive(totals: &mut Totals, node: &Tensor, part: Tensor) -> Result<()> {
    let total = match totals.get(&node.identity()) {
        Some(total) => apply(Op::named("add")?, &[total.into(), (&part).into()], &[], &[])?,
        None => part,
    };
    totals.insert(node.identity(), total);
    Ok(())
}

/// A walk at a function, whose gradients its caller gives.
pub(crate) struct Stop {
    function: Tensor,
    totals: Totals,
    needed: HashSet<Identity>,
}

impl Stop {
    /// The gradient that has arrived at an output of the function.
    pub fn arrived(&self, x: &Tensor) -> Result<&Tensor> {
        let is_output = x.is_of("output") && x.operands()[0].identity() == self.function.identity();
        let found = self.totals.get(&x.identity()).filter(|_| is_output);
        let text = "an output of another function, or without a gradient";
        found.ok_or_else(|| Error::Argument(text.to_owned()))
    }

    /// Give an operand of the function a gradient.
    pub fn give(&mut self, which: usize, part: Tensor) -> Result<()> {
        let operand = self.function.operands().get(which);
        let text = || Error::Argument(format!("a function has no operand {which}"));
        let operand = operand.ok_or_else(text)?;
        if !operand.requires_grad() || !self.needed.contains(&operand.identity()) {
            return Ok(());
        }
        let is_like = (part.shape(), part.dtype()) == (operand.shape(), operand.dtype());
        need(is_like, || format!("operand {which} of a function gets a gradient unlike it"))?;
        arrive(&mut self.totals, operand, part)
    }
}

/// Take gradients from roots to all that they depend on, or to what leads to some nodes.
///
/// Gives the gradient of each node that was reached, and the nodes in the order of the walk. At a
/// function it asks for its gradients.
pub(crate) fn sweep(
    roots: &[Tensor],
    seeds: &[Option<Tensor>],
    inputs: Option<&[Tensor]>,
    is_recorded: bool,
    at_function: &mut dyn FnMut(Stop) -> Result<Stop>,
) -> Result<(Totals, Vec<Tensor>)> {
    let listed = postorder(roots);
    let of_inputs = inputs.unwrap_or(&listed).iter();
    let mut needed: HashSet<Identity> = of_inputs.map(Tensor::identity).collect();
    for node in &listed {
        if node.operands().iter().any(|x| needed.contains(&x.identity())) {
            needed.insert(node.identity());
        }
    }
    let mut totals = Totals::new();
    for (root, seed) in roots.iter().zip(seeds) {
        arrive(&mut totals, root, seed_of(root, seed.as_ref())?)?;
    }
    for node in listed.iter().rev() {
        let known = totals.get(&node.identity()).filter(|_| needed.contains(&node.identity()));
        let Some(total) = known.cloned() else { continue };
        if node.is_of("output") {
            totals.insert(node.operands()[0].identity(), total); // the function hears of it
            continue;
        }
        if node.is_of("function") {
            let stop = at_function(Stop { function: node.clone(), totals, needed })?;
            (totals, needed) = (stop.totals, stop.needed);
            continue;
        }
        for (which, operand) in node.operands().iter().enumerate() {
            if operand.requires_grad() && needed.contains(&operand.identity()) {
                arrive(&mut totals, operand, node.passed(&total, which, is_recorded)?)?;
            }
        }
    }
    Ok((totals, listed))
}

/// The derivatives of outputs, which begin with seeds, by inputs; None where there is none.
///
/// # Errors
/// An output requires no gradient, or a seed does not fit it.
pub fn gradients(
    outputs: &[Tensor],
    seeds: &[Option<Tensor>],
    inputs: &[Tensor],
    is_recorded: bool,
) -> Result<Vec<Option<Tensor>>> {
    let refused = |_| Err(Error::State("nobody gives the gradients of a function".to_owned()));
    let (totals, _) = sweep(outputs, seeds, Some(inputs), is_recorded, &mut { refused })?;
    Ok(inputs.iter().map(|x| totals.get(&x.identity()).cloned()).collect())
}
