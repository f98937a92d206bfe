//! Softmax, losses and norms: ops whose results need whole rows; and parts of norms of channels.

use super::array::{product_of, Array};
use super::dtype::DType;
use super::elements;
use super::error::{need, Error, Result};
use super::numbers::{in_float, Float};
use super::ops::Call;
use super::reductions::{
    exponentials, mean_of, range_scale, rows_of, rowwise, squares, sum_of, sum_of_products,
};

pub(crate) fn softmax(call: &Call) -> Result<Array> {
    let (axis, dtype) = (call.axis(0)?, call.float_or_single());
    in_float!(dtype, T => rowwise::<T>(call.a(), &[axis], dtype, |row| {
        let (_, found, total) = exponentials(row);
        found.into_iter().map(|e| e / total).collect()
    }))
}

/// (a - m) - log(sum of exp(a - m)).
fn log_probabilities<T: Float>(row: &[T]) -> Vec<T> {
    let (m, _, total) = exponentials(row);
    row.iter().map(|x| (*x - m) - total.log()).collect()
}

pub(crate) fn log_softmax(call: &Call) -> Result<Array> {
    let (axis, dtype) = (call.axis(0)?, call.float_or_single());
    in_float!(dtype, T => rowwise::<T>(call.a(), &[axis], dtype, log_probabilities))
}

/// The targets of a cross-entropy, None of rows that are ignored.
pub(crate) fn targets_of(
    targets: &Array,
    ignored: i64,
    classes: usize,
) -> Result<Vec<Option<usize>>> {
    let target = |t: i64| match usize::try_from(t) {
        _ if t == ignored => Ok(None),
        Ok(place) if place < classes => Ok(Some(place)),
        _ => Err(Error::Index(format!("target {t} is none of {classes} classes"))),
    };
    targets.integers()?.into_iter().map(target).collect()
}

/// -log(softmax(logits)[target]), smoothed; 0 without a target.
fn loss_of<T: Float>(row: &[T], target: Option<usize>, smoothing: f64) -> T {
    let Some(target) = target else { return T::ZERO };
    let (y, s) = (log_probabilities(row), T::narrow(smoothing));
    let loss = -y[target];
    if s == T::ZERO {
        return loss;
    }
    (T::ONE - s) * loss + s * (-sum_of(&y) / T::narrow(row.len() as f64))
}

pub(crate) fn cross_entropy(call: &Call) -> Result<Array> {
    let (logits, targets, dtype) = (call.a(), &call.operands[1], call.floats()?);
    let (reduction, smoothing) = (call.integers[0], call.numbers[0]);
    let is_known = (0..=2).contains(&reduction) && (0.0..=1.0).contains(&smoothing);
    need(is_known, || format!("cross_entropy: reduction {reduction}, smoothing {smoothing}"))?;
    need(targets.dtype().is_integer(), || "cross_entropy: targets are of integers".to_owned())?;
    let fits = logits.rank() == 2 && targets.shape() == &logits.shape()[..1];
    need(fits, || {
        format!("cross_entropy: targets {:?} do not fit {:?}", targets.shape(), logits.shape())
    })?;
    let classes = logits.shape()[1];
    let rows = targets_of(targets, call.integers[1], classes)?;
    fn of<T: Float>(logits: &Array, rows: &[Option<usize>], smoothing: f64) -> Result<Vec<T>> {
        let (numbers, n) = rows_of::<T>(logits, &[1], logits.dtype().wide())?;
        let row = |i: usize| &numbers[i * n..(i + 1) * n];
        Ok(rows.iter().enumerate().map(|(i, t)| loss_of(row(i), *t, smoothing)).collect())
    }
    in_float!(dtype, T => {
        let losses = of::<T>(logits, &rows, smoothing)?;
        if reduction == 0 {
            return Array::stored(dtype, targets.shape(), losses);
        }
        let count = if reduction == 2 { rows.iter().flatten().count() } else { 1 };
        Array::stored(dtype, &[], vec![sum_of(&losses) / T::narrow(count as f64)])
    })
}

// ---- norms

/// The mean of squares of a row, which was multiplied by a power of two, + epsilon.
fn norm_square<T: Float>(row: &[T], epsilon: f64, by: T, is_centered: bool) -> T {
    let total = if is_centered { squares(row) } else { sum_of_products(row, row) };
    total / T::narrow(row.len() as f64) + T::narrow(epsilon) * by * by
}

/// 1, or the power of two by which a norm multiplies a row, lest its squares overflow.
pub(crate) fn norm_power<T: Float>(row: &[T], epsilon: f64, is_centered: bool) -> T {
    let total = norm_square(row, epsilon, T::ONE, is_centered);
    range_scale(row, total, T::narrow(epsilon).root())
}

