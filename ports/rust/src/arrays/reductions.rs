//! Sums, extrema, means and what else goes over axes, in the order that csrc/SPEC.md says.

use super::array::{count_of, product_of, Array};
use super::dtype::DType;
use super::elements::{larger, smaller};
use super::error::{need, Result};
use super::movement::windows_of;
use super::numbers::{in_float, in_type, Float, Int, Number};
use super::ops::Call;
use std::num::Wrapping;

const LANES: usize = 32;
/// Numbers that are joined in lanes at a time.
pub(crate) const BLOCK: usize = 4096;

// ---- orders of joining

/// Join numbers in 32 lanes, number i in lane i mod 32, then lanes l and l + 16, l + 8 ..
fn in_lanes<T: Copy>(numbers: &[T], start: T, join: impl Fn(T, T) -> T) -> T {
    let mut lanes = [start; LANES];
    for (i, x) in numbers.iter().enumerate() {
        lanes[i % LANES] = join(lanes[i % LANES], *x);
    }
    for s in [16, 8, 4, 2, 1] {
        for l in 0..s {
            lanes[l] = join(lanes[l], lanes[l + s]);
        }
    }
    lanes[0]
}

/// The same block by block, then of the blocks' results, until one is left.
fn in_blocks<T: Copy>(numbers: &[T], start: T, join: impl Fn(T, T) -> T + Copy) -> T {
    if numbers.len() <= BLOCK {
        return in_lanes(numbers, start, join);
    }
    let blocks: Vec<T> = numbers.chunks(BLOCK).map(|x| in_lanes(x, start, join)).collect();
    in_blocks(&blocks, start, join)
}

pub(crate) fn sum_of<T: Number>(numbers: &[T]) -> T {
    in_blocks(numbers, T::ZERO, |x, y| x + y)
}

pub(crate) fn largest<T: Number>(numbers: &[T]) -> T {
    in_blocks(numbers, T::ENDS.0, larger)
}

pub(crate) fn mean_of<T: Float>(numbers: &[T]) -> T {
    sum_of(numbers) / T::narrow(numbers.len() as f64)
}

/// The sum of products of numbers, each made of two.
pub(crate) fn sum_of_products<T: Number>(x: &[T], y: &[T]) -> T {
    sum_of(&x.iter().zip(y).map(|(x, y)| *x * *y).collect::<Vec<T>>())
}

// ---- rows along axes

/// An array whose last axes are some of its axes, in order, and how many elements those have.
fn with_last(a: &Array, axes: &[usize]) -> Result<(Array, usize)> {
    let others = (0..a.rank()).filter(|d| !axes.contains(d));
    let order: Vec<usize> = others.chain((0..a.rank()).filter(|d| axes.contains(d))).collect();
    let moved = a.permute(&order)?;
    let n = product_of(&moved.shape()[a.rank() - axes.len()..]);
    Ok((moved, n))
}

/// The elements along axes, one row after the other, and how long a row is.
pub(crate) fn rows_of<T: Number>(
    a: &Array,
    axes: &[usize],
    dtype: DType,
) -> Result<(Vec<T>, usize)> {
    let (moved, n) = with_last(a, axes)?;
    Ok((moved.read(dtype)?, n))
}

/// A function of the elements along axes, for each index of the others.
fn reduced<T: Number, R: Number>(
    call: &Call,
    axes: &[usize],
    keep: bool,
    (computed, result): (DType, DType),
    function: impl Fn(&[T]) -> R,
) -> Result<Array> {
    let a = call.a();
    let kept: Vec<usize> = (0..a.rank())
        .filter(|d| keep || !axes.contains(d))
        .map(|d| if axes.contains(&d) { 1 } else { a.shape()[d] })
        .collect();
    let count = count_of(&kept)?;
    let (numbers, n) = rows_of::<T>(a, axes, computed)?;
    let results = (0..count).map(|i| function(&numbers[i * n..(i + 1) * n]));
    Array::stored(result, &kept, results.collect())
}

/// A function of rows to rows, along axes.
pub(crate) fn rowwise<T: Number>(
    a: &Array,
    axes: &[usize],
    dtype: DType,
    function: impl Fn(&[T]) -> Vec<T>,
) -> Result<Array> {
    let (moved, n) = with_last(a, axes)?;
    let numbers: Vec<T> = moved.read(dtype.wide())?;
    let results: Vec<T> = numbers.chunks(n.max(1)).flat_map(function).collect();
    let made = Array::stored(dtype, moved.shape(), results)?;
    let others = (0..a.rank()).filter(|d| !axes.contains(d));
    let order: Vec<usize> = others.chain((0..a.rank()).filter(|d| axes.contains(d))).collect();
    let back = (0..a.rank()).map(|d| order.iter().position(|x| *x == d).unwrap_or(0));
    made.permute(&back.collect::<Vec<usize>>())?.copied()
}

