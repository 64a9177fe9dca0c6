//! Tools that come with fumehood (`presets/tools`), as data: each file is offered where its marker is.

use crate::manifest::{Manifest, Reach};
use fumehood_policy::Layer;
use fumehood_policy::config::{self, Argument, Tool, ToolNetwork};
use fumehood_policy::origin::{At, Origin};
use fumehood_policy::value::{HostPort, PostgresAddress, ToolName};
use std::ffi::OsString;

/// A file of tools.
struct File {
    name: &'static str,
    /// Names in a project's top folder, one of which is there; none means everywhere.
    markers: &'static [&'static str],
    text: &'static str,
}

const FILES: &[File] = &[
    File {
        name: "shipped cargo.toml",
        markers: &["Cargo.toml"],
        text: include_str!("../../../presets/tools/cargo.toml"),
    },
    File {
        name: "shipped pytest.toml",
        markers: &["pytest.ini", "pyproject.toml", "tox.ini", "setup.py"],
        text: include_str!("../../../presets/tools/pytest.toml"),
    },
    File {
        name: "shipped npm.toml",
        markers: &["package.json"],
        text: include_str!("../../../presets/tools/npm.toml"),
    },
    File {
        name: "shipped go.toml",
        markers: &["go.mod"],
        text: include_str!("../../../presets/tools/go.toml"),
    },
    File {
        name: "shipped make.toml",
        markers: &["Makefile", "makefile", "GNUmakefile"],
        text: include_str!("../../../presets/tools/make.toml"),
    },
    File {
        name: "shipped git.toml",
        markers: &[".git"],
        text: include_str!("../../../presets/tools/git.toml"),
    },
    File {
        name: "shipped files.toml",
        markers: &[],
        text: include_str!("../../../presets/tools/files.toml"),
    },
];

/// Those for a project whose top folder holds these names.
#[must_use]
pub fn shipped(names: &[OsString]) -> Vec<Manifest> {
    let fits =
        |file: &&File| file.markers.is_empty() || file.markers.iter().any(|m| names.iter().any(|n| n == *m));
    let files = FILES.iter().filter(fits);
    // A test holds that all of them load.
    let configs = files.filter_map(|f| config::parse(Layer::Machine, f.name, f.text.as_bytes()).config);
    configs
        .filter_map(|c| Manifest::of_config(&c).ok())
        .flatten()
        .map(Manifest::by_us)
        .collect()
}

/// A file of one tool, which is offered only where a configuration says so.
struct Single {
    name: &'static str,
    text: &'static str,
}

const SHELL: Single = Single {
    name: "shipped shell.toml",
    text: include_str!("../../../presets/tools/shell.toml"),
};
const HTTP: Single = Single {
    name: "shipped http.toml",
    text: include_str!("../../../presets/tools/http.toml"),
};
const SQL: Single = Single {
    name: "shipped sql.toml",
    text: include_str!("../../../presets/tools/sql.toml"),
};

impl Single {
    /// Its tool, and where it is written. A test holds that it is there.
    fn tool(&self) -> Option<(At<ToolName>, Tool, Origin)> {
        let config = config::parse(Layer::Machine, self.name, self.text.as_bytes()).config?;
        let (name, tool) = config.tools.first()?.clone();
        let origin = config.origin(name.pos);
        Some((name, tool, origin))
    }
}

/// A shell, in a sandbox without a network. What it is given is a program; whoever offers it knows.
#[must_use]
pub fn shell() -> Option<Manifest> {
    let (name, tool, origin) = SHELL.tool()?;
    let manifest = Manifest::unjudged(name.value, tool, origin).ok()?;
    Some(manifest.reaching(Reach::Named))
}

/// What these hosts give.
#[must_use]
pub fn http_get(hosts: Vec<HostPort>) -> Option<Manifest> {
    let (name, mut tool, origin) = HTTP.tool()?;
    let at = |value| At { pos: name.pos, value };
    tool.network = ToolNetwork::Hosts(hosts.into_iter().map(at).collect());
    let manifest = Manifest::new(name.value, tool, origin).ok()?;
    Some(manifest.reaching(Reach::Get))
}

