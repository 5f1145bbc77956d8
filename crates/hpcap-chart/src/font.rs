//! The font of the labels.
//!
//! It is Roboto (Copyright 2015 Google Inc., Apache License 2.0), cut down to the characters that charts
//! use. It is part of the program, so that a chart looks the same on a machine without fonts.

use ab_glyph::{Font, FontRef, PxScale, ScaleFont};

static REGULAR: &[u8] = include_bytes!("../font/label-regular.ttf");
static BOLD: &[u8] = include_bytes!("../font/label-bold.ttf");

/// Returns the font; `None` never happens, because its bytes are part of the program.
pub(crate) fn font(bold: bool) -> Option<FontRef<'static>> {
    FontRef::try_from_slice(if bold { BOLD } else { REGULAR }).ok()
}

/// The scale of a font whose em square is `size` pixels high, as SVG defines it.
pub(crate) fn scale(font: &impl Font, size: f32) -> PxScale {
    let em = font.units_per_em().unwrap_or(1000.0);
    PxScale::from(size * font.height_unscaled() / em)
}

/// Returns the width of a text in pixels.
#[must_use]
pub fn text_width(text: &str, size: f32, bold: bool) -> f32 {
    let Some(font) = font(bold) else {
        return 0.0;
    };
    let scaled = font.as_scaled(scale(&font, size));
    text.chars()
        .map(|c| scaled.h_advance(font.glyph_id(c)))
        .sum()
}

/// Returns whether the font has all characters of `text`.
pub(crate) fn has_characters(text: &str, bold: bool) -> bool {
    font(bold).is_some_and(|font| text.chars().all(|c| font.glyph_id(c).0 != 0))
}

/// Divides a text into lines of at most `width` pixels, between words.
#[must_use]
pub fn wrap(text: &str, size: f32, width: f32) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if text_width(&format!("{line} {word}"), size, false) <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn font_has_the_characters_of_labels() {
        for bold in [false, true] {
            let font = font(bold).unwrap();
            for c in (' '..='~').chain("µ×–".chars()) {
                assert_ne!(font.glyph_id(c).0, 0, "{c}");
            }
        }
    }

    #[test]
    fn lines_are_not_too_wide() {
        let text = "listener 4 (hpcapdd, pid 4711) of hpcap0:1 held the ring back";
        let lines = wrap(text, 13.0, 150.0);
        assert!(lines.len() > 1);
        assert!(
            lines
                .iter()
                .all(|line| text_width(line, 13.0, false) <= 150.0),
            "{lines:?}"
        );
        assert_eq!(lines.join(" "), text);
    }
}
