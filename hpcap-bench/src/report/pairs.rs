//! Measurements of hpcap and of a peer in turn.

use super::{Figure, Row, Unit};

/// Values of hpcap and of a peer, one pair for each round.
#[derive(Debug, Clone)]
pub struct Pairs {
    unit: Unit,
    ours: Vec<f64>,
    peer: Vec<f64>,
}

impl Pairs {
    /// Creates an empty series of rounds, whose values are in `unit`.
    #[must_use]
    pub fn new(unit: Unit) -> Self {
        Self {
            unit,
            ours: Vec::new(),
            peer: Vec::new(),
        }
    }

    /// Adds the values of one round.
    pub fn add(&mut self, ours: f64, peer: f64) {
        self.ours.push(ours);
        self.peer.push(peer);
    }

    /// Returns the figure of hpcap's values.
    #[must_use]
    pub fn ours(&self) -> Figure {
        Figure::of(self.unit, &self.ours)
    }

    /// Returns the figure of the peer's values.
    #[must_use]
    pub fn peer(&self) -> Figure {
        Figure::of(self.unit, &self.peer)
    }

    /// Returns the figure of `of(ours, peer)` over all rounds.
    #[must_use]
    pub fn each(&self, of: impl Fn(f64, f64) -> f64) -> Figure {
        let runs: Vec<f64> = std::iter::zip(&self.ours, &self.peer)
            .map(|(ours, peer)| of(*ours, *peer))
            .collect();
        Figure::of(self.unit, &runs)
    }

    /// Returns the row for the table. Its ratio is the median of the rounds' ratios, so that it
    /// ignores what slows down both runs of a round, such as another user of the disk.
    #[must_use]
    pub fn row(&self, what: impl Into<String>, peer_name: impl Into<String>) -> Row {
        let ratio = match self.unit {
            Unit::BytesPerSecond => self.each(|ours, peer| ours / peer),
            Unit::NsPerFrame | Unit::Bytes | Unit::Part | Unit::PerSecond => {
                self.each(|ours, peer| peer / ours)
            }
        };
        Row {
            peer_name: Some(peer_name.into()),
            peer: Some(self.peer()),
            ratio: Some(ratio.median),
            ..Row::new(what, self.ours())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratio_is_that_of_a_round() {
        let mut pairs = Pairs::new(Unit::BytesPerSecond);
        for (ours, peer) in [(1e9, 2e9), (3e9, 4e9), (9e9, 9e9)] {
            pairs.add(ours, peer);
        }
        let row = pairs.row("x", "y");
        assert_eq!(row.ratio, Some(0.75));
        assert_eq!(row.peer.map(|f| f.median), Some(4e9));
        let mut times = Pairs::new(Unit::NsPerFrame);
        times.add(20.0, 10.0);
        assert_eq!(times.row("x", "y").ratio, Some(0.5));
        assert_eq!(times.each(|ours, peer| ours - peer).median, 10.0);
    }
}