/// (a - mean) * r, or a * r, and r times that power of two.
fn normal_of<T: Float>(row: &[T], epsilon: f64, is_centered: bool) -> (Vec<T>, T) {
    let by = norm_power(row, epsilon, is_centered);
    let row: Vec<T> = row.iter().map(|x| *x * by).collect();
    let m = if is_centered { mean_of(&row) } else { T::ZERO };
    let r = T::ONE / norm_square(&row, epsilon, by, is_centered).root();
    (row.iter().map(|x| (*x - m) * r).collect(), r * by)
}

/// The last axes of a norm, whose shape weights have.
fn last_axes(call: &Call) -> Result<Vec<usize>> {
    let (name, a, axes) = (call.op.name, call.a(), call.integers[0]);
    let refused = || format!("{name}: shape {:?} has not {axes} axes", a.shape());
    need((1..=a.rank() as i64).contains(&axes), refused)?;
    let lead = a.rank() - axes as usize;
    for x in &call.operands[1..] {
        let fits = x.shape() == &a.shape()[lead..];
        need(fits, || format!("{name}: weight {:?} does not fit {:?}", x.shape(), a.shape()))?;
    }
    Ok((lead..a.rank()).collect())
}

pub(crate) fn layer_norm(call: &Call) -> Result<Array> {
    norm(call, true)
}

pub(crate) fn rms_norm(call: &Call) -> Result<Array> {
    norm(call, false)
}

fn norm(call: &Call, is_centered: bool) -> Result<Array> {
    let (dtype, axes) = (call.floats()?, last_axes(call)?);
    in_float!(dtype, T => {
        let weights = call.operands[1..].iter().map(|x| x.read(dtype.wide()));
        let weights = weights.collect::<Result<Vec<Vec<T>>>>()?;
        rowwise::<T>(call.a(), &axes, dtype, |row| {
            let (mut y, _) = normal_of(row, call.numbers[0], is_centered);
            if let Some(weight) = weights.first() {
                y = y.iter().zip(weight).map(|(x, w)| *x * *w).collect();
            }
            match weights.get(1) {
                Some(bias) => y.iter().zip(bias).map(|(x, c)| *x + *c).collect(),
                None => y,
            }
        })
    })
}

// ---- channels of (n, channels, d..)

/// Refuse what has no channels, or another number of them, or another type.
fn check_channels(call: &Call, numbers: &[&Array]) -> Result<()> {
    let (name, a) = (call.op.name, call.a());
    let is_of_type = matches!(a.dtype(), DType::Float32 | DType::Float64)
        && call.operands.iter().all(|x| x.dtype() == a.dtype());
    need(is_of_type, || format!("{name} is of float32 or float64, all of one type"))?;
    let fits = a.rank() >= 2 && numbers.iter().all(|x| x.shape() == &a.shape()[1..2]);
    need(fits, || format!("{name}: numbers do not fit the channels of shape {:?}", a.shape()))
}

fn check_like(call: &Call, g: &Array) -> Result<()> {
    let a = call.a();
    let fits = g.shape() == a.shape();
    need(fits, || format!("{}: g has shape {:?}, a {:?}", call.op.name, g.shape(), a.shape()))
}

/// Numbers of channels, repeated to a's shape.
fn by_channel(x: &Array, a: &Array) -> Result<Array> {
    let mut shape = vec![1; a.rank()];
    shape[1] = a.shape()[1];
    x.reshape(&shape)?.expand(a.shape())
}

/// A row of the table of elements, of arrays of one type.
fn element(name: &str, a: &Array, b: &Array) -> Result<Array> {
    elements::compute(name, &[a.clone(), b.clone()], None, (a.dtype(), a.dtype()))
}

/// (n, groups, row): groups of channels as rows.
fn groups_of(call: &Call, numbers: &[&Array]) -> Result<[usize; 3]> {
    check_channels(call, numbers)?;
    let (a, groups) = (call.a(), usize::try_from(call.integers[0]).unwrap_or(0));
    let fits = groups > 0 && a.shape()[1] % groups == 0;
    need(fits, || {
        format!("{}: groups do not divide the channels of {:?}", call.op.name, a.shape())
    })?;
    let row = (a.shape()[1] / groups).saturating_mul(product_of(&a.shape()[2..]));
    Ok([a.shape()[0], groups, row])
}

/// layer_norm of groups of channels, without weights.
fn normal_groups(call: &Call, shape: &[usize; 3]) -> Result<Array> {
    let (a, epsilon) = (call.a().reshape(shape)?, call.numbers[0]);
    let y = in_float!(a.dtype(), T => {
        rowwise::<T>(&a, &[2], a.dtype(), |row| normal_of(row, epsilon, true).0)
    })?;
    y.reshape(call.a().shape())
}

