//! Ours and a peer, measured in turn.

use super::{Figure, Row, Unit};

/// Runs of ours and of a peer, a pair for each round.
#[derive(Debug, Clone)]
pub struct Pairs {
    unit: Unit,
    ours: Vec<f64>,
    peer: Vec<f64>,
}

impl Pairs {
    /// None yet.
    #[must_use]
    pub fn new(unit: Unit) -> Self {
        Self {
            unit,
            ours: Vec::new(),
            peer: Vec::new(),
        }
    }

    /// One round.
    pub fn add(&mut self, ours: f64, peer: f64) {
        self.ours.push(ours);
        self.peer.push(peer);
    }

    /// Ours.
    #[must_use]
    pub fn ours(&self) -> Figure {
        Figure::of(self.unit, &self.ours)
    }

    /// The peer's.
    #[must_use]
    pub fn peer(&self) -> Figure {
        Figure::of(self.unit, &self.peer)
    }

    /// What `of` makes of each round.
    #[must_use]
    pub fn each(&self, of: impl Fn(f64, f64) -> f64) -> Figure {
        let runs: Vec<f64> = std::iter::zip(&self.ours, &self.peer)
            .map(|(ours, peer)| of(*ours, *peer))
            .collect();
        Figure::of(self.unit, &runs)
    }

    /// The line for the table. The ratio is the median of the rounds' ratios: what slows both
    /// of a round, such as another user of the disk, does not count.
    #[must_use]
    pub fn row(&self, what: impl Into<String>, peer_name: impl Into<String>) -> Row {
        let ratio = match self.unit {
            Unit::BytesPerSecond => self.each(|ours, peer| ours / peer),
            Unit::NsPerFrame | Unit::Bytes | Unit::Part => self.each(|ours, peer| peer / ours),
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
    fn the_ratio_is_that_of_a_round() {
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
