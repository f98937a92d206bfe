/**
 * Steps of optimizers of arrays, by the rules of csrc/updates.def, made of ops of Tensors.
 *
 * A rule is of the elements x of a parameter and its gradient g in the type that they are computed
 * in, the numbers u of the rule, the number t of the step and what is remembered of the parameter,
 * which it replaces. It returns the new elements. What has no element in it is a double.
 *
 * @module
 */

import { pow } from "../vmath.js";
import {
  abs, add, cast, clampMax, clampMin, div, gt, lt, maximum, mul, neg, sign, sqrt, sub, sum, where,
} from "./calls.js";
import { range } from "./array.js";
import { recording } from "./tensor.js";
import { wide } from "./types.js";

// ---- what rules have in common

/** Tell whether a number of a rule counts: NaN does. */
const isOn = (x = 0) => x !== 0;

/** Return b if it is larger than a, which it is not if it is NaN. */
const larger = (a, b) => (b > a ? b : a);

/** Return elements and gradient with weight decay in one of them. */
function decayed(u, x, g) {
  const { weight_decay: decay, lr } = u;
  if (isOn(u.decoupled_weight_decay)) return [mul(1 - lr * decay, x), g];
  return [x, isOn(decay) ? add(g, mul(decay, x)) : g];
}

/** Return an array that is remembered of x, 0 at first. */
const kept = (memory, name, x) => memory[name] ?? x.number(0);

/** Return a running mean after another x, which is remembered. */
function mean(memory, name, x, beta) {
  memory[name] = add(mul(beta, kept(memory, name, x)), mul(1 - beta, x));
  return memory[name];
}

/** Return the running means of gradients and of their squares. */
function means(u, memory, g) {
  return [mean(memory, "exp_avg", g, u.beta1), mean(memory, "exp_avg_sq", mul(g, g), u.beta2)];
}

/** Return 1 - beta^t. */
const correction = (beta, t) => 1 - pow(beta, t);

/** Return the square root of v, + eps. */
const divisor = (v, eps) => add(sqrt(v), eps);

// ---- rules

function sgd(u, x, g, t, memory) {
  const [y, d] = decayed(u, x, g);
  if (!isOn(u.momentum)) return sub(y, mul(u.lr, d));
  const [keep, fresh] = isOn(memory.begun) ? [u.momentum, 1 - u.dampening] : [0, 1];
  const b = add(mul(keep, kept(memory, "momentum_buffer", x)), mul(fresh, d));
  memory.momentum_buffer = b;
  memory.begun = 1;
  return sub(y, mul(u.lr, isOn(u.nesterov) ? add(d, mul(u.momentum, b)) : b));
}

function adam(u, x, g, t, memory) {
  const [y, d] = decayed(u, x, g);
  let [m, v] = means(u, memory, d);
  if (isOn(u.amsgrad)) {
    v = maximum(kept(memory, "max_exp_avg_sq", x), v);
    memory.max_exp_avg_sq = v;
  }
  const below = add(div(sqrt(v), Math.sqrt(correction(u.beta2, t))), u.eps);
  return sub(y, mul(u.lr / correction(u.beta1, t), div(m, below)));
}

function nadam(u, x, g, t, memory) {
  const [y, d] = decayed(u, x, g);
  const [m, v] = means(u, memory, d);
  const mu = (n) => u.beta1 * (1 - 0.5 * pow(0.96, n * u.momentum_decay));
  memory.mu_product = (memory.mu_product ?? 1) * mu(t);
  const c = memory.mu_product;
  const r = divisor(div(v, correction(u.beta2, t)), u.eps);
  const stepped = sub(y, mul((u.lr * (1 - mu(t))) / (1 - c), div(d, r)));
  return sub(stepped, mul((u.lr * mu(t + 1)) / (1 - c * mu(t + 1)), div(m, r)));
}

function radam(u, x, g, t, memory) {
  const [y, d] = decayed(u, x, g);
  const [m, v] = means(u, memory, d);
  const left = pow(u.beta2, t);
  const h = 2 / (1 - u.beta2) - 1;
  const n = h - (2 * t * left) / (1 - left);
  const change = mul(u.lr, div(m, correction(u.beta1, t)));
  if (!(n > 5)) return sub(y, change);
  const share = Math.sqrt(((n - 4) * (n - 2) * h) / ((h - 4) * (h - 2) * n));
  return sub(y, mul(change, div(share * Math.sqrt(1 - left), divisor(v, u.eps))));
}

