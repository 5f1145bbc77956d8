//! The text of the metrics.

use std::collections::BTreeMap;
use std::fmt::Write;

use hpcap::counters::{Counter, INTERFACE, Kind, LISTENER, QUEUE};

use super::Published;
use crate::events::Topic;
use crate::sample::Sample;

/// The format of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text format 0.0.4, which node_exporter reads, too.
    Prometheus,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl Format {
    /// Chooses the format by the header `Accept` of a request.
    #[must_use]
    pub fn accepted(accept: &str) -> Self {
        match accept.contains("application/openmetrics-text") {
            true => Self::OpenMetrics,
            false => Self::Prometheus,
        }
    }

    /// The value of the header `Content-Type`.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

type Labels = Vec<(&'static str, String)>;

impl Published {
    /// Returns the text of all metrics.
    #[must_use]
    pub fn text(&self, format: Format) -> String {
        let mut text = Text {
            out: String::with_capacity(16 << 10),
            format,
        };
        if let Some(sample) = &self.sample {
            let queue_labels = |queue: &crate::sample::QueueSample| -> Labels {
                vec![
                    ("device", format!("hpcap{}", queue.name.adapter)),
                    ("queue", queue.name.queue.to_string()),
                ]
            };
            let queues = sample.queues.iter().map(|q| (queue_labels(q), &q.reading));
            text.table(QUEUE, &queues.collect::<Vec<_>>());
            let listeners = sample.queues.iter().flat_map(|queue| {
                queue.listeners.iter().map(move |listener| {
                    let mut labels = queue_labels(queue);
                    labels.push(("listener", listener.id.to_string()));
                    labels.push(("program", listener.program.clone()));
                    (labels, &listener.reading)
                })
            });
            text.table(LISTENER, &listeners.collect::<Vec<_>>());
            let interfaces = sample
                .interfaces
                .iter()
                .map(|one| (vec![("device", one.name.clone())], &one.reading));
            text.table(INTERFACE, &interfaces.collect::<Vec<_>>());
            write_drivers(sample, &mut text);
        }
        self.write_own(&mut text);
        if format == Format::OpenMetrics {
            text.out.push_str("# EOF\n");
        }
        text.out
    }

    /// The metrics of the monitor itself.
    fn write_own(&self, text: &mut Text) {
        let mut active: BTreeMap<(Topic, &str), u64> = BTreeMap::new();
        for (topic, subject) in &self.active {
            active.insert((*topic, subject), 1);
        }
        if !active.is_empty() {
            let help = "1 for each condition that lasts, such as a loss of frames";
            text.family("hpcap_event_active", Kind::Gauge, help);
            for ((topic, subject), value) in active {
                let labels = [
                    ("event", topic.name().to_owned()),
                    ("subject", subject.to_owned()),
                ];
                text.value("hpcap_event_active", &labels, value);
            }
        }
        text.family("hpcap_build_info", Kind::Gauge, "Version of the monitor");
        let version = env!("CARGO_PKG_VERSION").to_owned();
        text.value("hpcap_build_info", &[("version", version)], 1);
        for (name, help, value) in [
            (
                "hpcap_monitor_samples",
                "Samples that the monitor has taken",
                self.samples,
            ),
            (
                "hpcap_monitor_missed_samples",
                "Samples that were due while the monitor could not run",
                self.missed,
            ),
            (
                "hpcap_monitor_unwritten",
                "Samples and events that could not be written into the logs",
                self.unwritten,
            ),
        ] {
            text.family(name, Kind::Counter, help);
            text.value(&format!("{name}_total"), &[], value);
        }
        if let Some(sample) = &self.sample {
            let name = "hpcap_monitor_last_sample_timestamp_seconds";
            text.family(name, Kind::Gauge, "Time of the last sample");
            text.value(name, &[], sample.moment.time.sec());
        }
    }
}

/// The statistics of drivers, of which only the driver knows whether they count or go up and down.
fn write_drivers(sample: &Sample, text: &mut Text) {
    const NAME: &str = "hpcap_interface_driver_statistic";
    let interfaces = sample.interfaces.iter();
    let mut interfaces = interfaces
        .filter(|one| !one.driver.values.is_empty())
        .peekable();
    if interfaces.peek().is_some() {
        text.untyped_family(NAME, "Statistics of network drivers, under their own names");
    }
    for interface in interfaces {
        for (statistic, value) in &interface.driver.values {
            let labels = [
                ("device", interface.name.clone()),
                ("statistic", statistic.clone()),
            ];
            text.value(NAME, &labels, *value);
        }
    }
}

/// The text under way.
struct Text {
    out: String,
    format: Format,
}

impl Text {
    /// Writes each family of `rows` with a value of each reading.
    fn table<S>(&mut self, rows: &[Counter<S>], readings: &[(Labels, &S)]) {
        if readings.is_empty() {
            return;
        }
        let mut family = "";
        for row in rows {
            if row.family != family {
                family = row.family;
                self.family(row.family, row.kind, row.help());
            }
            let metric = row.metric();
            for (labels, reading) in readings {
                match row.reason {
                    None => self.value(&metric, labels, row.value(reading)),
                    Some(reason) => {
                        let mut labels = labels.clone();
                        labels.push(("reason", reason.name().to_owned()));
                        self.value(&metric, &labels, row.value(reading));
                    }
                }
            }
        }
    }

    fn family(&mut self, family: &str, kind: Kind, help: &str) {
        // Prometheus' own format names a counter with its suffix, OpenMetrics without.
        let suffix = match (kind, self.format) {
            (Kind::Counter, Format::Prometheus) => "_total",
            _ => "",
        };
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        let _ = writeln!(self.out, "# HELP {family}{suffix} {help}");
        let _ = writeln!(self.out, "# TYPE {family}{suffix} {kind}");
    }

    /// A family whose values may be of any kind.
    fn untyped_family(&mut self, family: &str, help: &str) {
        let kind = match self.format {
            Format::Prometheus => "untyped",
            Format::OpenMetrics => "unknown",
        };
        let _ = writeln!(self.out, "# HELP {family} {help}");
        let _ = writeln!(self.out, "# TYPE {family} {kind}");
    }

    fn value(&mut self, metric: &str, labels: &[(&'static str, String)], value: u64) {
        self.out.push_str(metric);
        let mut before = '{';
        for (name, text) in labels {
            let _ = write!(self.out, "{before}{name}=\"{}\"", Escaped(text));
            before = ',';
        }
        if before == ',' {
            self.out.push('}');
        }
        let _ = writeln!(self.out, " {value}");
    }
}

/// The value of a label, which may hold any text of a stranger.
struct Escaped<'a>(&'a str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in self.0.chars() {
            match c {
                '\\' => f.write_str("\\\\")?,
                '"' => f.write_str("\\\"")?,
                '\n' => f.write_str("\\n")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::sample::DriverSample;
    use crate::sample::tests::{interface, listener, queue, sample};

    fn published() -> Published {
        let mut one = queue("hpcap3:1", 1, 990, 10);
        one.listeners = vec![listener(4, "a\"b\\\n", 4096)];
        let mut sample = sample(10, vec![one, queue("hpcap0", 1, 5, 0)]);
        sample.interfaces = vec![interface("eth0", 2, 77, 0)];
        let driver = DriverSample {
            values: [("rx_no_dma\"".into(), 0), ("tx_gold".into(), u64::MAX)].into(),
            ..DriverSample::default()
        };
        sample.interfaces[0].driver = Arc::new(driver);
        Published {
            sample: Some(Arc::new(sample)),
            active: vec![(Topic::Loss, "hpcap3".into())],
            samples: 9,
            ..Published::default()
        }
    }

    #[test]
    fn metrics_have_the_values_of_the_sample() {
        let text = published().text(Format::Prometheus);
        for line in [
            "# TYPE hpcap_receive_packets_total counter",
            r#"hpcap_receive_packets_total{device="hpcap3",queue="1"} 1000"#,
            r#"hpcap_captured_packets_total{device="hpcap3",queue="1"} 990"#,
            r#"hpcap_dropped_packets_total{device="hpcap3",queue="1",reason="ring_full"} 10"#,
            r#"hpcap_dropped_packets_total{device="hpcap0",queue="0",reason="nic_error"} 0"#,
            r#"hpcap_listener_lag_bytes{device="hpcap3",queue="1",listener="4",program="a\"b\\\n"} 4096"#,
            r#"hpcap_interface_receive_packets_total{device="eth0"} 77"#,
            r#"hpcap_interface_speed_bytes{device="eth0"} 1250000000"#,
            "# TYPE hpcap_interface_driver_statistic untyped",
            r#"hpcap_interface_driver_statistic{device="eth0",statistic="rx_no_dma\""} 0"#,
            r#"hpcap_interface_driver_statistic{device="eth0",statistic="tx_gold"} 18446744073709551615"#,
            r#"hpcap_event_active{event="loss",subject="hpcap3"} 1"#,
            "hpcap_monitor_samples_total 9",
            "hpcap_monitor_last_sample_timestamp_seconds 10",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }

    #[test]
    fn each_family_stands_once() {
        for format in [Format::Prometheus, Format::OpenMetrics] {
            let text = published().text(format);
            let mut families: Vec<&str> = text
                .lines()
                .filter_map(|line| line.strip_prefix("# TYPE "))
                .collect();
            let count = families.len();
            families.sort_unstable();
            families.dedup();
            assert_eq!(families.len(), count);
        }
    }

    #[test]
    fn open_metrics_names_families_without_suffix() {
        let text = published().text(Format::OpenMetrics);
        assert!(text.contains("# TYPE hpcap_receive_packets counter\n"));
        assert!(text.contains("\nhpcap_receive_packets_total{"));
        assert!(text.contains("# TYPE hpcap_interface_driver_statistic unknown\n"));
        assert!(text.ends_with("\n# EOF\n"));
    }

    #[test]
    fn monitor_without_a_sample_has_its_own_metrics() {
        let text = Published::default().text(Format::Prometheus);
        assert!(text.contains("hpcap_build_info{version="), "{text}");
        assert!(!text.contains("hpcap_receive"), "{text}");
    }
}
