//! What ops pass on to their operands: compositions of ops, so that they can be recorded in turn.
//!
//! A rule is given the node y and its gradient g, the operands, and what else the op was called with.
//! It gives a tensor of the shape and type of the operand that is asked for.

use super::array::{product_of, Array};
use super::dtype::{DType, NUMBERED};
use super::error::Result;
use super::numbers::{in_float, Float, Int, Number};
use super::ops::{axes_of, lists_of, windows_of, Op};
use super::reductions::{freedom, rows_of};
use super::rows::{norm_power, targets_of};
use super::tensor::{apply, Operand, Tensor};
use super::term::{constant, Term};
use std::cell::OnceCell;
use std::num::Wrapping;

/// What a rule knows.
pub(crate) struct Known<'a> {
    pub y: Tensor,
    pub g: Tensor,
    pub operands: Vec<Tensor>,
    pub op: &'static Op,
    pub integers: &'a [i64],
    pub numbers: &'a [f64],
    /// The operand that is asked for.
    pub which: usize,
    /// g, y, a and b as they are computed with.
    pub wide: [OnceCell<Tensor>; 4],
}

impl Known<'_> {
    fn operand(&self) -> &Tensor {
        &self.operands[self.which]
    }

    fn a(&self) -> &Tensor {
        &self.operands[0]
    }

    fn axes(&self) -> Vec<usize> {
        axes_of(self.integers[0], self.a().array().rank()).unwrap_or_default()
    }

    /// The type that numbers of y's are computed in.
    fn dtype(&self) -> DType {
        self.y.dtype().wide()
    }

    /// A tensor in that type, cast once.
    fn cast_once(&self, place: usize, x: &Tensor) -> Term {
        let made = || {
            if let Some(known) = self.wide[place].get() {
                return Ok(known.clone());
            }
            let made = cast_to(x, self.dtype())?;
            Ok(self.wide[place].get_or_init(|| made).clone())
        };
        made().into()
    }
}

// ---- ops on tensors

fn call(name: &str, operands: &[&Tensor], integers: &[i64], numbers: &[f64]) -> Result<Tensor> {
    let operands: Vec<Operand> = operands.iter().map(|x| Operand::from(*x)).collect();
    apply(Op::named(name)?, &operands, integers, numbers)
}

fn as_integers(sizes: &[usize]) -> Vec<i64> {
    sizes.iter().map(|n| *n as i64).collect()
}

fn reshaped(x: &Tensor, shape: &[usize]) -> Result<Tensor> {
    call("reshape", &[x], &as_integers(shape), &[])
}

fn permuted(x: &Tensor, axes: &[usize]) -> Result<Tensor> {
    call("permute", &[x], &as_integers(axes), &[])
}

/// A cast, unless it has the type.
pub(crate) fn cast_to(x: &Tensor, dtype: DType) -> Result<Tensor> {
    if x.dtype() == dtype {
        return Ok(x.clone());
    }
    let number = NUMBERED.iter().position(|known| *known == dtype).unwrap_or(0);
    call("cast", &[x], &[number as i64], &[])
}

fn expanded_to(x: &Tensor, shape: &[usize]) -> Result<Tensor> {
    if x.shape() == shape {
        return Ok(x.clone());
    }
    call("expand", &[x], &as_integers(shape), &[])
}

/// A reduction over axes.
fn over(name: &str, x: &Tensor, axes: &[usize], keep: bool) -> Result<Tensor> {
    let mask = axes.iter().fold(0, |mask, d| mask | 1_i64 << d);
    call(name, &[x], &[mask, i64::from(keep)], &[])
}

/// The sum of all elements.
pub(crate) fn total(x: &Tensor) -> Result<Tensor> {
    over("sum", x, &(0..x.shape().len()).collect::<Vec<usize>>(), false)
}

/// The sum over the axes along which a shape was broadcast.
fn summed_to(x: &Tensor, shape: &[usize]) -> Result<Tensor> {
    if x.shape() == shape {
        return Ok(x.clone());
    }
    let added = x.shape().len() - shape.len();
    let is_joined = |d: &usize| *d < added || (shape[d - added] == 1 && x.shape()[*d] != 1);
    let axes: Vec<usize> = (0..x.shape().len()).filter(is_joined).collect();
    let total = over("sum", x, &axes, added == 0)?;
    if added > 0 {
        reshaped(&total, shape)
    } else {
        Ok(total)
    }
}

