//! An array: a type, a shape, and where in a memory its elements lie. Views show the same memory.
//!
//! A memory counts how often it was written to. While a gradient is computed it may be told what
//! count it must still have: reading then refuses what is no longer what the op has read.

use super::dtype::DType;
use super::error::{need, Error, Result};
use super::numbers::{Number, Numbers};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

pub(crate) const MOST_AXES: usize = 16;
/// Elements of an array: what asks for more is refused before memory is.
pub(crate) const MOST_ELEMENTS: usize = 1 << 27;

/// Numbers, and how often they were written to.
#[derive(Debug)]
pub(crate) struct Memory {
    numbers: RefCell<Numbers>,
    pub version: Cell<u64>,
    /// The version that a gradient may read.
    pub expected: Cell<Option<u64>>,
    /// Whether nothing may be written there: a function got it as a gradient.
    pub is_lent: Cell<bool>,
}

/// Elements of one type at even distances along each axis.
#[derive(Clone, Debug)]
pub struct Array {
    dtype: DType,
    shape: Vec<usize>,
    strides: Vec<isize>,
    offset: isize,
    memory: Rc<Memory>,
}

/// The number of elements of a shape.
///
/// # Errors
/// There are too many of them, or too many axes.
pub(crate) fn count_of(shape: &[usize]) -> Result<usize> {
    need(shape.len() <= MOST_AXES, || format!("{} axes are more than {MOST_AXES}", shape.len()))?;
    let count = product_of(shape);
    need(count <= MOST_ELEMENTS, || format!("shape {shape:?} is too large"))?;
    Ok(count)
}

/// The same, of any number of them; the greatest that there is where it is larger.
pub(crate) fn product_of(shape: &[usize]) -> usize {
    if shape.contains(&0) {
        return 0;
    }
    shape.iter().fold(1, |count: usize, n| count.saturating_mul(*n))
}

/// The shape that shapes are repeated to, to be one.
pub(crate) fn broadcast(shapes: &[&[usize]]) -> Result<Vec<usize>> {
    let rank = shapes.iter().map(|shape| shape.len()).max().unwrap_or(0);
    let mut result = vec![1; rank];
    for shape in shapes {
        for (n, known) in shape.iter().rev().zip(result.iter_mut().rev()) {
            let fits = *n == 1 || *known == 1 || *known == *n;
            need(fits, || format!("shapes {shapes:?} cannot be broadcast"))?;
            if *n != 1 {
                *known = *n;
            }
        }
    }
    Ok(result)
}

/// Distances of elements that lie one behind the other.
fn strides_of(shape: &[usize]) -> Vec<isize> {
    let mut strides = vec![1; shape.len()];
    for d in (1..shape.len()).rev() {
        strides[d - 1] = isize::wrapping_mul(strides[d], shape[d] as isize);
    }
    strides
}

impl Array {
    /// An array of numbers in row-major order, which are cast to the type.
    ///
    /// # Errors
    /// They do not fill the shape.
    pub fn new(dtype: DType, shape: &[usize], numbers: &Numbers) -> Result<Self> {
        Self::of(dtype, shape, numbers.cast(dtype))
    }

    /// The same of numbers that are of the type.
    pub(crate) fn of(dtype: DType, shape: &[usize], numbers: Numbers) -> Result<Self> {
        let count = count_of(shape)?;
        let fits = count == numbers.len();
        need(fits, || format!("{} numbers do not fill the shape {shape:?}", numbers.len()))?;
        let memory = Memory {
            numbers: RefCell::new(numbers),
            version: Cell::new(0),
            expected: Cell::new(None),
            is_lent: Cell::new(false),
        };
        Ok(Self {
            dtype,
            shape: shape.to_vec(),
            strides: strides_of(shape),
            offset: 0,
            memory: Rc::new(memory),
        })
    }

    /// An array of results in a type that they are computed in.
    pub(crate) fn stored<T: Number>(dtype: DType, shape: &[usize], x: Vec<T>) -> Result<Self> {
        Self::new(dtype, shape, &T::pack(x))
    }

    /// An array of one number everywhere.
    pub(crate) fn filled(dtype: DType, shape: &[usize], x: impl Number) -> Result<Self> {
        let count = count_of(shape)?;
        let one = Number::pack(vec![x]).cast(dtype);
        Self::of(dtype, shape, one.at(&vec![0; count]))
    }

