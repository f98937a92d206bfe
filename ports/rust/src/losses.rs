//! Sums, means and losses, in the order of additions that csrc/SPEC.md writes down.

use crate::value::{Op, Value};

/// ((x[0] + 0) + x[1]) + .., of at least one Value.
pub fn sum(values: &[Value]) -> Value {
    values[1..].iter().fold(&values[0] + 0.0, |total, x| &total + x)
}

pub fn mean(values: &[Value]) -> Value {
    &sum(values) / values.len() as f64
}

pub fn softmax(logits: &[Value]) -> Vec<Value> {
    let data = logits.iter().map(Value::data);
    let most = data.reduce(|m, x| if x > m { x } else { m }).expect("there are logits");
    let exponentials: Vec<Value> = logits.iter().map(|x| (x - most).apply(Op::Exp)).collect();
    let total = sum(&exponentials);
    exponentials.iter().map(|e| e / &total).collect()
}

/// The sum of losses, times 1 / n.
fn averaged(losses: &[Value]) -> Value {
    &sum(losses) * (1.0 / losses.len() as f64)
}

/// The mean of -log(softmax(row)[target]) over the rows.
pub fn cross_entropy(rows: &[Vec<Value>], targets: &[usize]) -> Value {
    let loss = |(row, &target): (&Vec<Value>, &usize)| -&softmax(row)[target].apply(Op::Log);
    averaged(&rows.iter().zip(targets).map(loss).collect::<Vec<_>>())
}

/// The mean of (prediction - target)^2.
pub fn mse_loss(predictions: &[Value], targets: &[f64]) -> Value {
    let errors = predictions.iter().zip(targets).map(|(p, &t)| (p - t).powf(2.0));
    mean(&errors.collect::<Vec<_>>())
}

/// The mean of relu(1 - target * score), of targets -1 and 1.
pub fn margin_loss(scores: &[Value], targets: &[f64]) -> Value {
    let losses = scores.iter().zip(targets).map(|(s, &t)| (&(s * -t) + 1.0).apply(Op::Relu));
    averaged(&losses.collect::<Vec<_>>())
}
