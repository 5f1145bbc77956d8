//! Random numbers that are the same in every run with the same seed.

/// A small pseudorandom number generator (splitmix64).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Creates a generator with the seed in the environment variable `HPCAP_E2E_SEED`, or with a
    /// fixed seed. Prints the seed.
    #[must_use]
    pub fn from_environment() -> Self {
        let seed = std::env::var("HPCAP_E2E_SEED").ok();
        let seed = seed.and_then(|s| s.parse().ok()).unwrap_or(20_110_907);
        println!("HPCAP_E2E_SEED={seed}");
        Self(seed)
    }

    /// Creates a generator with this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns a random number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a random number below `n`, which must not be 0.
    pub fn below(&mut self, n: u64) -> u64 {
        self.next_u64() % n
    }

    /// Returns a random index into a sequence of length `n`, which must not be 0.
    pub fn index(&mut self, n: usize) -> usize {
        usize::try_from(self.next_u64() % n as u64).unwrap()
    }
}