function adamax(u, x, g, t, memory) {
  const [y, d] = decayed(u, x, g);
  const m = mean(memory, "exp_avg", d, u.beta1);
  const largest = maximum(mul(u.beta2, kept(memory, "exp_inf", x)), add(abs(d), u.eps));
  memory.exp_inf = largest;
  return sub(y, mul(u.lr / correction(u.beta1, t), div(m, largest)));
}

function adagrad(u, x, g, t, memory) {
  const [y, d] = decayed(u, x, g);
  const before = memory.sum ?? x.number(u.initial_accumulator_value);
  memory.sum = add(before, mul(d, d));
  const rate = u.lr / (1 + (t - 1) * u.lr_decay);
  return sub(y, mul(rate, div(d, divisor(memory.sum, u.eps))));
}

function adadelta(u, x, g, t, memory) {
  const [y, d] = decayed(u, x, g);
  const v = mean(memory, "square_avg", mul(d, d), u.rho);
  const before = kept(memory, "acc_delta", x);
  const change = mul(div(sqrt(add(before, u.eps)), sqrt(add(v, u.eps))), d);
  mean(memory, "acc_delta", mul(change, change), u.rho);
  return sub(y, mul(u.lr, change));
}

function rmsprop(u, x, g, t, memory) {
  const [y, d] = decayed(u, x, g);
  let square = mean(memory, "square_avg", mul(d, d), u.alpha);
  if (isOn(u.centered)) {
    const a = mean(memory, "grad_avg", d, u.alpha);
    square = sub(square, mul(a, a));
  }
  let change = div(d, divisor(square, u.eps));
  if (isOn(u.momentum)) {
    change = add(mul(u.momentum, kept(memory, "momentum_buffer", x)), change);
    memory.momentum_buffer = change;
  }
  return sub(y, mul(u.lr, change));
}

function rprop(u, x, g, t, memory) {
  const agreement = mul(g, kept(memory, "prev", x));
  const [rises, falls] = [gt(agreement, 0), lt(agreement, 0)];
  const factor = where(rises, x.number(u.grow), where(falls, x.number(u.shrink), x.number(1)));
  const before = memory.step_size ?? x.number(u.lr);
  const size = clampMax(clampMin(mul(factor, before), u.least), u.most);
  const kind = where(falls, x.number(0), g);
  Object.assign(memory, { prev: kind, step_size: size });
  return sub(x, mul(sign(kind), size));
}

function asgd(u, x, g, t, memory) {
  const [y, d] = decayed(u, x, g);
  const { eta = Math.fround(u.lr), mu = 1 } = memory;
  const stepped = sub(mul(1 - u.lambd * eta, y), mul(eta, d));
  memory.ax = mu === 1 ? stepped : add(memory.ax, mul(mu, sub(stepped, memory.ax)));
  memory.eta = Math.fround(u.lr / pow(1 + u.lambd * u.lr * t, u.alpha));
  memory.mu = Math.fround(1 / larger(1, t - u.t0));
  return stepped;
}

/** Return the square root of the sum of squares. */
const length = (x) => sqrt(sum(mul(x, x), range(x.shape.length), false)).item();

function lamb(u, x, g, t, memory) {
  const [m, v] = means(u, memory, g);
  const below = divisor(div(v, correction(u.beta2, t)), u.eps);
  const r = div(div(m, correction(u.beta1, t)), below);
  const turn = isOn(u.weight_decay) ? add(r, mul(u.weight_decay, x)) : r;
  const [P, R] = [length(x), length(turn)];
  return sub(x, mul(u.lr * (P > 0 && R > 0 ? P / R : 1), turn));
}

function lion(u, x, g, t, memory) {
  const m = kept(memory, "exp_avg", x);
  const turn = add(mul(u.beta1, m), mul(1 - u.beta1, g));
  memory.exp_avg = add(mul(u.beta2, m), mul(1 - u.beta2, g));
  return sub(mul(1 - u.lr * u.weight_decay, x), mul(u.lr, sign(turn)));
}

