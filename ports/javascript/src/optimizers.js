/**
 * Optimizers. A step computes all numbers before it sets one: if it raises, nothing is changed.
 *
 * @module
 */

import { divide, power } from "./floats.js";

/** @typedef {import("./value.js").Value} Value */

class Optimizer {
  /** @param {Value[]} parameters */
  constructor(parameters) {
    this.parameters = parameters;
  }

  zeroGrad() {
    for (const p of this.parameters) p.grad = 0;
  }

  /** Set the parameters' numbers. */
  move(numbers) {
    this.parameters.forEach((p, i) => (p.data = numbers[i]));
  }
}

/** Gradient descent with momentum. */
export class SGD extends Optimizer {
  #buffer = null;

  constructor(parameters, options = {}) {
    super(parameters);
    const defaults = { lr: 0.1, momentum: 0, dampening: 0, weightDecay: 0, nesterov: false };
    Object.assign(this, { ...defaults, ...options });
  }

  /** Go on from a velocity, or null. */
  restore(buffer) {
    this.#buffer = buffer;
  }

  step() {
    const { lr, momentum, dampening, weightDecay } = this;
    const gradients = this.parameters.map((p) =>
      weightDecay ? p.grad + weightDecay * p.data : p.grad,
    );
    const buffer = gradients.map((d, i) =>
      this.#buffer ? momentum * this.#buffer[i] + (1 - dampening) * d : d,
    );
    const changes = gradients.map((d, i) => {
      if (!momentum) return d;
      return this.nesterov ? d + momentum * buffer[i] : buffer[i];
    });
    this.move(this.parameters.map((p, i) => p.data - lr * changes[i]));
    this.#buffer = momentum ? buffer : null;
  }
}

/** Adam (Kingma and Ba 2015), in LLM101n's order of operations. */
export class Adam extends Optimizer {
  #state;
  #steps = 0;

  constructor(parameters, options = {}) {
    super(parameters);
    const defaults = { lr: 0.1, beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0 };
    Object.assign(this, { ...defaults, ...options });
    this.#state = parameters.map(() => ({ m: 0, v: 0 }));
  }

  /** Go on from the means of a number of steps. */
  restore(m, v, steps) {
    this.#state = m.map((x, i) => ({ m: x, v: v[i] }));
    this.#steps = steps;
  }

  /** What is differentiated: the loss, and the squares of the parameters with weight decay. */
  gradientOf(p) {
    return this.weightDecay ? p.grad + this.weightDecay * p.data : p.grad;
  }

  /** What a parameter is changed by, in units of the learning rate. */
  changeOf(p, c) {
    return c;
  }

  step() {
    const { lr, beta1, beta2, eps } = this;
    const t = this.#steps + 1;
    const state = this.parameters.map((p, i) => {
      const d = this.gradientOf(p);
      const { m, v } = this.#state[i];
      return { m: beta1 * m + (1 - beta1) * d, v: beta2 * v + (1 - beta2) * power(d, 2) };
    });
    const rest1 = 1 - power(beta1, t);
    const rest2 = 1 - power(beta2, t);
    const numbers = this.parameters.map((p, i) => {
      const { m, v } = state[i];
      const c = divide(m / rest1, power(v / rest2, 0.5) + eps);
      return p.data - lr * this.changeOf(p, c);
    });
    this.move(numbers);
    this.#state = state;
    this.#steps = t;
  }
}

/** Adam with decoupled weight decay (Loshchilov and Hutter 2019). */
export class AdamW extends Adam {
  gradientOf(p) {
    return p.grad;
  }

  changeOf(p, c) {
    return c + this.weightDecay * p.data;
  }
}
