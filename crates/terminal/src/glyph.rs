//! Which characters occupy cells, which sit on one, and which are dropped.

use unicode_width::UnicodeWidthChar;

/// What a character does to the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Glyph {
    /// Occupies one cell.
    Narrow,
    /// Occupies two cells.
    Wide,
    /// Sits on the character before it.
    Mark,
    /// Is not shown at all.
    Dropped,
}

pub(crate) fn classify(c: char) -> Glyph {
    match c {
        ' '..='~' | '\u{a1}'..='\u{ac}' | '\u{ae}'..='\u{2ff}' => Glyph::Narrow,
        _ if is_dropped(c) => Glyph::Dropped,
        _ => match c.width() {
            Some(0) => Glyph::Mark,
            Some(1) => Glyph::Narrow,
            Some(_) => Glyph::Wide,
            None => Glyph::Dropped,
        },
    }
}

/// Characters that carry no ink and let text read otherwise than it is stored:
/// bidirectional controls (Trojan Source, CVE-2021-42574), tag characters and
/// supplementary variation selectors (hidden text for a model), invisible
/// operators, fillers, separators and annotations.
pub(crate) fn is_dropped(c: char) -> bool {
    matches!(c,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{34f}' | '\u{61c}'
        | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
        || c as u32 & 0xfffe == 0xfffe // noncharacters; one of them marks tails in cells
}

/// Characters about whose width terminals disagree: emoji and symbols that may
/// be shown as such. After one of these the cursor is placed anew.
pub(crate) fn is_risky(c: char) -> bool {
    matches!(c, '\u{2190}'..='\u{24ff}' | '\u{2580}'..='\u{2bff}' | '\u{3030}'..='\u{303f}')
        || (c as u32) >= 0xe000 && !matches!(c, '\u{f900}'..='\u{faff}' | '\u{ff01}'..='\u{ff60}')
        || matches!(c, '\u{600}'..='\u{1fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_could_hide_or_reorder_is_dropped() {
        for c in [
            '\u{202e}',
            '\u{2066}',
            '\u{2069}',
            '\u{e0041}',
            '\u{200b}',
            '\u{feff}',
            '\u{9b}',
            '\u{7f}',
        ] {
            assert_eq!(classify(c), Glyph::Dropped, "{:x}", c as u32);
        }
    }

    #[test]
    fn widths_are_those_of_wcwidth() {
        assert_eq!(classify('é'), Glyph::Narrow);
        assert_eq!(classify('─'), Glyph::Narrow);
        assert_eq!(classify('漢'), Glyph::Wide);
        assert_eq!(classify('🦀'), Glyph::Wide);
        assert_eq!(classify('\u{301}'), Glyph::Mark);
        assert_eq!(classify('\u{fe0f}'), Glyph::Mark);
        assert_eq!(classify('\u{200d}'), Glyph::Mark);
    }
}