/// A gradient, which has y's shape or is one number, in the shape and type of an operand.
fn fit(gradient: &Tensor, y: &Tensor, operand: &Tensor) -> Result<Tensor> {
    let is_one = |x: &Tensor| product_of(x.shape()) == 1;
    let is_few = gradient.shape().len() < operand.shape().len();
    let is_single = is_one(gradient) && !is_one(operand);
    let whole =
        expanded_to(gradient, if is_few || is_single { y.shape() } else { gradient.shape() })?;
    cast_to(&summed_to(&whole, operand.shape())?, operand.dtype())
}

fn zeros(like: &Tensor) -> Result<Tensor> {
    Ok(Tensor::new(Array::filled(like.dtype(), like.shape(), 0.0)?))
}

fn leaf<T: Number>(dtype: DType, shape: &[usize], x: Vec<T>) -> Result<Tensor> {
    Ok(Tensor::new(Array::stored(dtype, shape, x)?))
}

fn ones(x: &Tensor) -> Vec<i64> {
    vec![1; x.shape().len()]
}

fn sliced(x: &Tensor, start: &[i64], step: &[i64], count: &[usize]) -> Result<Tensor> {
    call("slice", &[x], &[start, step, &as_integers(count)].concat(), &[])
}

/// The first elements along each axis.
fn first_of(x: &Tensor, count: &[usize]) -> Result<Tensor> {
    sliced(x, &vec![0; count.len()], &ones(x), count)
}

// ---- elements

const SQRT_2_OVER_PI: f64 = 0.7978845608028654;
const LOG_2: f64 = 0.6931471805599453;

/// a within bounds beyond which gradients that say so do not change.
fn near(a: &Term) -> Term {
    a.clamp_min(-1000.0).clamp_max(1000.0)
}

/// The hyperbolic tangent in the tanh form of gelu.
fn gelu_inner(a: &Term) -> Term {
    (SQRT_2_OVER_PI * (near(a) + 0.044715 * ((near(a) * near(a)) * near(a)))).tanh()
}

fn gelu_tanh_gradient(a: &Term, g: &Term) -> Term {
    let falling = 1.0 - gelu_inner(a) * gelu_inner(a);
    let slope = SQRT_2_OVER_PI * (1.0 + 0.134145 * (near(a) * near(a)));
    (0.5 * (1.0 + gelu_inner(a)) + ((0.5 * near(a)) * falling) * slope) * g
}

fn gelu_slope_gradient(a: &Term, g: &Term) -> Term {
    let density = (-0.5 * (near(a) * near(a))).exp() * 0.3989422804014327;
    ((2.0 - near(a) * near(a)) * density) * g
}

