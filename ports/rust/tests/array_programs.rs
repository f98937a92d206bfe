//! The answers of ../../vectors about programs of arrays from files, and what becomes of damage.

mod support;

use pymicrograd::arrays::{Array, DType, Error, Numbers, Result};
use pymicrograd::{load, ArrayProgram, Program, Stored};
use support::{array_of, lines_of, names_in, path_of, shown, shown_or_null, Json};

fn bytes_of(name: &str) -> Vec<u8> {
    std::fs::read(path_of(&format!("array_programs/{name}.mgp"))).expect("the vectors are there")
}

fn program_of(name: &str) -> ArrayProgram {
    match load(&bytes_of(name)).unwrap_or_else(|error| panic!("{name}: {error}")) {
        Stored::Arrays(program) => program,
        Stored::Numbers(_) => panic!("{name} is of numbers"),
    }
}

fn expect(what: &str, entries: &Json, found: impl Iterator<Item = Option<Array>>) {
    let found: Vec<String> = found.map(|x| x.map_or("null".into(), |x| shown(&x))).collect();
    let expected: Vec<String> = entries.list().iter().map(shown_or_null).collect();
    assert_eq!(found, expected, "{what}");
}

#[test]
fn programs() {
    let names = names_in("array_programs");
    assert!(names.len() > 8);
    for name in names {
        let mut program = program_of(&name);
        for (i, line) in lines_of(&format!("array_programs/{name}.jsonl")).iter().enumerate() {
            let (call, what) = (Json::of(line), format!("{name}, call {i}"));
            let inputs: Vec<Array> = call.at("inputs").list().iter().map(array_of).collect();
            let outputs = program.call(&inputs).map(<[Array]>::to_vec);
            match call.get("error") {
                None => {
                    let outputs = outputs.unwrap_or_else(|error| panic!("{what}: {error}"));
                    expect(&what, call.at("outputs"), outputs.into_iter().map(Some));
                }
                Some(_) => assert!(matches!(outputs, Err(Error::Index(_))), "{what}"),
            }
            let arrays = program.arrays().iter();
            expect(&what, call.at("arrays"), arrays.clone().map(|x| Some(x.array().clone())));
            let gradients = arrays.map(|x| x.gradient().map(|g| g.array().clone()));
            expect(&what, call.at("gradients"), gradients);
        }
    }
}

#[test]
fn one_entry_loads_either_kind() {
    let of_numbers = std::fs::read(path_of("programs/adamw.mgp")).unwrap();
    assert!(matches!(load(&of_numbers), Ok(Stored::Numbers(_))));
    assert!(matches!(load(&bytes_of("mlp")), Ok(Stored::Arrays(_))));
    assert!(Program::new(&bytes_of("mlp")).is_err());
    assert!(ArrayProgram::new(&of_numbers).is_err());
    assert!(load(b"MGP1").is_err());
}

#[test]
fn names_and_numbers_are_those_of_the_file() {
    let mut program = program_of("mlp");
    assert!(program.names().iter().any(|name| name == "0.weight"), "{:?}", program.names());
    let group = &mut program.updates[0][0];
    assert_eq!((group.names()[0], group.numbers[0]), ("lr", 0.05));
    group.numbers[0] = 0.0;
    group.numbers[4] = 0.0; // weight_decay
    let weights = |program: &ArrayProgram| shown(program.arrays()[1].array());
    let before = weights(&program);
    program.run().unwrap();
    assert_eq!(weights(&program), before);
}

#[test]
fn inputs_of_other_shapes_are_refused_and_nothing_is_written() {
    let mut program = program_of("mlp");
    let before: Vec<String> = program.arrays().iter().map(|x| shown(x.array())).collect();
    let own: Vec<Array> = program.inputs().into_iter().flatten().cloned().collect();
    let other = Array::new(DType::Int64, &[1], &Numbers::Double(vec![0.0])).unwrap();
    let argument = |found: Result<&[Array]>| matches!(found, Err(Error::Argument(_)));
    assert!(argument(program.call(&own[..1])));
    assert!(argument(program.call(&[own[0].clone(), other])));
    let after: Vec<String> = program.arrays().iter().map(|x| shown(x.array())).collect();
    assert_eq!(before, after);
}

// ---- damage

/// The CRC-32 of bytes, as zip has it.
fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ ((crc & 1) * 0xEDB8_8320))
    })
}

/// A file with its checksum made right.
fn mended(mut bytes: Vec<u8>) -> Vec<u8> {
    let size = (bytes.len() as u64).to_le_bytes();
    bytes[16..24].copy_from_slice(&size);
    let crc = checksum(&bytes[16..]).to_le_bytes();
    bytes[8..12].copy_from_slice(&crc);
    bytes
}

fn is_refused(bytes: &[u8]) -> bool {
    matches!(load(bytes), Err(Error::File(text)) if !text.is_empty())
}

