//! Steps of optimizers of arrays: a rule for each row of csrc/updates.def, in ops of tensors.

use super::error::{Error, Result};
use super::tensor::Tensor;
use super::term::{constant, Term};
use crate::vmath;
use std::collections::HashMap;

/// An array that a rule remembers, and the number that must not be 0 for it to.
type Remembered = (&'static str, Option<&'static str>);

/// A row of the table: what a step has, by PyTorch's names, and its formula.
#[derive(Debug)]
pub(crate) struct Rule {
    pub name: &'static str,
    pub numbers: &'static [&'static str],
    pub scalars: &'static [&'static str],
    pub arrays: &'static [Remembered],
    formula: fn(&mut Step) -> Term,
}

/// A step of a parameter x with gradient d, both as they are computed with.
pub(crate) struct Step<'a> {
    rule: &'static Rule,
    numbers: &'a [f64],
    like: Tensor,
    x: Term,
    d: Term,
    /// Its number, from 1.
    t: f64,
    scalars: HashMap<&'static str, f64>,
    arrays: HashMap<&'static str, Term>,
}

fn rounded_to_single(x: f64) -> f64 {
    f64::from(x as f32)
}

impl Rule {
    pub fn named(name: &str) -> Result<&'static Self> {
        let found = RULES.iter().find(|rule| rule.name == name);
        found.ok_or_else(|| Error::Argument(format!("no rule is named {name:?}")))
    }

    /// The places, in `arrays`, of those that a step with these numbers needs.
    pub fn needed(&self, numbers: &[f64]) -> Vec<usize> {
        let of = |name: &str| numbers[self.numbers.iter().position(|x| *x == name).unwrap_or(0)];
        let is_needed = |i: &usize| self.arrays[*i].1.map_or(true, |name| of(name) != 0.0);
        (0..self.arrays.len()).filter(is_needed).collect()
    }

    /// A parameter after step t, whose scalars and arrays, by the table's names, are replaced.
    pub fn step(
        &'static self,
        numbers: &[f64],
        parameter: &Tensor,
        gradient: &Tensor,
        t: u64,
        scalars: HashMap<&'static str, f64>,
        arrays: HashMap<&'static str, Tensor>,
    ) -> Result<Stepped> {
        let dtype = parameter.dtype().wide();
        let like = Tensor::new(parameter.array().cast(dtype)?);
        let g = Term::from(&Tensor::new(gradient.array().cast(dtype)?));
        let arrays = arrays.iter().map(|(name, x)| (*name, x.into())).collect();
        let (x, t) = ((&like).into(), t as f64);
        let mut step = Step { rule: self, numbers, like, x, d: g.clone(), t, scalars, arrays };
        if step.number("maximize") != 0.0 {
            step.d = -g;
        }
        let made = (self.formula)(&mut step).tensor(&step.like)?;
        let arrays = step.arrays.into_iter().map(|(name, x)| Ok((name, x.tensor(&step.like)?)));
        let arrays = arrays.collect::<Result<HashMap<&'static str, Tensor>>>()?;
        Ok(Stepped { made, scalars: step.scalars, arrays })
    }
}

/// What a step has made: a parameter, and what is remembered of it.
pub(crate) struct Stepped {
    pub made: Tensor,
    pub scalars: HashMap<&'static str, f64>,
    pub arrays: HashMap<&'static str, Tensor>,
}

