//! Ops that move elements: views, copies, windows, and what an index tells of.
//!
//! Places that an index names are computed as elements of an array of positions, which moves as the
//! op moves the numbers themselves.

use super::array::{broadcast, count_of, product_of, Array};
use super::dtype::{common, DType};
use super::error::{need, Error, Result};
use super::numbers::{each, in_type, Int, Number, Numbers};
use super::ops::Call;
use std::num::Wrapping;

// ---- views

pub(crate) fn reshape(call: &Call) -> Result<Array> {
    call.a().reshape(&call.sizes(call.integers)?)
}

pub(crate) fn permute(call: &Call) -> Result<Array> {
    let axes = call.sizes(call.integers)?;
    let rank = call.a().rank();
    let are_all = axes.len() == rank && (0..rank).all(|d| axes.contains(&d));
    need(are_all, || format!("permute: {axes:?} are not all axes of {:?}", call.a().shape()))?;
    call.a().permute(&axes)
}

pub(crate) fn expand(call: &Call) -> Result<Array> {
    call.a().expand(&call.sizes(call.integers)?)
}

/// Refuse a slice that leaves an array.
fn check_slice(
    name: &str,
    shape: &[usize],
    start: &[i64],
    step: &[i64],
    count: &[usize],
) -> Result<()> {
    for (d, n) in shape.iter().enumerate() {
        let (first, stride, size) = (i128::from(start[d]), i128::from(step[d]), count[d] as i128);
        need(stride != 0, || format!("{name}: a step is 0"))?;
        let is_within = |i: i128| (0..*n as i128).contains(&i);
        if size > 0 && !(is_within(first) && is_within(first + (size - 1) * stride)) {
            let text = format!("{name}: {size} from {first} in steps of {stride} of {n} elements");
            return Err(Error::Index(text));
        }
    }
    Ok(())
}

/// The slice of an array.
fn sliced(name: &str, a: &Array, start: &[i64], step: &[i64], count: &[usize]) -> Result<Array> {
    check_slice(name, a.shape(), start, step, count)?;
    a.stepped(start, step, count)
}

pub(crate) fn slice(call: &Call) -> Result<Array> {
    let [start, step, count] = call.lists()?;
    sliced("slice", call.a(), start, step, &call.sizes(count)?)
}

/// How many windows there are along each of the last axes.
fn steps_of(shape: &[usize], [size, stride, dilation]: [&[i64]; 3]) -> Result<Vec<usize>> {
    let refused = || format!("windows of {size:?} do not fit shape {shape:?}");
    need(shape.len() >= size.len(), refused)?;
    let mut steps = Vec::new();
    for (d, n) in shape[shape.len() - size.len()..].iter().enumerate() {
        let are_some = [size[d], stride[d], dilation[d]].iter().all(|x| (1..1 << 31).contains(x));
        need(are_some, || "window: sizes, strides and dilations are from 1 to 2^31 - 1".into())?;
        let span = (size[d] - 1) * dilation[d] + 1;
        need(*n as i64 >= span, refused)?;
        steps.push(((*n as i64 - span) / stride[d] + 1) as usize);
    }
    Ok(steps)
}

/// The windows that slide over the last axes of an array: (.., steps, sizes).
pub(crate) fn windows_of(a: &Array, lists: [&[i64]; 3]) -> Result<Array> {
    let steps = steps_of(a.shape(), lists)?;
    let size: Vec<usize> = lists[0].iter().map(|n| *n as usize).collect();
    a.windows(&steps, &size, lists[1], lists[2])
}

pub(crate) fn window(call: &Call) -> Result<Array> {
    windows_of(call.a(), call.windows()?)
}

pub(crate) fn detach(call: &Call) -> Result<Array> {
    Ok(call.a().clone())
}

/// What stands for a function whose gradients its caller computes.
pub(crate) fn function(_: &Call) -> Result<Array> {
    Array::filled(DType::Float32, &[0], 0.0)
}

/// What a function has made.
pub(crate) fn output(call: &Call) -> Result<Array> {
    Ok(call.operands[1].clone())
}

// ---- copies

