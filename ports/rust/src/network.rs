//! Neurons, layers and multilayer perceptrons, as micrograd has them.

use crate::generator::Generator;
use crate::value::{Op, Value};
use crate::vmath;

/// activation(b + w[0] x[0] + w[1] x[1] + ..); without an activation it is linear.
pub struct Neuron {
    w: Vec<Value>,
    b: Value,
    activation: Option<Op>,
}

impl Neuron {
    pub fn new(inputs: usize, generator: &mut Generator, activation: Option<Op>) -> Self {
        let scale = vmath::pow(inputs as f64, -0.5);
        let mut weight = || Value::new(generator.uniform(-1.0, 1.0) * scale);
        let w = (0..inputs).map(|_| weight()).collect();
        Self { w, b: Value::new(0.0), activation }
    }

    pub fn call(&self, x: &[Value]) -> Value {
        assert_eq!(x.len(), self.w.len(), "a neuron takes as many inputs as it has weights");
        let terms = self.w.iter().zip(x);
        let sum = terms.fold(self.b.clone(), |act, (w, x)| &act + &(w * x));
        self.activation.map_or_else(|| sum.clone(), |op| sum.apply(op))
    }

    pub fn parameters(&self) -> impl Iterator<Item = &Value> {
        self.w.iter().chain([&self.b])
    }
}

/// Neurons that see the same inputs.
pub struct Layer(Vec<Neuron>);

impl Layer {
    pub fn new(nin: usize, nout: usize, generator: &mut Generator, activation: Option<Op>) -> Self {
        Self((0..nout).map(|_| Neuron::new(nin, generator, activation)).collect())
    }

    pub fn call(&self, x: &[Value]) -> Vec<Value> {
        self.0.iter().map(|neuron| neuron.call(x)).collect()
    }
}

/// Layers one after the other, the last of which is linear.
pub struct Mlp(Vec<Layer>);

impl Mlp {
    /// `sizes` are the number of inputs, then of each layer's neurons.
    pub fn new(sizes: &[usize], generator: &mut Generator, activation: Op) -> Self {
        let last = sizes.len() - 2;
        let make = |(i, pair): (usize, &[usize])| {
            Layer::new(pair[0], pair[1], generator, (i < last).then_some(activation))
        };
        Self(sizes.windows(2).enumerate().map(make).collect())
    }

    /// The outputs of an example; numbers become leaves.
    pub fn call(&self, x: &[f64]) -> Vec<Value> {
        let inputs = x.iter().copied().map(Value::new).collect();
        self.0.iter().fold(inputs, |values: Vec<Value>, layer| layer.call(&values))
    }

    pub fn parameters(&self) -> Vec<Value> {
        let neurons = self.0.iter().flat_map(|layer| &layer.0);
        neurons.flat_map(Neuron::parameters).cloned().collect()
    }
}
