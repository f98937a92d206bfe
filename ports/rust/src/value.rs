//! Value: a number that remembers what it was computed from, and its gradient.

use crate::floats::{self, divide, erf, power, sigmoid, tanh, Errors, MathError};
use std::cell::Cell;
use std::ops::{Add, Div, Mul, Neg, Sub};
use std::rc::Rc;

const SQRT_2: f64 = 1.4142135623730951;
const SQRT_2_OVER_PI: f64 = 0.7978845608028654;
const TWO_OVER_SQRT_PI: f64 = 1.1283791670955126;
const ONE_OVER_SQRT_2PI: f64 = 0.3989422804014327;

/// What a Value is computed by. The exponent of `PowNumber` is no operand.
#[derive(Clone, Copy, Debug, PartialEq)]
#[rustfmt::skip]
pub enum Op {
    Add, Mul, PowNumber(f64), Pow, Relu, Tanh, Exp, Log, Sin, Cos, Expm1, Log1p, Sigmoid, Softplus,
    Gelu, GeluTanh, Silu, Erf, Abs, Maximum, Minimum, Sub, Div, Neg,
}

/// The ops without a number of their own, by their names in SPEC.md.
#[rustfmt::skip]
const NAMES: [(&str, Op); 23] = [
    ("add", Op::Add), ("mul", Op::Mul), ("pow", Op::Pow), ("relu", Op::Relu), ("tanh", Op::Tanh),
    ("exp", Op::Exp), ("log", Op::Log), ("sin", Op::Sin), ("cos", Op::Cos), ("expm1", Op::Expm1),
    ("log1p", Op::Log1p), ("sigmoid", Op::Sigmoid), ("softplus", Op::Softplus), ("gelu", Op::Gelu),
    ("gelu_tanh", Op::GeluTanh), ("silu", Op::Silu), ("erf", Op::Erf), ("abs", Op::Abs),
    ("maximum", Op::Maximum), ("minimum", Op::Minimum), ("sub", Op::Sub), ("div", Op::Div),
    ("neg", Op::Neg),
];

/// How much of a maximum's gradient goes to x.
fn share(x: f64, other: f64) -> f64 {
    if x < other {
        0.0
    } else if x == other {
        0.5
    } else {
        1.0
    }
}

/// 1, -1, or 0, also of NaN.
fn sign(x: f64) -> f64 {
    if x > 0.0 {
        1.0
    } else if x < 0.0 {
        -1.0
    } else {
        0.0
    }
}

/// The hyperbolic tangent in the tanh form of gelu.
fn gelu_inner(a: f64) -> f64 {
    tanh(SQRT_2_OVER_PI * (a + 0.044715 * ((a * a) * a)))
}

fn gelu_slope(a: f64, errors: &mut Errors) -> f64 {
    let density = floats::exp(-0.5 * (a * a), errors) * ONE_OVER_SQRT_2PI;
    0.5 * (1.0 + erf(a / SQRT_2)) + a * density
}

fn gelu_tanh_slope(a: f64) -> f64 {
    let t = gelu_inner(a);
    let inner = SQRT_2_OVER_PI * (1.0 + 0.134145 * (a * a));
    0.5 * (1.0 + t) + ((0.5 * a) * (1.0 - t * t)) * inner
}

/// One of two where they can be ordered, else their sum: a NaN.
fn chosen(is_first: bool, is_second: bool, a: f64, b: f64) -> f64 {
    if is_first || a == b {
        a
    } else if is_second {
        b
    } else {
        a + b
    }
}

