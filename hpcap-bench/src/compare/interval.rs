//! The difference of two means, with its confidence interval (Welch's t).

use serde::Serialize;

/// 97.5 % quantiles of Student's t for 1 to 30 degrees of freedom.
const T: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
    2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
    2.052, 2.048, 2.045, 2.042,
];
/// The quantile of the normal distribution, for more degrees of freedom.
const NORMAL: f64 = 1.960;

/// The difference of the means of two samples, and the interval that has the true difference with a
/// probability of 95 %.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Difference {
    /// Mean of the first sample.
    pub before: f64,
    /// Mean of the second sample.
    pub after: f64,
    /// The lower end of the interval of `after - before`.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

fn mean(sample: &[f64]) -> f64 {
    sample.iter().sum::<f64>() / sample.len() as f64
}

/// Returns the variance of a mean.
fn variance_of_mean(sample: &[f64]) -> f64 {
    let (mean, n) = (mean(sample), sample.len() as f64);
    let squares: f64 = sample.iter().map(|x| (x - mean).powi(2)).sum();
    squares / (n - 1.0) / n
}

/// Returns the quantile of Student's t. Fewer degrees of freedom make an interval wider, so a
/// fraction of one is cut off.
fn quantile(freedom: f64) -> f64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the cast saturates, and the number is positive"
    )]
    let whole = freedom.max(1.0) as usize;
    T.get(whole - 1).copied().unwrap_or(NORMAL)
}

impl Difference {
    /// Compares two samples; `None` if one has fewer than two values, and so no spread.
    #[must_use]
    pub fn of(before: &[f64], after: &[f64]) -> Option<Self> {
        if before.len() < 2 || after.len() < 2 {
            return None;
        }
        let (a, b) = (variance_of_mean(before), variance_of_mean(after));
        let sum = a + b;
        let freedom = |n: usize, part: f64| part.powi(2) / (n as f64 - 1.0);
        let margin = if sum > 0.0 {
            let degrees = sum.powi(2) / (freedom(before.len(), a) + freedom(after.len(), b));
            quantile(degrees) * sum.sqrt()
        } else {
            0.0
        };
        let difference = mean(after) - mean(before);
        Some(Self {
            before: mean(before),
            after: mean(after),
            low: difference - margin,
            high: difference + margin,
        })
    }

    /// Whether the interval has no zero.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: the variances of the means are 2.6207 and 0.7471, 7 of 7.64 degrees of freedom count,
    /// and the margin is 2.365 times the root of 3.3678.
    #[test]
    fn interval_agrees_with_welch() {
        let before = [27.5, 21.0, 19.0, 23.6, 17.0, 17.9];
        let after = [27.1, 22.0, 20.8, 23.4, 23.4, 23.5];
        let d = Difference::of(&before, &after).unwrap();
        assert!((d.before - 21.0).abs() < 1e-9 && (d.after - 23.366_666).abs() < 1e-5);
        assert!((d.low + 1.9734).abs() < 1e-3, "{d:?}");
        assert!((d.high - 6.7068).abs() < 1e-3, "{d:?}");
        assert!(!d.is_certain());
    }

    #[test]
    fn clear_difference_is_certain() {
        let d = Difference::of(&[10.0, 10.1, 9.9], &[5.0, 5.1, 4.9]).unwrap();
        assert!(d.is_certain() && d.high < 0.0);
        let same = Difference::of(&[0.0, 0.0], &[0.0, 0.0]).unwrap();
        assert!(!same.is_certain());
        assert_eq!(Difference::of(&[1.0], &[2.0, 3.0]), None);
    }
}