impl Step<'_> {
    /// A number by its name; 0 of one that the rule has not.
    fn number(&self, name: &str) -> f64 {
        let place = self.rule.numbers.iter().position(|x| *x == name);
        place.map_or(0.0, |i| self.numbers[i])
    }

    /// A remembered number, which is something else than 0 in the first step.
    fn scalar(&self, name: &str, at_first: f64) -> f64 {
        if self.t == 1.0 {
            at_first
        } else {
            self.scalars.get(name).copied().unwrap_or(at_first)
        }
    }

    /// A remembered array, 0 at first.
    fn remembered(&self, name: &str) -> Term {
        let zero = || constant(&self.like, 0.0).into();
        self.arrays.get(name).cloned().unwrap_or_else(zero)
    }

    /// The same, which is something else at first.
    fn begun(&self, name: &str, at_first: f64) -> Term {
        if self.t == 1.0 {
            at_first.into()
        } else {
            self.remembered(name)
        }
    }

    fn keep(&mut self, name: &'static str, x: Term) -> Term {
        self.arrays.insert(name, x.clone());
        x
    }

    /// Weight decay, in x or in d.
    fn decay(&mut self) {
        let decay = self.number("weight_decay");
        if self.number("decoupled_weight_decay") != 0.0 {
            self.x = (1.0 - self.number("lr") * decay) * &self.x;
        } else if decay != 0.0 {
            self.d = &self.d + decay * &self.x;
        }
    }

    /// A running mean after another x.
    fn mean(&mut self, name: &'static str, x: &Term, beta: f64) -> Term {
        let mean = beta * self.remembered(name) + (1.0 - beta) * x;
        self.keep(name, mean)
    }

    /// The running means of gradients and of their squares.
    fn means(&mut self) -> (Term, Term) {
        let d = self.d.clone();
        let m = self.mean("exp_avg", &d, self.number("beta1"));
        (m, self.mean("exp_avg_sq", &(&d * &d), self.number("beta2")))
    }

    /// 1 - beta^t.
    fn correction(&self, beta: &str) -> f64 {
        1.0 - vmath::pow(self.number(beta), self.t)
    }
}

fn sgd(s: &mut Step) -> Term {
    s.decay();
    let momentum = s.number("momentum");
    if momentum != 0.0 {
        let is_begun = s.scalars.get("begun").is_some_and(|x| *x != 0.0);
        let (kept, fresh) =
            if is_begun { (momentum, 1.0 - s.number("dampening")) } else { (0.0, 1.0) };
        let b = s.keep("momentum_buffer", kept * s.remembered("momentum_buffer") + fresh * &s.d);
        s.scalars.insert("begun", 1.0);
        s.d = if s.number("nesterov") != 0.0 { &s.d + momentum * b } else { b };
    }
    &s.x - s.number("lr") * &s.d
}

fn adam(s: &mut Step) -> Term {
    s.decay();
    let (m, mut v) = s.means();
    if s.number("amsgrad") != 0.0 {
        v = s.keep("max_exp_avg_sq", s.remembered("max_exp_avg_sq").maximum(v));
    }
    let divisor = v.sqrt() / s.correction("beta2").sqrt() + s.number("eps");
    &s.x - (s.number("lr") / s.correction("beta1")) * (m / divisor)
}

fn nadam(s: &mut Step) -> Term {
    s.decay();
    let (m, v) = s.means();
    let mu_of =
        |n: f64| s.number("beta1") * (1.0 - 0.5 * vmath::pow(0.96, n * s.number("momentum_decay")));
    let (mu, then) = (mu_of(s.t), mu_of(s.t + 1.0));
    let (lr, c) = (s.number("lr"), s.scalar("mu_product", 1.0) * mu);
    s.scalars.insert("mu_product", c);
    let r = &((v / s.correction("beta2")).sqrt() + s.number("eps"));
    let x = &s.x - (lr * (1.0 - mu) / (1.0 - c)) * (&s.d / r);
    x - (lr * then / (1.0 - c * then)) * (m / r)
}

fn radam(s: &mut Step) -> Term {
    s.decay();
    let (m, v) = s.means();
    let kept = vmath::pow(s.number("beta2"), s.t);
    let h = 2.0 / (1.0 - s.number("beta2")) - 1.0;
    let n = h - 2.0 * s.t * kept / (1.0 - kept);
    let mut change = s.number("lr") * (m / s.correction("beta1"));
    if n > 5.0 {
        let share = ((n - 4.0) * (n - 2.0) * h / ((h - 4.0) * (h - 2.0) * n)).sqrt();
        change = change * (share * (1.0 - kept).sqrt() / (v.sqrt() + s.number("eps")));
    }
    &s.x - change
}

