//! Bars beside each other: one for each target, under each load.

use hpcap_chart::{Anchor, Drawing, Role, Scale, point};

use super::{EDGE, SMALL, Value, WIDTH, bold, finish, pixels, short, titled};

/// The bars of one load.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) bars: Vec<Bar>,
}

/// A bar: the number of its colour, its name, and its length.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bar {
    pub(super) series: usize,
    pub(super) name: String,
    pub(super) value: Value,
}

const LEFT: f32 = 190.0;
const RIGHT: f32 = WIDTH - 90.0;
const BAR: f32 = 17.0;
const STEP: f32 = 23.0;

/// Draws `groups`, whose figures have this unit.
pub(super) fn draw(title: &str, explanation: &str, unit: &str, groups: &[Group]) -> Drawing {
    let mut drawing = titled(title, explanation);
    let all = groups.iter().flat_map(|group| &group.bars);
    let highest = all.map(|bar| bar.value.max).fold(0.0, f64::max);
    let top = Scale::up_to(highest * 100.0, 5).top / 100.0;
    let x = |value: f64| LEFT + (RIGHT - LEFT) * pixels((value / top).clamp(0.0, 1.0));
    let mut y = 66.0;
    for group in groups {
        y += 24.0;
        bold(&mut drawing, point(EDGE, y), SMALL + 1.0, &group.name);
        y += 8.0;
        let top_of_bars = y;
        for bar in &group.bars {
            let middle = y + BAR / 2.0;
            drawing.text(
                point(LEFT - 8.0, middle + 4.5),
                SMALL,
                Anchor::End,
                Role::Text,
                &bar.name,
            );
            let Value { median, min, max } = bar.value;
            let end = x(median).max(LEFT + 1.0);
            drawing.rect(
                point(LEFT, y),
                point(end, y + BAR),
                Role::series(bar.series),
            );
            // The line from the smallest to the largest measurement.
            if max > min {
                let line = vec![point(x(min), middle), point(x(max), middle)];
                drawing.line(line, 1.5, Role::Text);
            }
            let text = format!("{} {unit}", short(median));
            let after = point(x(max).max(end) + 6.0, middle + 4.5);
            drawing.text(after, SMALL, Anchor::Start, Role::Text, &text);
            y += STEP;
        }
        let line = vec![point(LEFT, top_of_bars - 3.0), point(LEFT, y - 3.0)];
        drawing.line(line, 1.0, Role::Label);
    }
    finish(drawing, y + 14.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hpcap_chart::{Paint, Theme};

    fn value(median: f64) -> Value {
        Value {
            median,
            min: median * 0.9,
            max: median * 1.1,
        }
    }

    #[test]
    fn bars_have_their_names_and_figures() {
        let bar = |series, name: &str, median| Bar {
            series,
            name: name.into(),
            value: value(median),
        };
        let groups = [Group {
            name: "60 bytes".into(),
            bars: vec![bar(0, "a <b>", 12.5), bar(1, "c", 0.0)],
        }];
        let drawing = draw("Title", "Why", "ns", &groups);
        let svg = drawing.svg(Paint::Fixed(Theme::Light));
        for text in [
            ">Title<",
            ">60 bytes<",
            ">a &lt;b&gt;<",
            ">12.5 ns<",
            ">0 ns<",
        ] {
            assert!(svg.contains(text), "{text}: {svg}");
        }
        assert!(drawing.png(Theme::Light).is_ok());
    }
}