/// The formula of a row of csrc/ops.def, with a, b, y and g as they are computed with.
fn formula(known: &Known) -> Term {
    let g = &known.cast_once(0, &known.g);
    let y = || known.cast_once(1, &known.y);
    let a = || known.cast_once(2, known.a());
    let b = || known.cast_once(3, &known.operands[1]);
    match (known.op.name, known.which) {
        ("add", _) | ("sub" | "remainder", 0) => g.clone(),
        ("sub", _) | ("neg", _) => g.neg(),
        ("mul", 0) => b() * g,
        ("mul", _) => a() * g,
        ("div", 0) => g / b(),
        ("div", _) => -((g * y()) / b()),
        ("pow_number", _) => match known.numbers[0] {
            0.0 => 0.0.into(),
            k => (k * a().pow_number(k - 1.0)) * g,
        },
        ("pow", 0) => b().eq(0.0).choose(0.0, (b() * a().pow(b() - 1.0)) * g),
        ("pow", _) => {
            let is_flat = a().eq(0.0).bitwise_and(b().ge(0.0));
            is_flat.choose(0.0, (y() * a().log()) * g)
        }
        ("relu", _) => y().step().mask(g),
        ("tanh", _) => (1.0 - y().pow_number(2.0)) * g,
        ("exp", _) => y() * g,
        ("log", _) => (1.0 / a()) * g,
        ("sin", _) => a().cos() * g,
        ("cos", _) => -a().sin() * g,
        ("expm1", _) => a().exp() * g,
        ("log1p", _) => (1.0 / (1.0 + a())) * g,
        ("sigmoid", _) => (y() * (1.0 - y())) * g,
        ("softplus", _) => a().sigmoid() * g,
        ("gelu", _) => a().gelu_slope() * g,
        ("gelu_tanh", _) => gelu_tanh_gradient(&a(), g),
        ("gelu_slope", _) => gelu_slope_gradient(&a(), g),
        ("silu", _) => {
            let a = &a();
            (near(a).sigmoid() * (1.0 + near(a) * (1.0 - near(a).sigmoid()))) * g
        }
        ("erf", _) => (1.1283791670955126 * (-(a() * a())).exp()) * g,
        ("abs", _) => a().sign().mask(g),
        ("maximum", 0) | ("minimum", 1) => a().share(b()).mask(g),
        ("maximum", _) | ("minimum", _) => b().share(a()).mask(g),
        ("square", _) => (2.0 * a()) * g,
        ("squared_difference", 0) => (a() - b()) * g + (a() - b()) * g,
        ("squared_difference", _) => -((a() - b()) * g + (a() - b()) * g),
        ("sqrt", _) => g / (2.0 * y()),
        ("rsqrt", _) => (-0.5 * ((y() * y()) * y())) * g,
        ("reciprocal", _) => -(y() * y()) * g,
        ("exp2", _) => (y() * LOG_2) * g,
        ("log2", _) => g / (a() * LOG_2),
        ("tan", _) => (1.0 + y() * y()) * g,
        ("asin", _) => g / (1.0 - a() * a()).sqrt(),
        ("acos", _) => -(g / (1.0 - a() * a()).sqrt()),
        ("atan", _) => g / (1.0 + a() * a()),
        ("sinh", _) => a().cosh() * g,
        ("cosh", _) => a().sinh() * g,
        ("asinh", _) => g / (a() * a() + 1.0).sqrt(),
        ("acosh", _) => g / (a() * a() - 1.0).sqrt(),
        ("atanh", _) => g / (1.0 - a() * a()),
        ("clamp_min", 0) => a().at_least(b()).mask(g),
        ("clamp_min", _) => a().below(b()).mask(g),
        ("clamp_max", 0) => b().at_least(a()).mask(g),
        ("clamp_max", _) => b().below(a()).mask(g),
        ("remainder", _) => -a().floor_divide(b()) * g,
        ("mask", 1) => a().mask(g),
        _ => 0.0.into(), // steps
    }
}

pub(crate) fn of_elements(known: &Known) -> Result<Tensor> {
    let made = formula(known).tensor(&known.y)?;
    // What is g itself has not lost what a type of 16 bits would take.
    let is_g = known.wide[0].get().is_some_and(|g| g.identity() == made.identity());
    let own = if is_g { known.g.clone() } else { cast_to(&made, known.y.dtype())? };
    fit(&own, &known.y, known.operand())
}

// ---- movement and copies

pub(crate) fn reshape(known: &Known) -> Result<Tensor> {
    reshaped(&known.g, known.a().shape())
}

/// The axes that undo a permutation.
fn undone(axes: &[usize]) -> Vec<usize> {
    (0..axes.len()).map(|d| axes.iter().position(|x| *x == d).unwrap_or(0)).collect()
}

pub(crate) fn permute(known: &Known) -> Result<Tensor> {
    let axes: Vec<usize> = known.integers.iter().map(|d| *d as usize).collect();
    permuted(&known.g, &undone(&axes))
}

/// Of a function: a sweep asks its caller.
pub(crate) fn of_caller(_: &Known) -> Result<Tensor> {
    unreachable!("the gradients of a function are its caller's")
}

/// Of expand and cast, and of copies.
pub(crate) fn fitted(known: &Known) -> Result<Tensor> {
    fit(&known.g, &known.y, known.a())
}

/// The lists of an op with one an axis of a.
fn lists<'a, const N: usize>(known: &'a Known) -> Result<[&'a [i64]; N]> {
    lists_of(known.op, known.integers, known.a().array().rank())
}

