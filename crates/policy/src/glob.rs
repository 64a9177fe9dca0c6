//! Path patterns: `**/.env*`, `target/**`, `*.config.{js,ts}`.
//!
//! A pattern is anchored at the root it is matched under; `*`, `?` and `[…]` stay inside one
//! name; `**` alone between slashes is any number of directories, none included. A pattern
//! that matches a directory covers everything below it. Names are bytes.
//!
//! A set is walked with a [`Cursor`], one step per directory name, so a walk of the tree does
//! each name once, skips directories below which nothing can match, and never backtracks:
//! a step costs O(patterns × components).

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::str::FromStr;

use crate::value::Invalid;

/// Components of one alternative; a state fits one machine word.
const MAX_COMPONENTS: usize = 62;
/// Bytes of one pattern.
const MAX_LENGTH: usize = 4096;
/// Alternatives that braces may make of one pattern.
const MAX_ALTERNATIVES: usize = 64;

/// One parsed pattern.
#[derive(Clone, PartialEq, Eq)]
pub struct Glob {
    text: Box<[u8]>,
    alternatives: Vec<Vec<Component>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Component {
    AnyDepth,
    Name(Vec<Token>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Byte(u8),
    One,
    Many,
    Class { negated: bool, ranges: Vec<(u8, u8)> },
}

impl Glob {
    /// Parses a pattern; one that can match no path is an error.
    pub fn parse(text: &[u8]) -> Result<Self, Invalid> {
        refuse_unmatchable(text)?;
        let alternatives = expand_braces(text)?
            .iter()
            .map(|one| parse_components(one))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            text: text.into(),
            alternatives,
        })
    }

    /// The pattern as it was written.
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    /// The path itself, when the pattern has no wildcard: a look-up instead of a walk.
    pub fn literal(&self) -> Option<&Path> {
        let plain = !self.text.iter().any(|b| b"*?[{\\".contains(b));
        plain.then(|| Path::new(OsStr::from_bytes(&self.text)))
    }

    /// Whether the pattern matches `path` or a directory above it. `path` is relative.
    pub fn covers(&self, path: &Path) -> bool {
        GlobSet::new([self.clone()]).covers(path)
    }

    /// The same pattern seen from the file system's root, where its own root is `base`, an
    /// absolute path. What is a wildcard in a pattern is a plain character in `base`.
    pub fn below(&self, base: &Path) -> Result<Self, Invalid> {
        let literal =
            |name: &OsStr| Component::Name(name.as_bytes().iter().copied().map(Token::Byte).collect());
        let names = base.components().filter_map(|c| match c {
            std::path::Component::Normal(name) => Some(literal(name)),
            _ => None,
        });
        let head: Vec<Component> = names.collect();
        let join = |tail: &Vec<Component>| [head.as_slice(), tail.as_slice()].concat();
        let alternatives: Vec<Vec<Component>> = self.alternatives.iter().map(join).collect();
        if alternatives.iter().any(|a| a.len() > MAX_COMPONENTS) {
            return Err(too_deep());
        }
        Ok(Self {
            text: self.text.clone(),
            alternatives,
        })
    }
}

impl FromStr for Glob {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::parse(text.as_bytes())
    }
}

impl fmt::Debug for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Glob({})", crate::Escaped::bytes(&self.text))
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::Escaped::bytes(&self.text).fmt(f)
    }
}

/// Several patterns matched together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GlobSet {
    alternatives: Vec<Vec<Component>>,
}

impl GlobSet {
    /// The set of these patterns.
    pub fn new(globs: impl IntoIterator<Item = Glob>) -> Self {
        Self {
            alternatives: globs.into_iter().flat_map(|g| g.alternatives).collect(),
        }
    }

    /// A cursor at the root.
    pub fn root(&self) -> Cursor<'_> {
        let states = self.alternatives.iter().map(|c| skip_any_depth(c, 1)).collect();
        Cursor { set: self, states }
    }

    /// Whether a pattern matches `path` or a directory above it. `path` is relative.
    pub fn covers(&self, path: &Path) -> bool {
        let mut cursor = self.root();
        for name in path.iter() {
            cursor = cursor.enter(name.as_bytes());
            if cursor.is_match() {
                return true;
            }
        }
        false
    }
}

