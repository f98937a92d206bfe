//! Products of matrices, in the order that csrc/SPEC.md says: fused steps, in blocks.

use super::array::{broadcast, count_of, product_of, Array};
use super::dtype::{common, DType};
use super::error::{need, Result};
use super::movement::windows_of;
use super::numbers::{in_type, Number};
use super::ops::Call;
use super::reductions::{sum_of, BLOCK};

/// Products that are added up from 0.
const STEPS: usize = 128;

/// fma(x[1], y[1], fma(x[0], y[0], 0)) and so on.
fn dot_of_steps<T: Number>(x: &[T], y: &[T]) -> T {
    x.iter().zip(y).fold(T::ZERO, |s, (x, y)| x.fma(*y, s))
}

/// Sums of 128 products each, added from left to right.
fn dot_of_block<T: Number>(x: &[T], y: &[T]) -> T {
    let sums = x.chunks(STEPS).zip(y.chunks(STEPS)).map(|(x, y)| dot_of_steps(x, y));
    sums.reduce(|s, next| s + next).unwrap_or(T::ZERO)
}

/// The sum of products of two vectors.
fn dot<T: Number>(x: &[T], y: &[T]) -> T {
    if x.len() <= BLOCK {
        return dot_of_block(x, y);
    }
    let blocks = x.chunks(BLOCK).zip(y.chunks(BLOCK));
    sum_of(&blocks.map(|(x, y)| dot_of_block(x, y)).collect::<Vec<T>>())
}

/// The type of a product, and the one that it is computed in; a bias must be of no higher one.
fn types_of(name: &str, a: &Array, b: &Array, bias: Option<&Array>) -> Result<(DType, DType)> {
    let dtype = common([a.dtype(), b.dtype()]);
    need(dtype != DType::Bool, || format!("{name} has no meaning for bools"))?;
    if let Some(bias) = bias {
        let fits = common([dtype, bias.dtype()]) == dtype;
        need(fits, || {
            format!("{name}: a bias of {} is not added to {}", bias.dtype().name(), dtype.name())
        })?;
    }
    Ok((dtype, if dtype.is_float() { dtype.wide() } else { DType::Int64 }))
}

/// Its last two axes swapped.
fn transposed(a: &Array) -> Result<Array> {
    let rank = a.rank();
    let axes: Vec<usize> = (0..rank - 2).chain([rank - 1, rank - 2]).collect();
    a.permute(&axes)
}

/// (.., m, k) @ (.., k, n), of the types that products have.
fn product(a: &Array, b: &Array, (dtype, computed): (DType, DType)) -> Result<Array> {
    let (lead_a, [m, k]) = split_shape(a);
    let (lead_b, [of_b, n]) = split_shape(b);
    need(k == of_b, || {
        format!("matmul: shapes {:?} and {:?} do not fit: {k} != {of_b}", a.shape(), b.shape())
    })?;
    let batch = broadcast(&[lead_a, lead_b])?;
    let shape = [&batch[..], &[m, n]].concat();
    let count = count_of(&shape)?;
    let rows = a.expand(&[&batch[..], &[m, k]].concat())?;
    let columns = transposed(b)?.expand(&[&batch[..], &[n, k]].concat())?;
    fn of<T: Number>(
        rows: &Array,
        columns: &Array,
        [count, m, n, k]: [usize; 4],
        computed: DType,
    ) -> Result<Vec<T>> {
        let (x, y): (Vec<T>, Vec<T>) = (rows.read(computed)?, columns.read(computed)?);
        let element = |at: usize| {
            let (row, column) = (at / n, at / (m * n) * n + at % n);
            dot(&x[row * k..(row + 1) * k], &y[column * k..(column + 1) * k])
        };
        Ok((0..count).map(element).collect())
    }
    in_type!(computed, T => {
        Array::stored(dtype, &shape, of::<T>(&rows, &columns, [count, m, n, k], computed)?)
    })
}

/// The axes before the last two, and these.
fn split_shape(a: &Array) -> (&[usize], [usize; 2]) {
    let (lead, last) = a.shape().split_at(a.rank() - 2);
    (lead, [last[0], last[1]])
}