pub(crate) fn slice(known: &Known) -> Result<Tensor> {
    let [start, step, _] = lists(known)?;
    call("spread", &[&known.g], &[&as_integers(known.a().shape()), start, step].concat(), &[])
}

pub(crate) fn spread(known: &Known) -> Result<Tensor> {
    let [_, start, step] = lists(known)?;
    sliced(&known.g, start, step, known.a().shape())
}

pub(crate) fn pad(known: &Known) -> Result<Tensor> {
    let [before, _] = lists(known)?;
    sliced(&known.g, before, &ones(known.a()), known.a().shape())
}

/// Windows, or what folds them, of other sizes than an op has.
fn with_sizes(name: &str, x: &Tensor, sizes: &[usize], lists: [&[i64]; 3]) -> Result<Tensor> {
    let count = [lists[0].len() as i64];
    call(name, &[x], &[&count, &as_integers(sizes)[..], lists[1], lists[2]].concat(), &[])
}

pub(crate) fn window(known: &Known) -> Result<Tensor> {
    let lists = windows_of(known.op, known.integers)?;
    let shape = known.a().shape();
    with_sizes("fold", &known.g, &shape[shape.len() - lists[0].len()..], lists)
}

pub(crate) fn fold(known: &Known) -> Result<Tensor> {
    let lists = windows_of(known.op, known.integers)?;
    let shape = known.a().shape();
    let windows = with_sizes("window", &known.g, &shape[shape.len() - lists[0].len()..], lists)?;
    first_of(&windows, shape)
}

pub(crate) fn cat(known: &Known) -> Result<Tensor> {
    let (a, axis) = (known.operand(), known.integers[0] as usize);
    let mut start = vec![0; a.shape().len()];
    let before = known.operands[..known.which].iter();
    start[axis] = before.map(|x| x.shape()[axis] as i64).sum();
    fit(&sliced(&known.g, &start, &ones(a), a.shape())?, &known.y, a)
}

pub(crate) fn assign(known: &Known) -> Result<Tensor> {
    let [start, step, count] = lists(known)?;
    if known.which == 1 {
        let count: Vec<usize> = count.iter().map(|n| *n as usize).collect();
        return fit(&sliced(&known.g, start, step, &count)?, &known.y, known.operand());
    }
    call("assign", &[&known.g, &constant(&known.g, 0.0)?], known.integers, &[])
}

// ---- indices

pub(crate) fn take(known: &Known) -> Result<Tensor> {
    call("add_at", &[&zeros(known.a())?, &known.operands[1], &known.g], &[], &[])
}

pub(crate) fn add_at(known: &Known) -> Result<Tensor> {
    if known.which == 0 {
        return Ok(known.g.clone());
    }
    fit(&call("take", &[&known.g, &known.operands[1]], &[], &[])?, &known.y, known.operand())
}

/// The gradient of a row goes to the last of several that were put there.
pub(crate) fn put_at(known: &Known) -> Result<Tensor> {
    let (g, a, index) = (&known.g, known.a(), &known.operands[1]);
    if known.which == 0 {
        return call("put_at", &[g, index, &zeros(&known.operands[2])?], &[], &[]);
    }
    let count = index.array().count() as i64;
    let numbers = leaf::<Int>(DType::Int64, index.shape(), (0..count).map(Wrapping).collect())?;
    let none = Tensor::new(Array::filled(DType::Int64, &a.shape()[..1], 0.0)?);
    let last = call("put_at", &[&none, index, &numbers], &[], &[])?;
    let wins = call("eq", &[&call("take", &[&last, index], &[], &[])?, &numbers], &[], &[])?;
    let shape = [index.shape(), &vec![1; a.shape().len() - 1]].concat();
    let rows = call("take", &[g, index], &[], &[])?;
    let kept = call("where", &[&reshaped(&wins, &shape)?, &rows, &constant(g, 0.0)?], &[], &[])?;
    fit(&kept, &known.y, known.operand())
}

pub(crate) fn gather(known: &Known) -> Result<Tensor> {
    let (a, index) = (known.a(), &known.operands[1]);
    call("scatter_add", &[&zeros(a)?, index, &known.g], known.integers, &[])
}

