//! LLM101n's classifier of three quadrants: the lines of `csrc/demo portable`, but for its last.

use pymicrograd::floats::repr;
use pymicrograd::losses::cross_entropy;
use pymicrograd::{Adam, Generator, Mlp, Op, Optimizer, Value};

type Point = ([f64; 2], usize);

/// Draw points of the square from -2 to 2, with their classes.
fn draw_points(generator: &mut Generator, count: usize) -> Vec<Point> {
    let mut draw = || {
        let x = generator.uniform(-2.0, 2.0);
        let y = generator.uniform(-2.0, 2.0);
        (
            [x, y],
            if x < 0.0 {
                0
            } else if y < 0.0 {
                1
            } else {
                2
            },
        )
    };
    (0..count).map(|_| draw()).collect()
}

fn loss_of(model: &Mlp, points: &[Point]) -> Value {
    let outputs: Vec<_> = points.iter().map(|(point, _)| model.call(point)).collect();
    let labels: Vec<_> = points.iter().map(|(_, label)| *label).collect();
    cross_entropy(&outputs, &labels)
}

/// Train, and return the lines.
pub fn demo() -> Vec<String> {
    let mut generator = Generator::new(42).expect("42 is a seed");
    let points = draw_points(&mut generator, 100);
    let model = Mlp::new(&[2, 16, 3], &mut generator, Op::Tanh);
    let mut optimizer = Adam::decoupled(model.parameters());
    optimizer.weight_decay = 1e-4;
    let mut lines = Vec::new();
    for step in 0..100 {
        if step % 10 == 0 {
            let loss = loss_of(&model, &points[80..90]).data();
            lines.push(format!("step {step}, val loss {loss:.6}"));
        }
        let loss = loss_of(&model, &points[..80]);
        loss.backward();
        optimizer.step();
        optimizer.zero_grad();
        lines.push(format!("step {step}, train loss {}", repr(loss.data())));
    }
    lines
}

#[allow(dead_code)] // the tests take demo() alone
fn main() {
    demo().iter().for_each(|line| println!("{line}"));
}