pub(crate) fn matmul(call: &Call) -> Result<Array> {
    let (a, b) = (call.a(), &call.operands[1]);
    let refused =
        || format!("matmul: shapes {:?} and {:?}: a number is no matrix", a.shape(), b.shape());
    need(a.rank() > 0 && b.rank() > 0, refused)?;
    let left = if a.rank() > 1 { a.clone() } else { a.reshape(&[1, a.count()])? };
    let right = if b.rank() > 1 { b.clone() } else { b.reshape(&[b.count(), 1])? };
    let made = product(&left, &right, types_of("matmul", a, b, None)?)?;
    let (batch, [m, n]) = split_shape(&made);
    let own = [(a.rank() > 1).then_some(m), (b.rank() > 1).then_some(n)];
    let shape: Vec<usize> = batch.iter().copied().chain(own.into_iter().flatten()).collect();
    made.reshape(&shape)
}

/// y + bias along an axis, in the type that y has, stored in another.
fn with_bias(y: &Array, bias: Option<&Array>, axis: usize, dtype: DType) -> Result<Array> {
    let Some(bias) = bias else { return y.cast(dtype) };
    let mut shape = vec![1; y.rank()];
    shape[axis] = y.shape()[axis];
    let bias = bias.cast(y.dtype())?.reshape(&shape)?;
    super::elements::compute("add", &[y.clone(), bias], None, (y.dtype(), dtype))
}

pub(crate) fn linear(call: &Call) -> Result<Array> {
    let (x, weight, bias) = (call.a(), &call.operands[1], call.operands.get(2));
    let fits = x.rank() > 0 && weight.rank() == 2 && x.shape().last() == weight.shape().last();
    need(fits, || format!("linear: shapes {:?} and {:?} do not fit", x.shape(), weight.shape()))?;
    let fits = bias.map_or(true, |bias| bias.shape() == &weight.shape()[..1]);
    need(fits, || format!("linear: a bias does not fit weight {:?}", weight.shape()))?;
    let (dtype, computed) = types_of("linear", x, weight, bias)?;
    let rows = if x.rank() > 1 { x.clone() } else { x.reshape(&[1, x.count()])? };
    let shape = [&x.shape()[..x.rank() - 1], &weight.shape()[..1]].concat();
    let y = product(&rows, &transposed(weight)?, (computed, computed))?.reshape(&shape)?;
    with_bias(&y, bias, shape.len() - 1, dtype)
}

pub(crate) fn convolve(call: &Call) -> Result<Array> {
    let (kernels, a, bias) = (call.a(), &call.operands[1], call.operands.get(2));
    let lists = call.windows()?;
    let s = lists[0].len();
    let refused =
        || format!("convolve: shapes {:?} and {:?} do not fit", kernels.shape(), a.shape());
    need(kernels.rank() == 3 && a.rank() == 2 + s, refused)?;
    let [groups, m, k] = [kernels.shape()[0], kernels.shape()[1], kernels.shape()[2]];
    let (n, channels) = (a.shape()[0], a.shape()[1]);
    let place = lists[0].iter().fold(1, |x: usize, n| x.saturating_mul(*n as usize));
    let fits = groups > 0 && channels % groups == 0;
    need(fits && (channels / groups).saturating_mul(place) == k, refused)?;
    let fits = bias.map_or(true, |bias| bias.shape() == [groups.saturating_mul(m)]);
    need(fits, || format!("convolve: a bias does not fit {groups} x {m} channels"))?;
    let (dtype, computed) = types_of("convolve", kernels, a, bias)?;
    let seen = windows_of(a, lists)?;
    let steps = &seen.shape()[2..2 + s];
    let order: Vec<usize> = [0, 1].into_iter().chain(2 + s..2 + 2 * s).chain(2..2 + s).collect();
    let columns = seen.permute(&order)?.reshape(&[n, groups, k, product_of(steps)])?;
    let y = product(kernels, &columns, (computed, computed))?;
    let shape = [&[n, groups.saturating_mul(m)], steps].concat();
    with_bias(&y.reshape(&shape)?, bias, 1, dtype)
}