pub(crate) fn scatter_add(known: &Known) -> Result<Tensor> {
    if known.which == 0 {
        return Ok(known.g.clone());
    }
    let (index, b) = (&known.operands[1], known.operand());
    let mut gathered = call("gather", &[&known.g, index], known.integers, &[])?;
    if b.shape() != index.shape() {
        let how = [as_integers(b.shape()), vec![0; b.shape().len()], ones(b)].concat();
        gathered = call("spread", &[&gathered], &how, &[])?;
    }
    fit(&gathered, &known.y, b)
}

pub(crate) fn select(known: &Known) -> Result<Tensor> {
    let (test, zero) = (known.a(), constant(&known.g, 0.0)?);
    let pair = if known.which == 1 { [&known.g, &zero] } else { [&zero, &known.g] };
    fit(&call("where", &[test, pair[0], pair[1]], &[], &[])?, &known.y, known.operand())
}

// ---- reductions

/// A result of a reduction of a with the reduced axes back, with size 1.
fn with_axes(x: &Tensor, a: &Tensor, axes: &[usize]) -> Result<Tensor> {
    let size = |d: usize| if axes.contains(&d) { 1 } else { a.shape()[d] };
    reshaped(x, &(0..a.shape().len()).map(size).collect::<Vec<usize>>())
}

/// How many elements each result is reduced from.
fn reduced_count(a: &Tensor, axes: &[usize]) -> usize {
    product_of(&axes.iter().map(|d| a.shape()[*d]).collect::<Vec<usize>>())
}

pub(crate) fn sum(known: &Known) -> Result<Tensor> {
    let a = known.a();
    expanded_to(&with_axes(&known.g, a, &known.axes())?, a.shape())
}

pub(crate) fn mean(known: &Known) -> Result<Tensor> {
    let (a, axes) = (known.a(), known.axes());
    // A type of 16 bits cannot count.
    let share = Term::from(cast_to(&known.g, known.dtype())) / reduced_count(a, &axes) as f64;
    let share = with_axes(&share.tensor(&known.g)?, a, &axes)?;
    fit(&expanded_to(&share, a.shape())?, &known.y, a)
}

/// g times the product of the other factors, exact also where factors are 0.
pub(crate) fn prod(known: &Known) -> Result<Tensor> {
    let (a, axes) = (known.a(), known.axes());
    let n = reduced_count(a, &axes);
    if a.array().count() == 0 {
        return zeros(a);
    }
    let rank = a.shape().len();
    let order: Vec<usize> = (0..rank).filter(|d| !axes.contains(d)).chain(axes.clone()).collect();
    let moved = permuted(a, &order)?;
    let others = products_of_others(&reshaped(&moved, &[a.array().count() / n, n])?)?;
    let back = permuted(&reshaped(&others, moved.shape())?, &undone(&order))?;
    (Term::from(&back) * &with_axes(&known.g, a, &axes)?).tensor(a)
}

/// For each element of rows (.., n) the product of the others of its row.
fn products_of_others(x: &Tensor) -> Result<Tensor> {
    let [rows, n] = [x.shape()[0], x.shape()[1]];
    if n == 1 {
        return call("expand", &[&constant(x, 1.0)?], &as_integers(x.shape()), &[]);
    }
    let half = n.div_ceil(2);
    let first = first_of(x, &[rows, half])?;
    let mut second = sliced(x, &[0, half as i64], &[1, 1], &[rows, n - half])?;
    if n % 2 == 1 {
        second = call("pad", &[&second], &[0, 0, 0, 1], &[1.0])?;
    }
    let (u, v) = (&Term::from(&first), &Term::from(&second));
    let others = products_of_others(&(u * v).tensor(x)?)?;
    let of_second = (Term::from(&others) * u).tensor(x)?;
    let of_second = first_of(&of_second, &[rows, n - half])?;
    call("cat", &[&(Term::from(&others) * v).tensor(x)?, &of_second], &[1], &[])
}