#[test]
fn a_damaged_program_is_refused() {
    let bytes = bytes_of("in_place");
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 4;
        assert!(is_refused(&damaged), "byte {at}");
        assert!(is_refused(&bytes[..at]), "cut at {at}");
    }
}

#[test]
fn what_a_checksum_does_not_show_is_refused_or_another_program() {
    for name in names_in("array_programs") {
        let bytes = bytes_of(&name);
        for at in (4..bytes.len()).filter(|at| !(8..24).contains(at)) {
            for bit in [1, 0x80] {
                let mut damaged = bytes.clone();
                damaged[at] ^= bit;
                match load(&mended(damaged)) {
                    Ok(Stored::Arrays(mut program)) => {
                        let _ = program.run(); // which does not panic
                    }
                    Ok(Stored::Numbers(_)) => panic!("{name}, byte {at}"),
                    Err(error) => assert!(matches!(error, Error::File(_)), "{name}, byte {at}"),
                }
            }
        }
    }
}

#[test]
fn what_is_cut_off_and_mended_is_refused() {
    let bytes = bytes_of("dropout");
    for size in (24..bytes.len()).step_by(3) {
        assert!(is_refused(&mended(bytes[..size].to_vec())), "{size} bytes");
    }
}

#[test]
fn behind_names_are_zeros() {
    let numbers = std::fs::read(path_of("programs/adamw.mgp")).unwrap();
    for (mut bytes, name) in
        [(bytes_of("mlp"), "linear"), (bytes_of("mlp"), "adam"), (numbers, "mul")]
    {
        let text = format!("{name}\0");
        let at = bytes.windows(text.len()).position(|found| found == text.as_bytes()).unwrap();
        bytes[at + text.len()] = b'x';
        assert!(is_refused(&mended(bytes)), "{name}");
    }
}

// ---- memory

const OPS: [&str; 6] = ["mul", "add", "in_place", "backward", "reshape", "expand"];
const MUL: u32 = 0;
const ADD: u32 = 1;
const IN_PLACE: u32 = 2;
const BACKWARD: u32 = 3;
const RESHAPE: u32 = 4;
const EXPAND: u32 = 5;
const FIRST: u32 = 1 << 31;
const SECOND: u32 = FIRST + 1;

/// A file of two arrays of two numbers, of which the first requires a gradient, and these words.
fn file_of(words: &[u32]) -> Vec<u8> {
    let counts = [2, 0, 0, 0, OPS.len() as u32, words.len() as u32, 0, 1, 2, 0];
    let of = |words: &[u32]| words.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    let mut bytes = [b"MGP1".to_vec(), of(&[2, 0, 0, 0, 0]), of(&counts)].concat();
    for flags in [1, 0] {
        bytes.extend([of(&[0, 1, flags, 0, 2, 0]), of(&[0x3F80_0000, 0x4000_0000])].concat());
    }
    for name in OPS {
        bytes.extend(name.bytes().chain(std::iter::repeat(0)).take(32));
    }
    bytes.extend([of(words), of(&[FIRST]), vec![0, 0]].concat());
    mended(bytes)
}

fn loaded(words: &[u32]) -> Result<ArrayProgram> {
    ArrayProgram::new(&file_of(words))
}

#[test]
fn a_gradient_refuses_what_was_written_to_if_it_reads_it() {
    let words = |op| {
        let call = [op, 2, 0, 0, 0, 5, FIRST, FIRST];
        [&call[..], &[IN_PLACE, ADD, 0, FIRST, SECOND], &[BACKWARD, 1, 0, SECOND]].concat()
    };
    let refused = loaded(&words(MUL)).map(|_| ()).unwrap_err().to_string();
    let text = "an array that a gradient needs was written to in place";
    assert_eq!(refused, format!("a program file that is wrong: {text}"));
    let mut program = loaded(&words(ADD)).unwrap();
    assert_eq!(shown(&program.run().unwrap()[0]), "float32 [2] 40000000 40800000");
    let gradient = program.arrays()[0].gradient().unwrap();
    assert_eq!(shown(gradient.array()), "float32 [2] 40000000 40800000");
}

#[test]
fn views_show_what_is_written_unless_elements_share_a_place() {
    let row = [RESHAPE, 1, 2, 0, 0, 0, FIRST, 1, 0, 2, 0];
    let write = [IN_PLACE, ADD, 0, 0, SECOND];
    let mut program = loaded(&[&row[..], &write].concat()).unwrap();
    assert_eq!(shown(&program.run().unwrap()[0]), "float32 [2] 40000000 40800000");
    let rows = [EXPAND, 1, 2, 0, 0, 0, FIRST, 2, 0, 2, 0];
    let refused = loaded(&[&rows[..], &write].concat()).map(|_| ()).unwrap_err().to_string();
    assert!(refused.ends_with("whose elements share places cannot be written to"), "{refused}");
}
