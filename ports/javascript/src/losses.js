/**
 * Sums, means and losses, in the order of additions that csrc/SPEC.md writes down.
 *
 * @module
 */

import { Value } from "./value.js";

/** @param {Value[]} values */
export function sum(values) {
  const [first, ...others] = values;
  return others.reduce((total, x) => total.add(x), first.add(0));
}

/** @param {Value[]} values */
export function mean(values) {
  return sum(values).div(values.length);
}

/** @param {Value[]} logits */
export function softmax(logits) {
  const most = logits.reduce((m, x) => (x.data > m ? x.data : m), logits[0].data);
  const exponentials = logits.map((x) => x.sub(most).exp());
  const total = sum(exponentials);
  return exponentials.map((e) => e.div(total));
}

/**
 * Return the mean of -log(softmax(row)[target]) over the rows.
 *
 * @param {Value[][]} rows logits
 * @param {number[]} targets a class for each row
 */
export function crossEntropy(rows, targets) {
  const losses = rows.map((row, i) => softmax(row)[targets[i]].log().neg());
  return sum(losses).mul(1 / losses.length);
}

/** Return the mean of (prediction - target)^2. */
export function mseLoss(predictions, targets) {
  return mean(predictions.map((p, i) => p.sub(targets[i]).pow(2)));
}

/** Return the mean of relu(1 - target * score), of targets -1 and 1. */
export function marginLoss(scores, targets) {
  const losses = scores.map((s, i) => s.mul(-targets[i]).add(1).relu());
  return sum(losses).mul(1 / losses.length);
}