/// The places that hold an extremum share its gradient; NaN is one.
pub(crate) fn extremum(known: &Known) -> Result<Tensor> {
    let (a, axes) = (known.a(), known.axes());
    let dtype = a.dtype().wide();
    let (x, y) = (Term::from(a), &Term::from(&with_axes(&known.y, a, &axes)?));
    let both = x.ne(&x).bitwise_and(y.ne(y));
    let here = x.eq(y).bitwise_or(both);
    let truths = here.clone().tensor(a)?;
    let count = over("sum", &cast_to(&truths, dtype)?, &axes, true)?;
    let g = cast_to(&with_axes(&known.g, a, &axes)?, dtype)?;
    let share = (Term::from(&g) / &count).tensor(&g)?;
    fit(&here.choose(&share, &constant(&share, 0.0)?).tensor(a)?, &known.y, a)
}

/// 2 / (n - correction) * g * (a - mean), in the type that g has.
fn variance_gradient(known: &Known, g: &Tensor) -> Result<Tensor> {
    let (a, axes) = (known.a(), known.axes());
    let n = reduced_count(a, &axes);
    let left = in_float!(g.dtype(), T => freedom::<T>(n, known.numbers[0]).double());
    let by = Term::from(&constant(g, 2.0)?) / &constant(g, left)?;
    let scaled = by * &with_axes(g, a, &axes)?;
    let wide = cast_to(a, g.dtype())?;
    let less = Term::from(&wide) - &over("mean", &wide, &axes, true)?;
    fit(&(scaled * less).tensor(a)?, &known.y, a)
}

pub(crate) fn var(known: &Known) -> Result<Tensor> {
    variance_gradient(known, &cast_to(&known.g, known.dtype())?)
}

/// Nothing flows on from a deviation of 0.
pub(crate) fn std(known: &Known) -> Result<Tensor> {
    let y = cast_to(&known.y, known.dtype())?;
    let of_var = Term::from(cast_to(&known.g, known.dtype()));
    let of_var = of_var / (Term::from(&constant(&y, 2.0)?) * &y);
    let chosen = Term::from(&y).eq(0.0).choose(&constant(&y, 0.0)?, of_var);
    variance_gradient(known, &chosen.tensor(&y)?)
}

pub(crate) fn logsumexp(known: &Known) -> Result<Tensor> {
    let (a, axes) = (known.a(), known.axes());
    let less = Term::from(a) - &with_axes(&known.y, a, &axes)?;
    let made = Term::from(&with_axes(&known.g, a, &axes)?) * less.exp();
    fit(&made.tensor(a)?, &known.y, a)
}

/// The order along an axis turned round.
fn flipped(x: &Tensor, axis: usize) -> Result<Tensor> {
    let (mut start, mut step) = (vec![0; x.shape().len()], ones(x));
    (start[axis], step[axis]) = (x.shape()[axis] as i64 - 1, -1);
    sliced(x, &start, &step, x.shape())
}

pub(crate) fn cumsum(known: &Known) -> Result<Tensor> {
    let axis = known.integers[0] as usize;
    let sums = call("cumsum", &[&flipped(&known.g, axis)?], known.integers, &[])?;
    flipped(&sums, axis)
}

// ---- products

/// Its last two axes swapped.
fn transposed(x: &Tensor) -> Result<Tensor> {
    let rank = x.shape().len();
    permuted(x, &(0..rank - 2).chain([rank - 1, rank - 2]).collect::<Vec<usize>>())
}

/// A vector as a matrix of one row or one column.
fn as_matrix(x: &Tensor, is_row: bool) -> Result<Tensor> {
    match x.shape() {
        [n] => reshaped(x, &if is_row { [1, *n] } else { [*n, 1] }),
        _ => Ok(x.clone()),
    }
}

pub(crate) fn matmul(known: &Known) -> Result<Tensor> {
    let (a, b, operand) = (known.a(), &known.operands[1], known.operand());
    let is_vector = |x: &Tensor| x.shape().len() == 1;
    let mut g = known.g.clone();
    if is_vector(a) || is_vector(b) {
        let matrices = [a, b].into_iter().filter(|x| !is_vector(x)).count();
        let batch = &known.y.shape()[..known.y.shape().len() - matrices];
        let m = if is_vector(a) { 1 } else { a.shape()[a.shape().len() - 2] };
        let n = if is_vector(b) { 1 } else { b.shape()[b.shape().len() - 1] };
        g = reshaped(&g, &[batch, &[m, n]].concat())?;
    }
    let mut made = if known.which == 0 {
        call("matmul", &[&g, &transposed(&as_matrix(b, false)?)?], &[], &[])?
    } else {
        call("matmul", &[&transposed(&as_matrix(a, true)?)?, &g], &[], &[])?
    };
    if is_vector(operand) {
        let k = operand.shape()[0];
        let shape = if known.which == 0 { [1, k] } else { [k, 1] };
        made = reshaped(&summed_to(&made, &shape)?, operand.shape())?;
    }
    fit(&made, &known.y, operand)
}

