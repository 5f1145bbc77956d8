//! How long an attack goes on: a moment in `make test`, longer in each round of `make attack`.

use std::time::{Duration, Instant};

use crate::random::Random;

/// Calls `round` with its number and random numbers until the time is over, at least once.
///
/// `HPCAP_ATTACK_MS` is the time in milliseconds; `HPCAP_ATTACK_ROUND` names other random numbers.
/// Without them an attack takes three seconds and is the same every time.
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

/// A number from the environment.
#[must_use]
pub fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}
