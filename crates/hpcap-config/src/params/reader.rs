//! Reads single settings of `params.cfg`, and remembers what is doubtful.

use super::Remark;
use super::lines::Settings;
use crate::problem::excerpt;

/// Reads settings, and remembers what is doubtful.
pub(super) struct Reader<'a> {
    pub(super) settings: &'a Settings,
    pub(super) remarks: &'a mut Vec<Remark>,
}

impl Reader<'_> {
    pub(super) fn remark(&mut self, line: usize, key: &str, text: impl Into<String>) {
        self.remarks.push(Remark {
            line,
            key: key.to_owned(),
            text: text.into(),
        });
    }

    pub(super) fn line(&self, key: &str) -> Option<usize> {
        self.settings.get(key).map(|setting| setting.line)
    }

    pub(super) fn text(&self, key: &str) -> Option<(usize, &str)> {
        let setting = self.settings.get(key)?;
        (!setting.value.is_empty()).then_some((setting.line, setting.value.as_str()))
    }

    /// The number under `key` with its line; a remark says what is used in place of another text.
    pub(super) fn number(&mut self, key: &str, otherwise: &str) -> Option<(usize, i64)> {
        let (line, value) = self.text(key)?;
        match value.parse() {
            Ok(number) => Some((line, number)),
            Err(_) => {
                let text = format!("{:?} is not a number; {otherwise}", excerpt(value));
                self.remark(line, key, text);
                None
            }
        }
    }

    /// The number under `key` if it is in `range`.
    pub(super) fn number_in(
        &mut self,
        key: &str,
        range: std::ops::RangeInclusive<i64>,
        otherwise: &str,
    ) -> Option<(usize, i64)> {
        let (line, number) = self.number(key, otherwise)?;
        if range.contains(&number) {
            return Some((line, number));
        }
        let (low, high) = (range.start(), range.end());
        let text = format!("{number} is not in {low} to {high}; {otherwise}");
        self.remark(line, key, text);
        None
    }

    pub(super) fn switch(&mut self, key: &str, default: bool) -> bool {
        let otherwise = if default {
            "it is switched on"
        } else {
            "it stays off"
        };
        let found = self.number_in(key, 0..=1, otherwise);
        found.map_or(default, |(_, number)| number == 1)
    }
}
