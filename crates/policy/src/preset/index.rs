//! The table that presets are chosen by, without parsing any. A test holds it equal to the
//! files.

use crate::finding::Findings;

use super::Preset;

/// What choosing needs to know of one preset.
#[derive(Debug)]
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// Whether a project's file may name it without being trusted: it shows installed tools
    /// and caches only.
    pub harmless: bool,
    /// Commands it is chosen for; `*` at the end stands for anything.
    pub commands: &'static [&'static str],
    /// File names in the project's root it is chosen for; one `*` stands for anything.
    pub files: &'static [&'static str],
    /// Presets that it brings along.
    pub also: &'static [&'static str],
    pub(super) text: &'static str,
}

impl Entry {
    /// Parses the preset.
    pub fn load(&self) -> Result<Preset, Findings> {
        Preset::parse(self.name, self.text)
    }
}

macro_rules! preset {
    ($name:literal, harmless: $harmless:literal, commands: $commands:expr, files: $files:expr, also: $also:expr) => {
        Entry {
            name: $name,
            harmless: $harmless,
            commands: &$commands,
            files: &$files,
            also: &$also,
            text: include_str!(concat!("../../../../presets/", $name, ".toml")),
        }
    };
}

/// Every shipped preset.
#[rustfmt::skip]
pub const INDEX: &[Entry] = &[
    preset!("rust", harmless: true,
        commands: ["cargo", "rustc", "rustdoc", "rustfmt", "rustup", "clippy-driver", "cargo-*", "rust-analyzer"],
        files: ["Cargo.toml", "rust-toolchain.toml", "rust-toolchain"],
        also: []),
    preset!("node", harmless: true,
        commands: ["node", "npm", "npx", "pnpm", "pnpx", "yarn", "yarnpkg", "corepack", "tsc", "tsx", "vite", "next", "jest", "vitest", "eslint"],
        files: ["package.json", "pnpm-workspace.yaml", ".nvmrc", ".node-version"],
        also: []),
    preset!("python", harmless: true,
        commands: ["python", "python3", "python3.*", "python2", "pip", "pip3", "pytest", "uv", "uvx", "poetry", "pdm", "hatch", "tox", "nox", "ruff", "mypy", "ipython", "jupyter", "conda", "mamba"],
        files: ["pyproject.toml", "setup.py", "setup.cfg", "requirements*.txt", "Pipfile", "tox.ini", "uv.lock", "poetry.lock", ".python-version", "environment.yml"],
        also: []),
    preset!("go", harmless: true,
        commands: ["go", "gofmt", "gopls", "golangci-lint", "dlv", "staticcheck"],
        files: ["go.mod", "go.work"],
        also: []),
    preset!("java", harmless: true,
        commands: ["java", "javac", "jar", "jshell", "mvn", "mvnw", "mvnd", "gradle", "gradlew", "kotlinc"],
        files: ["pom.xml", "build.gradle", "build.gradle.kts", "settings.gradle", "settings.gradle.kts", "gradlew", "mvnw"],
        also: []),
    preset!("git", harmless: true,
        commands: ["git", "tig", "lazygit", "git-*", "gh", "glab", "jj"],
        files: [".git"],
        also: []),
    preset!("claude-code", harmless: false, commands: ["claude"], files: [], also: ["git"]),
    preset!("codex", harmless: false, commands: ["codex"], files: [], also: ["git", "node"]),
    preset!("gemini", harmless: false, commands: ["gemini"], files: [], also: ["git", "node"]),
];

/// Names that configuration may already use; they come with the gateway and the brokers.
pub(crate) const PLANNED: &[&str] = &["kubectl", "helm", "terraform", "docker", "aws", "postgres"];

/// The preset of this name.
pub fn find(name: &str) -> Option<&'static Entry> {
    INDEX.iter().find(|entry| entry.name == name)
}

/// Whether the name is shipped or planned.
pub fn is_known(name: &str) -> bool {
    find(name).is_some() || PLANNED.contains(&name)
}

/// The names of all shipped presets.
pub fn names() -> impl Iterator<Item = &'static str> + Clone {
    INDEX.iter().map(|entry| entry.name)
}
