//! A tool as it is offered: what the configuration says, checked, with the class of its effects and the digest
//! by which it is known.

use crate::kind;
use crate::lint;
use crate::schema;
use fumehood_policy::config::{Argument, Config, Parameter, Tool, ToolNetwork, ToolWorkspace};
use fumehood_policy::origin::Origin;
use fumehood_policy::value::ToolName;
use sha2::{Digest, Sha256};
use std::fmt;

/// The most that a call can do, from what its sandbox lets it: never from what a description says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// It reads.
    Observe,
    /// It writes inside, where everything can be taken back.
    SandboxWrite,
    /// Something leaves: it reaches hosts, or acts under a secret.
    Outward,
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Effect::Observe => "observe",
            Effect::SandboxWrite => "sandbox-write",
            Effect::Outward => "outward",
        })
    }
}

/// What fumehood does itself instead of running a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Deed {
    /// A page of a file.
    ReadFile,
    /// Names below a folder.
    ListFiles,
    /// Lines that match.
    SearchFiles,
    /// A text replaced by another.
    EditFile,
}

impl Deed {
    /// By the word that a shipped manifest has in place of a program.
    pub(crate) fn named(word: &str) -> Option<Deed> {
        Some(match word.strip_prefix("fumehood:")? {
            "read_file" => Deed::ReadFile,
            "list_files" => Deed::ListFiles,
            "search_files" => Deed::SearchFiles,
            "edit_file" => Deed::EditFile,
            _ => return None,
        })
    }
}

/// What of a network a call reaches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Reach {
    /// What its manifest names.
    #[default]
    Named,
    /// What the project's sessions may read, by GET alone.
    Get,
    /// The database of this name, which it can only read.
    Database(String),
}

/// Why a tool is not offered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// A default that its own type refuses.
    #[error("{at}: tool `{tool}`: the default of `{parameter}`: {why}")]
    Default {
        /// Where the tool is written.
        at: String,
        /// The tool.
        tool: ToolName,
        /// The parameter.
        parameter: ToolName,
        /// What its type says.
        why: String,
    },
    /// A parameter's value is taken as a program by what is run.
    #[error("{at}: tool `{tool}`: {why}")]
    Unsafe {
        /// Where the tool is written.
        at: String,
        /// The tool.
        tool: ToolName,
        /// The lint's words.
        why: String,
    },
}

/// One tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    name: ToolName,
    origin: Origin,
    tool: Tool,
    parameters: Vec<(ToolName, Parameter)>,
    deed: Option<Deed>,
    shipped: bool,
    reach: Reach,
}

impl Manifest {
    /// All tools of a configuration.
    ///
    /// # Errors
    /// The first that cannot be offered.
    pub fn of_config(config: &Config) -> Result<Vec<Manifest>, LoadError> {
        let tools = config.tools.iter();
        tools
            .map(|(name, tool)| Manifest::new(name.value.clone(), tool.clone(), config.origin(name.pos)))
            .collect()
    }

    /// A tool, as it was written at `origin`.
    ///
    /// # Errors
    /// A default is not of its type, or a parameter stands where its value is a program.
    pub fn new(name: ToolName, tool: Tool, origin: Origin) -> Result<Manifest, LoadError> {
        Manifest::unjudged(name, tool, origin).and_then(Manifest::judged)
    }

    /// Likewise where a person said that a parameter may be a program.
    pub(crate) fn unjudged(name: ToolName, tool: Tool, origin: Origin) -> Result<Manifest, LoadError> {
        let parameters: Vec<(ToolName, Parameter)> = tool
            .params
            .iter()
            .map(|(name, parameter)| (name.value.clone(), parameter.clone()))
            .collect();
        for (parameter, of) in &parameters {
            let Some(text) = &of.default else { continue };
            if let Err(wrong) = kind::check_text(&of.kind, &tool.network, text) {
                return Err(LoadError::Default {
                    at: origin.to_string(),
                    tool: name,
                    parameter: parameter.clone(),
                    why: format!("{}; {}", wrong.what, wrong.help),
                });
            }
        }
        let manifest = Manifest {
            name,
            origin,
            tool,
            parameters,
            deed: None,
            shipped: false,
            reach: Reach::Named,
        };
        Ok(manifest)
    }

