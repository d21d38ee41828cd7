//! Columns for a terminal.

use unicode_width::UnicodeWidthStr as _;

/// Between two columns.
const GAP: &str = "  ";

/// A column, and what becomes of it where a terminal is too narrow for all of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    /// Its name, in words that are joined by underscores.
    pub(super) name: &'static str,
    /// Columns of a lower rank find their place first.
    pub(super) rank: u8,
    /// Its cells are cut to no less than this, in columns of the terminal; what would have to become narrower is left out.
    pub(super) least: usize,
}

/// Rows as text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) text: String,
    /// The columns for which there is no place.
    pub(super) left_out: Vec<&'static str>,
}

/// Lays out `rows` below the names of their `columns`. Without a `width` nothing is cut. With one, columns in which nothing
/// stands are left out, then those for which there is no place, and then the widest of the others are cut until a line
/// fits: one row an invitation, with what a person needs first, says more than all of it in pieces.
pub(super) fn layout<const N: usize>(columns: [Column; N], rows: &[[String; N]], width: Option<usize>) -> Table {
    let natural = columns.each_ref().map(|column| column.name.width());
    let natural = rows.iter().fold(natural, |widths, row| {
        let mut cells = row.iter().map(|cell| cell.width());
        widths.map(|width| cells.next().map_or(width, |cell| cell.max(width)))
    });
    let is_empty = |&index: &usize| rows.iter().all(|row| row[index].is_empty());
    let filled: Vec<usize> = (0..N).filter(|index| width.is_none() || !is_empty(index)).collect();
    // Whoever comes first has a third of the line.
    let third = width.unwrap_or_default() / 3;
    let least = |&index: &usize| {
        let Column { rank, least, .. } = columns[index];
        natural[index].min(if rank == 0 { least.max(third) } else { least })
    };
    let shown = width.map_or_else(|| filled.clone(), |limit| placed(&columns, &filled, least, limit));
    let mut widths: Vec<usize> = shown.iter().map(|&index| natural[index]).collect();
    if let Some(limit) = width {
        let floors: Vec<usize> = shown.iter().map(least).collect();
        shrink(&mut widths, &floors, limit.saturating_sub(gaps(shown.len())));
    }
    let mut text = String::new();
    let mut line = |cell: &dyn Fn(usize) -> String| {
        let cells = shown.iter().zip(&widths).map(|(&index, &width)| fitted(&cell(index), width));
        text.push_str(cells.collect::<Vec<_>>().join(GAP).trim_end());
        text.push('\n');
    };
    line(&|index| columns[index].name.replace('_', " ").to_uppercase());
    for row in rows {
        line(&|index| row[index].clone());
    }
    let left_out = filled.iter().filter(|index| !shown.contains(index)).map(|&index| columns[index].name).collect();
    Table { text, left_out }
}

/// The columns that find a place on a line of `limit`, each with its least width; by rank, in the order of the table.
fn placed(columns: &[Column], filled: &[usize], least: impl Fn(&usize) -> usize, limit: usize) -> Vec<usize> {
    let mut by_rank = filled.to_vec();
    by_rank.sort_by_key(|&index| columns[index].rank);
    let mut shown: Vec<usize> = Vec::new();
    let mut taken = 0;
    for index in by_rank {
        if shown.is_empty() || taken + least(&index) + gaps(shown.len() + 1) <= limit {
            taken += least(&index);
            shown.push(index);
        }
    }
    shown.sort_unstable();
    shown
}

fn gaps(columns: usize) -> usize {
    GAP.len() * columns.saturating_sub(1)
}

/// Takes from the widest columns until all of them together are no wider than `limit`; none becomes narrower than its
/// floor, unless it is the only one.
fn shrink(widths: &mut [usize], floors: &[usize], limit: usize) {
    if let [only] = widths {
        *only = limit.min(*only).max(1);
    }
    while widths.iter().sum::<usize>() > limit {
        let above = widths.iter_mut().zip(floors).filter(|(width, floor)| **width > **floor);
        let Some((widest, _)) = above.max_by_key(|(width, _)| **width) else { return };
        *widest -= 1;
    }
}

/// `text` filled up or cut to `width` columns of a terminal.
fn fitted(text: &str, width: usize) -> String {
    /// Joins the emoji before and behind it into one.
    const JOINER: char = '\u{200d}';
    let filled = |text: &str| format!("{text}{}", " ".repeat(width.saturating_sub(text.width())));
    if text.width() <= width {
        return filled(text);
    }
    let mut cut = String::new();
    for c in text.chars() {
        cut.push(c);
        // Of the whole text, not of its characters: several can make one sign.
        if cut.width() >= width {
            cut.pop();
            break;
        }
    }
    filled(&format!("{}…", cut.trim_end_matches(JOINER)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] = [
        Column { name: "organization", rank: 1, least: 8 },
        Column { name: "group_id", rank: 2, least: 8 },
        Column { name: "username", rank: 0, least: 8 },
    ];

    fn rows() -> Vec<[String; 3]> {
        let row = |a: &str, b: &str, c: &str| [a, b, c].map(str::to_owned);
        vec![row("acme", "", "a-rather-long-name@example.com"), row("日本語", "", "b@example.com")]
    }

    #[test]
    fn nothing_is_cut_without_a_terminal() {
        let Table { text, left_out } = layout(COLUMNS, &rows(), None);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "ORGANIZATION  GROUP ID  USERNAME");
        assert_eq!(lines[1], "acme                    a-rather-long-name@example.com");
        assert_eq!(lines[2], "日本語                  b@example.com");
        assert_eq!(left_out, [""; 0]);
    }

    #[test]
    fn a_narrow_terminal_gets_what_fits_and_no_empty_column() {
        let Table { text, left_out } = layout(COLUMNS, &rows(), Some(24));
        for line in text.lines() {
            assert!(line.width() <= 24, "{line:?}");
        }
        assert!(!text.contains("GROUP ID") && text.contains('…') && text.contains("acme"), "{text}");
        assert_eq!(left_out, [""; 0], "nothing stands there");
    }

    #[test]
    fn what_is_needed_least_makes_way_for_what_is_needed_first() {
        let row = ["acme", "0123456789", "a-rather-long-name@example.com"].map(str::to_owned);
        for width in 1..70 {
            let Table { text, left_out } = layout(COLUMNS, std::slice::from_ref(&row), Some(width));
            for line in text.lines() {
                assert!(line.width() <= width, "{width}: {line:?}");
            }
            assert!(text.starts_with(['U', '…', 'O']), "{text}");
            let expected: &[&str] = match width {
                ..18 => &["organization", "group_id"],
                18..29 => &["group_id"],
                _ => &[],
            };
            assert_eq!(left_out, expected, "{width}");
        }
    }

    #[test]
    fn signs_of_several_characters_are_cut_as_a_whole_and_fill_their_place() {
        for text in
            ["👨‍👩‍👧‍👦👨‍👩‍👧‍👦👨‍👩‍👧‍👦", "日本語日本語", "e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}", "שלום עולם", "🇩🇪🇩🇪🇩🇪🇩🇪"]
        {
            for width in 1..14 {
                let fitted = fitted(text, width);
                assert_eq!(fitted.width(), width, "{fitted:?}");
                assert!(!fitted.contains("\u{200d}…"), "{fitted:?}");
            }
        }
    }
}