pub(crate) fn sum(call: &Call) -> Result<Array> {
    let (axes, dtype) = (call.axes()?, call.a().dtype().of_sum());
    let types = (dtype.wide(), dtype);
    in_type!(dtype, T => reduced::<T, T>(call, &axes, call.keeps(), types, sum_of))
}

pub(crate) fn prod(call: &Call) -> Result<Array> {
    let (axes, dtype) = (call.axes()?, call.a().dtype().of_sum());
    let types = (dtype.wide(), dtype);
    in_type!(dtype, T => reduced::<T, T>(call, &axes, call.keeps(), types, |x| {
        in_blocks(x, T::ONE, |x, y| x * y)
    }))
}

pub(crate) fn mean(call: &Call) -> Result<Array> {
    let (axes, dtype) = (call.axes()?, call.floats()?);
    let types = (dtype.wide(), dtype);
    in_float!(dtype, T => reduced::<T, T>(call, &axes, call.keeps(), types, mean_of))
}

/// Refuse to choose among no elements.
fn check_choice(call: &Call, axes: &[usize]) -> Result<()> {
    let is_empty = axes.iter().any(|d| call.a().shape()[*d] == 0);
    let others = (0..call.a().rank()).filter(|d| !axes.contains(d));
    let is_asked = others.map(|d| call.a().shape()[d]).all(|n| n > 0);
    need(!(is_empty && is_asked), || {
        format!("{}: no elements along axes {axes:?} of {:?}", call.op.name, call.a().shape())
    })
}

pub(crate) fn amax(call: &Call) -> Result<Array> {
    let (axes, dtype) = (call.axes()?, call.a().dtype());
    check_choice(call, &axes)?;
    let types = (dtype.wide(), dtype);
    in_type!(dtype, T => reduced::<T, T>(call, &axes, call.keeps(), types, largest))
}

pub(crate) fn amin(call: &Call) -> Result<Array> {
    let (axes, dtype) = (call.axes()?, call.a().dtype());
    check_choice(call, &axes)?;
    let types = (dtype.wide(), dtype);
    in_type!(dtype, T => reduced::<T, T>(call, &axes, call.keeps(), types, |x| {
        in_blocks(x, T::ENDS.1, smaller)
    }))
}

/// The first of the best numbers; NaN is best.
fn first_of<T: Number>(numbers: &[T], better: fn(&T, &T) -> bool) -> usize {
    let is_nan = |x: &T| x.partial_cmp(x).is_none();
    (0..numbers.len()).fold(0, |best, i| {
        let (x, held) = (&numbers[i], &numbers[best]);
        if better(x, held) || (is_nan(x) && !is_nan(held)) {
            i
        } else {
            best
        }
    })
}

fn as_int(i: usize) -> Int {
    Wrapping(i as i64)
}

/// Where the first of the best elements along an axis is, or along all.
fn choice(call: &Call, is_max: bool) -> Result<Array> {
    let is_all = call.integers[0] == -1;
    let axes = if is_all { (0..call.a().rank()).collect() } else { vec![call.axis(0)?] };
    check_choice(call, &axes)?;
    let types = (call.a().dtype().wide(), DType::Int64);
    in_type!(call.a().dtype(), T => {
        let better = if is_max { T::gt } else { T::lt };
        reduced::<T, Int>(call, &axes, call.keeps(), types, |x| as_int(first_of(x, better)))
    })
}

pub(crate) fn argmax(call: &Call) -> Result<Array> {
    choice(call, true)
}

pub(crate) fn argmin(call: &Call) -> Result<Array> {
    choice(call, false)
}

pub(crate) fn argmax_window(call: &Call) -> Result<Array> {
    let (a, lists) = (call.a(), call.windows()?);
    let shown = windows_of(a, lists)?;
    let s = lists[0].len();
    let lead = a.rank() - s;
    // Along with the elements go their positions among those of a's last axes.
    let shape = &a.shape()[lead..];
    let own = (0..count_of(shape)?).map(as_int).collect();
    let own = Array::stored::<Int>(DType::Int64, shape, own)?;
    let places = windows_of(&own, lists)?.expand(shown.shape())?.integers()?;
    let n = product_of(&shown.shape()[a.rank()..]);
    let firsts = in_type!(a.dtype(), T => {
        let numbers: Vec<T> = shown.read(a.dtype().wide())?;
        numbers.chunks(n.max(1)).map(|x| first_of(x, T::gt)).collect::<Vec<usize>>()
    });
    let found = firsts.into_iter().enumerate().map(|(i, first)| Wrapping(places[i * n + first]));
    Array::stored::<Int>(DType::Int64, &shown.shape()[..a.rank()], found.collect())
}

