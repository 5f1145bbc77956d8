//! Texts of rules, with facts in braces: `{rx_missed_new} frames, {ring_bytes:bytes}`.

use hpcap::units::Bytes;

use crate::facts::Value;

/// Replaces each `{NAME}` and `{NAME:FORM}` by the fact. A fact that is not known becomes `?`.
pub(crate) fn fill<'a>(text: &str, get: &dyn Fn(&str) -> Option<&'a Value>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let (place, tail) = after.split_once('}').unwrap_or((after, ""));
        let (name, form) = place.split_once(':').unwrap_or((place, ""));
        out.push_str(&match get(name) {
            Some(value) => show(value, form),
            None => "?".to_owned(),
        });
        rest = tail;
    }
    out + rest
}

/// The names in the braces of `text`.
pub(crate) fn names(text: &str) -> Vec<&str> {
    text.split('{')
        .skip(1)
        .map(|part| part.split(['}', ':']).next().unwrap_or_default())
        .collect()
}

fn show(value: &Value, form: &str) -> String {
    let number = match value {
        Value::Number(number) => *number,
        Value::Text(text) => return text.clone(),
        Value::Flag(flag) => return flag.to_string(),
    };
    match form {
        "bytes" => Bytes(whole(number)).to_string(),
        "percent" => format!("{:.0} %", number * 100.0),
        "gigabits" => format!("{:.1} Gb/s", number / 1e9),
        "double" => format!("{:.0}", number * 2.0),
        _ if number.fract().abs() < 1e-9 => format!("{number:.0}"),
        _ => format!("{number:.1}"),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast of a float ends at the limits of the integer"
)]
fn whole(number: f64) -> u64 {
    number as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_stand_in_texts() {
        let number = Value::Number(0.5);
        let large = Value::Number(4096.0);
        let get = |name: &str| match name {
            "share" => Some(&number),
            "size" => Some(&large),
            _ => None,
        };
        let text = fill(
            "{share} is {share:percent}, {size} is {size:bytes}; {x} {",
            &get,
        );
        assert_eq!(text, "0.5 is 50 %, 4096 is 4 KiB; ? ?");
    }
}
