//! The rules: what an expert would say of which facts. Each is a file of its own in `rules/`, with a case that triggers
//! it.

pub(crate) mod expression;
mod list;
pub(crate) mod text;

use hpcapctl::doctor;
use serde::{Deserialize, Serialize};

use crate::facts::{Facts, Subject, Value};
use expression::Expression;

pub use list::RULES;

/// How serious a finding is, most serious first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Frames are lost because of it, or what is captured is wrong.
    Problem,
    /// Frames were lost because of it, or will be under more load.
    Warning,
    /// Worth knowing.
    Note,
}

impl Level {
    /// The word for the level.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Problem => "problem",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// A rule, as its file has it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Name of the rule, which is that of its file.
    #[serde(skip)]
    pub name: String,
    /// The problem, in a sentence.
    pub title: String,
    /// The subject of the rule, such as `queue`; not for rules with `check`.
    pub subject: Option<String>,
    /// The condition.
    pub when: Option<String>,
    /// A check of `hpcapctl doctor`, whose findings are those of the rule.
    pub check: Option<String>,
    /// How serious it is.
    pub level: Level,
    /// The condition under which it is a problem.
    pub problem_when: Option<String>,
    /// Where it stands among findings of the same level: from 0 to 100, the highest first.
    pub weight: u32,
    /// The observation; for rules with `check`, the check writes it.
    pub evidence: Option<String>,
    /// The consequence for a capture.
    pub meaning: String,
    /// The advice; for rules with `check`, the check may have a better one.
    pub fix: String,
    /// Changes of a healthy machine that trigger the rule; for the tests.
    #[serde(default)]
    pub case: String,
}

/// A finding of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Name of the rule.
    pub rule: String,
    /// How serious it is.
    pub level: Level,
    /// The subject; empty for the machine.
    pub subject: String,
    /// The problem.
    pub title: String,
    /// The observation.
    pub evidence: String,
    /// The consequence.
    pub meaning: String,
    /// The advice.
    pub fix: String,
    #[serde(skip)]
    weight: u32,
}

impl Rule {
    /// Parses the file of the rule `name`.
    ///
    /// # Errors
    /// Returns the problem of the rule.
    pub fn parse(name: &str, text: &str) -> Result<Self, String> {
        let mut rule: Self = toml::from_str(text).map_err(|e| format!("rule {name}: {e}"))?;
        name.clone_into(&mut rule.name);
        for condition in [&rule.when, &rule.problem_when].into_iter().flatten() {
            Expression::parse(condition).map_err(|e| format!("rule {name}: {e}"))?;
        }
        match (&rule.subject, &rule.when, &rule.check) {
            (Some(_), Some(_), None) | (None, _, Some(_)) => Ok(rule),
            _ => Err(format!(
                "rule {name}: it needs either subject and when, or check"
            )),
        }
    }

    /// Returns the findings of the rule in `facts`.
    #[must_use]
    pub fn findings(&self, facts: &Facts) -> Vec<Finding> {
        match &self.check {
            Some(check) => self.findings_of_check(check, facts),
            None => facts
                .subjects
                .iter()
                .filter(|subject| self.subject.as_deref() == Some(subject.kind))
                .filter_map(|subject| self.judge(facts, subject))
                .collect(),
        }
    }

    fn judge(&self, facts: &Facts, subject: &Subject) -> Option<Finding> {
        if !holds(self.when.as_deref()?, facts, subject) {
            return None;
        }
        let fill = |text: &str| text::fill(text, &|name| facts.get(subject, name));
        Some(self.finding(
            facts,
            subject,
            subject.name.clone(),
            fill(self.evidence.as_deref().unwrap_or_default()),
            fill(&self.fix),
        ))
    }

    fn findings_of_check(&self, check: &str, facts: &Facts) -> Vec<Finding> {
        let checks = doctor::CHECKS.iter().filter(|found| found.name == check);
        checks
            .flat_map(|check| check.findings(&facts.doctor))
            .filter(|found| matches!(found.state, doctor::State::Problem | doctor::State::Advice))
            .filter_map(|found| {
                let name = found.subject.unwrap_or_default();
                // The condition of the rule is about what the check is about: an interface, a queue, the machine.
                let subject = facts.subjects.iter().find(|subject| subject.name == name);
                let subject = subject.or_else(|| facts.subjects.first())?;
                if self
                    .when
                    .as_deref()
                    .is_some_and(|when| !holds(when, facts, subject))
                {
                    return None;
                }
                let fix = match found.next {
                    Some(next) if !self.fix.is_empty() => format!("{}: {next}", self.fix),
                    Some(next) => next,
                    None => self.fix.clone(),
                };
                Some(self.finding(facts, subject, name, found.found, fix))
            })
            .collect()
    }

    fn finding(
        &self,
        facts: &Facts,
        subject: &Subject,
        name: String,
        evidence: String,
        fix: String,
    ) -> Finding {
        let is_problem = self
            .problem_when
            .as_deref()
            .is_some_and(|c| holds(c, facts, subject));
        Finding {
            rule: self.name.clone(),
            level: if is_problem {
                Level::Problem
            } else {
                self.level
            },
            subject: name.clone(),
            title: self.title.clone(),
            evidence,
            meaning: self.meaning.clone(),
            fix: fix.replace("SUBJECT", &name),
            weight: self.weight,
        }
    }

    /// The names of the facts that the rule asks for.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for condition in [&self.when, &self.problem_when].into_iter().flatten() {
            if let Ok(expression) = Expression::parse(condition) {
                names.extend(expression.names().into_iter().map(str::to_owned));
            }
        }
        let texts = [self.evidence.as_deref().unwrap_or_default(), &self.fix];
        names.extend(
            texts
                .iter()
                .flat_map(|text| text::names(text))
                .map(str::to_owned),
        );
        names
    }
}

/// Whether a condition is known to hold.
fn holds(condition: &str, facts: &Facts, subject: &Subject) -> bool {
    let get = |name: &str| -> Option<Value> { facts.get(subject, name).cloned() };
    Expression::parse(condition).is_ok_and(|expression| expression.holds(&get) == Some(true))
}

/// All rules.
///
/// # Errors
/// The first rule that is malformed; the tests show that there is none.
pub fn all() -> Result<Vec<Rule>, String> {
    RULES
        .iter()
        .map(|(name, text)| Rule::parse(name, text))
        .collect()
}

/// Judges `facts` by `rules`; the most important finding comes first.
#[must_use]
pub fn judge(rules: &[Rule], facts: &Facts) -> Vec<Finding> {
    let mut findings: Vec<Finding> = rules.iter().flat_map(|rule| rule.findings(facts)).collect();
    findings.sort_by(|a, b| {
        (a.level, std::cmp::Reverse(a.weight), &a.subject).cmp(&(
            b.level,
            std::cmp::Reverse(b.weight),
            &b.subject,
        ))
    });
    findings
}
