//! The answers of ../../vectors; a difference tells of what, the input and both results.

use pymicrograd::losses::{cross_entropy, margin_loss, mse_loss};
use pymicrograd::{vmath, Adam, Generator, MathError, Mlp, Op, Optimizer, Program, Sgd, Value};
use std::collections::HashMap;
use std::fs;

#[path = "../examples/demo.rs"]
mod demo;

fn text_of(path: &str) -> String {
    let file = format!("{}/../../vectors/{path}", env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The names, without extensions, of the files of a folder.
fn names_in(path: &str) -> Vec<String> {
    let folder = format!("{}/../../vectors/{path}", env!("CARGO_MANIFEST_DIR"));
    let files = fs::read_dir(folder).expect("the vectors are there");
    let name = |file: fs::DirEntry| file.path().file_stem().unwrap().to_str().unwrap().to_owned();
    files.map(|file| name(file.unwrap())).collect()
}

fn number(word: &str) -> f64 {
    f64::from_bits(u64::from_str_radix(word, 16).expect("16 hex digits"))
}

fn hex(x: f64) -> String {
    format!("{:016x}", if x.is_nan() { 0x7FF8_0000_0000_0000 } else { x.to_bits() })
}

fn hexes(numbers: impl IntoIterator<Item = f64>) -> String {
    numbers.into_iter().map(hex).collect::<Vec<_>>().join(" ")
}

fn expect(what: &str, input: &str, expected: &str, found: &str) {
    assert!(expected == found, "{what} of {input}: expected {expected}, got {found}");
}

type Function = fn(f64) -> f64;

#[rustfmt::skip]
const FUNCTIONS: [(&str, Function); 25] = [
    ("acos", vmath::acos), ("acosh", vmath::acosh), ("asin", vmath::asin), ("asinh", vmath::asinh),
    ("atan", vmath::atan), ("atanh", vmath::atanh), ("cos", vmath::cos), ("cosh", vmath::cosh),
    ("erf", vmath::erf), ("exp", vmath::exp), ("exp2", vmath::exp2), ("expm1", vmath::expm1),
    ("gelu", vmath::gelu), ("gelu_slope", vmath::gelu_slope), ("gelu_tanh", vmath::gelu_tanh),
    ("log", vmath::log), ("log1p", vmath::log1p), ("log2", vmath::log2), ("silu", vmath::silu),
    ("sigmoid", vmath::sigmoid), ("sin", vmath::sin), ("sinh", vmath::sinh),
    ("softplus", vmath::softplus), ("tan", vmath::tan), ("tanh", vmath::tanh),
];

#[test]
fn functions() {
    assert_eq!(names_in("functions/float64").len(), FUNCTIONS.len() + 1);
    for (name, f) in FUNCTIONS {
        for line in text_of(&format!("functions/float64/{name}.txt")).lines() {
            let (x, y) = line.split_once(' ').unwrap();
            expect(name, x, y, &hex(f(number(x))));
        }
    }
    for line in text_of("functions/float64/pow.txt").lines() {
        let (input, z) = line.rsplit_once(' ').unwrap();
        let (x, y) = input.split_once(' ').unwrap();
        expect("pow", input, z, &hex(vmath::pow(number(x), number(y))));
    }
}

#[test]
fn random_numbers() {
    let kinds: [fn(&mut Generator) -> String; 3] = [
        |generator| format!("{:08x}", generator.u32()),
        |generator| hex(generator.random()),
        |generator| hex(generator.normal(0.0, 1.0)),
    ];
    for name in names_in("generator") {
        let generator = Generator::new(u64::from_str_radix(&name, 16).unwrap()).unwrap();
        let text = text_of(&format!("generator/{name}.txt"));
        let (rows, shuffled) = text.trim_end().rsplit_once("\nshuffle ").unwrap();
        let rows: Vec<Vec<&str>> = rows.lines().map(|row| row.split(' ').collect()).collect();
        for (column, draw) in kinds.iter().enumerate() {
            let mut own = generator.clone();
            for row in &rows[..1000] {
                expect("a random number", &name, row[column], &draw(&mut own));
            }
            for _ in 1001..1_000_000 {
                match column {
                    2 => own.normal(0.0, 1.0),
                    _ => own.random(),
                };
            }
            expect("number 1,000,000", &name, rows[1000][column], &draw(&mut own));
        }
        let mut items: Vec<u32> = (0..100).collect();
        generator.clone().shuffle(&mut items);
        let items: Vec<String> = items.iter().map(u32::to_string).collect();
        expect("a shuffle", &name, shuffled, &items.join(" "));
    }
    assert!(Generator::new(0).is_none());
}

fn word_of(error: MathError) -> &'static str {
    match error {
        MathError::Division => "division",
        MathError::Overflow => "overflow",
        MathError::Domain => "domain",
    }
}

/// y and the gradients that a backward leaves, or the error and where it comes.
fn answer(op: Op, leaves: &[Value], g: f64) -> String {
    let y = match Value::try_record(op, leaves) {
        Ok(y) => y,
        Err(error) => return format!("value {}", word_of(error)),
    };
    match y.try_backward(g) {
        Ok(()) => hexes([y.data()].into_iter().chain(leaves.iter().map(Value::grad))),
        Err(error) => format!("gradient {}", word_of(error)),
    }
}

#[test]
fn ops() {
    for name in names_in("scalars") {
        for line in text_of(&format!("scalars/{name}.txt")).lines() {
            let mut words: Vec<&str> = line.split(' ').collect();
            let first = number(words.remove(0));
            let (op, mut operands) = match Op::named(&name) {
                Some(op) => (op, vec![first]),
                None => (Op::PowNumber(number(words.remove(0))), vec![first]),
            };
            if op.arity() == 2 {
                operands.push(number(words.remove(0)));
            }
            let g = number(words.remove(0));
            let (numbers, error): (Vec<&str>, Vec<&str>) =
                words.iter().partition(|w| w.len() == 16);
            let leaves = || operands.iter().copied().map(Value::new).collect::<Vec<_>>();
            let expected = if error.is_empty() { numbers.join(" ") } else { error.join(" ") };
            expect(&name, line, &expected, &answer(op, &leaves(), g));
            let own = leaves();
            let y = Value::record(op, &own);
            y.flow(g);
            let found = hexes([y.data()].into_iter().chain(own.iter().map(Value::grad)));
            expect(&name, line, &numbers.join(" "), &found);
        }
    }
}

#[test]
fn graphs() {
    for block in text_of("graphs.txt").split("graph\n").skip(1) {
        let mut nodes: Vec<Value> = Vec::new();
        for line in block.lines() {
            let mut words = line.split(' ').collect::<Vec<_>>();
            match words.remove(0) {
                "second" => {} // gradients are not recorded here
                "grads" => {
                    nodes.last().unwrap().backward();
                    expect(
                        "gradients",
                        block,
                        &words.join(" "),
                        &hexes(nodes.iter().map(Value::grad)),
                    );
                }
                "leaf" => nodes.push(Value::new(number(words[0]))),
                name => {
                    let data = words.pop().unwrap();
                    let op = Op::named(name);
                    let op = op.unwrap_or_else(|| Op::PowNumber(number(words.pop().unwrap())));
                    let at = words.iter().map(|word| nodes[word.parse::<usize>().unwrap()].clone());
                    nodes.push(Value::record(op, &at.collect::<Vec<_>>()));
                    expect(line, block, data, &hex(nodes.last().unwrap().data()));
                }
            }
        }
    }
}

/// The optimizer of a run.
fn optimizer_of(
    name: &str,
    numbers: &HashMap<&str, f64>,
    parameters: Vec<Value>,
) -> Box<dyn Optimizer> {
    if name == "SGD" {
        let mut sgd = Sgd::new(parameters);
        (sgd.lr, sgd.momentum) = (numbers["lr"], numbers["momentum"]);
        (sgd.dampening, sgd.weight_decay) = (numbers["dampening"], numbers["weight_decay"]);
        sgd.nesterov = numbers["nesterov"] != 0.0;
        return Box::new(sgd);
    }
    let mut adam = if name == "Adam" { Adam::new(parameters) } else { Adam::decoupled(parameters) };
    (adam.lr, adam.beta1, adam.beta2) = (numbers["lr"], numbers["beta1"], numbers["beta2"]);
    (adam.eps, adam.weight_decay) = (numbers["eps"], numbers["weight_decay"]);
    Box::new(adam)
}

fn loss_of(name: &str, outputs: &[Vec<Value>], labels: &[usize]) -> Value {
    if name == "cross_entropy" {
        return cross_entropy(outputs, labels);
    }
    let scores: Vec<Value> = outputs.iter().map(|row| row[0].clone()).collect();
    let signs: Vec<f64> = labels.iter().map(|&label| if label == 0 { -1.0 } else { 1.0 }).collect();
    if name == "mse_loss" {
        mse_loss(&scores, &signs)
    } else {
        margin_loss(&scores, &signs)
    }
}

/// Train as the head of a file says; the lines of the answers, but for hashes.
fn train(head: &str) -> Vec<String> {
    let value = |key: &str| head.lines().find_map(|line| line.strip_prefix(key)).unwrap().trim();
    let words: Vec<&str> = value("numbers").split(' ').collect();
    let numbers = words.chunks(2).map(|pair| (pair[0], number(pair[1]))).collect();
    let sizes: Vec<usize> = value("sizes").split(' ').map(|n| n.parse().unwrap()).collect();
    let mut generator = Generator::new(u64::from_str_radix(value("state"), 16).unwrap()).unwrap();
    let model = Mlp::new(&sizes, &mut generator, Op::named(value("activation")).unwrap());
    let parameters = model.parameters();
    let mut optimizer = optimizer_of(value("optimizer"), &numbers, parameters.clone());
    let points = head.lines().filter_map(|line| line.strip_prefix("point "));
    let points: Vec<Vec<&str>> = points.map(|line| line.split(' ').collect()).collect();
    let labels: Vec<usize> = points.iter().map(|words| words[2].parse().unwrap()).collect();
    let mut lines = vec![format!("initial {}", hexes(parameters.iter().map(Value::data)))];
    let steps: usize = value("steps").parse().unwrap();
    for step in 0..steps {
        let call = |words: &Vec<&str>| model.call(&[number(words[0]), number(words[1])]);
        let loss = loss_of(value("loss "), &points.iter().map(call).collect::<Vec<_>>(), &labels);
        optimizer.zero_grad();
        loss.backward();
        optimizer.step();
        if step % 10 == 0 || step == steps - 1 {
            lines.push(format!("loss {step} {}", hex(loss.data())));
        }
    }
    lines.push(format!("final {}", hexes(parameters.iter().map(Value::data))));
    lines
}

#[test]
fn training_runs() {
    for name in names_in("runs").iter().filter(|name| *name != "demo_lines") {
        let text = text_of(&format!("runs/{name}.txt"));
        let (head, answers) = text.split_once("\ninitial ").unwrap();
        let answers = format!("initial {answers}");
        let expected: Vec<&str> = answers.lines().filter(|x| !x.starts_with("sha256")).collect();
        let found = train(head);
        assert_eq!(expected.len(), found.len());
        for (theirs, own) in expected.iter().zip(&found) {
            expect("a run", name, theirs, own);
        }
    }
}

fn program_of(name: &str) -> Vec<u8> {
    let file = format!("{}/../../vectors/programs/{name}.mgp", env!("CARGO_MANIFEST_DIR"));
    fs::read(file).expect("the vectors are there")
}

/// Make steps; gives the lines of their answers.
fn answers_of(program: &mut Program, steps: usize) -> Vec<String> {
    let (mut losses, mut error) = (Vec::new(), None);
    for _ in 0..steps {
        match program.step() {
            Ok(loss) => losses.extend(loss),
            Err(raised) => {
                error = Some(raised);
                break;
            }
        }
    }
    let shown = |key: &str, numbers: &[f64]| {
        format!("{key} {}", hexes(numbers.iter().copied())).trim_end().to_owned()
    };
    let mut lines = vec![shown("losses", &losses)];
    if error.is_none() {
        lines.push(shown("outputs", &program.outputs));
    }
    lines.push(shown("data", &program.data));
    lines.push(shown("gradients", &program.gradients));
    lines.extend(error.map(|error| format!("error {}", word_of(error))));
    lines
}

#[test]
fn programs() {
    let names: std::collections::HashSet<String> = names_in("programs").into_iter().collect();
    assert!(names.len() > 4);
    for name in names {
        let mut program = Program::new(&program_of(&name)).unwrap();
        let (text, mut found) = (text_of(&format!("programs/{name}.txt")), Vec::new());
        for line in text.lines() {
            let (key, rest) = line.split_once(' ').unwrap_or((line, ""));
            if key == "inputs" {
                program.inputs = rest.split(' ').map(number).collect();
            }
            if key == "inputs" || key == "run" {
                found.push(line.to_owned());
            }
            if key == "run" {
                found.extend(answers_of(&mut program, rest.parse().unwrap()));
            }
        }
        assert_eq!(found, text.lines().collect::<Vec<_>>(), "{name}");
    }
}

#[test]
fn a_damaged_program_is_refused() {
    let bytes = program_of("adamw");
    assert_eq!(Program::new(&bytes).unwrap().names[0], "layers.0.neurons.0.w.0");
    for at in [0, 5, 9, 17, 25, 70, 600] {
        let mut damaged = bytes.clone();
        damaged[at] ^= 4;
        assert!(Program::new(&damaged).is_err());
    }
    assert!(Program::new(&bytes[..40]).is_err());
}

/// The CRC-32 of bytes, as zip has it.
fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| crc >> 1 ^ (crc & 1) * 0xEDB8_8320)
    })
}

