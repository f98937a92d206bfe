//! Optimizers: a step moves parameters against their gradients.

use crate::value::Value;
use crate::vmath::pow;

/// What trains parameters.
pub trait Optimizer {
    fn parameters(&self) -> &[Value];

    /// Move every parameter once.
    fn step(&mut self);

    fn zero_grad(&self) {
        self.parameters().iter().for_each(|p| p.set_grad(0.0));
    }
}

/// The gradient of p, with weight decay.
fn decayed(p: &Value, weight_decay: f64) -> f64 {
    if weight_decay == 0.0 {
        p.grad()
    } else {
        p.grad() + weight_decay * p.data()
    }
}

/// Gradient descent with momentum.
pub struct Sgd {
    pub lr: f64,
    pub momentum: f64,
    pub dampening: f64,
    pub weight_decay: f64,
    pub nesterov: bool,
    parameters: Vec<Value>,
    buffer: Vec<f64>,
}

impl Sgd {
    pub fn new(parameters: Vec<Value>) -> Self {
        let (momentum, dampening, weight_decay) = (0.0, 0.0, 0.0);
        let (lr, nesterov, buffer) = (0.1, false, Vec::new());
        Self { lr, momentum, dampening, weight_decay, nesterov, parameters, buffer }
    }

    /// Go on from a velocity; it is empty before the first step.
    pub fn restore(&mut self, buffer: Vec<f64>) {
        self.buffer = buffer;
    }
}

impl Optimizer for Sgd {
    fn parameters(&self) -> &[Value] {
        &self.parameters
    }

    fn step(&mut self) {
        let is_first = self.buffer.is_empty();
        for (i, p) in self.parameters.iter().enumerate() {
            let mut d = decayed(p, self.weight_decay);
            if self.momentum != 0.0 {
                if is_first {
                    self.buffer.push(d);
                } else {
                    self.buffer[i] = self.momentum * self.buffer[i] + (1.0 - self.dampening) * d;
                }
                let v = self.buffer[i];
                d = if self.nesterov { d + self.momentum * v } else { v };
            }
            p.set_data(p.data() - self.lr * d);
        }
    }
}

/// Adam (Kingma and Ba 2015), in LLM101n's order of operations; with decoupled weight decay it is
/// AdamW (Loshchilov and Hutter 2019).
pub struct Adam {
    pub lr: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub eps: f64,
    pub weight_decay: f64,
    is_decoupled: bool,
    parameters: Vec<Value>,
    means: Vec<(f64, f64)>, // m and v of each parameter
    steps: i32,
}

impl Adam {
    pub fn new(parameters: Vec<Value>) -> Self {
        let (lr, beta1, beta2, eps, weight_decay) = (0.1, 0.9, 0.95, 1e-8, 0.0);
        let means = vec![(0.0, 0.0); parameters.len()];
        let (is_decoupled, steps) = (false, 0);
        Self { lr, beta1, beta2, eps, weight_decay, is_decoupled, parameters, means, steps }
    }

    /// AdamW.
    pub fn decoupled(parameters: Vec<Value>) -> Self {
        Self { is_decoupled: true, ..Self::new(parameters) }
    }

    /// Go on from the means of a number of steps.
    pub fn restore(&mut self, means: Vec<(f64, f64)>, steps: i32) {
        self.means = means;
        self.steps = steps;
    }
}

impl Optimizer for Adam {
    fn parameters(&self) -> &[Value] {
        &self.parameters
    }

    fn step(&mut self) {
        self.steps += 1;
        let rest1 = 1.0 - pow(self.beta1, f64::from(self.steps));
        let rest2 = 1.0 - pow(self.beta2, f64::from(self.steps));
        for (p, (m, v)) in self.parameters.iter().zip(&mut self.means) {
            let d = decayed(p, if self.is_decoupled { 0.0 } else { self.weight_decay });
            *m = self.beta1 * *m + (1.0 - self.beta1) * d;
            *v = self.beta2 * *v + (1.0 - self.beta2) * pow(d, 2.0);
            let mut c = (*m / rest1) / (pow(*v / rest2, 0.5) + self.eps);
            if self.is_decoupled {
                c += self.weight_decay * p.data();
            }
            p.set_data(p.data() - self.lr * c);
        }
    }
}
