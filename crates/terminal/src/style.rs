//! How a cell looks: colours and attributes, in sixteen bytes.

/// A colour as a program can ask for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Color(u32);

/// The ways to name a colour. The first sixteen have two that are not the
/// same everywhere: `31` may become brighter with bold where `38;5;1` does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ColorKind {
    Default,
    Basic(u8),
    Indexed(u8),
    Rgb(u8, u8, u8),
}

impl Color {
    pub(crate) const DEFAULT: Self = Self(0);
    const BASIC: u32 = 1 << 24;
    const INDEXED: u32 = 2 << 24;
    const RGB: u32 = 3 << 24;

    /// One of the sixteen that have SGR numbers of their own.
    pub(crate) const fn basic(index: u8) -> Self {
        Self(Self::BASIC | index as u32)
    }

    pub(crate) const fn indexed(index: u8) -> Self {
        Self(Self::INDEXED | index as u32)
    }

    pub(crate) const fn rgb(r: u8, g: u8, b: u8) -> Self {
        Self(Self::RGB | u32::from_be_bytes([0, r, g, b]))
    }

    pub(crate) fn kind(self) -> ColorKind {
        let [tag, r, g, b] = self.0.to_be_bytes();
        match tag {
            0 => ColorKind::Default,
            1 => ColorKind::Basic(b),
            2 => ColorKind::Indexed(b),
            _ => ColorKind::Rgb(r, g, b),
        }
    }
}

/// Colours, attribute bits and the kind of underline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Style {
    pub(crate) fg: Color,
    pub(crate) bg: Color,
    /// Colour of the underline (SGR 58).
    pub(crate) line: Color,
    attributes: u32,
}

/// An attribute that is on or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Attribute {
    Bold = 1,
    Dim = 1 << 1,
    Italic = 1 << 2,
    Blink = 1 << 3,
    Inverse = 1 << 4,
    Hidden = 1 << 5,
    Strike = 1 << 6,
    Overline = 1 << 7,
}

/// Every attribute with its SGR number (ECMA-48 §8.3.117).
pub(crate) const ATTRIBUTES: [(Attribute, u8); 8] = [
    (Attribute::Bold, 1),
    (Attribute::Dim, 2),
    (Attribute::Italic, 3),
    (Attribute::Blink, 5),
    (Attribute::Inverse, 7),
    (Attribute::Hidden, 8),
    (Attribute::Strike, 9),
    (Attribute::Overline, 53),
];

const UNDERLINE_SHIFT: u32 = 8;

impl Style {
    pub(crate) const PLAIN: Self = Self {
        fg: Color::DEFAULT,
        bg: Color::DEFAULT,
        line: Color::DEFAULT,
        attributes: 0,
    };

    pub(crate) fn has(self, attribute: Attribute) -> bool {
        self.attributes & attribute as u32 != 0
    }

    pub(crate) fn set(&mut self, attribute: Attribute, on: bool) {
        if on {
            self.attributes |= attribute as u32;
        } else {
            self.attributes &= !(attribute as u32);
        }
    }

    /// 0 none, 1 single, 2 double, 3 curly, 4 dotted, 5 dashed (kitty's underline extension).
    pub(crate) fn underline(self) -> u8 {
        (self.attributes >> UNDERLINE_SHIFT) as u8
    }

    pub(crate) fn set_underline(&mut self, kind: u8) {
        self.attributes &= (1 << UNDERLINE_SHIFT) - 1;
        self.attributes |= u32::from(kind.min(5)) << UNDERLINE_SHIFT;
    }

    /// What erasing leaves behind: the background only (xterm's `bce`).
    pub(crate) fn erased(self) -> Self {
        Self {
            bg: self.bg,
            ..Self::PLAIN
        }
    }

    /// Whether going from `self` to `next` needs nothing switched off. Bold and
    /// dim are one property to some terminals, so they change together or not at all.
    pub(crate) fn only_grows_to(self, next: Self) -> bool {
        const INTENSITY: u32 = Attribute::Bold as u32 | Attribute::Dim as u32;
        let bits = self.attributes & ((1 << UNDERLINE_SHIFT) - 1);
        let intensity = self.attributes & INTENSITY;
        bits & !next.attributes == 0
            && (intensity == 0 || intensity == next.attributes & INTENSITY)
            && (self.underline() == 0 || next.underline() != 0)
    }
}