fn adamax(s: &mut Step) -> Term {
    s.decay();
    let d = s.d.clone();
    let m = s.mean("exp_avg", &d, s.number("beta1"));
    let before = s.number("beta2") * s.remembered("exp_inf");
    let largest = s.keep("exp_inf", before.maximum(d.abs() + s.number("eps")));
    &s.x - (s.number("lr") / s.correction("beta1")) * (m / largest)
}

fn adagrad(s: &mut Step) -> Term {
    s.decay();
    let before = s.begun("sum", s.number("initial_accumulator_value"));
    let squares = s.keep("sum", before + &s.d * &s.d);
    let rate = s.number("lr") / (1.0 + (s.t - 1.0) * s.number("lr_decay"));
    &s.x - rate * (&s.d / (squares.sqrt() + s.number("eps")))
}

fn adadelta(s: &mut Step) -> Term {
    s.decay();
    let (rho, eps) = (s.number("rho"), s.number("eps"));
    let v = s.mean("square_avg", &(&s.d * &s.d), rho);
    let before = s.remembered("acc_delta");
    let change = (before + eps).sqrt() / (v + eps).sqrt() * &s.d;
    s.mean("acc_delta", &(&change * &change), rho);
    &s.x - s.number("lr") * change
}

fn rmsprop(s: &mut Step) -> Term {
    s.decay();
    let (d, alpha, momentum) = (s.d.clone(), s.number("alpha"), s.number("momentum"));
    let mut square = s.mean("square_avg", &(&d * &d), alpha);
    if s.number("centered") != 0.0 {
        let a = s.mean("grad_avg", &d, alpha);
        square = square - &a * &a;
    }
    let mut change = d / (square.sqrt() + s.number("eps"));
    if momentum != 0.0 {
        let before = momentum * s.remembered("momentum_buffer");
        change = s.keep("momentum_buffer", before + change);
    }
    &s.x - s.number("lr") * change
}

fn rprop(s: &mut Step) -> Term {
    let agreement = &s.d * s.remembered("prev");
    let one = Term::from(constant(&s.like, 1.0));
    let is_against = agreement.lt(0.0);
    let factor = is_against.choose(s.number("shrink") * &one, &one);
    let factor = agreement.gt(0.0).choose(s.number("grow") * &one, factor);
    let size = factor * s.begun("step_size", s.number("lr"));
    let size = size.clamp_min(s.number("least")).clamp_max(s.number("most"));
    let g = s.keep("prev", is_against.choose(0.0 * one, &s.d));
    let size = s.keep("step_size", size);
    &s.x - g.sign() * size
}

fn asgd(s: &mut Step) -> Term {
    s.decay();
    let (lr, lambd) = (s.number("lr"), s.number("lambd"));
    let eta = s.scalar("eta", rounded_to_single(lr));
    let mu = s.scalar("mu", 1.0);
    let x = (1.0 - lambd * eta) * &s.x - eta * &s.d;
    let before = s.remembered("ax");
    let mean = if mu == 1.0 { x.clone() } else { &before + mu * (&x - &before) };
    s.keep("ax", mean);
    let eta = lr / vmath::pow(1.0 + lambd * lr * s.t, s.number("alpha"));
    s.scalars.insert("eta", rounded_to_single(eta));
    s.scalars.insert("mu", rounded_to_single(1.0 / f64::max(1.0, s.t - s.number("t0"))));
    x
}

/// The square root of the sum of squares, as a number.
fn length_of(s: &Step, x: &Term) -> Result<f64> {
    let squares = (x * x).tensor(&s.like)?;
    let root = Term::from(super::gradients::total(&squares)).sqrt().tensor(&s.like)?;
    Ok(root.array().numbers()?.float(0))
}