impl Op {
    /// The op of a name; that of "pow_number" has an exponent and is none.
    pub fn named(name: &str) -> Option<Self> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, op)| *op)
    }

    /// The number of operands.
    pub fn arity(self) -> usize {
        match self {
            Op::Add | Op::Mul | Op::Pow | Op::Maximum | Op::Minimum | Op::Sub | Op::Div => 2,
            _ => 1,
        }
    }

    /// The result of a, or of a and b.
    pub(crate) fn value(self, a: f64, b: f64, errors: &mut Errors) -> f64 {
        match self {
            Op::Add => a + b,
            Op::Mul => a * b,
            Op::PowNumber(k) => power(a, k, errors),
            Op::Pow => power(a, b, errors),
            Op::Relu => {
                if a < 0.0 {
                    0.0
                } else {
                    a
                }
            }
            Op::Tanh => tanh(a),
            Op::Exp => floats::exp(a, errors),
            Op::Log => floats::log(a, errors),
            Op::Sin => floats::sin(a, errors),
            Op::Cos => floats::cos(a, errors),
            Op::Expm1 => floats::expm1(a, errors),
            Op::Log1p => floats::log1p(a, errors),
            Op::Sigmoid => sigmoid(a),
            Op::Softplus => {
                let e = floats::exp(-a.abs(), errors);
                floats::log1p(e, errors) + if a > 0.0 { a } else { 0.0 }
            }
            Op::Gelu => (0.5 * a) * (1.0 + erf(a / SQRT_2)),
            Op::GeluTanh => (0.5 * a) * (1.0 + gelu_inner(a)),
            Op::Silu => a * sigmoid(a),
            Op::Erf => erf(a),
            Op::Abs => a.abs(),
            Op::Maximum => chosen(a > b, b > a, a, b),
            Op::Minimum => chosen(a < b, b < a, a, b),
            Op::Sub => a - b,
            Op::Div => divide(a, b, errors),
            Op::Neg => -a,
        }
    }

    /// What y = op(a, b) with the gradient g passes on to a and b.
    pub(crate) fn gradients(
        self,
        a: f64,
        b: f64,
        y: f64,
        g: f64,
        errors: &mut Errors,
    ) -> (f64, f64) {
        match self {
            Op::Add => (g, g),
            Op::Mul => (b * g, a * g),
            Op::Pow => {
                let da = (b * power(a, b - 1.0, errors)) * g;
                if a == 0.0 && b > 0.0 {
                    return (da, 0.0);
                }
                let log = if a < 0.0 { f64::NAN } else { floats::log(a, errors) };
                (da, (y * log) * g)
            }
            Op::Maximum => (share(a, b) * g, share(b, a) * g),
            Op::Minimum => (share(b, a) * g, share(a, b) * g),
            Op::Sub => (g, -g),
            Op::Div => (divide(g, b, errors), -divide(g * y, b, errors)),
            Op::Neg => (-g, 0.0),
            _ => (self.slope(a, y, errors) * g, 0.0),
        }
    }

    /// The derivative of an op of one operand.
    fn slope(self, a: f64, y: f64, errors: &mut Errors) -> f64 {
        match self {
            Op::PowNumber(k) => k * power(a, k - 1.0, errors),
            Op::Relu => {
                if y > 0.0 {
                    1.0
                } else {
                    0.0
                }
            }
            Op::Tanh => 1.0 - power(y, 2.0, errors),
            Op::Exp => y,
            Op::Log => divide(1.0, a, errors),
            Op::Sin => floats::cos(a, errors),
            Op::Cos => -floats::sin(a, errors),
            Op::Expm1 => floats::exp(a, errors),
            Op::Log1p => divide(1.0, 1.0 + a, errors),
            Op::Sigmoid => y * (1.0 - y),
            Op::Softplus => sigmoid(a),
            Op::Gelu => gelu_slope(a, errors),
            Op::GeluTanh => gelu_tanh_slope(a),
            Op::Silu => sigmoid(a) * (1.0 + a * (1.0 - sigmoid(a))),
            Op::Erf => TWO_OVER_SQRT_PI * floats::exp(-(a * a), errors),
            Op::Abs => sign(a),
            _ => unreachable!("an op of two operands, or neg, has gradients of its own"),
        }
    }
}

/// A number in a graph; a clone is the same number.
#[derive(Clone)]
pub struct Value(Rc<Node>);

struct Node {
    data: Cell<f64>,
    grad: Cell<f64>,
    visit: Cell<u64>, // the last walk through the graph that has met this node
    op: Option<Op>,
    operands: Vec<Value>,
}

thread_local! {
    static VISITS: Cell<u64> = const { Cell::new(0) };
}

impl Drop for Node {
    /// Free what only this node uses, without recursion: a graph may be deep.
    fn drop(&mut self) {
        let mut left = std::mem::take(&mut self.operands);
        while let Some(mut value) = left.pop() {
            if let Some(node) = Rc::get_mut(&mut value.0) {
                left.append(&mut node.operands);
            }
        }
    }
}

impl Value {
    /// A leaf.
    pub fn new(data: f64) -> Self {
        Self::of(data, None, Vec::new())
    }

    fn of(data: f64, op: Option<Op>, operands: Vec<Value>) -> Self {
        let (data, grad, visit) = (Cell::new(data), Cell::new(0.0), Cell::new(0));
        Self(Rc::new(Node { data, grad, visit, op, operands }))
    }

    /// Record an op, unless Python's floats would raise an error.
    ///
    /// # Panics
    /// There are not as many operands as the op has.
    pub fn try_record(op: Op, operands: &[Value]) -> Result<Self, MathError> {
        let (value, errors) = Self::computed(op, operands);
        errors.check(value)
    }

    /// Record an op; infinities and NaN are results like others.
    ///
    /// # Panics
    /// There are not as many operands as the op has.
    pub fn record(op: Op, operands: &[Value]) -> Self {
        Self::computed(op, operands).0
    }

