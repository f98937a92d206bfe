//! The answers of ../../vectors about functions of float32, and ops of arrays and their gradients.

mod support;

use pymicrograd::arrays::{apply, gradients, Array, DType, Numbers, Op, Operand, Scalar, Tensor};
use support::{array_of, float_of, lines_of, names_in, shown, shown_entry, shown_or_null, Json};

fn tensor_of(entry: &Json) -> Tensor {
    let x = Tensor::new(array_of(entry));
    let flows = entry.get("gradient") == Some(&Json::Bool(true));
    if flows {
        x.requiring_gradient()
    } else {
        x
    }
}

fn number_of(entry: &Json) -> Scalar {
    let word = entry.at("elements").text();
    match entry.at("number").text() {
        "bool" => Scalar::Bool(word == "1"),
        "int" => Scalar::Int(word.parse().unwrap()),
        _ => Scalar::Float(float_of(word, DType::Float64)),
    }
}

fn operands_of(case: &Json) -> Vec<Operand> {
    let mut found: Vec<Operand> = Vec::new();
    for entry in case.at("operands").list() {
        found.push(match entry.get("same") {
            Some(i) => found[i.integer() as usize].clone(),
            None if entry.get("number").is_some() => Operand::Number(number_of(entry)),
            None => Operand::Tensor(tensor_of(entry)),
        });
    }
    found
}

fn shown_all(found: &[Option<Tensor>]) -> Vec<String> {
    let one = |x: &Option<Tensor>| x.as_ref().map_or("null".to_owned(), |x| shown(x.array()));
    found.iter().map(one).collect()
}

fn expected(case: &Json, key: &str) -> Vec<String> {
    case.at(key).list().iter().map(shown_or_null).collect()
}

/// Whether two tensors are one.
fn is_same(a: &Tensor, b: &Tensor) -> bool {
    std::ptr::eq(a.array(), b.array())
}

/// The result, gradients, and gradients of gradients that a line has.
fn check(name: &str, line: &str) {
    let case = Json::of(line);
    let operands = operands_of(&case);
    let integers: Vec<i64> = case.at("integers").list().iter().map(Json::integer).collect();
    let number = case.get("number").map(|x| float_of(x.text(), DType::Float64));
    let numbers: Vec<f64> = number.into_iter().collect();
    let y = apply(Op::named(name).unwrap(), &operands, &integers, &numbers)
        .unwrap_or_else(|error| panic!("{name}: {error}: {line}"));
    assert_eq!(shown(y.array()), shown_entry(case.at("result")), "{name} of {line}");
    let Some(seed) = case.get("seed") else {
        assert!(!y.requires_grad(), "{name} of {line}");
        return;
    };
    let mut inputs: Vec<Tensor> = Vec::new();
    for operand in &operands {
        if let Operand::Tensor(x) = operand {
            if x.requires_grad() && !inputs.iter().any(|known| is_same(known, x)) {
                inputs.push(x.clone());
            }
        }
    }
    let seed = Tensor::new(array_of(seed)).requiring_gradient();
    let (roots, seeds) = ([y], [Some(seed.clone())]);
    let plain = gradients(&roots, &seeds, &inputs, false).unwrap();
    assert_eq!(shown_all(&plain), expected(&case, "gradients"), "gradients of {name} of {line}");
    let first = gradients(&roots, &seeds, &inputs, true).unwrap();
    assert_eq!(shown_all(&first), expected(&case, "gradients"), "recorded, of {name} of {line}");
    let Some(weights) = case.get("weights") else { return };
    let weights: Vec<Option<Tensor>> = weights
        .list()
        .iter()
        .filter(|w| **w != Json::Null)
        .map(|w| Some(Tensor::new(array_of(w))))
        .collect();
    let roots: Vec<Tensor> = first.into_iter().flatten().filter(Tensor::requires_grad).collect();
    assert_eq!(roots.len(), weights.len(), "{name} of {line}");
    inputs.push(seed);
    let second = gradients(&roots, &weights, &inputs, false).unwrap();
    assert_eq!(shown_all(&second), expected(&case, "second"), "second of {name} of {line}");
}

#[test]
fn ops() {
    let names = names_in("arrays");
    assert!(names.len() > 100);
    for name in names {
        for line in lines_of(&format!("arrays/{name}.jsonl")) {
            check(&name, &line);
        }
    }
}

#[test]
fn every_op_of_the_table_is_known() {
    let table = Json::of(&lines_of("ops.json").concat());
    for row in table.list() {
        let name = row.at("name").text();
        assert_eq!(Op::named(name).is_ok(), name != "leaf", "{name}");
    }
}

