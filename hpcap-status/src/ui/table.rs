//! A table for any width: a narrow screen drops the least important columns.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

use super::View;

/// The content of a cell.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) style: Style,
}

impl Cell {
    /// A cell without emphasis.
    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self::styled(text, Style::new())
    }

    /// A cell with emphasis.
    pub(super) fn styled(text: impl Into<String>, style: Style) -> Self {
        Self {
            text: text.into(),
            style,
        }
    }
}

/// A column of rows of type `T`.
pub(super) struct Column<T> {
    /// The heading.
    pub(super) title: &'static str,
    /// Width in characters; a flexible column has at least this width.
    pub(super) width: u16,
    /// Columns with larger numbers are dropped first; 0 is never dropped.
    pub(super) rank: u8,
    /// Whether the text stands at the right.
    pub(super) right: bool,
    /// Whether the column takes the room that is left, up to this width.
    pub(super) grows_to: u16,
    /// Writes the cell of a row into at most this number of characters.
    pub(super) cell: fn(&View<'_>, &T, usize) -> Cell,
}

impl<T> Column<T> {
    /// A column whose text stands at the left.
    pub(super) const fn left(
        title: &'static str,
        width: u16,
        rank: u8,
        cell: fn(&View<'_>, &T, usize) -> Cell,
    ) -> Self {
        Self {
            title,
            width,
            rank,
            right: false,
            grows_to: width,
            cell,
        }
    }

    /// A column whose text stands at the right, as numbers do.
    pub(super) const fn right(
        title: &'static str,
        width: u16,
        rank: u8,
        cell: fn(&View<'_>, &T, usize) -> Cell,
    ) -> Self {
        Self {
            right: true,
            ..Self::left(title, width, rank, cell)
        }
    }

    /// Lets the column take the room that is left.
    pub(super) const fn growing(mut self, to: u16) -> Self {
        self.grows_to = to;
        self
    }
}

/// Returns the columns that fit into `width`, each with its width. There is a space between columns.
pub(super) fn fit<T>(columns: &[Column<T>], width: u16) -> Vec<(&Column<T>, u16)> {
    let mut kept: Vec<&Column<T>> = columns.iter().collect();
    let needed = |kept: &[&Column<T>]| -> u16 {
        kept.iter()
            .map(|c| c.width.saturating_add(1))
            .sum::<u16>()
            .saturating_sub(1)
    };
    while needed(&kept) > width {
        let Some(worst) = kept.iter().map(|c| c.rank).max().filter(|rank| *rank > 0) else {
            break;
        };
        // Of columns of one rank, the last goes first.
        if let Some(at) = kept.iter().rposition(|c| c.rank == worst) {
            kept.remove(at);
        }
    }
    let mut left = width.saturating_sub(needed(&kept));
    kept.into_iter()
        .map(|column| {
            let extra = left.min(column.grows_to - column.width);
            left -= extra;
            (column, column.width + extra)
        })
        .collect()
}

/// Where a table stands, and which of its rows are shown.
pub(super) struct Rows<'a, T> {
    /// All rows.
    pub(super) rows: &'a [T],
    /// The row that keys act on.
    pub(super) selected: Option<usize>,
    /// Heading of the column by which rows are sorted, and whether the order is reversed.
    pub(super) sorted: Option<(&'static str, bool)>,
}

/// Returns the first row to show, so that `selected` is among the `height` rows of `count`.
pub(super) fn first_row(selected: Option<usize>, count: usize, height: usize) -> usize {
    let last_start = count.saturating_sub(height);
    let selected = selected.unwrap_or(0);
    selected
        .saturating_sub(height.saturating_sub(1))
        .min(last_start)
}

/// Draws headings in the first line of `area`, and rows below it.
pub(super) fn draw<T>(
    view: &View<'_>,
    columns: &[Column<T>],
    rows: &Rows<'_, T>,
    area: Rect,
    buf: &mut Buffer,
) {
    if area.height == 0 {
        return;
    }
    // The first character of a row marks the selected one, for eyes and terminals without colours.
    let fitted = fit(columns, area.width.saturating_sub(1));
    let mut x = area.x + 1;
    for (column, width) in &fitted {
        let mut title = column.title.to_owned();
        if let Some((sorted, reverse)) = rows.sorted
            && sorted == column.title
        {
            title.push_str(view.theme.sorted(reverse));
        }
        put(
            buf,
            x,
            area.y,
            *width,
            &title,
            view.theme.heading(),
            column.right,
        );
        x += width + 1;
    }
    let height = usize::from(area.height - 1);
    let first = first_row(rows.selected, rows.rows.len(), height);
    let shown = rows.rows.iter().enumerate().skip(first).take(height);
    for (y, (index, row)) in (area.y + 1..).zip(shown) {
        let is_selected = rows.selected == Some(index);
        let mut x = area.x + 1;
        for (column, width) in &fitted {
            let cell = (column.cell)(view, row, usize::from(*width));
            put(buf, x, y, *width, &cell.text, cell.style, column.right);
            x += width + 1;
        }
        if is_selected {
            put(buf, area.x, y, 1, ">", view.theme.heading(), false);
            buf.set_style(Rect::new(area.x, y, area.width, 1), view.theme.selected());
        }
    }
}

/// Writes `text` into `width` characters; what does not fit is cut.
pub(super) fn put(
    buf: &mut Buffer,
    x: u16,
    y: u16,
    width: u16,
    text: &str,
    style: Style,
    right: bool,
) {
    let area = *buf.area();
    if y >= area.bottom() || x >= area.right() {
        return;
    }
    let width = width.min(area.right() - x);
    let needed = u16::try_from(Span::raw(text).width()).unwrap_or(u16::MAX);
    let shift = if right {
        width.saturating_sub(needed)
    } else {
        0
    };
    buf.set_stringn(x + shift, y, text, usize::from(width - shift), style);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> [Column<u8>; 3] {
        let cell: fn(&View<'_>, &u8, usize) -> Cell = |_, n, _| Cell::plain(n.to_string());
        [
            Column::left("a", 5, 0, cell),
            Column::right("b", 5, 2, cell),
            Column::left("c", 5, 1, cell).growing(10),
        ]
    }

    fn fitted(width: u16) -> Vec<(&'static str, u16)> {
        let columns = columns();
        let fitted = fit(&columns, width).into_iter();
        fitted
            .map(|(column, width)| (column.title, width))
            .collect()
    }

    #[test]
    fn least_important_column_goes_first() {
        assert_eq!(fitted(17), [("a", 5), ("b", 5), ("c", 5)]);
        assert_eq!(fitted(16), [("a", 5), ("c", 10)]);
        assert_eq!(fitted(10), [("a", 5)]);
        assert_eq!(fitted(3), [("a", 5)]);
    }

    #[test]
    fn room_that_is_left_goes_to_growing_columns() {
        assert_eq!(fitted(19), [("a", 5), ("b", 5), ("c", 7)]);
        assert_eq!(fitted(99), [("a", 5), ("b", 5), ("c", 10)]);
    }

    #[test]
    fn selected_row_is_always_shown() {
        for count in 0..20 {
            for height in 1..6 {
                for selected in 0..count {
                    let first = first_row(Some(selected), count, height);
                    assert!((first..first + height).contains(&selected));
                    assert!(first == 0 || first + height <= count);
                }
            }
        }
    }
}
