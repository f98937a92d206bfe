//! Files of vectors/, JSON among them, as far as they need it.

#![allow(dead_code)] // each of the tests needs other parts

use pymicrograd::arrays::{Array, DType, Numbers, NUMBERED};
use std::num::Wrapping;

pub fn path_of(path: &str) -> String {
    format!("{}/../../vectors/{path}", env!("CARGO_MANIFEST_DIR"))
}

pub fn lines_of(path: &str) -> Vec<String> {
    let text = std::fs::read_to_string(path_of(path)).expect("the vectors are there");
    text.lines().map(str::to_owned).collect()
}

/// The names, without extensions, of the files of a folder.
pub fn names_in(path: &str) -> Vec<String> {
    let files = std::fs::read_dir(path_of(path)).expect("the vectors are there");
    let name = |file: std::fs::DirEntry| file.path().file_stem().unwrap().to_owned();
    let names = files.map(|file| name(file.unwrap()).into_string().unwrap());
    let unique: std::collections::BTreeSet<String> = names.collect();
    unique.into_iter().collect()
}

#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    Integer(i64),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    pub fn of(text: &str) -> Self {
        let mut rest = text;
        let value = value_of(&mut rest);
        assert!(rest.trim().is_empty(), "something behind a value: {rest}");
        value
    }

    pub fn get(&self, key: &str) -> Option<&Json> {
        match self {
            Self::Object(pairs) => pairs.iter().find(|pair| pair.0 == key).map(|pair| &pair.1),
            _ => panic!("no object: {self:?}"),
        }
    }

    pub fn at(&self, key: &str) -> &Json {
        self.get(key).unwrap_or_else(|| panic!("no {key} in {self:?}"))
    }

    pub fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            _ => panic!("no text: {self:?}"),
        }
    }

    pub fn list(&self) -> &[Json] {
        match self {
            Self::List(items) => items,
            _ => panic!("no list: {self:?}"),
        }
    }

    pub fn integer(&self) -> i64 {
        match self {
            Self::Integer(n) => *n,
            _ => panic!("no integer: {self:?}"),
        }
    }
}

/// Pass over blanks and, if it comes next, a mark.
fn skip(rest: &mut &str, mark: &str) -> bool {
    *rest = rest.trim_start();
    let found = rest.strip_prefix(mark);
    *rest = found.unwrap_or(rest);
    found.is_some()
}

fn text_of(rest: &mut &str) -> String {
    let (text, after) = rest.split_once('"').expect("a text ends");
    assert!(!text.contains('\\'), "escapes are not known here");
    *rest = after;
    text.to_owned()
}

fn items_of<T>(rest: &mut &str, end: &str, item: fn(&mut &str) -> T) -> Vec<T> {
    let mut items = Vec::new();
    while !skip(rest, end) {
        items.push(item(rest));
        skip(rest, ",");
    }
    items
}

fn value_of(rest: &mut &str) -> Json {
    if skip(rest, "\"") {
        Json::Text(text_of(rest))
    } else if skip(rest, "[") {
        Json::List(items_of(rest, "]", value_of))
    } else if skip(rest, "{") {
        Json::Object(items_of(rest, "}", |rest| {
            assert!(skip(rest, "\""), "a key is a text");
            let key = text_of(rest);
            assert!(skip(rest, ":"), "a key has a value");
            (key, value_of(rest))
        }))
    } else if skip(rest, "null") {
        Json::Null
    } else if skip(rest, "true") {
        Json::Bool(true)
    } else if skip(rest, "false") {
        Json::Bool(false)
    } else {
        let end = rest.find(|c: char| c != '-' && !c.is_ascii_digit()).unwrap_or(rest.len());
        let number = rest[..end].parse().unwrap_or_else(|_| panic!("no integer: {rest}"));
        *rest = &rest[end..];
        Json::Integer(number)
    }
}

// ---- arrays as text

pub fn dtype_of(name: &str) -> DType {
    *NUMBERED.iter().find(|dtype| dtype.name() == name).expect("a known type")
}

/// The float whose bits are hex digits.
pub fn float_of(word: &str, dtype: DType) -> f64 {
    let bits = u64::from_str_radix(word, 16).expect("hex digits");
    match dtype {
        DType::Float64 => f64::from_bits(bits),
        DType::Float32 => f64::from(f32::from_bits(bits as u32)),
        DType::BFloat16 => f64::from(f32::from_bits((bits as u32) << 16)),
        _ => half_of(bits as u32),
    }
}

/// A float16, by its definition.
fn half_of(bits: u32) -> f64 {
    let (exponent, fraction) = (bits >> 10 & 31, f64::from(bits & 1023));
    let size = match exponent {
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        0 => fraction * 2.0_f64.powi(-24),
        _ => (1024.0 + fraction) * 2.0_f64.powi(exponent as i32 - 25),
    };
    if bits >> 15 == 1 {
        -size
    } else {
        size
    }
}

pub fn array_of(entry: &Json) -> Array {
    let dtype = dtype_of(entry.at("dtype").text());
    let shape: Vec<usize> = entry.at("shape").list().iter().map(|n| n.integer() as usize).collect();
    let words = entry.at("elements").text().split_whitespace();
    let numbers = if dtype.is_float() {
        Numbers::Double(words.map(|word| float_of(word, dtype)).collect())
    } else {
        Numbers::Whole(words.map(|word| Wrapping(word.parse().unwrap())).collect())
    };
    Array::new(dtype, &shape, &numbers).unwrap()
}

/// A number as it stands in a file; all NaNs are one.
fn word_of(x: f64, dtype: DType) -> String {
    match dtype {
        DType::Float64 if x.is_nan() => "7ff8000000000000".to_owned(),
        DType::Float64 => format!("{:016x}", x.to_bits()),
        DType::Float32 if x.is_nan() => "7fc00000".to_owned(),
        DType::Float32 => format!("{:08x}", (x as f32).to_bits()),
        DType::BFloat16 if x.is_nan() => "7fc0".to_owned(),
        DType::BFloat16 => {
            let bits = (x as f32).to_bits();
            assert!(bits & 0xFFFF == 0, "{x} is no bfloat16");
            format!("{:04x}", bits >> 16)
        }
        _ if x.is_nan() => "7e00".to_owned(),
        _ => {
            let equal = |bits: &u32| half_of(*bits).to_bits() == x.to_bits();
            format!("{:04x}", (0..1 << 16).find(equal).expect("a float16"))
        }
    }
}

/// An array as a file writes it: its type, its shape and its elements.
pub fn shown(a: &Array) -> String {
    let words: Vec<String> = match a.numbers().unwrap() {
        Numbers::Whole(x) => x.iter().map(|x| x.0.to_string()).collect(),
        x => (0..x.len()).map(|i| word_of(x.float(i), a.dtype())).collect(),
    };
    format!("{} {:?} {}", a.dtype().name(), a.shape(), words.join(" "))
}

/// The same of an entry of a file.
pub fn shown_entry(entry: &Json) -> String {
    let shape: Vec<i64> = entry.at("shape").list().iter().map(Json::integer).collect();
    let name = entry.at("dtype").text();
    format!("{name} {shape:?} {}", entry.at("elements").text())
}

/// The same of what may be null.
pub fn shown_or_null(entry: &Json) -> String {
    if *entry == Json::Null {
        "null".to_owned()
    } else {
        shown_entry(entry)
    }
}
