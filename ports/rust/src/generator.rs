//! Random numbers of xorshift64* (Vigna 2016): a seed means the same numbers everywhere, for ever.

/// A generator of random numbers.
#[derive(Clone, Debug)]
pub struct Generator {
    state: u64,
    spare: Option<f64>,
}

/// log s of a normal s, by arithmetic alone.
fn logarithm(s: f64) -> f64 {
    let bits = s.to_bits();
    let mut e = (bits >> 52) as f64 - 1022.0;
    let mut m = f64::from_bits(bits & 0x000F_FFFF_FFFF_FFFF | 0x3FE0_0000_0000_0000);
    if m < 0.7071067811865476 {
        m *= 2.0;
        e -= 1.0;
    }
    let q = (m - 1.0) / (m + 1.0);
    let z = q * q;
    let p = (3..=21).rev().step_by(2).fold(1.0 / 23.0, |p, d| p * z + 1.0 / f64::from(d));
    let series = 2.0 * q + 2.0 * q * (z * p);
    e * 0.6931471803691238 + (e * 1.9082149292705877e-10 + series)
}

impl Generator {
    /// A generator; a seed of 0, which no state can be, is refused.
    pub fn new(seed: u64) -> Option<Self> {
        Self::restored(seed, None)
    }

    /// A generator that goes on from a state, and the second number of a pair if there is one.
    pub fn restored(state: u64, spare: Option<f64>) -> Option<Self> {
        (state != 0).then_some(Self { state, spare })
    }

    /// The next 32 bits.
    pub fn u32(&mut self) -> u32 {
        let mut s = self.state;
        s ^= s >> 12;
        s ^= s << 25;
        s ^= s >> 27;
        self.state = s;
        (s.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32) as u32
    }

    /// A number from [0, 1), a multiple of 2^-24.
    pub fn random(&mut self) -> f64 {
        f64::from(self.u32() >> 8) / 16777216.0
    }

    /// A number from a to b.
    pub fn uniform(&mut self, a: f64, b: f64) -> f64 {
        a + (b - a) * self.random()
    }

    /// A number of the normal distribution; Marsaglia's polar method makes two at once.
    pub fn normal(&mut self, mean: f64, deviation: f64) -> f64 {
        if let Some(spare) = self.spare.take() {
            return mean + deviation * spare;
        }
        loop {
            let u = 2.0 * self.random() - 1.0;
            let v = 2.0 * self.random() - 1.0;
            let s = u * u + v * v;
            if s > 0.0 && s < 1.0 {
                let f = (-2.0 * logarithm(s) / s).sqrt();
                self.spare = Some(v * f);
                return mean + deviation * (u * f);
            }
        }
    }

    /// Put a slice into random order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.u32() as usize % (i + 1));
        }
    }
}