pub(crate) fn convolve(known: &Known) -> Result<Tensor> {
    let (y, operand) = (&known.y, known.operand());
    if known.which == 2 {
        let axes: Vec<usize> = (0..y.shape().len()).filter(|d| *d != 1).collect();
        return fit(&over("sum", &known.g, &axes, false)?, y, operand);
    }
    let (kernels, a) = (known.a(), &known.operands[1]);
    let lists = windows_of(known.op, known.integers)?;
    let (s, [groups, m, k]) = (lists[0].len(), [0, 1, 2].map(|d| kernels.shape()[d]));
    let (n, steps) = (y.shape()[0], &y.shape()[2..]);
    let count = product_of(steps);
    let order: Vec<usize> = [0, 1].into_iter().chain(2 + s..2 + 2 * s).chain(2..2 + s).collect();
    let g = reshaped(&known.g, &[n, groups, m, count])?;
    if known.which == 0 {
        let seen = permuted(&call("window", &[a], known.integers, &[])?, &order)?;
        let columns = transposed(&reshaped(&seen, &[n, groups, k, count])?)?;
        return fit(&call("matmul", &[&g, &columns], &[], &[])?, y, kernels);
    }
    let made = call("matmul", &[&transposed(kernels)?, &g], &[], &[])?;
    let size: Vec<usize> = lists[0].iter().map(|n| *n as usize).collect();
    let made = reshaped(&made, &[&[n, a.shape()[1]], &size[..], steps].concat())?;
    fit(&with_sizes("fold", &permuted(&made, &order)?, &a.shape()[2..], lists)?, y, a)
}

/// (.., n) as a matrix.
fn as_rows(x: &Tensor) -> Result<Tensor> {
    match x.shape() {
        [_, _] => Ok(x.clone()),
        [lead @ .., n] => reshaped(x, &[product_of(lead), *n]),
        [] => unreachable!("rows have an axis"),
    }
}

pub(crate) fn linear(known: &Known) -> Result<Tensor> {
    let (rows, x, weight) = (as_rows(&known.g)?, known.a(), &known.operands[1]);
    let made = match known.which {
        0 => reshaped(&call("matmul", &[&rows, weight], &[], &[])?, x.shape())?,
        1 => call("matmul", &[&transposed(&rows)?, &as_rows(x)?], &[], &[])?,
        _ => over("sum", &rows, &[0], false)?,
    };
    fit(&made, &known.y, known.operand())
}

// ---- rows

pub(crate) fn softmax(known: &Known) -> Result<Tensor> {
    let (y, g, axis) = (Term::from(&known.y), Term::from(&known.g), known.integers[0] as usize);
    let total = over("sum", &(&g * &y).tensor(&known.y)?, &[axis], true)?;
    fit(&(y * (g - &total)).tensor(&known.y)?, &known.y, known.a())
}

pub(crate) fn log_softmax(known: &Known) -> Result<Tensor> {
    let (y, g, axis) = (Term::from(&known.y), Term::from(&known.g), known.integers[0] as usize);
    let total = over("sum", &known.g, &[axis], true)?;
    fit(&(g - y.exp() * &total).tensor(&known.y)?, &known.y, known.a())
}

