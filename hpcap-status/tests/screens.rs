//! The screens, drawn from stored reports into the buffer of a terminal.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use hpcap_status::app::{App, Focus, Screen, Span};
use hpcap_status::collect::history::{History, Point, Series};
use hpcap_status::collect::report::{Level, Report};
use hpcap_status::collect::verdict::judge;
use hpcap_status::plain;
use hpcap_status::text::Clock;
use hpcap_status::ui::theme::Theme;
use hpcap_status::ui::{self, View};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};

const PLAIN: Theme = Theme {
    color: false,
    unicode: true,
};

/// Reads a stored report, and judges it as a live one.
fn report(text: &str) -> Report {
    let mut report: Report = serde_json::from_str(text).unwrap();
    report.verdict = judge(&report, &Clock::utc(report.time_ns));
    report
}

fn losing() -> Report {
    report(include_str!("reports/losing.json"))
}

fn healthy() -> Report {
    report(include_str!("reports/healthy.json"))
}

/// The healthy report with 64 interfaces, one of which loses frames.
fn many() -> Report {
    let mut all = healthy();
    let (good, bad) = (all.queues[0].clone(), losing().queues[0].clone());
    all.queues = (0..64)
        .map(|number: u16| {
            let mut queue = if number == 40 {
                bad.clone()
            } else {
                good.clone()
            };
            queue.queue = match number % 16 {
                0 => format!("hpcap{}", number / 16),
                rest => format!("hpcap{}:{rest}", number / 16),
            };
            queue
        })
        .collect();
    all.verdict = judge(&all, &Clock::utc(all.time_ns));
    all
}

/// An hour of history: the rate swings, and frames are lost for the last three minutes and for a
/// moment earlier.
fn history(report: &Report) -> History {
    let mut history = History::default();
    let now = report.time_ns / 1_000_000_000;
    for queue in &report.queues {
        let mut series = Series::default();
        for ago in (0..3600_u32).rev() {
            let swing = 0.6 + 0.4 * (f64::from(ago) / 300.0).sin();
            let lost = match ago {
                0..192 if queue.losses.losing => 88_520.0,
                2000..2004 => 300.0,
                _ => 0.0,
            };
            series.push(Point {
                second: now - u64::from(ago),
                bits_per_second: 9.4e9 * swing,
                frames_per_second: 2.2e6 * swing,
                lost_per_second: lost,
                ring_fill: if lost > 300.0 { 0.99 } else { 0.04 * swing },
            });
        }
        history.queues.insert(queue.queue.clone(), series);
    }
    history
}

/// Draws a screen as the program does, through a terminal of ratatui.
fn buffer(report: &Report, app: &App, size: (u16, u16), theme: Theme) -> Buffer {
    buffer_with(report, &history(report), app, size, theme)
}

fn buffer_with(
    report: &Report,
    history: &History,
    app: &App,
    (width, height): (u16, u16),
    theme: Theme,
) -> Buffer {
    let mut app = app.clone();
    app.follow(report);
    let view = View {
        report,
        history,
        app: &app,
        theme,
        clock: &Clock::utc(report.time_ns),
        interval: "1s",
    };
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let _ = terminal
        .draw(|frame| {
            ui::draw(&view, frame.area(), frame.buffer_mut());
        })
        .unwrap();
    terminal.backend().buffer().clone()
}

fn screen(report: &Report, app: &App, size: (u16, u16)) -> String {
    plain::text_of(&buffer(report, app, size, PLAIN))
}

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

macro_rules! snapshot_of_sizes {
    ($name:literal, $report:expr) => {
        for (width, height) in SIZES {
            let text = screen(&$report, &App::default(), (width, height));
            insta::assert_snapshot!(format!("{}_{width}x{height}", $name), text);
        }
    };
}

#[test]
fn losing_queue_is_blamed() {
    snapshot_of_sizes!("losing", losing());
}

#[test]
fn stopped_listener_is_blamed_as_such() {
    let mut report = losing();
    report.queues[0].listeners[0].stopped = true;
    report.verdict = judge(&report, &Clock::utc(report.time_ns));
    assert!(
        report
            .verdict
            .reason
            .ends_with("goes on with kill -CONT 4242"),
        "{}",
        report.verdict.reason
    );
    let shown = screen(&report, &App::default(), (80, 24));
    assert!(shown.contains("lossless  stopped"), "{shown}");
}

