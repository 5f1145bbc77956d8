//! The facts that rules judge: numbers, words and flags of the machine, its interfaces, CPUs, queues, listeners,
//! sockets, disks and capture files.
//!
//! A fact that was read twice has its later value, and `NAME_new` is how much it grew between the two readings.

mod counters;
mod interfaces;
mod machine;
mod queues;

use std::collections::BTreeMap;

use hpcapctl::doctor;

use crate::bundle::Bundle;
use crate::record::{CLOCK, INTERFACES, InterfaceRecord, QUEUES, QueuesRecord};

/// A fact.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A number, in the unit that the name says.
    Number(f64),
    /// A word.
    Text(String),
    /// Yes or no.
    Flag(bool),
}

/// The subject of facts.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    /// `machine`, `interface`, `cpu`, `queue`, `unseen` (a queue that could not be
    /// opened), `listener`, `socket`, `disk` or `capture`.
    pub kind: &'static str,
    /// Its name; empty for the machine and for an unseen queue.
    pub name: String,
    facts: BTreeMap<String, Value>,
}

impl Subject {
    fn new(kind: &'static str, name: impl Into<String>) -> Self {
        Self {
            kind,
            name: name.into(),
            facts: BTreeMap::new(),
        }
    }

    fn number(&mut self, name: &str, value: f64) {
        self.facts.insert(name.to_owned(), Value::Number(value));
    }

    fn count(&mut self, name: &str, value: u64) {
        self.number(name, to_f64(value));
    }

    /// A counter in both readings. A counter that went down was reset, and did not grow.
    fn counter(&mut self, name: &str, first: u64, later: u64) {
        self.count(name, later);
        self.count(&format!("{name}_new"), later.saturating_sub(first));
    }

    fn text(&mut self, name: &str, value: impl Into<String>) {
        self.facts
            .insert(name.to_owned(), Value::Text(value.into()));
    }

    fn flag(&mut self, name: &str, value: bool) {
        self.facts.insert(name.to_owned(), Value::Flag(value));
    }

    fn get_number(&self, name: &str) -> f64 {
        match self.facts.get(name) {
            Some(Value::Number(number)) => *number,
            _ => 0.0,
        }
    }
}

/// All facts.
#[derive(Debug)]
pub struct Facts {
    /// The subjects of all facts; the machine is first.
    pub subjects: Vec<Subject>,
    /// The facts that `hpcapctl doctor` judges.
    pub doctor: doctor::Facts,
}

impl Facts {
    /// Finds the facts in a collection.
    #[must_use]
    pub fn of(bundle: &Bundle) -> Self {
        let (first, later): (QueuesRecord, QueuesRecord) =
            (bundle.json(QUEUES), bundle.later_json(QUEUES));
        let tree = bundle.tree();
        let interfaces: Vec<InterfaceRecord> = bundle.json(INTERFACES);
        let mut doctor = doctor::Facts::of(
            tree.clone(),
            interfaces::for_doctor(&tree, &interfaces, &later),
            queues::for_doctor(&tree, &first, &later),
            Vec::new(),
        );
        let clock: serde_json::Value = bundle.json(CLOCK);
        doctor.clock.synchronised = clock["synchronised"].as_bool();
        doctor.clock.error_us = clock["error_us"].as_u64();

        let seconds = bundle.about().map_or(0.0, |about| about.interval_seconds);
        let queues = queues::subjects(bundle, &tree, &first, &later, seconds);
        let mut subjects = vec![machine::subject(bundle, &later, &queues, seconds)];
        subjects.extend(interfaces::subjects(bundle, &doctor, &later));
        subjects.extend(counters::cpus(bundle));
        subjects.extend(counters::disks(bundle, &tree, seconds));
        subjects.extend(counters::sockets(bundle));
        subjects.extend(counters::captures(bundle));
        subjects.extend(queues);
        Self { subjects, doctor }
    }

    /// The fact `name` of `subject`; `machine.NAME` is a fact of the machine.
    #[must_use]
    pub fn get<'a>(&'a self, subject: &'a Subject, name: &str) -> Option<&'a Value> {
        match name.strip_prefix("machine.") {
            Some(name) => self.subjects.first()?.facts.get(name),
            None => subject.facts.get(name),
        }
    }
}

fn to_f64(number: u64) -> f64 {
    number as f64
}
