//! Duration of an attack: three seconds in `make test`, longer in each round of `make attack`.

use std::time::{Duration, Instant};

use crate::random::Random;

/// Calls `round` with its number and a random number generator until the time is over, but at least
/// once.
///
/// The environment variable `HPCAP_ATTACK_MS` is the time in milliseconds, and `HPCAP_ATTACK_ROUND`
/// is the seed of the random numbers. Without these variables, an attack takes three seconds and
/// uses the same random numbers every time.
pub fn attack(name: &str, mut round: impl FnMut(u64, &mut Random)) {
    let time = Duration::from_millis(setting("HPCAP_ATTACK_MS", 3000));
    let mut random = Random::new(setting("HPCAP_ATTACK_ROUND", 1));
    let start = Instant::now();
    let mut number = 0;
    while number == 0 || start.elapsed() < time {
        round(number, &mut random);
        number += 1;
    }
    println!("{name}: {number} rounds in {} ms", time.as_millis());
}

/// Reads a number from an environment variable.
#[must_use]
pub fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}