#[test]
fn healthy_queue_is_shown() {
    snapshot_of_sizes!("healthy", healthy());
}

#[test]
fn machine_without_queues_is_explained() {
    let nothing = report(include_str!("reports/nothing.json"));
    insta::assert_snapshot!(screen(&nothing, &App::default(), (80, 24)));
}

#[test]
fn missing_permission_is_explained() {
    let refused = report(include_str!("reports/no_permission.json"));
    insta::assert_snapshot!(screen(&refused, &App::default(), (80, 24)));
}

#[test]
fn mixed_versions_are_named() {
    let mixed = report(include_str!("reports/mixed_versions.json"));
    insta::assert_snapshot!(screen(&mixed, &App::default(), (100, 24)));
}

#[test]
fn many_queues_show_who_loses() {
    snapshot_of_sizes!("many", many());
}

#[test]
fn narrow_terminal_shows_the_verdict() {
    insta::assert_snapshot!(screen(&losing(), &App::default(), (38, 9)));
}

#[test]
fn detail_has_everything_of_a_queue() {
    let app = App {
        screen: Screen::Detail,
        ..App::default()
    };
    for (width, height) in [(80, 24), (160, 50)] {
        let text = screen(&losing(), &app, (width, height));
        insta::assert_snapshot!(format!("detail_{width}x{height}"), text);
    }
}

#[test]
fn help_explains_every_term() {
    let app = App {
        screen: Screen::Help,
        ..App::default()
    };
    insta::assert_snapshot!(screen(&losing(), &app, (100, 150)));
}

