//! Conditions of rules: `rx_missed > 0 and ring < ring_limit`.
//!
//! A fact that is not known makes a comparison unknown, and a rule whose condition is unknown stays silent.

use crate::facts::Value;

/// A condition.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Expression(Node);

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Literal(Value),
    Fact(String),
    Not(Box<Node>),
    Two(Box<Node>, Operator, Box<Node>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Or,
    And,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    More,
    MoreOrEqual,
    Plus,
    Minus,
    Times,
    DividedBy,
}

/// Operators, from the weakest binding to the strongest. An operator stands before others with which it begins.
const LEVELS: [&[(&str, Operator)]; 5] = [
    &[("or", Operator::Or)],
    &[("and", Operator::And)],
    &[
        ("==", Operator::Equal),
        ("!=", Operator::Unequal),
        ("<=", Operator::LessOrEqual),
        (">=", Operator::MoreOrEqual),
        ("<", Operator::Less),
        (">", Operator::More),
    ],
    &[("+", Operator::Plus), ("-", Operator::Minus)],
    &[("*", Operator::Times), ("/", Operator::DividedBy)],
];

/// Deepest nesting of parentheses.
const DEPTH: usize = 32;

impl Expression {
    /// Parses a condition.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut rest = text;
        let node = binary(&mut rest, 0, 0)?;
        match rest.trim_start().is_empty() {
            true => Ok(Self(node)),
            false => Err(format!(
                "{text:?}: {:?} is not understood",
                rest.trim_start()
            )),
        }
    }

    /// Whether it holds, with the facts that `get` knows; `None` if that cannot be known.
    pub(crate) fn holds(&self, get: &dyn Fn(&str) -> Option<Value>) -> Option<bool> {
        match evaluate(&self.0, get)? {
            Value::Flag(flag) => Some(flag),
            _ => None,
        }
    }

    /// The names of the facts that it asks for.
    pub(crate) fn names(&self) -> Vec<&str> {
        fn collect<'a>(node: &'a Node, names: &mut Vec<&'a str>) {
            match node {
                Node::Literal(_) => {}
                Node::Fact(name) => names.push(name),
                Node::Not(inner) => collect(inner, names),
                Node::Two(left, _, right) => {
                    collect(left, names);
                    collect(right, names);
                }
            }
        }
        let mut names = Vec::new();
        collect(&self.0, &mut names);
        names
    }
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '.'
}

/// Takes one of the operators of a level from the start of `rest`.
fn take_operator(rest: &mut &str, level: usize) -> Option<Operator> {
    let text = rest.trim_start();
    LEVELS[level].iter().find_map(|(word, operator)| {
        let after = text.strip_prefix(word)?;
        let is_word = word.starts_with(is_name);
        if is_word && after.starts_with(is_name) {
            return None;
        }
        *rest = after;
        Some(*operator)
    })
}

fn binary(rest: &mut &str, level: usize, depth: usize) -> Result<Node, String> {
    if level == LEVELS.len() {
        return single(rest, depth);
    }
    let mut left = binary(rest, level + 1, depth)?;
    while let Some(operator) = take_operator(rest, level) {
        let right = binary(rest, level + 1, depth)?;
        left = Node::Two(Box::new(left), operator, Box::new(right));
    }
    Ok(left)
}

fn single(rest: &mut &str, depth: usize) -> Result<Node, String> {
    if depth > DEPTH {
        return Err("too many parentheses".to_owned());
    }
    let text = rest.trim_start();
    if let Some(inner) = text.strip_prefix('(') {
        *rest = inner;
        let node = binary(rest, 0, depth + 1)?;
        let after = rest
            .trim_start()
            .strip_prefix(')')
            .ok_or("a ) is missing")?;
        *rest = after;
        return Ok(node);
    }
    if let Some(quoted) = text.strip_prefix('\'') {
        let (word, after) = quoted.split_once('\'').ok_or("a ' is missing")?;
        *rest = after;
        return Ok(Node::Literal(Value::Text(word.to_owned())));
    }
    let end = text.find(|c| !is_name(c)).unwrap_or(text.len());
    let (word, after) = text.split_at(end);
    *rest = after;
    match word {
        "" => Err(format!("a name or a number is expected before {text:?}")),
        "not" => Ok(Node::Not(Box::new(single(rest, depth + 1)?))),
        "true" | "false" => Ok(Node::Literal(Value::Flag(word == "true"))),
        _ if word.starts_with(|c: char| c.is_ascii_digit()) => match word.parse() {
            Ok(number) => Ok(Node::Literal(Value::Number(number))),
            Err(_) => Err(format!("{word:?} is no number")),
        },
        _ => Ok(Node::Fact(word.to_owned())),
    }
}