/// What the database of this name holds; `alone` where there is no other. One whose name cannot be part of a tool's has none.
#[must_use]
pub fn sql_query(database: &str, alone: bool, at: &PostgresAddress) -> Option<Manifest> {
    let (name, mut tool, origin) = SQL.tool()?;
    let mut words = vec![
        format!("--host={}", at.host),
        format!("--port={}", at.port),
        format!("--dbname={}", at.database),
    ];
    words.extend(at.user.iter().map(|user| format!("--username={user}")));
    let pos = name.pos;
    let words = words.into_iter().map(|word| At {
        pos,
        value: Argument::Literal(word),
    });
    tool.argv.splice(1..1, words);
    let own = match alone {
        true => name.value,
        false => format!("{}_{database}", name.value).parse().ok()?,
    };
    let manifest = Manifest::new(own, tool, origin).ok()?;
    Some(manifest.reaching(Reach::Database(database.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::lint;
    use crate::manifest::Deed;

    #[test]
    fn all_of_them_load_and_have_limits() {
        let mut count = 0;
        for file in FILES {
            let config = config::parse(Layer::Machine, file.name, file.text.as_bytes())
                .into_result()
                .unwrap();
            let tools = Manifest::of_config(&config).unwrap().into_iter();
            let tools: Vec<Manifest> = tools.map(Manifest::by_us).collect();
            let names: Vec<OsString> = file.markers.first().map(Into::into).into_iter().collect();
            assert!(shipped(&names).starts_with(&tools));
            for tool in &tools {
                count += 1;
                let found: Vec<String> = lint(tool).iter().map(ToString::to_string).collect();
                if tool.deed().is_some() {
                    assert_eq!(tool.deed(), Deed::named(&format!("fumehood:{}", tool.name())));
                    assert_eq!(found, Vec::<String>::new());
                    continue;
                }
                let options = found
                    .iter()
                    .filter(|f| !f.contains("stands where options are read"));
                assert_eq!(options.count(), 0, "{}: {found:?}", tool.name());
                assert_ne!(tool.effect(), crate::Effect::Outward, "{}", tool.name());
            }
        }
        assert_eq!(count, 20);
        assert!(shipped(&["x".into()]).iter().all(|t| t.deed().is_some()));
        assert_eq!(shipped(&[]).len(), 4);
    }

    #[test]
    fn those_that_are_offered_where_it_is_said() {
        let shell = shell().unwrap();
        assert_eq!(
            (shell.effect(), shell.reach()),
            (crate::Effect::SandboxWrite, &Reach::Named)
        );
        assert!(
            lint(&shell).iter().any(|l| l.refused),
            "that it runs what it is given is said"
        );

        let get = http_get(vec!["docs.rs".parse().unwrap(), "*.example.com".parse().unwrap()]).unwrap();
        assert_eq!((get.effect(), get.reach()), (crate::Effect::Outward, &Reach::Get));
        assert_eq!(lint(&get), []);
        let ask = |tool: &Manifest, json: &str| crate::Arguments::parse(tool, json.as_bytes());
        ask(&get, r#"{"url":"https://a.example.com/x?y=1"}"#).unwrap();
        for url in [
            "https://example.org/",
            "file:///etc/passwd",
            "https://docs.rs@evil/",
            "-o/x",
            "https://docs.rs/{a,b}",
        ] {
            ask(&get, &format!("{{\"url\":\"{url}\"}}")).unwrap_err();
        }
        let other = http_get(vec!["docs.rs".parse().unwrap()]).unwrap();
        assert_ne!(get.digest(), other.digest());

        let at = "app@localhost:5432/shop".parse().unwrap();
        let one = sql_query("dev", true, &at).unwrap();
        assert_eq!(
            (one.name().as_str(), one.effect()),
            ("sql_query", crate::Effect::Observe)
        );
        assert_eq!(one.reach(), &Reach::Database("dev".to_owned()));
        assert_eq!(lint(&one), []);
        let two = sql_query("dev", false, &at).unwrap();
        assert_eq!(two.name().as_str(), "sql_query_dev");
        let checked = ask(&one, r#"{"sql":"select 1;\n-- \\! sh"}"#).unwrap();
        let words = crate::compile(&one.tool().argv, &checked).unwrap();
        assert_eq!(words.last().unwrap(), "--command=select 1;\n-- \\! sh");
        assert!(
            [
                "--host=localhost",
                "--port=5432",
                "--dbname=shop",
                "--username=app"
            ]
            .iter()
            .all(|w| words.iter().any(|o| o == w))
        );
        for sql in [r"\\! sh", r" \\! sh", r"\n\\copy t to program 'x'", " ", ""] {
            ask(&one, &format!("{{\"sql\":\"{sql}\"}}")).unwrap_err();
        }
    }

    /// What a configuration writes in place of a program is a program, also where it is our word for a deed.
    #[test]
    fn only_shipped_files_name_deeds() {
        let text = "version = 1\n[tool.read_file]\ndescription = \"d\"\nargv = [\"fumehood:read_file\"]\n";
        for layer in [Layer::Machine, Layer::User, Layer::Project] {
            let config = config::parse(layer, "x", text.as_bytes()).into_result().unwrap();
            let tools = Manifest::of_config(&config).unwrap();
            assert_eq!(tools[0].deed(), None);
            assert_ne!(tools[0].digest(), tools[0].clone().by_us().digest());
        }
    }
}