/// Whether some, or all, elements are not 0: bools, but of uint8 that.
fn truth(call: &Call, of: fn(&[bool]) -> bool) -> Result<Array> {
    let (axes, a) = (call.axes()?, call.a());
    let result = if a.dtype() == DType::UInt8 { DType::UInt8 } else { DType::Bool };
    reduced::<Int, Int>(call, &axes, call.keeps(), (DType::Bool, result), |x| {
        let truths: Vec<bool> = x.iter().map(|x| x.0 != 0).collect();
        as_int(usize::from(of(&truths)))
    })
}

pub(crate) fn any(call: &Call) -> Result<Array> {
    truth(call, |x| x.contains(&true))
}

pub(crate) fn all(call: &Call) -> Result<Array> {
    truth(call, |x| !x.contains(&false))
}

pub(crate) fn cumsum(call: &Call) -> Result<Array> {
    let (a, axis) = (call.a(), call.axis(0)?);
    let dtype = a.dtype().of_sum();
    in_type!(dtype, T => rowwise::<T>(a, &[axis], dtype, |x| {
        let mut before = None;
        let next = |x: &T| *before.insert(before.map_or(*x, |sum| sum + *x));
        x.iter().map(next).collect()
    }))
}

// ---- variance

/// The sum of squares of the distances from the mean.
pub(crate) fn squares<T: Float>(row: &[T]) -> T {
    let m = mean_of(row);
    let less: Vec<T> = row.iter().map(|x| *x - m).collect();
    sum_of_products(&less, &less)
}

/// 1, or 2^-k, by which a row is multiplied lest its squares, whose sum is told, leave the range;
/// `least` stands for the largest element if that is smaller.
pub(crate) fn range_scale<T: Float>(row: &[T], total: T, least: T) -> T {
    if T::LEAST_SQUARES <= total && total < T::ENDS.1 {
        return T::ONE;
    }
    let most = row.iter().fold(least, |most, x| larger(most, x.size()));
    if !(T::ZERO < most && most < T::ENDS.1) {
        return T::ONE;
    }
    let k = exponent_of(most.double()).clamp(-T::MOST_EXPONENT, T::MOST_EXPONENT);
    T::narrow(f64::from_bits(((1023 - k) as u64) << 52))
}

/// k of 2^k <= x < 2^(k+1), of a finite x > 0.
fn exponent_of(x: f64) -> i32 {
    match (x.to_bits() >> 52) as i32 {
        0 => exponent_of(x * 18014398509481984.0) - 54,
        e => e - 1023,
    }
}

/// n - correction, both rounded first; at least 0.
pub(crate) fn freedom<T: Float>(n: usize, correction: f64) -> T {
    let left = T::narrow(n as f64) - T::narrow(correction);
    if left > T::ZERO {
        left
    } else {
        T::ZERO
    }
}

/// The variance of a row, or its root.
fn deviation<T: Float>(row: &[T], correction: f64, is_root: bool) -> T {
    let by = range_scale(row, squares(row), T::ZERO);
    let scaled: Vec<T> = row.iter().map(|x| *x * by).collect();
    let y = squares(&scaled) / freedom(row.len(), correction);
    if is_root {
        y.root() / by
    } else {
        y / by / by
    }
}

fn spread_of(call: &Call, is_root: bool) -> Result<Array> {
    let (axes, dtype, correction) = (call.axes()?, call.floats()?, call.numbers[0]);
    let types = (dtype.wide(), dtype);
    in_float!(dtype, T => reduced::<T, T>(call, &axes, call.keeps(), types, |x| {
        deviation(x, correction, is_root)
    }))
}

pub(crate) fn var(call: &Call) -> Result<Array> {
    spread_of(call, false)
}

pub(crate) fn std(call: &Call) -> Result<Array> {
    spread_of(call, true)
}

/// m + log(sum of exp(a - m)), m the largest number; m where that is infinite.
fn log_of_sum<T: Float>(row: &[T]) -> T {
    let (m, _, total) = exponentials(row);
    if m.size() == T::ENDS.1 {
        m
    } else {
        m + total.log()
    }
}

pub(crate) fn logsumexp(call: &Call) -> Result<Array> {
    let (axes, dtype) = (call.axes()?, call.float_or_single());
    let types = (dtype.wide(), dtype);
    in_float!(dtype, T => reduced::<T, T>(call, &axes, call.keeps(), types, log_of_sum))
}

/// m, the largest number, exp(a - m), and their sum.
pub(crate) fn exponentials<T: Float>(row: &[T]) -> (T, Vec<T>, T) {
    let m = largest(row);
    let found: Vec<T> = row.iter().map(|x| (*x - m).exp()).collect();
    let total = sum_of(&found);
    (m, found, total)
}