pub(crate) fn group_norm(call: &Call) -> Result<Array> {
    let (weight, bias) = (&call.operands[1], &call.operands[2]);
    let normal = normal_groups(call, &groups_of(call, &[weight, bias])?)?;
    let scaled = element("mul", &normal, &by_channel(weight, &normal)?)?;
    element("add", &scaled, &by_channel(bias, &normal)?)
}

/// What a row of layer_norm passes on of h.
fn norm_passed<T: Float>(row: &[T], h: &[T], epsilon: f64) -> Vec<T> {
    let (normal, slope) = normal_of(row, epsilon, true);
    let mean_h = mean_of(h);
    let mean_p = sum_of_products(h, &normal) / T::narrow(h.len() as f64);
    let pairs = h.iter().zip(normal);
    pairs.map(|(hi, x)| slope * ((*hi - mean_h) - x * mean_p)).collect()
}

pub(crate) fn group_back(call: &Call) -> Result<Array> {
    let (a, g, weight) = (call.a(), &call.operands[1], &call.operands[2]);
    let shape = groups_of(call, &[weight])?;
    check_like(call, g)?;
    let h = element("mul", g, &by_channel(weight, a)?)?.reshape(&shape)?;
    in_float!(a.dtype(), T => {
        let (rows, n) = rows_of::<T>(&a.reshape(&shape)?, &[2], a.dtype())?;
        let (of_rows, _) = rows_of::<T>(&h, &[2], a.dtype())?;
        let pairs = rows.chunks(n.max(1)).zip(of_rows.chunks(n.max(1)));
        let passed = pairs.flat_map(|(row, h)| norm_passed(row, h, call.numbers[0]));
        Array::stored(a.dtype(), a.shape(), passed.collect())
    })
}

/// (n, channels, all of d..).
fn planes(a: &Array) -> Result<Array> {
    a.reshape(&[a.shape()[0], a.shape()[1], product_of(&a.shape()[2..])])
}

pub(crate) fn group_sums(call: &Call) -> Result<Array> {
    let (a, g) = (call.a(), &call.operands[1]);
    let shape = groups_of(call, &[])?;
    check_like(call, g)?;
    let products = element("mul", g, &normal_groups(call, &shape)?)?;
    in_float!(a.dtype(), T => {
        let mut sums: Vec<T> = Vec::new();
        for x in [&products, g] {
            let (rows, n) = rows_of::<T>(&planes(x)?, &[2], a.dtype())?;
            let count = product_of(&a.shape()[..2]);
            sums.extend((0..count).map(|i| sum_of(&rows[i * n..(i + 1) * n])));
        }
        Array::stored(a.dtype(), &[2, a.shape()[0], a.shape()[1]], sums)
    })
}

pub(crate) fn plane_means(call: &Call) -> Result<Array> {
    let (a, c) = (call.a(), &call.operands[1]);
    check_channels(call, &[c])?;
    let less = element("sub", a, &by_channel(c, a)?)?;
    let made = match call.operands.get(2) {
        None => element("mul", &less, &less)?,
        Some(g) => {
            check_like(call, g)?;
            element("mul", g, &less)?
        }
    };
    in_float!(a.dtype(), T => {
        let (rows, n) = rows_of::<T>(&planes(&made)?, &[2], a.dtype())?;
        let [images, channels] = [a.shape()[0], a.shape()[1]];
        super::array::count_of(&[images, channels])?;
        let means = (0..images * channels).map(|i| mean_of(&rows[i * n..(i + 1) * n]));
        let means: Vec<T> = means.collect();
        let of_channel = |c: usize| {
            mean_of(&(0..images).map(|i| means[i * channels + c]).collect::<Vec<T>>())
        };
        Array::stored(a.dtype(), &[channels], (0..channels).map(of_channel).collect())
    })
}

pub(crate) fn plane_scale(call: &Call) -> Result<Array> {
    let a = call.a();
    check_channels(call, &call.operands[1..].iter().collect::<Vec<&Array>>())?;
    let of = |i: usize| by_channel(&call.operands[i], a);
    let scaled = element("mul", &element("sub", a, &of(1)?)?, &of(2)?)?;
    if call.operands.len() == 3 {
        return Ok(scaled);
    }
    element("add", &scaled, &of(3)?)
}

pub(crate) fn plane_back(call: &Call) -> Result<Array> {
    let (a, g) = (call.a(), &call.operands[1]);
    check_channels(call, &call.operands[2..].iter().collect::<Vec<&Array>>())?;
    check_like(call, g)?;
    let of = |i: usize| by_channel(&call.operands[i], a);
    let less = element("mul", &element("sub", a, &of(2)?)?, &of(4)?)?;
    element("mul", &element("sub", &element("sub", g, &of(3)?)?, &less)?, &of(5)?)
}