pub(crate) fn contiguous(call: &Call) -> Result<Array> {
    if call.a().is_row_major() {
        Ok(call.a().clone())
    } else {
        call.a().copied()
    }
}

pub(crate) fn copy(call: &Call) -> Result<Array> {
    call.a().copied()
}

pub(crate) fn cast(call: &Call) -> Result<Array> {
    let dtype = DType::numbered(call.integers[0]);
    call.a().cast(dtype.ok_or_else(|| Error::Argument("cast: to no type".to_owned()))?)
}

/// a written over a slice of y, which is new.
fn put_into(y: Array, start: &[i64], step: &[i64], a: &Array) -> Result<Array> {
    sliced("slice", &y, start, step, a.shape())?.write(&a.numbers()?)?;
    Ok(y)
}

pub(crate) fn pad(call: &Call) -> Result<Array> {
    let [before, after] = call.lists()?;
    let (a, first, last) = (call.a(), call.sizes(before)?, call.sizes(after)?);
    let sizes = a.shape().iter().zip(first.iter().zip(&last));
    let shape: Vec<usize> =
        sizes.map(|(n, (x, z))| n.saturating_add(x.saturating_add(*z))).collect();
    let y = Array::filled(a.dtype(), &shape, call.numbers[0])?;
    put_into(y, before, &vec![1; a.rank()], a)
}

pub(crate) fn spread(call: &Call) -> Result<Array> {
    let [shape, start, step] = call.lists()?;
    let (a, shape) = (call.a(), call.sizes(shape)?);
    check_slice("spread", &shape, start, step, a.shape())?;
    put_into(Array::filled(a.dtype(), &shape, 0.0)?, start, step, a)
}

pub(crate) fn assign(call: &Call) -> Result<Array> {
    let [start, step, count] = call.lists()?;
    let count = call.sizes(count)?;
    check_slice("assign", call.a().shape(), start, step, &count)?;
    put_into(call.a().copied()?, start, step, &call.operands[1].expand(&count)?)
}

/// The row-major positions of an array's elements, as an array.
fn positions(shape: &[usize]) -> Result<Array> {
    let count = count_of(shape)? as i64;
    Array::of(DType::Int64, shape, Numbers::Whole((0..count).map(Wrapping).collect()))
}

pub(crate) fn fold(call: &Call) -> Result<Array> {
    let (a, [n, stride, dilation]) = (call.a(), call.windows()?);
    let refused = || format!("fold: windows {:?} do not fit {n:?}", a.shape());
    let lead = a.rank().checked_sub(2 * n.len());
    need(lead.is_some(), refused)?;
    let lead = lead.unwrap_or(0);
    let (steps, size) = a.shape()[lead..].split_at(n.len());
    let shape = [&a.shape()[..lead], &call.sizes(n)?].concat();
    let places = positions(&shape)?;
    let (ones, zeros) = (vec![1; lead], vec![0; lead]);
    let step = [&ones, stride].concat();
    let count = [&a.shape()[..lead], steps].concat();
    // One window's elements after the other: those at each offset in all windows.
    let order: Vec<usize> = (lead + n.len()..a.rank()).chain(0..lead + n.len()).collect();
    let offsets = positions(size)?.integers()?;
    let mut targets = Vec::new();
    for offset in offsets {
        let mut rest = offset as usize;
        let mut first = zeros.clone();
        for d in (0..size.len()).rev() {
            first.insert(lead, (rest % size[d]) as i64 * dilation[d]);
            rest /= size[d];
        }
        targets.extend(sliced("fold", &places, &first, &step, &count)?.integers()?);
    }
    let added = a.permute(&order)?;
    add_to(&Array::filled(a.dtype(), &shape, 0.0)?, &targets, &added)
}

/// a with each element of b added at a position, in order.
fn add_to(a: &Array, positions: &[i64], b: &Array) -> Result<Array> {
    fn added<T: Number>(a: &Array, positions: &[i64], b: &Array) -> Result<Array> {
        let dtype = a.dtype().wide();
        let mut y: Vec<T> = a.read(dtype)?;
        let b = b.read::<T>(dtype)?;
        for (place, x) in positions.iter().zip(b) {
            let place = *place as usize;
            y[place] = T::of(y[place] + x, dtype);
        }
        Array::stored(a.dtype(), a.shape(), y)
    }
    in_type!(a.dtype(), T => added::<T>(a, positions, b))
}

