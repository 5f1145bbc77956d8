//! Round numbers for axes.

/// A number on an axis, and its text.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    /// The number, or seconds since 1970.
    pub value: f64,
    /// Its text.
    pub text: String,
    /// A second line, such as the day.
    pub below: String,
}

/// An axis of numbers from 0 on.
#[derive(Debug, Clone, PartialEq)]
pub struct Scale {
    /// The number at its end.
    pub top: f64,
    /// The prefix of its unit, such as `G`.
    pub prefix: &'static str,
    /// Its marks.
    pub ticks: Vec<Tick>,
}

impl Scale {
    /// An axis for numbers up to `highest`, with about `count` marks.
    #[must_use]
    pub fn up_to(highest: f64, count: u32) -> Self {
        let highest = if highest.is_finite() && highest > 0.0 {
            highest
        } else {
            1.0
        };
        let mut unit = 1.0;
        let mut prefix = "";
        for next in ["k", "M", "G", "T", "P", "E"] {
            if highest / unit < 1000.0 {
                break;
            }
            unit *= 1000.0;
            prefix = next;
        }
        let raw = highest / unit / f64::from(count.max(1));
        let power = 10_f64.powf(raw.log10().floor());
        let mut step = [1.0, 2.0, 2.5, 5.0, 10.0]
            .into_iter()
            .map(|factor| factor * power)
            .find(|step| *step >= raw * 0.999)
            .unwrap_or(10.0 * power);
        // Frames and bits are whole.
        if prefix.is_empty() {
            step = step.max(1.0);
        }
        let digits = match step {
            step if step >= 1.0 && step.fract() == 0.0 => 0,
            step if (step * 10.0).fract().abs() < 1e-6 => 1,
            _ => 2,
        };
        let mut ticks = Vec::new();
        let mut number = 0;
        loop {
            let value = f64::from(number) * step;
            ticks.push(Tick {
                value: value * unit,
                text: match number {
                    0 => "0".to_owned(),
                    _ => format!("{value:.digits$}"),
                },
                below: String::new(),
            });
            if value * unit >= highest * 0.999 || number > 20 {
                break;
            }
            number += 1;
        }
        Self {
            top: ticks.last().map_or(1.0, |tick| tick.value),
            prefix,
            ticks,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(scale: &Scale) -> Vec<&str> {
        scale.ticks.iter().map(|tick| tick.text.as_str()).collect()
    }

    #[test]
    fn numbers_are_round() {
        let scale = Scale::up_to(9.4e9, 4);
        assert_eq!(
            (scale.prefix, texts(&scale)),
            ("G", vec!["0", "2.5", "5.0", "7.5", "10.0"])
        );
        let scale = Scale::up_to(3.0, 4);
        assert_eq!(texts(&scale), ["0", "1", "2", "3"]);
        assert_eq!(texts(&Scale::up_to(0.0, 4)), ["0", "1"]);
    }

    proptest! {
        #[test]
        fn any_number_has_an_axis(highest in 0.0..1e30_f64, count in 1_u32..9) {
            let scale = Scale::up_to(highest, count);
            prop_assert!(scale.top >= highest * 0.99, "{:?}", scale);
            prop_assert!((2..22).contains(&scale.ticks.len()));
        }
    }
}