    pub fn dtype(&self) -> DType {
        self.dtype
    }

    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    pub fn count(&self) -> usize {
        product_of(&self.shape)
    }

    pub(crate) fn memory(&self) -> &Rc<Memory> {
        &self.memory
    }

    // ---- reading and writing

    /// Where elements lie, in row-major order.
    fn places(&self) -> Vec<usize> {
        if self.count() == 0 {
            return Vec::new();
        }
        let mut places = vec![self.offset as usize];
        for (n, stride) in self.shape.iter().zip(&self.strides) {
            let along = |place: usize| {
                (0..*n as isize).map(move |i| (place as isize + i * stride) as usize)
            };
            if *n != 1 {
                places = places.into_iter().flat_map(along).collect();
            }
        }
        places
    }

    /// The numbers in row-major order.
    ///
    /// # Errors
    /// A gradient needs what was there before a write.
    pub fn numbers(&self) -> Result<Numbers> {
        let is_known = self.memory.expected.get().map_or(true, |x| x == self.memory.version.get());
        if !is_known {
            let text = "an array that a gradient needs was written to in place";
            return Err(Error::State(text.to_owned()));
        }
        let numbers = self.memory.numbers.borrow();
        if self.is_row_major() && self.count() == numbers.len() {
            return Ok(numbers.clone());
        }
        Ok(numbers.at(&self.places()))
    }

    /// The same in the type that numbers of a dtype, to which they are cast, are computed in.
    pub(crate) fn read<T: Number>(&self, dtype: DType) -> Result<Vec<T>> {
        let numbers = self.numbers()?;
        Ok(T::unpack(if dtype == self.dtype { numbers } else { numbers.cast(dtype) }))
    }

    /// Its integers, or 0 and 1 of bools.
    pub(crate) fn integers(&self) -> Result<Vec<i64>> {
        Ok(self.read::<super::numbers::Int>(DType::Int64)?.into_iter().map(|x| x.0).collect())
    }

    /// Put other numbers there, cast to its type; whoever shows this memory sees them.
    ///
    /// # Errors
    /// Two elements lie at one place, or a function got it as a gradient.
    pub(crate) fn write(&self, numbers: &Numbers) -> Result<()> {
        let is_lent = self.memory.is_lent.get();
        need(!is_lent, || "a function writes to the gradient that it got".to_owned())?;
        let refused = || "an array whose elements share places cannot be written to".to_owned();
        need(!self.overlaps(), refused)?;
        let numbers = numbers.cast(self.dtype);
        let places = self.places();
        match (&mut *self.memory.numbers.borrow_mut(), numbers) {
            (Numbers::Single(y), Numbers::Single(x)) => put(y, &places, x),
            (Numbers::Double(y), Numbers::Double(x)) => put(y, &places, x),
            (Numbers::Whole(y), Numbers::Whole(x)) => put(y, &places, x),
            _ => unreachable!("numbers of an array are held in its own type"),
        }
        self.memory.version.set(self.memory.version.get() + 1);
        Ok(())
    }

    /// A copy with a memory of its own.
    pub fn copied(&self) -> Result<Self> {
        Self::of(self.dtype, &self.shape, self.numbers()?)
    }

    /// The numbers as numbers of another type.
    pub fn cast(&self, dtype: DType) -> Result<Self> {
        Self::new(dtype, &self.shape, &self.numbers()?)
    }

    /// Whether elements lie one behind the other.
    pub fn is_row_major(&self) -> bool {
        let own = strides_of(&self.shape);
        let is_as = |d: usize| self.shape[d] == 1 || self.strides[d] == own[d];
        self.count() == 0 || (0..self.rank()).all(is_as)
    }

    /// Whether two elements lie at one place.
    pub(crate) fn overlaps(&self) -> bool {
        let mut axes: Vec<usize> = (0..self.rank()).filter(|d| self.shape[*d] > 1).collect();
        axes.sort_by_key(|d| self.strides[*d].unsigned_abs());
        let mut span = 0; // from the first to the last element along the axes so far
        let is_apart = |d: &usize| {
            let stride = self.strides[*d].unsigned_abs();
            let is_beyond = stride > span;
            span += stride * (self.shape[*d] - 1);
            is_beyond
        };
        if self.count() == 0 || axes.iter().all(is_apart) {
            return false;
        }
        let mut places = self.places();
        places.sort_unstable();
        places.windows(2).any(|pair| pair[0] == pair[1])
    }