#[test]
fn what_a_checksum_does_not_show_is_refused_or_another_number() {
    let bytes = program_of("with_inputs");
    for at in 24..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x80;
        let crc = checksum(&damaged[16..]).to_le_bytes();
        damaged[8..12].copy_from_slice(&crc);
        if let Ok(mut program) = Program::new(&damaged) {
            let _ = program.step(); // which does not panic
        }
    }
}

#[test]
#[should_panic(expected = "how many the program takes")]
fn a_program_has_as_many_inputs_as_it_takes() {
    let mut program = Program::new(&program_of("with_inputs")).unwrap();
    program.inputs.push(1.0);
    let _ = program.step();
}

#[test]
fn the_demo_prints_the_lines_of_c() {
    let found = demo::demo();
    assert_eq!(text_of("runs/demo_lines.txt").lines().collect::<Vec<_>>(), found);
}

#[test]
fn numbers_are_written_as_python_writes_them() {
    let texts = [
        ("0.0", 0.0),
        ("-0.0", -0.0),
        ("1.0", 1.0),
        ("0.1", 0.1),
        ("0.0001", 1e-4),
        ("1e-05", 1e-5),
        ("1.5e-07", 1.5e-7),
        ("1e+16", 1e16),
        ("1234567890123456.0", 1234567890123456.0),
        ("1.2345e+22", 1.2345e22),
        ("5e-324", 5e-324),
        ("-123.456", -123.456),
        ("nan", f64::NAN),
        ("-inf", f64::NEG_INFINITY),
    ];
    for (text, x) in texts {
        assert_eq!(pymicrograd::floats::repr(x), text);
    }
    assert_eq!(format!("{:.6} {:.6}", 0.0078125, 0.0234375), "0.007812 0.023438");
}

#[test]
fn a_chain_may_be_long() {
    let x = Value::new(1.0);
    let y = (0..100_000).fold(x.clone(), |y, _| &y + &x);
    y.backward();
    assert_eq!(x.grad(), 100_001.0);
}

#[test]
fn a_backward_that_fails_leaves_gradients_as_they_were() {
    let x = Value::new(0.0);
    x.set_grad(3.0);
    let y = &x.powf(0.5) + &x;
    assert_eq!(y.try_backward(1.0), Err(MathError::Division));
    assert_eq!(x.grad(), 3.0);
}