/// (softmax(logits) - what it should be) * (weight of the row * g); 0 in rows that are ignored.
pub(crate) fn cross_entropy(known: &Known) -> Result<Tensor> {
    let (logits, dtype) = (known.a(), known.dtype());
    let [n, classes] = [logits.shape()[0], logits.shape()[1]];
    let (reduction, ignored) = (known.integers[0], known.integers[1]);
    let rows = targets_of(known.operands[1].array(), ignored, classes)?;
    let counted = rows.iter().flatten().count();
    let (weights, expected) = in_float!(dtype, T => {
        let s = T::narrow(known.numbers[0]);
        let even = s / T::narrow(classes as f64);
        let target = even + (T::ONE - s);
        let share = T::narrow(if reduction == 2 { 1.0 / counted as f64 } else { 1.0 });
        let weight = |t: &Option<usize>| if t.is_some() { share } else { T::ZERO };
        let of_row = |t: &Option<usize>| {
            let t = *t;
            (0..classes).map(move |c| if t == Some(c) { target } else { even })
        };
        (
            leaf(dtype, &[n, 1], rows.iter().map(weight).collect())?,
            leaf(dtype, &[n, classes], rows.iter().flat_map(of_row).collect())?,
        )
    });
    let counts = rows.iter().map(|t| Wrapping(i64::from(t.is_some()))).collect();
    let counts = Term::from(&leaf::<Int>(DType::Bool, &[n, 1], counts)?);
    let kept = |x: Tensor| {
        let zero = constant(&x, 0.0)?;
        if counted < n {
            counts.choose(&x, &zero).tensor(&x)
        } else {
            Ok(x)
        }
    };
    let mut g = cast_to(&known.g, dtype)?;
    if reduction == 0 {
        g = reshaped(&g, &[n, 1])?;
    }
    let x = kept(cast_to(logits, dtype)?)?;
    let less = Term::from(call("softmax", &[&x], &[1], &[])) - &expected;
    let gradient = less * (Term::from(&weights) * &g);
    fit(&kept(gradient.tensor(&x)?)?, &known.y, logits)
}

pub(crate) fn layer_norm(known: &Known) -> Result<Tensor> {
    norm(known, true)
}

pub(crate) fn rms_norm(known: &Known) -> Result<Tensor> {
    norm(known, false)
}

/// scale * (h - mean h - normal * mean of h * normal), h = g * weight; mean h only of the norm that
/// subtracts a mean.
fn norm(known: &Known, is_centered: bool) -> Result<Tensor> {
    let (a, dtype, operand) = (known.a(), known.dtype(), known.operand());
    let rank = a.shape().len();
    let lead = rank - known.integers[0] as usize;
    let last: Vec<usize> = (lead..rank).collect();
    let epsilon = known.numbers[0];
    let (wide_g, wide) = (cast_to(&known.g, dtype)?, cast_to(a, dtype)?);
    let g = Term::from(&wide_g);
    let (powers, is_scaled) = in_float!(dtype, T => {
        let (rows, n) = rows_of::<T>(wide.array(), &last, dtype)?;
        let count = product_of(&a.shape()[..lead]);
        let power = |i: usize| norm_power(&rows[i * n..(i + 1) * n], epsilon, is_centered);
        let powers: Vec<T> = (0..count).map(power).collect();
        let shape = [&a.shape()[..lead], &vec![1; rank - lead]].concat();
        let is_scaled = powers.iter().any(|power| *power != T::ONE);
        (leaf(dtype, &shape, powers)?, is_scaled)
    });
    let by = Term::from(&powers);
    let (mut x, mut added) = (Term::from(&wide), Term::from(&constant(&wide, epsilon)?));
    if is_scaled {
        (x, added) = (x * &by, added * &by * &by);
    }
    let mean = |x: Term| Term::from(x.tensor(&wide).and_then(|x| over("mean", &x, &last, true)));
    if is_centered {
        x = &x - mean(x.clone());
    }
    let scale = (mean(&x * &x) + added).rsqrt();
    let normal = x * &scale;
    if known.which == 2 {
        return fit(&summed_to(&wide_g, operand.shape())?, &known.y, operand);
    }
    if known.which == 1 {
        let made = (g * normal).tensor(&wide)?;
        return fit(&summed_to(&made, operand.shape())?, &known.y, operand);
    }
    let h = match known.operands.get(1) {
        Some(weight) => g * &cast_to(weight, dtype)?,
        None => g,
    };
    let shared = mean(&h * &normal);
    let less = if is_centered { &h - mean(h.clone()) } else { h };
    let slope = if is_scaled { scale * &by } else { scale };
    fit(&(slope * (less - normal * shared)).tensor(&wide)?, &known.y, a)
}