pub(crate) fn cat(call: &Call) -> Result<Array> {
    let (first, axis) = (call.a(), call.axis(0)?);
    let mut shape = first.shape().to_vec();
    shape[axis] = 0;
    for a in call.operands {
        let is_like = |d: usize| d == axis || a.shape()[d] == first.shape()[d];
        let fits = a.rank() == shape.len() && (0..shape.len()).all(is_like);
        need(fits, || format!("cat: shapes {:?} and {:?} do not fit", first.shape(), a.shape()))?;
        shape[axis] = shape[axis].saturating_add(a.shape()[axis]);
    }
    let dtype = common(call.operands.iter().map(Array::dtype));
    let mut y = Array::filled(dtype, &shape, 0.0)?;
    let mut start = vec![0; shape.len()];
    for a in call.operands {
        y = put_into(y, &start, &vec![1; shape.len()], &a.cast(dtype)?)?;
        start[axis] += a.shape()[axis] as i64;
    }
    Ok(y)
}

// ---- indices

/// Indices, from 0, of n elements.
fn indices_of(name: &str, index: &Array, n: usize) -> Result<Vec<usize>> {
    need(index.dtype().is_integer(), || {
        format!("{name}: an index is of integers, not of {}", index.dtype().name())
    })?;
    let place = |i: i64| {
        let from_0 = if i < 0 { i.saturating_add(n as i64) } else { i };
        let is_within = (0..n as i64).contains(&from_0);
        let text = || Error::Index(format!("index {i} is out of range for {n} elements"));
        is_within.then_some(from_0 as usize).ok_or_else(text)
    };
    index.integers()?.into_iter().map(place).collect()
}

/// The shape of a[index], and the position in a of each of its elements.
fn rows_at(call: &Call) -> Result<(Vec<usize>, Vec<i64>)> {
    let (name, a, index) = (call.op.name, call.a(), &call.operands[1]);
    need(a.rank() > 0, || format!("{name}: an array without axes has no rows"))?;
    let shape = [index.shape(), &a.shape()[1..]].concat();
    let row = product_of(&a.shape()[1..]);
    let indices = indices_of(name, index, a.shape()[0])?;
    count_of(&shape)?;
    let places = indices.into_iter().flat_map(|i| (i * row..(i + 1) * row).map(|x| x as i64));
    Ok((shape, places.collect()))
}

/// The elements of an array at row-major positions.
fn at(a: &Array, shape: &[usize], positions: &[i64]) -> Result<Array> {
    let places: Vec<usize> = positions.iter().map(|x| *x as usize).collect();
    Array::of(a.dtype(), shape, a.numbers()?.at(&places))
}

pub(crate) fn take(call: &Call) -> Result<Array> {
    let (shape, places) = rows_at(call)?;
    at(call.a(), &shape, &places)
}

/// Rows that an index names, and b, which has their shape.
fn rows_for(call: &Call) -> Result<Vec<i64>> {
    let (shape, places) = rows_at(call)?;
    let b = &call.operands[2];
    need(b.shape() == shape, || {
        format!("{}: shape {:?} does not fit a[index], {shape:?}", call.op.name, b.shape())
    })?;
    Ok(places)
}

pub(crate) fn add_at(call: &Call) -> Result<Array> {
    add_to(call.a(), &rows_for(call)?, &call.operands[2])
}

pub(crate) fn put_at(call: &Call) -> Result<Array> {
    let (places, a) = (rows_for(call)?, call.a());
    let b = call.operands[2].cast(a.dtype())?.numbers()?;
    let mut y = a.numbers()?;
    for (i, place) in places.into_iter().enumerate() {
        let place = place as usize;
        match (&mut y, &b) {
            (Numbers::Single(y), Numbers::Single(b)) => y[place] = b[i],
            (Numbers::Double(y), Numbers::Double(b)) => y[place] = b[i],
            (Numbers::Whole(y), Numbers::Whole(b)) => y[place] = b[i],
            _ => unreachable!("both are of one type"),
        }
    }
    Array::of(a.dtype(), a.shape(), y)
}

