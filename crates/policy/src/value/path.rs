//! Paths as configuration writes them: with `~` and variables, or as patterns to hide.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::{EnvName, Invalid};
use crate::glob::Glob;

/// What a [`PathTemplate`] is filled in from.
pub trait Variables {
    /// The user's home directory on the host.
    fn home(&self) -> Option<&Path>;
    /// A variable of the user's environment.
    fn var(&self, name: &str) -> Option<OsString>;
}

/// A path with `~` at the front and `${NAME}` or `${NAME:-default}` in it. A default may hold
/// `~` and variables again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathTemplate {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Home,
    Text(String),
    Variable {
        name: EnvName,
        default: Option<Vec<Part>>,
    },
}

/// Defaults within defaults: enough for `${A:-${B:-~}/x}`.
const MAX_NESTING: usize = 4;

impl PathTemplate {
    /// The text as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The path, or nothing where a variable without default is not set. As in the shell's
    /// `:-`, an empty variable counts as not set. The result may be relative.
    pub fn resolve(&self, variables: &impl Variables) -> Option<PathBuf> {
        let mut path = OsString::new();
        fill(&self.parts, variables, &mut path)?;
        Some(PathBuf::from(path))
    }
}

fn fill(parts: &[Part], variables: &impl Variables, out: &mut OsString) -> Option<()> {
    for part in parts {
        match part {
            Part::Home => out.push(variables.home()?),
            Part::Text(text) => out.push(text),
            Part::Variable { name, default } => {
                match (variables.var(name.as_str()).filter(|v| !v.is_empty()), default) {
                    (Some(value), _) => out.push(value),
                    (None, Some(default)) => fill(default, variables, out)?,
                    (None, None) => return None,
                }
            }
        }
    }
    Some(())
}

const HELP: &str = "write `~/dir`, `/dir`, `dir` or `${NAME:-~/dir}`";

impl FromStr for PathTemplate {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text.is_empty() || text.contains('\0') || text.len() > 4096 {
            return Err(Invalid::not(text, "a path", HELP));
        }
        if text.contains(['*', '?']) {
            return Err(Invalid::not(
                text,
                "a path but a pattern",
                "name the directory; it is shown with all below it",
            ));
        }
        let (parts, rest) = parse_parts(text, 0)?;
        if !rest.is_empty() {
            return Err(Invalid::not(text, "a path", HELP));
        }
        Ok(Self {
            text: text.to_owned(),
            parts,
        })
    }
}

/// Reads up to the end, or inside a default up to its `}`.
fn parse_parts(text: &str, nesting: usize) -> Result<(Vec<Part>, &str), Invalid> {
    let mut parts = Vec::new();
    let mut rest = text;
    if let Some(after) = rest.strip_prefix('~') {
        if !after.is_empty() && !after.starts_with(['/', '}']) {
            return Err(Invalid::not(
                text,
                "a path: other people's homes have no short form",
                HELP,
            ));
        }
        parts.push(Part::Home);
        rest = after;
    }
    let stops: &[char] = if nesting > 0 { &['$', '}'] } else { &['$'] };
    let at_end = |rest: &str| rest.is_empty() || (nesting > 0 && rest.starts_with('}'));
    while !at_end(rest) {
        let end = rest.find(stops).unwrap_or(rest.len());
        if end > 0 {
            parts.push(Part::Text(rest[..end].to_owned()));
            rest = &rest[end..];
        } else {
            let (part, after) = parse_variable(rest, nesting)?;
            parts.push(part);
            rest = after;
        }
    }
    Ok((parts, rest))
}

fn parse_variable(text: &str, nesting: usize) -> Result<(Part, &str), Invalid> {
    let bad = || {
        Invalid::not(
            text,
            "a variable in a path",
            "write `${NAME}` or `${NAME:-default}`",
        )
    };
    if nesting >= MAX_NESTING {
        return Err(bad());
    }
    let inner = text.strip_prefix("${").ok_or_else(bad)?;
    let end = inner.find(['}', ':']).ok_or_else(bad)?;
    let name: EnvName = inner[..end].parse().map_err(|_| bad())?;
    match &inner[end..] {
        after if after.starts_with('}') => Ok((Part::Variable { name, default: None }, &after[1..])),
        after => {
            let (default, rest) = parse_parts(after.strip_prefix(":-").ok_or_else(bad)?, nesting + 1)?;
            let rest = rest.strip_prefix('}').ok_or_else(bad)?;
            Ok((
                Part::Variable {
                    name,
                    default: Some(default),
                },
                rest,
            ))
        }
    }
}

impl fmt::Display for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::Escaped::from(self.text.as_str()).fmt(f)
    }
}