/// A place in a walk: which parts of which patterns the names so far have matched.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    set: &'a GlobSet,
    // Bit i: components before i are matched. Bit `len`: the whole pattern is.
    states: Vec<u64>,
}

impl Cursor<'_> {
    /// The cursor for the entry `name` of this directory.
    #[must_use]
    pub fn enter(&self, name: &[u8]) -> Self {
        let states = self.set.alternatives.iter().zip(&self.states);
        Self {
            set: self.set,
            states: states.map(|(c, &s)| step(c, s, name)).collect(),
        }
    }

    /// Whether a pattern matches the path so far.
    pub fn is_match(&self) -> bool {
        let ends = self.set.alternatives.iter().zip(&self.states);
        ends.into_iter().any(|(c, s)| s & (1 << c.len()) != 0)
    }

    /// Whether nothing below the path so far can match: the walk need not go in.
    pub fn is_dead(&self) -> bool {
        let ends = self.set.alternatives.iter().zip(&self.states);
        ends.into_iter().all(|(c, s)| s & !(1 << c.len()) == 0)
    }
}

fn step(components: &[Component], state: u64, name: &[u8]) -> u64 {
    let mut next = 0;
    for (i, component) in components.iter().enumerate() {
        if state & (1 << i) == 0 {
            continue;
        }
        match component {
            Component::AnyDepth => {
                let whole = i + 1 == components.len();
                next |= 1 << i | u64::from(whole) << (i + 1);
            }
            Component::Name(tokens) if name_matches(tokens, name) => next |= 1 << (i + 1),
            Component::Name(_) => {}
        }
    }
    skip_any_depth(components, next)
}

/// `**` also matches no directory: whoever stands before it stands behind it too. A trailing
/// `**` needs one name at least, so `target/**` is what is below `target`, not `target`.
fn skip_any_depth(components: &[Component], mut state: u64) -> u64 {
    for (i, component) in components.iter().enumerate() {
        let last = i + 1 == components.len();
        if *component == Component::AnyDepth && !last && state & (1 << i) != 0 {
            state |= 1 << (i + 1);
        }
    }
    state
}

/// Wildcards within one name, with one backtracking point: linear in practice, never
/// exponential.
fn name_matches(tokens: &[Token], name: &[u8]) -> bool {
    let (mut t, mut n) = (0, 0);
    let mut retry = None;
    while n < name.len() {
        if tokens.get(t) == Some(&Token::Many) {
            retry = Some((t + 1, n));
            t += 1;
        } else if let Some(width) = tokens.get(t).and_then(|token| width_of(token, &name[n..])) {
            t += 1;
            n += width;
        } else if let Some((after, from)) = retry {
            retry = Some((after, from + 1));
            (t, n) = (after, from + 1);
        } else {
            return false;
        }
    }
    tokens[t..].iter().all(|token| *token == Token::Many)
}

/// How many bytes of a non-empty `rest` the token takes.
fn width_of(token: &Token, rest: &[u8]) -> Option<usize> {
    let first = rest[0];
    match token {
        Token::Many => None,
        Token::Byte(byte) => (first == *byte).then_some(1),
        Token::One => Some(character_width(rest)),
        Token::Class { negated, ranges } => {
            let inside = ranges.iter().any(|&(low, high)| (low..=high).contains(&first));
            (inside != *negated).then(|| character_width(rest))
        }
    }
}

/// The first UTF-8 character's bytes, or one byte where there is none.
fn character_width(rest: &[u8]) -> usize {
    let head = &rest[..rest.len().min(4)];
    let valid = head.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    valid.chars().next().map_or(1, char::len_utf8)
}

