/**
 * Neurons, layers and multilayer perceptrons, as micrograd has them.
 *
 * @module
 */

import { power } from "./floats.js";
import { UNARY, Value } from "./value.js";

/** @typedef {import("./generator.js").Generator} Generator */

/** activation(b + w[0] x[0] + w[1] x[1] + ...) */
export class Neuron {
  /**
   * @param {number} inputs
   * @param {Generator} generator where weights come from
   * @param {string} activation an op of one operand, or "linear"
   */
  constructor(inputs, generator, activation = "tanh") {
    if (activation !== "linear" && !UNARY.includes(activation)) {
      throw new RangeError(`there is no activation ${activation}`);
    }
    const scale = power(inputs, -0.5);
    this.w = Array.from({ length: inputs }, () => new Value(generator.uniform(-1, 1) * scale));
    this.b = new Value(0);
    this.activation = activation;
  }

  /** @param {(Value | number)[]} x */
  call(x) {
    if (x.length !== this.w.length) {
      throw new RangeError(`a neuron of ${this.w.length} inputs has got ${x.length}`);
    }
    const sum = this.w.reduce((act, w, i) => act.add(w.mul(x[i])), this.b);
    return this.activation === "linear" ? sum : Value.record(this.activation, sum);
  }

  parameters() {
    return [...this.w, this.b];
  }
}

/** Neurons that see the same inputs. */
export class Layer {
  constructor(inputs, outputs, generator, activation = "tanh") {
    const make = () => new Neuron(inputs, generator, activation);
    this.neurons = Array.from({ length: outputs }, make);
  }

  call(x) {
    return this.neurons.map((neuron) => neuron.call(x));
  }

  parameters() {
    return this.neurons.flatMap((neuron) => neuron.parameters());
  }
}

/** Layers one after the other, the last of which is linear. */
export class MLP {
  /**
   * @param {number[]} sizes the number of inputs, then of each layer's neurons
   * @param {Generator} generator
   * @param {string} activation
   */
  constructor(sizes, generator, activation = "tanh") {
    this.layers = sizes.slice(1).map((outputs, i) => {
      const isLast = i + 2 === sizes.length;
      return new Layer(sizes[i], outputs, generator, isLast ? "linear" : activation);
    });
  }

  /** @returns {Value[]} of an example's inputs the outputs */
  call(x) {
    return this.layers.reduce((values, layer) => layer.call(values), x);
  }

  parameters() {
    return this.layers.flatMap((layer) => layer.parameters());
  }
}