    /// Refuses one whose parameter is a program.
    fn judged(manifest: Manifest) -> Result<Manifest, LoadError> {
        match lint::lint(&manifest).into_iter().find(|f| f.refused) {
            Some(found) => Err(LoadError::Unsafe {
                at: manifest.origin.to_string(),
                tool: manifest.name,
                why: found.to_string(),
            }),
            None => Ok(manifest),
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &ToolName {
        &self.name
    }

    /// Where it is written.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// All that the configuration says of it.
    #[must_use]
    pub const fn tool(&self) -> &Tool {
        &self.tool
    }

    /// What fumehood does itself for it; a program runs for all others, whatever they are called.
    #[must_use]
    pub const fn deed(&self) -> Option<Deed> {
        self.deed
    }

    /// Whether it came with fumehood.
    #[must_use]
    pub const fn is_shipped(&self) -> bool {
        self.shipped
    }

    /// What of a network its calls reach.
    #[must_use]
    pub const fn reach(&self) -> &Reach {
        &self.reach
    }

    /// Of a shipped file, with this reach.
    pub(crate) fn reaching(mut self, reach: Reach) -> Manifest {
        self.shipped = true;
        self.reach = reach;
        self
    }

    /// Of a shipped file: its word for a deed means one.
    pub(crate) fn by_us(mut self) -> Manifest {
        self.shipped = true;
        self.deed = match self.tool.argv.first().map(|a| &a.value) {
            Some(Argument::Literal(word)) => Deed::named(word),
            _ => None,
        };
        self
    }

    /// Its parameters, in the order in which they are written.
    #[must_use]
    pub fn parameters(&self) -> &[(ToolName, Parameter)] {
        &self.parameters
    }

    pub(crate) const fn network(&self) -> &ToolNetwork {
        &self.tool.network
    }

    /// The most that it can do.
    #[must_use]
    pub fn effect(&self) -> Effect {
        effect_of(&self.tool)
    }

    /// What its definition is known by: SHA-256 of all that a client is told and all that is run. A change of
    /// either is another tool.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(schema::definition(self).to_string());
        for part in [
            format!("{:?}", values_only(&self.tool)),
            self.tool.description.clone(),
            format!("{:?} {:?}", self.deed, self.reach),
        ] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    }
}

/// The most that a program can do in this sandbox.
#[must_use]
pub fn effect_of(tool: &Tool) -> Effect {
    let reaches = matches!(&tool.network, ToolNetwork::Hosts(hosts) if !hosts.is_empty());
    if reaches || !tool.secrets.is_empty() {
        Effect::Outward
    } else if tool.workspace == ToolWorkspace::Write || !tool.scratch.is_empty() {
        Effect::SandboxWrite
    } else {
        Effect::Observe
    }
}

/// The tool without the places in its file: moving a line changes no tool.
fn values_only(tool: &Tool) -> Vec<String> {
    let mut out: Vec<String> = tool.argv.iter().map(|a| format!("{:?}", a.value)).collect();
    out.extend(tool.params.iter().map(|(n, p)| format!("{:?} {p:?}", n.value)));
    out.push(match &tool.network {
        ToolNetwork::None => "none".to_owned(),
        ToolNetwork::Hosts(hosts) => hosts.iter().map(|h| format!("{} ", h.value)).collect(),
    });
    out.push(format!("{:?}", tool.workspace));
    out.extend(tool.scratch.iter().map(|g| format!("scratch {}", g.value)));
    out.extend(tool.secrets.iter().map(|s| format!("secret {}", s.value)));
    out.extend(tool.cwd.iter().map(|c| format!("cwd {}", c.value)));
    out.extend(tool.env.pass.iter().map(|v| format!("pass {}", v.value)));
    out.extend(tool.env.set.iter().map(|(n, v)| format!("set {} {v:?}", n.value)));
    let limits = &tool.limits;
    out.push(format!(
        "{:?}",
        (
            limits.memory.map(|l| l.value),
            limits.cpus.map(|l| l.value),
            limits.pids.map(|l| l.value),
            limits.disk.map(|l| l.value),
            limits.open_files.map(|l| l.value),
            limits.timeout.map(|l| l.value),
        )
    ));
    out.push(format!("{:?}", tool.output));
    out
}