/// A row of elements of float32, of columns of numbers.
fn row(name: &str, columns: &[Vec<f64>]) -> Array {
    let operand = |x: &Vec<f64>| {
        let numbers = Numbers::Double(x.clone());
        let array = Array::new(DType::Float32, &[x.len()], &numbers).unwrap();
        Operand::Tensor(Tensor::new(array))
    };
    let operands: Vec<Operand> = columns.iter().map(operand).collect();
    apply(Op::named(name).unwrap(), &operands, &[], &[]).unwrap().array().clone()
}

#[test]
fn functions_of_float32() {
    for name in names_in("functions/float32") {
        let lines = lines_of(&format!("functions/float32/{name}.txt"));
        let rows: Vec<Vec<&str>> = lines.iter().map(|line| line.split(' ').collect()).collect();
        let count = rows[0].len() - 1;
        let column = |i: usize| rows.iter().map(|row| float_of(row[i], DType::Float32)).collect();
        let columns: Vec<Vec<f64>> = (0..count).map(column).collect();
        let answers: Vec<&str> = rows.iter().map(|row| row[count]).collect();
        let found = shown(&row(&name, &columns));
        assert_eq!(found, format!("float32 [{}] {}", rows.len(), answers.join(" ")), "{name}");
    }
}

#[test]
fn angles_too_near_the_middle_of_two_floats() {
    let x = vec![vec![f64::from(f32::from_bits(0x4619_9998))]];
    assert_eq!(shown(&row("sin", &x)), "float32 [1] beb1fa5d");
    let x = vec![vec![1.100467763087514e19, 1.7269983397793917e20]];
    assert_eq!(shown(&row("cos", &x)), "float32 [2] 3f7f14bb 3f78142f");
}

#[test]
fn integers_wrap_in_the_last_bits() {
    let whole = |x: &[i64]| Numbers::Whole(x.iter().map(|x| std::num::Wrapping(*x)).collect());
    let cast = |dtype, x: &[i64]| {
        let a = Array::new(DType::Int64, &[x.len()], &whole(x)).unwrap().cast(dtype).unwrap();
        shown(&a)
    };
    assert_eq!(cast(DType::Int8, &[200, -129, 127]), "int8 [3] -56 127 127");
    assert_eq!(cast(DType::Bool, &[0, 256]), "bool [2] 0 1");
    // Ties that a way by float32 or float64 would round twice.
    assert_eq!(cast(DType::BFloat16, &[(1 << 40) + (1 << 32) + 1]), "bfloat16 [1] 5381");
    assert_eq!(cast(DType::Float32, &[(1 << 60) + (1 << 36) + 1]), "float32 [1] 5d800001");
}

#[test]
fn a_chain_may_be_long() {
    let one = Array::new(DType::Float32, &[], &Numbers::Double(vec![1.0])).unwrap();
    let x = Tensor::new(one).requiring_gradient();
    let add = Op::named("add").unwrap();
    let next = |y: Tensor, _| apply(add, &[(&y).into(), (&x).into()], &[], &[]).unwrap();
    let y = (0..100_000).fold(x.clone(), next);
    let found = gradients(&[y], &[None], std::slice::from_ref(&x), false).unwrap();
    let expected = Array::new(DType::Float32, &[], &Numbers::Double(vec![100_001.0])).unwrap();
    assert_eq!(shown_all(&found), [shown(&expected)]);
}

#[test]
fn what_does_not_fit_is_refused() {
    let of = |shape: &[usize]| {
        let count: usize = shape.iter().product();
        let array = Array::new(DType::Float32, shape, &Numbers::Double(vec![1.0; count]));
        Operand::Tensor(Tensor::new(array.unwrap()))
    };
    let refusal = |name: &str, operands: &[Operand], integers: &[i64]| {
        apply(Op::named(name).unwrap(), operands, integers, &[]).unwrap_err().to_string()
    };
    let shapes = "shapes [[2, 3], [2]] cannot be broadcast";
    assert_eq!(refusal("add", &[of(&[2, 3]), of(&[2])], &[]), shapes);
    let products = "matmul: shapes [2, 3] and [2, 3] do not fit: 3 != 2";
    assert_eq!(refusal("matmul", &[of(&[2, 3]), of(&[2, 3])], &[]), products);
    let operands = "add takes other operands, integers and numbers";
    assert_eq!(refusal("add", &[of(&[2])], &[]), operands);
    let inverse = "pow: an integer has no inverse; make it a float first";
    let number = |k| Operand::Number(Scalar::Int(k));
    assert_eq!(refusal("pow", &[number(2), number(-1)], &[]), inverse);
    let slice = "slice: 3 from 0 in steps of 1 of 2 elements";
    assert_eq!(refusal("slice", &[of(&[2])], &[0, 1, 3]), slice);
    assert_eq!(refusal("expand", &[of(&[1])], &[1 << 40]), "shape [1099511627776] is too large");
    assert_eq!(refusal("sum", &[of(&[1])], &[2, 0]), "sum: axes that the operand has not");
    assert_eq!(Op::named("sort").unwrap_err().to_string(), "no op is named \"sort\"");
}