    fn computed(op: Op, operands: &[Value]) -> (Self, Errors) {
        assert_eq!(operands.len(), op.arity(), "{op:?} has another number of operands");
        let mut errors = Errors::default();
        let (a, b) = numbers(operands);
        let data = op.value(a, b, &mut errors);
        (Self::of(data, Some(op), operands.to_vec()), errors)
    }

    pub fn data(&self) -> f64 {
        self.0.data.get()
    }

    pub fn set_data(&self, number: f64) {
        self.0.data.set(number);
    }

    pub fn grad(&self) -> f64 {
        self.0.grad.get()
    }

    pub fn set_grad(&self, number: f64) {
        self.0.grad.set(number);
    }

    /// Add the derivatives of this Value to the gradients of the leaves it depends on.
    pub fn backward(&self) {
        let _ = self.flow(1.0);
    }

    /// The same, with a gradient of this Value, unless Python's floats would raise an error: then
    /// gradients of leaves are as they were.
    pub fn try_backward(&self, seed: f64) -> Result<(), MathError> {
        let leaves = self.postorder().1;
        let before: Vec<f64> = leaves.iter().map(Value::grad).collect();
        self.flow(seed).check(()).inspect_err(|_| {
            leaves.iter().zip(before).for_each(|(leaf, grad)| leaf.set_grad(grad));
        })
    }

    /// Add the derivatives, times a seed; IEEE 754's where Python raises errors.
    pub fn flow(&self, seed: f64) -> Errors {
        let mut errors = Errors::default();
        let (interior, _) = self.postorder();
        interior.iter().for_each(|node| node.set_grad(0.0));
        self.set_grad(seed);
        for node in interior.iter().rev() {
            let operands = &node.0.operands;
            let op = node.0.op.expect("what has operands has an op");
            let (a, b) = numbers(operands);
            let (da, db) = op.gradients(a, b, node.data(), node.grad(), &mut errors);
            for (operand, part) in operands.iter().zip([da, db]) {
                operand.set_grad(operand.grad() + part);
            }
        }
        errors
    }

    /// What this Value depends on, operands before their users: nodes with operands, and leaves.
    fn postorder(&self) -> (Vec<Value>, Vec<Value>) {
        let visit = VISITS.with(|visits| {
            visits.set(visits.get() + 1);
            visits.get()
        });
        let (mut interior, mut leaves) = (Vec::new(), Vec::new());
        let mut path = vec![(self.clone(), false)];
        while let Some((node, is_done)) = path.pop() {
            if is_done {
                interior.push(node);
            } else if node.0.visit.replace(visit) != visit {
                if node.0.op.is_none() {
                    leaves.push(node);
                } else {
                    path.push((node.clone(), true));
                    path.extend(node.0.operands.iter().rev().map(|x| (x.clone(), false)));
                }
            }
        }
        (interior, leaves)
    }

    /// An op of one operand.
    pub fn apply(&self, op: Op) -> Value {
        Value::record(op, std::slice::from_ref(self))
    }

    pub fn powf(&self, k: f64) -> Value {
        self.apply(Op::PowNumber(k))
    }

    pub fn pow(&self, exponent: &Value) -> Value {
        Value::record(Op::Pow, &[self.clone(), exponent.clone()])
    }
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Value(data={:?}, grad={:?})", self.data(), self.grad())
    }
}

/// The numbers of one or two operands.
fn numbers(operands: &[Value]) -> (f64, f64) {
    (operands[0].data(), operands.get(1).map_or(0.0, Value::data))
}

// ---- arithmetic, in the nodes that micrograd makes

impl Add for &Value {
    type Output = Value;
    fn add(self, other: &Value) -> Value {
        Value::record(Op::Add, &[self.clone(), other.clone()])
    }
}

impl Add<f64> for &Value {
    type Output = Value;
    fn add(self, number: f64) -> Value {
        self + &Value::new(number)
    }
}

impl Mul for &Value {
    type Output = Value;
    fn mul(self, other: &Value) -> Value {
        Value::record(Op::Mul, &[self.clone(), other.clone()])
    }
}

impl Mul<f64> for &Value {
    type Output = Value;
    fn mul(self, number: f64) -> Value {
        self * &Value::new(number)
    }
}

impl Neg for &Value {
    type Output = Value;
    fn neg(self) -> Value {
        self * -1.0
    }
}

impl Sub for &Value {
    type Output = Value;
    fn sub(self, other: &Value) -> Value {
        self + &-other
    }
}

impl Sub<f64> for &Value {
    type Output = Value;
    fn sub(self, number: f64) -> Value {
        self + -number
    }
}

impl Div for &Value {
    type Output = Value;
    fn div(self, other: &Value) -> Value {
        self * &other.powf(-1.0)
    }
}

impl Div<f64> for &Value {
    type Output = Value;
    fn div(self, number: f64) -> Value {
        self * crate::vmath::pow(number, -1.0)
    }
}