/// Where a pattern to hide begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Root {
    /// The project.
    Project,
    /// The user's home: `~/…`.
    Home,
    /// The file system: `/…`.
    Filesystem,
}

/// What `hide` takes: a pattern below the project, below home (`~/…`) or below `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HidePattern {
    /// Where it begins.
    pub root: Root,
    /// What it matches below there.
    pub glob: Glob,
}

impl HidePattern {
    /// The pattern seen from the file system's root.
    pub fn absolute(&self, project: &Path, home: Option<&Path>) -> Result<Glob, Invalid> {
        match (self.root, home) {
            (Root::Project, _) => self.glob.below(project),
            (Root::Home, Some(home)) => self.glob.below(home),
            (Root::Home, None) => Err(Invalid::new(
                "`~` has no meaning without a home directory",
                "write the path from `/`",
            )),
            (Root::Filesystem, _) => Ok(self.glob.clone()),
        }
    }

    /// Parses a pattern of any bytes.
    pub fn parse(text: &OsStr) -> Result<Self, Invalid> {
        let (root, rest) = match text.as_bytes() {
            [b'~', b'/', rest @ ..] => (Root::Home, rest),
            [b'/', rest @ ..] => (Root::Filesystem, rest),
            rest => (Root::Project, rest),
        };
        Glob::parse(rest).map(|glob| Self { root, glob })
    }
}

impl FromStr for HidePattern {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::parse(OsStr::new(text))
    }
}

impl fmt::Display for HidePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.root {
            Root::Project => "",
            Root::Home => "~/",
            Root::Filesystem => "/",
        })?;
        self.glob.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Fixed(&'static [(&'static str, &'static str)]);

    impl Variables for Fixed {
        fn home(&self) -> Option<&Path> {
            Some(Path::new("/home/ana"))
        }
        fn var(&self, name: &str) -> Option<OsString> {
            self.0
                .iter()
                .find(|(n, _)| *n == name)
                .map(|(_, v)| OsString::from(v))
        }
    }

    fn resolve(text: &str, vars: &'static [(&'static str, &'static str)]) -> Option<String> {
        let path = text.parse::<PathTemplate>().unwrap().resolve(&Fixed(vars))?;
        Some(path.to_str().unwrap().to_owned())
    }

    #[test]
    fn templates_are_filled_in_as_the_shell_would() {
        assert_eq!(
            resolve("${CARGO_HOME:-~/.cargo}/bin", &[]).as_deref(),
            Some("/home/ana/.cargo/bin")
        );
        assert_eq!(
            resolve("${CARGO_HOME:-~/.cargo}/bin", &[("CARGO_HOME", "/c")]).as_deref(),
            Some("/c/bin")
        );
        assert_eq!(
            resolve("${CARGO_HOME:-~/.cargo}/bin", &[("CARGO_HOME", "")]).as_deref(),
            Some("/home/ana/.cargo/bin")
        );
        assert_eq!(
            resolve("${A:-${B:-~/.x}/y}/z", &[]).as_deref(),
            Some("/home/ana/.x/y/z")
        );
        assert_eq!(
            resolve("${A:-${B:-~/.x}/y}/z", &[("B", "/b")]).as_deref(),
            Some("/b/y/z")
        );
        assert_eq!(resolve("${GOROOT}", &[]), None);
        assert_eq!(resolve("~", &[]).as_deref(), Some("/home/ana"));
        assert_eq!(resolve("a~b/}c", &[]).as_deref(), Some("a~b/}c"));
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for wrong in [
            "",
            "~bob/x",
            "$HOME/x",
            "${",
            "${}",
            "${A",
            "${A:b}",
            "${A:-",
            "${A:-${B}",
            "a*b",
            "a\0",
            "${1}",
            "${A:-${A:-${A:-${A:-${A:-x}}}}}",
        ] {
            assert!(wrong.parse::<PathTemplate>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn patterns_to_hide_have_three_roots() {
        let root = |text: &str| text.parse::<HidePattern>().map(|p| (p.root, p.glob.to_string()));
        assert_eq!(root("**/.env*"), Ok((Root::Project, "**/.env*".into())));
        assert_eq!(
            root("~/.config/git/credentials"),
            Ok((Root::Home, ".config/git/credentials".into()))
        );
        assert_eq!(root("/opt/x"), Ok((Root::Filesystem, "opt/x".into())));
        assert!(root("/").is_err() && root("~/").is_err() && root("../x").is_err());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[~${}:/a*-]{0,20}") {
            if let Ok(template) = text.parse::<PathTemplate>() {
                template.resolve(&Fixed(&[("a", "/v")]));
            }
            let _ = text.parse::<HidePattern>();
        }
    }
}