fn lamb(s: &mut Step) -> Term {
    let (m, v) = s.means();
    let r = (v / s.correction("beta2")).sqrt() + s.number("eps");
    let mut r = m / s.correction("beta1") / r;
    if s.number("weight_decay") != 0.0 {
        r = r + s.number("weight_decay") * &s.x;
    }
    let lengths = length_of(s, &s.x).and_then(|x| Ok((x, length_of(s, &r)?)));
    let trust = match lengths {
        Ok((length, width)) if length > 0.0 && width > 0.0 => length / width,
        Ok(_) => 1.0,
        Err(error) => return Term(Err(error)),
    };
    &s.x - (s.number("lr") * trust) * r
}

fn lion(s: &mut Step) -> Term {
    let (m, beta1, beta2) = (s.remembered("exp_avg"), s.number("beta1"), s.number("beta2"));
    let turn = beta1 * &m + (1.0 - beta1) * &s.d;
    s.keep("exp_avg", beta2 * &m + (1.0 - beta2) * &s.d);
    let lr = s.number("lr");
    (1.0 - lr * s.number("weight_decay")) * &s.x - lr * turn.sign()
}

const MEANS: [Remembered; 2] = [("exp_avg", None), ("exp_avg_sq", None)];

#[rustfmt::skip]
static RULES: [Rule; 12] = [
    Rule {
        name: "sgd", formula: sgd, scalars: &["begun"],
        numbers: &["lr", "momentum", "dampening", "weight_decay", "nesterov", "maximize"],
        arrays: &[("momentum_buffer", Some("momentum"))],
    },
    Rule {
        name: "adam", formula: adam, scalars: &[],
        numbers: &["lr", "beta1", "beta2", "eps", "weight_decay", "amsgrad", "maximize",
                   "decoupled_weight_decay"],
        arrays: &[MEANS[0], MEANS[1], ("max_exp_avg_sq", Some("amsgrad"))],
    },
    Rule {
        name: "nadam", formula: nadam, scalars: &["mu_product"],
        numbers: &["lr", "beta1", "beta2", "eps", "weight_decay", "momentum_decay", "maximize",
                   "decoupled_weight_decay"],
        arrays: &MEANS,
    },
    Rule {
        name: "radam", formula: radam, scalars: &[],
        numbers: &["lr", "beta1", "beta2", "eps", "weight_decay", "maximize",
                   "decoupled_weight_decay"],
        arrays: &MEANS,
    },
    Rule {
        name: "adamax", formula: adamax, scalars: &[],
        numbers: &["lr", "beta1", "beta2", "eps", "weight_decay", "maximize"],
        arrays: &[("exp_avg", None), ("exp_inf", None)],
    },
    Rule {
        name: "adagrad", formula: adagrad, scalars: &[],
        numbers: &["lr", "lr_decay", "eps", "weight_decay", "initial_accumulator_value",
                   "maximize"],
        arrays: &[("sum", None)],
    },
    Rule {
        name: "adadelta", formula: adadelta, scalars: &[],
        numbers: &["lr", "rho", "eps", "weight_decay", "maximize"],
        arrays: &[("square_avg", None), ("acc_delta", None)],
    },
    Rule {
        name: "rmsprop", formula: rmsprop, scalars: &[],
        numbers: &["lr", "alpha", "eps", "weight_decay", "momentum", "centered", "maximize"],
        arrays: &[("square_avg", None), ("grad_avg", Some("centered")),
                  ("momentum_buffer", Some("momentum"))],
    },
    Rule {
        name: "rprop", formula: rprop, scalars: &[],
        numbers: &["lr", "shrink", "grow", "least", "most", "maximize"],
        arrays: &[("prev", None), ("step_size", None)],
    },
    Rule {
        name: "asgd", formula: asgd, scalars: &["eta", "mu"],
        numbers: &["lr", "lambd", "alpha", "t0", "weight_decay", "maximize"],
        arrays: &[("ax", None)],
    },
    Rule {
        name: "lamb", formula: lamb, scalars: &[],
        numbers: &["lr", "beta1", "beta2", "eps", "weight_decay", "maximize"],
        arrays: &MEANS,
    },
    Rule {
        name: "lion", formula: lion, scalars: &[],
        numbers: &["lr", "beta1", "beta2", "weight_decay", "maximize"],
        arrays: &[("exp_avg", None)],
    },
];
