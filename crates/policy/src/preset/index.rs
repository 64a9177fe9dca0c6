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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_agrees_with_the_files() {
        for entry in INDEX {
            let preset = entry.load().unwrap_or_else(|findings| panic!("{findings}"));
            assert_eq!(preset.name.as_str(), entry.name);
            assert_eq!(preset.harmless, entry.harmless, "{}", entry.name);
            assert_eq!(preset.commands, entry.commands, "{}", entry.name);
            assert_eq!(preset.files, entry.files, "{}", entry.name);
            assert_eq!(preset.also, entry.also, "{}", entry.name);
            assert!(entry.also.iter().all(|name| find(name).is_some()));
        }
    }

    #[test]
    fn every_file_is_in_the_table() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../presets");
        let files = std::fs::read_dir(folder)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap());
        let presets = files.filter_map(|name| name.strip_suffix(".toml").map(str::to_owned));
        let missing: Vec<String> = presets
            .filter(|name| find(name).is_none() && name != "protected")
            .collect();
        assert_eq!(missing, Vec::<String>::new());
    }

    #[test]
    fn patterns_have_one_star_at_most() {
        let patterns = INDEX.iter().flat_map(|e| e.commands.iter().chain(e.files));
        patterns.for_each(|p| assert!(p.matches('*').count() <= 1, "{p}"));
    }

    /// What is kept there is a login, whatever it is called.
    const CREDENTIALS: &[&str] = &[
        ".npmrc",
        ".netrc",
        ".pypirc",
        "credentials",
        "credentials.toml",
        ".credentials.json",
        ".git-credentials",
        "auth.json",
        "oauth_creds.json",
        "google_accounts.json",
        "mcp-oauth-tokens.json",
        "settings.xml",
        "settings-security.xml",
        "gradle.properties",
        "pip.conf",
        ".claude.json",
        ".env",
        "hosts.yml",
    ];

    #[test]
    fn no_preset_shows_a_login() {
        for entry in INDEX {
            let preset = entry.load().unwrap();
            let agent = preset.agent.unwrap_or_default();
            let shown = [
                &preset.read,
                &preset.screened,
                &preset.layered,
                &agent.show,
                &agent.screened,
            ];
            for path in shown.into_iter().flatten() {
                let name = path.as_str().rsplit('/').next().unwrap();
                assert!(!CREDENTIALS.contains(&name), "{}: {path}", entry.name);
                let whole_home_of_a_tool = [
                    "~/.claude",
                    "~/.codex",
                    "~/.gemini",
                    "~/.cargo",
                    "~/.m2",
                    "~/.config/git",
                    "~/.config",
                ];
                assert!(
                    !whole_home_of_a_tool.contains(&path.as_str()),
                    "{}: {path}",
                    entry.name
                );
            }
        }
    }

    #[test]
    fn no_preset_passes_a_key() {
        for entry in INDEX {
            for name in [
                "CARGO_REGISTRY_TOKEN",
                "NPM_TOKEN",
                "ANTHROPIC_API_KEY",
                "OPENAI_API_KEY",
                "GEMINI_API_KEY",
                "GITHUB_TOKEN",
                "PIP_INDEX_URL",
                "UV_INDEX_URL",
                "GOPROXY",
                "AWS_SECRET_ACCESS_KEY",
                "SSH_AUTH_SOCK",
            ] {
                let passes = entry
                    .load()
                    .unwrap()
                    .pass
                    .iter()
                    .any(|p| p.matches(name.as_bytes()));
                assert!(!passes, "{} passes {name}", entry.name);
            }
        }
    }

    /// The only hosts named are the agents' own model endpoints.
    #[test]
    fn presets_of_languages_name_no_host() {
        for entry in INDEX.iter().filter(|e| e.harmless) {
            assert_eq!(entry.load().unwrap().hosts, vec![], "{}", entry.name);
        }
    }
}