    // ---- views

    fn shown(&self, shape: Vec<usize>, strides: Vec<isize>, offset: isize) -> Result<Self> {
        count_of(&shape)?;
        Ok(Self { dtype: self.dtype, shape, strides, offset, memory: Rc::clone(&self.memory) })
    }

    /// The numbers in the same order in another shape: a view where strides can show it.
    pub fn reshape(&self, shape: &[usize]) -> Result<Self> {
        let fits = product_of(shape) == self.count();
        need(fits, || format!("reshape: shape {:?} does not fit {shape:?}", self.shape))?;
        count_of(shape)?;
        if self.is_row_major() {
            return self.shown(shape.to_vec(), strides_of(shape), self.offset);
        }
        match self.strides_as(shape) {
            Some(strides) => self.shown(shape.to_vec(), strides, self.offset),
            None => Self::of(self.dtype, shape, self.numbers()?),
        }
    }

    /// The strides that show it in another shape. There are elements.
    fn strides_as(&self, shape: &[usize]) -> Option<Vec<isize>> {
        let mut axes = (0..self.rank()).filter(|d| self.shape[*d] > 1).rev().peekable();
        let (mut left, mut stride) = (1, 1); // elements of axes that are joined, and their distance
        let mut strides = vec![0; shape.len()];
        for d in (0..shape.len()).rev().filter(|d| shape[*d] > 1) {
            if left == 1 {
                let own = axes.next()?;
                (left, stride) = (self.shape[own], self.strides[own]);
            }
            let mut size = left;
            while let Some(next) =
                axes.next_if(|x| size % shape[d] != 0 && self.strides[*x] == stride * size as isize)
            {
                size *= self.shape[next];
            }
            if size % shape[d] != 0 {
                return None;
            }
            strides[d] = stride;
            (left, stride) = (size / shape[d], stride * shape[d] as isize);
        }
        Some(strides)
    }

    /// A view whose axis d is axis axes[d]; these are all axes.
    pub(crate) fn permute(&self, axes: &[usize]) -> Result<Self> {
        let shape = axes.iter().map(|d| self.shape[*d]).collect();
        let strides = axes.iter().map(|d| self.strides[*d]).collect();
        self.shown(shape, strides, self.offset)
    }

    /// A view repeated along new first axes and along axes of size 1.
    pub fn expand(&self, shape: &[usize]) -> Result<Self> {
        let refused = || format!("expand: shape {:?} does not fit {shape:?}", self.shape);
        let added = shape.len().checked_sub(self.rank());
        need(added.is_some(), refused)?;
        let mut strides = vec![0; shape.len()];
        for (d, n) in self.shape.iter().enumerate() {
            let at = added.unwrap_or(0) + d;
            need(*n == 1 || *n == shape[at], refused)?;
            strides[at] = if *n == 1 { 0 } else { self.strides[d] };
        }
        self.shown(shape.to_vec(), strides, self.offset)
    }

    /// A view of start, start + step .. along each axis, which lie within it.
    pub(crate) fn stepped(&self, start: &[i64], step: &[i64], count: &[usize]) -> Result<Self> {
        let moved = start.iter().zip(&self.strides).map(|(i, s)| (*i as isize).wrapping_mul(*s));
        let offset = self.offset + if count.contains(&0) { 0 } else { moved.sum::<isize>() };
        let strides = step.iter().zip(&self.strides).map(|(t, s)| (*t as isize).wrapping_mul(*s));
        self.shown(count.to_vec(), strides.collect(), offset)
    }

    /// A view of windows of sizes along the last axes, which lie within them: (.., steps, sizes).
    pub(crate) fn windows(
        &self,
        steps: &[usize],
        size: &[usize],
        stride: &[i64],
        dilation: &[i64],
    ) -> Result<Self> {
        let lead = self.rank() - size.len();
        let shape = [&self.shape[..lead], steps, size].concat();
        let mut strides = self.strides[..lead].to_vec();
        for distance in [stride, dilation] {
            let last = distance.iter().zip(&self.strides[lead..]);
            strides.extend(last.map(|(t, s)| (*t as isize).wrapping_mul(*s)));
        }
        self.shown(shape, strides, self.offset)
    }
}

fn put<T>(y: &mut [T], places: &[usize], x: Vec<T>) {
    for (place, number) in places.iter().zip(x) {
        y[*place] = number;
    }
}