// ---- the table

const ADAM = ["lr", "beta1", "beta2", "eps", "weight_decay"];
const MEANS = ["exp_avg", "exp_avg_sq"];

/**
 * @typedef {object} Update
 * @property {Function} step
 * @property {string[]} numbers hyperparameters
 * @property {string[]} [scalars] doubles that are remembered of each parameter
 * @property {string[]} arrays that are remembered of each parameter
 * @property {Record<string, string>} [sometimes] more of them, needed where a number is not 0
 */

/** The rules, in the columns of csrc/updates.def. @type {Record<string, Update>} */
export const UPDATES = {
  sgd: {
    step: sgd,
    numbers: ["lr", "momentum", "dampening", "weight_decay", "nesterov", "maximize"],
    scalars: ["begun"],
    arrays: [],
    sometimes: { momentum_buffer: "momentum" },
  },
  adam: {
    step: adam,
    numbers: [...ADAM, "amsgrad", "maximize", "decoupled_weight_decay"],
    arrays: MEANS,
    sometimes: { max_exp_avg_sq: "amsgrad" },
  },
  nadam: {
    step: nadam,
    numbers: [...ADAM, "momentum_decay", "maximize", "decoupled_weight_decay"],
    scalars: ["mu_product"],
    arrays: MEANS,
  },
  radam: {
    step: radam,
    numbers: [...ADAM, "maximize", "decoupled_weight_decay"],
    arrays: MEANS,
  },
  adamax: { step: adamax, numbers: [...ADAM, "maximize"], arrays: ["exp_avg", "exp_inf"] },
  adagrad: {
    step: adagrad,
    numbers: ["lr", "lr_decay", "eps", "weight_decay", "initial_accumulator_value", "maximize"],
    arrays: ["sum"],
  },
  adadelta: {
    step: adadelta,
    numbers: ["lr", "rho", "eps", "weight_decay", "maximize"],
    arrays: ["square_avg", "acc_delta"],
  },
  rmsprop: {
    step: rmsprop,
    numbers: ["lr", "alpha", "eps", "weight_decay", "momentum", "centered", "maximize"],
    arrays: ["square_avg"],
    sometimes: { grad_avg: "centered", momentum_buffer: "momentum" },
  },
  rprop: {
    step: rprop,
    numbers: ["lr", "shrink", "grow", "least", "most", "maximize"],
    arrays: ["prev", "step_size"],
  },
  asgd: {
    step: asgd,
    numbers: ["lr", "lambd", "alpha", "t0", "weight_decay", "maximize"],
    scalars: ["eta", "mu"],
    arrays: ["ax"],
  },
  lamb: { step: lamb, numbers: [...ADAM, "maximize"], arrays: MEANS },
  lion: {
    step: lion,
    numbers: ["lr", "beta1", "beta2", "weight_decay", "maximize"],
    arrays: ["exp_avg"],
  },
};

// What a first step takes as the rule says, whatever is remembered.
const AT_FIRST = ["sum", "step_size", "mu_product", "eta", "mu"];

/** Return the names of the arrays that a step needs. */
export function neededBy({ arrays, sometimes = {} }, numbers) {
  return [...arrays, ...Object.keys(sometimes).filter((name) => isOn(numbers[sometimes[name]]))];
}

/**
 * Make a step of a parameter.
 *
 * @param {Update} update
 * @param {Record<string, number>} numbers of the rule, by name
 * @param {import("./tensor.js").Tensor} parameter with its gradient
 * @param {number} t the number of the step, from 1
 * @param {object} remembered arrays and scalars of the parameter, by name
 * @returns the new elements as a Tensor, and what is remembered then
 */
export function stepOf(update, numbers, parameter, t, remembered) {
  const memory = { ...remembered };
  if (t === 1) for (const name of AT_FIRST) delete memory[name];
  return recording(false, () => {
    const computed = wide(parameter.dtype);
    const [x, g] = [parameter, parameter.grad].map((y) => cast(y, computed));
    const stepped = update.step(numbers, x, isOn(numbers.maximize) ? neg(g) : g, t, memory);
    return { stepped: cast(stepped, parameter.dtype), memory };
  });
}