/// The position in a of what each element of an index means, by its place on an axis.
fn along(call: &Call) -> Result<Vec<i64>> {
    let (name, a, index, axis) = (call.op.name, call.a(), &call.operands[1], call.axis(0)?);
    let fits = a.rank() == index.rank()
        && (0..a.rank()).all(|d| d == axis || index.shape()[d] <= a.shape()[d]);
    need(fits, || format!("{name}: indices {:?} do not fit shape {:?}", index.shape(), a.shape()))?;
    let mut shape = a.shape().to_vec();
    shape[axis] = 1;
    let (zeros, ones) = (vec![0; a.rank()], vec![1; a.rank()]);
    let mut count = index.shape().to_vec();
    count[axis] = 1;
    let stride = product_of(&a.shape()[axis + 1..]) as i64;
    let indices = indices_of(name, index, a.shape()[axis])?;
    if indices.is_empty() {
        return Ok(Vec::new());
    }
    let firsts = positions(a.shape())?.stepped(&zeros, &ones, &count)?;
    let firsts = firsts.expand(index.shape())?.integers()?;
    Ok(firsts.into_iter().zip(indices).map(|(first, i)| first + i as i64 * stride).collect())
}

pub(crate) fn gather(call: &Call) -> Result<Array> {
    at(call.a(), call.operands[1].shape(), &along(call)?)
}

pub(crate) fn scatter_add(call: &Call) -> Result<Array> {
    let (places, index, b) = (along(call)?, &call.operands[1], &call.operands[2]);
    let fits = b.rank() == index.rank() && b.shape().iter().zip(index.shape()).all(|(n, m)| n >= m);
    need(fits, || {
        format!("scatter_add: shape {:?} does not fit indices {:?}", b.shape(), index.shape())
    })?;
    let (zeros, ones) = (vec![0; b.rank()], vec![1; b.rank()]);
    add_to(call.a(), &places, &b.stepped(&zeros, &ones, index.shape())?)
}

pub(crate) fn nonzero(call: &Call) -> Result<Array> {
    let a = call.a();
    let numbers = a.numbers()?;
    let found: Vec<usize> = each!(&numbers, x => {
        (0..x.len()).filter(|i| x[*i] != Number::ZERO).collect()
    });
    let axes: Vec<usize> = (0..a.rank()).map(|d| product_of(&a.shape()[d + 1..])).collect();
    let place = |i: &usize, d: usize| Wrapping((i / axes[d] % a.shape()[d]) as i64);
    let rows = found.iter().flat_map(|i| (0..a.rank()).map(move |d| place(i, d)));
    Array::stored::<Int>(DType::Int64, &[found.len(), a.rank()], rows.collect())
}

pub(crate) fn select(call: &Call) -> Result<Array> {
    let [test, a, b] = call.operands else { unreachable!("where takes three operands") };
    need(test.dtype() == DType::Bool, || {
        format!("where: the test is of bools, not of {}", test.dtype().name())
    })?;
    let dtype = super::elements::common_of(&[a, b]);
    let shape = broadcast(&[test.shape(), a.shape(), b.shape()])?;
    let chosen = test.expand(&shape)?.integers()?;
    fn of<T: Number>(
        dtype: DType,
        shape: &[usize],
        chosen: &[i64],
        a: &Array,
        b: &Array,
    ) -> Result<Array> {
        let (a, b): (Vec<T>, Vec<T>) =
            (a.expand(shape)?.read(dtype)?, b.expand(shape)?.read(dtype)?);
        let pick = |(i, test): (usize, &i64)| if *test != 0 { a[i] } else { b[i] };
        Array::stored(dtype, shape, chosen.iter().enumerate().map(pick).collect())
    }
    in_type!(dtype, T => of::<T>(dtype, &shape, &chosen, a, b))
}
