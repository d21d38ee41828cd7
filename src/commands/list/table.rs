//! Columns for a terminal.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Between two columns.
const GAP: &str = "  ";
/// No column becomes narrower than this, however narrow the terminal is.
const NARROWEST: usize = 8;

/// Lays out `rows` below `head`. With a `width` the widest columns are cut until a line fits; columns in which
/// nothing stands are then left out. Without one nothing is cut.
pub(super) fn layout<const N: usize>(head: [&str; N], rows: &[[String; N]], width: Option<usize>) -> String {
    let shown: Vec<usize> =
        (0..N).filter(|&column| width.is_none() || rows.iter().any(|row| !row[column].is_empty())).collect();
    let widest = |&column: &usize| {
        let cells = rows.iter().map(|row| row[column].width());
        cells.chain([head[column].width()]).max().unwrap_or_default()
    };
    let mut widths: Vec<usize> = shown.iter().map(widest).collect();
    if let Some(limit) = width {
        let gaps = GAP.len() * widths.len().saturating_sub(1);
        shrink(&mut widths, limit.saturating_sub(gaps));
    }
    let mut text = String::new();
    let mut line = |cell: &dyn Fn(usize) -> String| {
        let cells = shown.iter().zip(&widths).map(|(&column, &width)| fitted(&cell(column), width));
        text.push_str(cells.collect::<Vec<_>>().join(GAP).trim_end());
        text.push('\n');
    };
    line(&|column| head[column].replace('_', " ").to_uppercase());
    for row in rows {
        line(&|column| row[column].clone());
    }
    text
}

/// Takes from the widest columns until all of them together are no wider than `limit`.
fn shrink(widths: &mut [usize], limit: usize) {
    while widths.iter().sum::<usize>() > limit {
        let Some(widest) = widths.iter_mut().max().filter(|widest| **widest > NARROWEST) else { return };
        *widest -= 1;
    }
}

/// `text` filled up or cut to `width` columns of a terminal.
fn fitted(text: &str, width: usize) -> String {
    let taken = text.width();
    if taken <= width {
        return format!("{text}{}", " ".repeat(width - taken));
    }
    let mut cut = String::new();
    let mut used = 0;
    for c in text.chars() {
        let next = used + c.width().unwrap_or_default();
        if next >= width {
            break;
        }
        used = next;
        cut.push(c);
    }
    format!("{cut}…{}", " ".repeat(width.saturating_sub(used + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<[String; 3]> {
        let row = |a: &str, b: &str, c: &str| [a, b, c].map(str::to_owned);
        vec![row("acme", "", "a-rather-long-name@example.com"), row("日本語", "", "b@example.com")]
    }

    #[test]
    fn nothing_is_cut_without_a_terminal() {
        let text = layout(["organization", "group_id", "username"], &rows(), None);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "ORGANIZATION  GROUP ID  USERNAME");
        assert_eq!(lines[1], "acme                    a-rather-long-name@example.com");
        assert_eq!(lines[2], "日本語                  b@example.com");
    }

    #[test]
    fn a_narrow_terminal_gets_what_fits_and_no_empty_column() {
        let text = layout(["organization", "group_id", "username"], &rows(), Some(24));
        for line in text.lines() {
            assert!(line.width() <= 24, "{line:?}");
        }
        assert!(!text.contains("GROUP ID") && text.contains('…') && text.contains("acme"), "{text}");
    }
}