fn evaluate(node: &Node, get: &dyn Fn(&str) -> Option<Value>) -> Option<Value> {
    match node {
        Node::Literal(value) => Some(value.clone()),
        Node::Fact(name) => get(name),
        Node::Not(inner) => match evaluate(inner, get)? {
            Value::Flag(flag) => Some(Value::Flag(!flag)),
            _ => None,
        },
        Node::Two(left, operator, right) => {
            let (left, right) = (evaluate(left, get), evaluate(right, get));
            combine(left.as_ref(), *operator, right.as_ref())
        }
    }
}

fn combine(left: Option<&Value>, operator: Operator, right: Option<&Value>) -> Option<Value> {
    let flag = |value: Option<&Value>| match value {
        Some(Value::Flag(flag)) => Some(*flag),
        _ => None,
    };
    match operator {
        // One side can decide alone.
        Operator::Or | Operator::And => {
            let decides = operator == Operator::Or;
            match (flag(left), flag(right)) {
                (Some(a), _) | (_, Some(a)) if a == decides => Some(Value::Flag(decides)),
                (Some(_), Some(_)) => Some(Value::Flag(!decides)),
                _ => None,
            }
        }
        Operator::Equal => Some(Value::Flag(left? == right?)),
        Operator::Unequal => Some(Value::Flag(left? != right?)),
        _ => {
            let (Value::Number(a), Value::Number(b)) = (left?, right?) else {
                return None;
            };
            Some(match operator {
                Operator::Less => Value::Flag(a < b),
                Operator::LessOrEqual => Value::Flag(a <= b),
                Operator::More => Value::Flag(a > b),
                Operator::MoreOrEqual => Value::Flag(a >= b),
                Operator::Plus => Value::Number(a + b),
                Operator::Minus => Value::Number(a - b),
                Operator::Times => Value::Number(a * b),
                _ => Value::Number(a / b),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn holds(text: &str) -> Option<bool> {
        let facts = BTreeMap::from([
            ("two", Value::Number(2.0)),
            ("name", Value::Text("eth0".into())),
            ("on", Value::Flag(true)),
            ("machine.order", Value::Number(7.0)),
        ]);
        let expression = Expression::parse(text).unwrap();
        expression.holds(&|name| facts.get(name).cloned())
    }

    #[test]
    fn conditions_hold_as_they_are_read() {
        for text in [
            "two == 2 and name == 'eth0'",
            "two + 3 * 2 == 8",
            "(two + 3) * 2 == 10 and not (two > 2)",
            "two < 1 or on",
            "machine.order >= 7 and machine.order - two == 5",
            "10 - 3 - 2 == 5",
        ] {
            assert_eq!(holds(text), Some(true), "{text}");
        }
    }

    #[test]
    fn unknown_facts_decide_nothing() {
        assert_eq!(holds("missing > 0"), None);
        assert_eq!(holds("not missing"), None);
        assert_eq!(holds("missing > 0 or on"), Some(true));
        assert_eq!(holds("missing > 0 and two > 5"), Some(false));
        assert_eq!(holds("name > 0"), None);
    }

    #[test]
    fn malformed_conditions_are_refused() {
        for text in ["", "two >", "(two", "two two", "'x", "1x > 0", "two = 2"] {
            assert!(Expression::parse(text).is_err(), "{text}");
        }
        assert!(Expression::parse(&"(".repeat(100_000)).is_err());
    }
}