fn refuse_unmatchable(text: &[u8]) -> Result<(), Invalid> {
    let shown = crate::Escaped::bytes(text).at_most(80).to_string();
    let never = |why: &str, help: &'static str| {
        Err(Invalid::new(
            format!("pattern `{shown}` can never match: {why}"),
            help,
        ))
    };
    match text {
        b"" => {
            return never("it is empty", "name a path below the project, like `**/.env*`");
        }
        t if t.len() > MAX_LENGTH => {
            return never("it is too long", "paths have 4096 bytes at most");
        }
        t if t.contains(&0) => return never("no path has a NUL byte", "remove it"),
        [b'!', ..] => return never("`!` does not negate here", "list what is meant instead"),
        [b'/', ..] => {
            return never("patterns start at the project", "remove the leading `/`");
        }
        [.., b'/'] => {
            return never(
                "no path ends in `/`",
                "remove it; a directory covers what is below it",
            );
        }
        _ => {}
    }
    Ok(())
}

/// `a{b,c}d` → `abd`, `acd`. Nested braces are refused, so the work is bounded by the limit.
fn expand_braces(text: &[u8]) -> Result<Vec<Vec<u8>>, Invalid> {
    let mut done = vec![Vec::new()];
    let mut rest = text;
    while let Some(open) = find_unescaped(rest, b'{') {
        let close = find_unescaped(&rest[open..], b'}').map(|at| at + open);
        let close =
            close.ok_or_else(|| Invalid::new("`{` without `}` in a pattern", "close it, or write `\\{`"))?;
        let inner = &rest[open + 1..close];
        if inner.contains(&b'{') || inner.contains(&b'/') {
            return Err(Invalid::new(
                "braces hold no braces and no `/`",
                "write the patterns one by one",
            ));
        }
        let choices: Vec<&[u8]> = inner.split(|&b| b == b',').collect();
        if done.len() * choices.len() > MAX_ALTERNATIVES {
            return Err(Invalid::new(
                "braces make more than 64 patterns of one",
                "use `*`",
            ));
        }
        done = done
            .iter()
            .flat_map(|head| choices.iter().map(move |c| [head, &rest[..open], c].concat()))
            .collect();
        rest = &rest[close + 1..];
    }
    for head in &mut done {
        head.extend_from_slice(rest);
    }
    Ok(done)
}

fn find_unescaped(text: &[u8], wanted: u8) -> Option<usize> {
    let mut i = 0;
    while i < text.len() {
        match text[i] {
            b'\\' => i += 1,
            b if b == wanted => return Some(i),
            _ => {}
        }
        i += 1;
    }
    None
}

fn parse_components(text: &[u8]) -> Result<Vec<Component>, Invalid> {
    let mut components = Vec::new();
    for part in text.split(|&b| b == b'/') {
        let component = parse_component(part)?;
        if component == Component::AnyDepth && components.last() == Some(&component) {
            continue; // `**/**` is `**`
        }
        components.push(component);
    }
    if components.len() > MAX_COMPONENTS {
        return Err(too_deep());
    }
    Ok(components)
}

fn too_deep() -> Invalid {
    Invalid::new("a pattern has 62 names at most", "use `**`")
}

fn parse_component(part: &[u8]) -> Result<Component, Invalid> {
    match part {
        b"**" => return Ok(Component::AnyDepth),
        b"" => {
            return Err(Invalid::new(
                "a pattern with an empty name can never match",
                "remove one of two slashes in a row",
            ));
        }
        b"." | b".." => {
            return Err(Invalid::new(
                "a pattern with `.` or `..` can never match: paths are resolved first",
                "write the path without",
            ));
        }
        p if p.windows(2).any(|w| w == b"**") => {
            return Err(Invalid::new(
                "`**` must stand alone between slashes",
                "write `**/` before the name, or one `*`",
            ));
        }
        _ => {}
    }
    let mut tokens = Vec::new();
    let mut rest = part;
    while let Some((token, after)) = parse_token(rest)? {
        tokens.push(token);
        rest = after;
    }
    Ok(Component::Name(tokens))
}

fn parse_token(text: &[u8]) -> Result<Option<(Token, &[u8])>, Invalid> {
    Ok(Some(match text {
        [] => return Ok(None),
        [b'*', rest @ ..] => (Token::Many, rest),
        [b'?', rest @ ..] => (Token::One, rest),
        [b'[', rest @ ..] => parse_class(rest)?,
        [b'\\', byte, rest @ ..] => (Token::Byte(*byte), rest),
        [b'\\'] => {
            return Err(Invalid::new(
                "a pattern ends in `\\`",
                "write `\\\\` for a backslash",
            ));
        }
        [byte, rest @ ..] => (Token::Byte(*byte), rest),
    }))
}

