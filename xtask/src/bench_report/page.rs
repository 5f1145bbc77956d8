//! The tables of the page, and the markers around them.

use super::tables::{COMMANDS, TABLES};

fn marker(name: &str) -> String {
    format!("<!-- table {name} -->")
}

fn end_marker(name: &str) -> String {
    format!("<!-- end of table {name} -->")
}

/// Puts a command and what it measured between the markers of a table, in place of what is there.
///
/// # Errors
/// When the page does not have the markers.
pub(super) fn replace(
    page: &str,
    name: &str,
    command: &str,
    content: &str,
) -> Result<String, String> {
    let (from, to) = (marker(name), end_marker(name));
    let missing = || format!("the page has no markers {from} and {to}");
    let (before, rest) = page.split_once(&from).ok_or_else(missing)?;
    let (_, after) = rest.split_once(&to).ok_or_else(missing)?;
    let content = content.trim_end();
    Ok(format!(
        "{before}{from}\n\n    {command}\n\n{content}\n\n{to}{after}"
    ))
}

/// Returns what is wrong with the tables of a page: figures that no command writes, and tables without their command.
#[must_use]
pub fn complaints(page: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut inside: Option<&str> = None;
    for (number, line) in page.lines().enumerate() {
        let number = number + 1;
        if let Some(name) = between(line, "<!-- table ", " -->") {
            if inside.is_some() || !TABLES.iter().any(|table| table.name == name) {
                complaints.push(format!("line {number}: no table {name:?} begins here"));
            }
            inside = Some(name);
        } else if let Some(name) = between(line, "<!-- end of table ", " -->") {
            if inside != Some(name) {
                complaints.push(format!("line {number}: no table {name:?} ends here"));
            }
            inside = None;
        } else if line.starts_with('|') && inside.is_none() {
            complaints.push(format!("line {number}: no command writes this table"));
        }
    }
    for table in &TABLES {
        let (from, to) = (marker(table.name), end_marker(table.name));
        let block = between(page, &from, &to);
        let Some(block) = block else {
            complaints.push(format!("there is no {from} with its {to}"));
            continue;
        };
        let mut commands = COMMANDS
            .iter()
            .filter(|command| command.name == table.command);
        let has = |line: &str| block.lines().any(|l| l.strip_prefix("    ") == Some(line));
        if !commands.any(|command| has(command.full) || has(command.quick)) {
            complaints.push(format!("{from} does not show the command that measures it"));
        }
        if page.matches(&from).count() > 1 {
            complaints.push(format!("{from} is there twice"));
        }
    }
    complaints
}

/// Returns what stands between `from` and the next `to`.
fn between<'a>(text: &'a str, from: &str, to: &str) -> Option<&'a str> {
    Some(text.split_once(from)?.1.split_once(to)?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page with all tables.
    fn page() -> String {
        TABLES.iter().fold("text\n".to_owned(), |page, table| {
            let empty = format!(
                "{page}\n{}\n{}\n",
                marker(table.name),
                end_marker(table.name)
            );
            let of_table = |command: &&super::super::tables::Command| command.name == table.command;
            let command = COMMANDS.iter().find(of_table).unwrap();
            replace(&empty, table.name, command.full, "| a |\n").unwrap()
        })
    }

    #[test]
    fn complete_page_has_no_complaints() {
        assert_eq!(complaints(&page()), [""; 0]);
    }

    #[test]
    fn replacing_keeps_the_text_around() {
        let page = "before\n<!-- table x -->\nold\n<!-- end of table x -->\nafter\n";
        let replaced = replace(page, "x", "measure", "| new |\n").unwrap();
        assert_eq!(
            replaced,
            "before\n<!-- table x -->\n\n    measure\n\n| new |\n\n<!-- end of table x -->\nafter\n"
        );
        assert_eq!(
            replace(&replaced, "x", "measure", "| new |").unwrap(),
            replaced
        );
        assert!(replace(page, "y", "measure", "").is_err());
    }

    #[test]
    fn figures_without_a_command_are_found() {
        let name = TABLES[0].name;
        for (from, to) in [
            (marker(name), String::new()),
            (end_marker(name), String::new()),
            (format!("    {}\n", COMMANDS[0].full), String::new()),
            ("text\n".to_owned(), "| 1 ns |\n".to_owned()),
            (marker(name), format!("{0}\n{0}", marker(name))),
            (marker(name), marker("unknown")),
        ] {
            let page = page().replacen(&from, &to, 1);
            assert!(!complaints(&page).is_empty(), "{from:?} as {to:?}");
        }
    }
}