#[test]
fn ascii_terminal_gets_ascii() {
    let theme = Theme {
        color: false,
        unicode: false,
    };
    let text = plain::text_of(&buffer(&losing(), &App::default(), (100, 30), theme));
    assert!(text.is_ascii(), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn picture_of_a_report_has_all_queues() {
    let many = many();
    let text = plain::draw(&many, 120, PLAIN, &Clock::utc(many.time_ns));
    for queue in &many.queues {
        let name = format!(" {} ", queue.queue);
        assert!(text.contains(&name), "{name} is missing in\n{text}");
    }
    let losing = losing();
    let clock = Clock::utc(losing.time_ns);
    insta::assert_snapshot!("picture", plain::draw(&losing, 110, PLAIN, &clock));
    insta::assert_snapshot!("lines", plain::lines(&losing, &clock));
}

#[test]
fn screen_of_any_size_can_be_drawn() {
    let app = |screen| App {
        screen,
        ..App::default()
    };
    let losing = losing();
    let history = history(&losing);
    for screen in [Screen::Overview, Screen::Detail, Screen::Help] {
        for width in [1, 2, 3, 11, 39, 59, 60, 61, 79, 300] {
            for height in (1..26).chain([70]) {
                let _ = buffer_with(&losing, &history, &app(screen), (width, height), PLAIN);
            }
        }
    }
}

#[test]
fn loss_is_red_where_there_are_colours() {
    let theme = Theme {
        color: true,
        unicode: true,
    };
    let first = |buffer: &Buffer| buffer.cell((1, 1)).unwrap().style();
    let colored = first(&buffer(&losing(), &App::default(), (80, 24), theme));
    assert_eq!(colored.bg, Some(Color::Red));
    let plain = buffer(&losing(), &App::default(), (80, 24), PLAIN);
    assert!(first(&plain).add_modifier.contains(Modifier::REVERSED));
    let is_plain =
        |cell: &ratatui::buffer::Cell| (cell.fg, cell.bg) == (Color::Reset, Color::Reset);
    assert!(
        plain.content().iter().all(is_plain),
        "a colour in spite of NO_COLOR"
    );
}

#[test]
fn verdicts_are_in_the_order_of_harm() {
    let mut losing = losing();
    assert_eq!(losing.verdict.level, Level::Losing);
    losing.queues[0].running = false;
    losing.queues[0].end = Some("died".into());
    let level = |report: &Report| judge(report, &Clock::utc(report.time_ns)).level;
    assert_eq!(level(&losing), Level::Failed);
    losing.queues.remove(0);
    assert_eq!(level(&losing), Level::Lost);
    losing.queues.remove(0);
    assert_eq!(level(&losing), Level::Unheard);
    losing.queues.clear();
    assert_eq!(level(&losing), Level::Idle);
    losing.unseen.push("cannot open queue hpcap0".into());
    assert_eq!(level(&losing), Level::Blind);
    assert_eq!(level(&healthy()), Level::Fine);
}

fn press(app: &mut App, report: &Report, code: KeyCode) {
    let _ = app.press(KeyEvent::new(code, KeyModifiers::NONE), report);
    app.follow(report);
}

#[test]
fn keys_change_the_screen() {
    let report = losing();
    let mut app = App::default();
    app.follow(&report);
    assert_eq!(app.selected_queue.as_deref(), Some("hpcap0"));
    press(&mut app, &report, KeyCode::Down);
    assert_eq!(app.selected_queue.as_deref(), Some("hpcap1"));
    press(&mut app, &report, KeyCode::End);
    press(&mut app, &report, KeyCode::Down);
    assert_eq!(app.selected_queue.as_deref(), Some("hpcap2"));
    press(&mut app, &report, KeyCode::Enter);
    assert_eq!(app.screen, Screen::Detail);
    press(&mut app, &report, KeyCode::Char('t'));
    assert_eq!(app.span, Span::Minute);
    press(&mut app, &report, KeyCode::Char('?'));
    assert_eq!(app.screen, Screen::Help);
    press(&mut app, &report, KeyCode::Esc);
    assert_eq!(app.screen, Screen::Overview);
}

#[test]
fn sorting_brings_the_worst_to_the_top() {
    let report = many();
    let mut app = App::default();
    press(&mut app, &report, KeyCode::Char('s'));
    press(&mut app, &report, KeyCode::Char('s'));
    assert_eq!(app.sorted(&report)[0].queue, "hpcap2:8");
    press(&mut app, &report, KeyCode::Char('r'));
    assert_eq!(app.sorted(&report)[63].queue, "hpcap2:8");
}

#[test]
fn listener_dies_only_after_a_yes() {
    let report = losing();
    let mut app = App::default();
    app.follow(&report);
    press(&mut app, &report, KeyCode::Char('K'));
    assert_eq!(app.victim, None, "no listener is selected");
    press(&mut app, &report, KeyCode::Tab);
    assert_eq!(app.focus, Focus::Listeners);
    press(&mut app, &report, KeyCode::Char('K'));
    insta::assert_snapshot!("question", screen(&report, &app, (100, 24)));
    let mut refused = app.clone();
    press(&mut refused, &report, KeyCode::Char('n'));
    assert_eq!(refused.victim, None);
    let yes = KeyEvent::new(KeyCode::Char('y'), KeyModifiers::NONE);
    let action = app.press(yes, &report);
    let hpcap_status::app::keys::Action::Kill(victim) = action else {
        panic!("{action:?}");
    };
    assert_eq!(
        (victim.queue.as_str(), victim.id, victim.pid),
        ("hpcap0", 3, 4242)
    );
}

#[test]
fn selection_follows_the_rows() {
    let mut report = losing();
    let mut app = App::default();
    app.follow(&report);
    press(&mut app, &report, KeyCode::Tab);
    report.queues.remove(0);
    app.follow(&report);
    assert_eq!(app.selected_queue.as_deref(), Some("hpcap1"));
    assert_eq!(app.selected_listener, Some(("hpcap1".into(), 1)));
    report.queues.clear();
    app.follow(&report);
    assert_eq!((app.selected_queue, app.focus), (None, Focus::Queues));
}

#[test]
fn hostile_names_stay_text() {
    let mut report = losing();
    report.queues[0].listeners[0].program = "evil\x1b[2J\u{202e}".into();
    report.queues[0].listeners[0].command = Some("\x07\n\r".into());
    report.queues[0].source = "pcap:\x1b]0;x\x07".into();
    report.host = "\x1bc".into();
    report.verdict = judge(&report, &Clock::utc(report.time_ns));
    for kind in [Screen::Overview, Screen::Detail] {
        let app = App {
            screen: kind,
            ..App::default()
        };
        let text = screen(&report, &app, (200, 60));
        let control = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
        assert!(!text.contains(control), "{text:?}");
    }
}