fn parse_class(text: &[u8]) -> Result<(Token, &[u8]), Invalid> {
    let bad = |why| Invalid::new(why, "write `[a-z]`, or `\\[` for the character itself");
    let (negated, text) = match text {
        [b'!' | b'^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    // A `]` right after the opening is a member, as in the shell.
    let from = usize::from(text.first() == Some(&b']'));
    let end = text
        .iter()
        .skip(from)
        .position(|&b| b == b']')
        .map(|at| at + from);
    let end = end.ok_or_else(|| bad("`[` without `]` in a pattern"))?;
    let members = &text[..end];
    if !members.is_ascii() {
        return Err(bad("`[…]` takes ASCII only"));
    }
    let ranges = parse_ranges(members).ok_or_else(|| bad("a range in `[…]` runs backwards"))?;
    Ok((Token::Class { negated, ranges }, &text[end + 1..]))
}

fn parse_ranges(mut members: &[u8]) -> Option<Vec<(u8, u8)>> {
    let mut ranges = Vec::new();
    while let Some((&low, rest)) = members.split_first() {
        let (high, rest) = match rest {
            [b'-', high, rest @ ..] => (*high, rest),
            rest => (low, rest),
        };
        if low > high {
            return None;
        }
        ranges.push((low, high));
        members = rest;
    }
    Some(ranges)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(glob: &str, path: &str) -> bool {
        Glob::parse(glob.as_bytes()).unwrap().covers(Path::new(path))
    }

    #[test]
    fn patterns_match_as_documented() {
        for (glob, yes, no) in [
            (
                ".env*",
                vec![".env", ".env.local", ".env.d/x"],
                vec!["a/.env", "env"],
            ),
            ("**/.env*", vec![".env", "a/.env", "a/b/.envrc"], vec!["a/env"]),
            (
                "target/**",
                vec!["target/a", "target/a/b"],
                vec!["target", "a/target/b"],
            ),
            (
                "a/**/b",
                vec!["a/b", "a/x/b", "a/x/y/b", "a/b/c"],
                vec!["b", "ab"],
            ),
            (
                "*.config.{js,ts}",
                vec!["x.config.js", "x.config.ts"],
                vec!["x.config.mjs", "a/x.config.js"],
            ),
            ("[!a-c]x?", vec!["dxy", "zxé"], vec!["axy", "dx"]),
            (r"\*x", vec!["*x"], vec!["ax"]),
            ("[]]", vec!["]"], vec!["["]),
            ("**", vec!["a", "a/b"], vec![]),
            ("**/**/x", vec!["x", "a/b/c/x"], vec!["y"]),
        ] {
            yes.iter()
                .for_each(|path| assert!(matches(glob, path), "{glob} should match {path}"));
            no.iter()
                .for_each(|path| assert!(!matches(glob, path), "{glob} should not match {path}"));
        }
    }

    #[test]
    fn what_can_never_match_is_an_error() {
        let errors: Vec<String> = [
            "", "/etc", "a/", "a//b", "../x", "./x", "!x", "a**", "[a", "[]", "[z-a]", "{a", "{a,{b}}",
            "x/{,a}", "\\", "a\0",
        ]
        .iter()
        .map(|text| format!("{:?}: {}", text, Glob::parse(text.as_bytes()).unwrap_err()))
        .collect();
        insta::assert_snapshot!(errors.join("\n"), @r#"
    "": pattern `` can never match: it is empty
    "/etc": pattern `/etc` can never match: patterns start at the project
    "a/": pattern `a/` can never match: no path ends in `/`
    "a//b": a pattern with an empty name can never match
    "../x": a pattern with `.` or `..` can never match: paths are resolved first
    "./x": a pattern with `.` or `..` can never match: paths are resolved first
    "!x": pattern `!x` can never match: `!` does not negate here
    "a**": `**` must stand alone between slashes
    "[a": `[` without `]` in a pattern
    "[]": `[` without `]` in a pattern
    "[z-a]": a range in `[…]` runs backwards
    "{a": `{` without `}` in a pattern
    "{a,{b}}": braces hold no braces and no `/`
    "x/{,a}": a pattern with an empty name can never match
    "\\": a pattern ends in `\`
    "a\0": pattern `a\x00` can never match: no path has a NUL byte
    "#);
    }

    #[test]
    fn a_walk_is_told_where_not_to_go() {
        let set = GlobSet::new([Glob::parse(b"a/b/*.pem").unwrap(), Glob::parse(b".env").unwrap()]);
        let root = set.root();
        assert!(!root.is_dead() && !root.is_match());
        assert!(root.enter(b"x").is_dead());
        assert!(!root.enter(b"a").is_dead());
        assert!(root.enter(b".env").is_match());
        assert!(root.enter(b"a").enter(b"b").enter(b"k.pem").is_match());
    }

    #[test]
    fn literals_need_no_walk() {
        assert_eq!(
            Glob::parse(b"a/.env").unwrap().literal(),
            Some(Path::new("a/.env"))
        );
        assert_eq!(Glob::parse(b"a/*").unwrap().literal(), None);
    }

    #[test]
    fn no_pattern_is_slow() {
        let pattern = format!("**/*a*a*a*a*b/{}", vec!["**/*a"; 28].join("/"));
        let path = vec!["aaaaaaaaaaaaaaaaaaaaaaaaaaaa"; 200].join("/");
        let begin = std::time::Instant::now();
        matches(&pattern, &path);
        assert!(begin.elapsed().as_millis() < 500);
    }

    /// The definition, by recursion, to compare with.
    fn by_definition(glob: &[&str], path: &[&str]) -> bool {
        match (glob, path) {
            ([], []) => true,
            (["**"], path) => !path.is_empty(),
            (["**", rest @ ..], path) => {
                by_definition(rest, path) || (!path.is_empty() && by_definition(glob, &path[1..]))
            }
            ([g, gs @ ..], [p, ps @ ..]) => {
                name_by_definition(g.as_bytes(), p.as_bytes()) && by_definition(gs, ps)
            }
            _ => false,
        }
    }

    fn name_by_definition(glob: &[u8], name: &[u8]) -> bool {
        match (glob, name) {
            ([], []) => true,
            ([b'*', rest @ ..], name) => {
                name_by_definition(rest, name) || (!name.is_empty() && name_by_definition(glob, &name[1..]))
            }
            ([b'?', gs @ ..], [_, ns @ ..]) => name_by_definition(gs, ns),
            ([g, gs @ ..], [n, ns @ ..]) => g == n && name_by_definition(gs, ns),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(
            glob in proptest::collection::vec("\\*\\*|[ab*?]{1,4}", 1..4),
            path in proptest::collection::vec("[ab]{1,4}", 1..5),
        ) {
            let glob: Vec<String> = glob.into_iter().map(|g| if g == "**" { g } else { g.replace("**", "*") }).collect();
            let glob: Vec<&str> = glob.iter().map(String::as_str).filter(|g| !g.contains("**") || *g == "**").collect();
            prop_assume!(!glob.is_empty());
            let names: Vec<&str> = path.iter().map(String::as_str).collect();
            let expected = (1..=names.len()).any(|n| by_definition(&glob, &names[..n]));
            prop_assert_eq!(matches(&glob.join("/"), &names.join("/")), expected);
        }

        #[test]
        fn any_bytes_parse_or_fail_and_never_panic(glob in proptest::collection::vec(any::<u8>(), 0..40), path in "[^\0]{0,40}") {
            if let Ok(glob) = Glob::parse(&glob) {
                glob.covers(Path::new(&path));
            }
        }

        #[test]
        fn a_dead_cursor_never_matches_again(glob in "[ab*?]{1,3}(/[ab*?]{1,3}){0,2}", names in proptest::collection::vec("[ab]{1,3}", 1..5)) {
            let Ok(glob) = Glob::parse(glob.as_bytes()) else { return Ok(()) };
            let set = GlobSet::new([glob]);
            let mut cursor = set.root();
            let mut dead = false;
            for name in &names {
                cursor = cursor.enter(name.as_bytes());
                prop_assert!(!(dead && cursor.is_match()));
                dead |= cursor.is_dead();
            }
        }
    }
}
