//! The tools of this project: those of the configuration, then the shipped ones whose names are free.

use crate::configuration::{Places, profile, real};
use crate::run::by_get;
use fumehood_effect::Digest;
use fumehood_policy::choose::Folder;
use fumehood_policy::config::{Argument, Offer, Postgres, Tool, Upstream};
use fumehood_policy::profile::CommandLine;
use fumehood_policy::value::{Label, ToolName};
use fumehood_policy::{Escaped, Layer};
use fumehood_session::{Pinned, Programs};
use fumehood_tools::{Manifest, shipped};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// Tools, and in words what is not offered and why.
#[derive(Debug, Default)]
pub(crate) struct Offered {
    pub(crate) tools: Vec<Manifest>,
    /// Servers whose tools are offered too: name, what is said of it, and which file says it.
    pub(crate) upstreams: Vec<(String, Upstream, String)>,
    pub(super) left_out: Vec<String>,
    /// The program of each tool that was loaded, or why it has none.
    programs: Vec<(ToolName, Result<Pinned, String>)>,
    /// Where programs were looked for, and are inside.
    search: OsString,
}

/// What a call executes.
#[derive(Clone, Copy)]
pub(crate) struct Executed<'a> {
    pub(crate) program: &'a Pinned,
    /// The `PATH` inside.
    pub(crate) search: &'a OsStr,
}

impl Offered {
    /// Those that hold here. The project's own file counts only as far as its digest is trusted.
    pub(crate) fn here(places: &Places) -> Result<Offered, String> {
        let mut offered = Offered::default();
        let mut offers = BTreeSet::new();
        for file in places.files()? {
            let config = file.parsed().into_result().map_err(|e| e.to_string())?;
            if config.tools.is_empty() && config.upstreams.is_empty() && config.offer.is_empty() {
                continue;
            }
            if file.layer == Layer::Project && !places.trusts(&file)? {
                let name = Escaped::from(file.path.as_path());
                offered.left_out.push(format!(
                    "{name}: its tools are not offered until you say fumehood trust"
                ));
                continue;
            }
            offers.extend(config.offer.iter().map(|at| at.value));
            let key = Escaped::from(real(&file.path).as_path()).to_string();
            for (name, upstream) in &config.upstreams {
                let name = name.value.to_string();
                if offered.upstreams.iter().all(|(known, ..)| *known != name) {
                    offered.upstreams.push((name, upstream.clone(), key.clone()));
                }
            }
            let tools = Manifest::of_config(&config).map_err(|e| e.to_string())?;
            tools.into_iter().for_each(|tool| offered.add(tool));
        }
        let folders = places.folders();
        let names = folders
            .first()
            .map(|top| top.names.as_slice())
            .unwrap_or_default();
        let mut ours = shipped(names);
        if !offers.is_empty() {
            ours.extend(offered.said(&offers, places, &folders)?);
        }
        ours.into_iter().for_each(|tool| {
            if !offered.tools.iter().any(|t| t.name() == tool.name()) {
                offered.tools.push(tool);
            }
        });
        Ok(offered)
    }

    /// The shipped tools that files say are to be offered: what they reach is what this project's sessions may.
    fn said(
        &mut self,
        offers: &BTreeSet<Offer>,
        places: &Places,
        folders: &[Folder],
    ) -> Result<Vec<Manifest>, String> {
        let (profile, _) = profile(places, &CommandLine::default(), OsStr::new(""), folders)?;
        let network = profile.network;
        let mut tools = Vec::new();
        if offers.contains(&Offer::Shell) {
            tools.extend(fumehood_tools::shell());
        }
        if offers.contains(&Offer::HttpGet) {
            let read = network
                .allow
                .into_iter()
                .filter_map(|mut s| by_get(&s.origin, &mut s.value).then_some(s.value.host));
            let hosts: Vec<_> = read.collect();
            if hosts.is_empty() {
                self.left_out.push(
                    "tool http_get: there is nothing that it may read; name hosts in [network] allow"
                        .to_owned(),
                );
            } else {
                tools.extend(fumehood_tools::http_get(hosts));
            }
        }
        if offers.contains(&Offer::SqlQuery) {
            let all = &network.databases;
            if all.is_empty() {
                self.left_out
                    .push("tool sql_query: there is no database; name one in [postgres.NAME]".to_owned());
            }
            let one = |(name, config): &(Label, Postgres)| {
                let tool = fumehood_tools::sql_query(name.as_str(), all.len() == 1, &config.at);
                tool.ok_or_else(|| {
                    format!("tool sql_query: the database {name} has a name that no tool can have")
                })
            };
            for found in all.iter().map(|d| one(&d.value)) {
                match found {
                    Ok(tool) => tools.push(tool),
                    Err(why) => self.left_out.push(why),
                }
            }
        }
        Ok(tools)
    }

    /// Finds the programs of these tools, and hashes them: from here on a call executes this file or none.
    pub(crate) fn load(&mut self, places: &Places, which: impl Fn(&Manifest) -> bool) {
        let search = std::env::var_os("PATH").unwrap_or_default();
        let mut programs = Programs::on(&search, &real(&places.project));
        for tool in self.tools.iter().filter(|t| t.deed().is_none() && which(t)) {
            let Some(Argument::Literal(name)) = tool.tool().argv.first().map(|a| &a.value) else {
                continue; // the configuration has no other
            };
            let found = programs.pin(OsStr::new(name), &folder(tool.tool(), places));
            let found = found.map_err(|e| format!("tool {}: {e}", tool.name()));
            self.programs.push((tool.name().clone(), found));
        }
        self.search = programs.search().to_owned();
    }

    /// What a call of a tool that was loaded executes.
    pub(crate) fn executed(&self, tool: &Manifest) -> Result<Executed<'_>, String> {
        let found = self.programs.iter().find(|(name, _)| name == tool.name());
        match found.map(|(_, program)| program) {
            Some(Ok(program)) => Ok(Executed {
                program,
                search: &self.search,
            }),
            Some(Err(why)) => Err(why.clone()),
            None => Err(format!("tool {}: its program was not looked for", tool.name())),
        }
    }

    /// Of each tool that was loaded and has no program, why.
    pub(super) fn missing(&self, which: impl Fn(&Manifest) -> bool) -> impl Iterator<Item = &str> {
        let of = move |name: &ToolName| self.tools.iter().any(|t| t.name() == name && which(t));
        let missing = self.programs.iter().filter(move |(name, _)| of(name));
        missing
            .filter_map(|(_, found)| found.as_ref().err())
            .map(String::as_str)
    }

    /// Every file that calls of the tools that were loaded execute, once.
    pub(super) fn files(&self) -> BTreeMap<&Path, Digest> {
        let found = self.programs.iter().filter_map(|(_, found)| found.as_ref().ok());
        found.flat_map(Pinned::files).collect()
    }

    /// Does without the tools that have no program.
    pub(crate) fn leave_out_missing(&mut self) {
        for (name, found) in &self.programs {
            if let Err(why) = found {
                self.tools.retain(|t| t.name() != name);
                self.left_out.push(why.clone());
            }
        }
    }

    /// A higher layer's tool of the same name stays: a lower one cannot stand in for it.
    fn add(&mut self, tool: Manifest) {
        match self.tools.iter().find(|t| t.name() == tool.name()) {
            Some(first) => self.left_out.push(format!(
                "{}: tool {} is that of {} already",
                tool.origin(),
                tool.name(),
                first.origin()
            )),
            None => self.tools.push(tool),
        }
    }

    /// Only these, where there are names: others are not there, rather than refused.
    pub(crate) fn only(&mut self, names: &[String]) -> Result<(), String> {
        if names.is_empty() {
            return Ok(());
        }
        for name in names {
            self.find(name)?;
        }
        self.tools
            .retain(|t| names.iter().any(|n| n == t.name().as_str()));
        Ok(())
    }

    /// What is not offered, and why.
    pub(crate) fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// The tool of this name.
    pub(crate) fn find(&self, name: &str) -> Result<&Manifest, String> {
        let found = self.tools.iter().find(|t| t.name().as_str() == name);
        found.ok_or_else(|| {
            let all: Vec<&str> = self.tools.iter().map(|t| t.name().as_str()).collect();
            let shown = Escaped::from(name).at_most(60);
            let there = match all.is_empty() {
                true => "there are none here".to_owned(),
                false => format!("there are {}", all.join(", ")),
            };
            let why = self
                .left_out
                .first()
                .map_or_else(String::new, |w| format!("; {w}"));
            format!("there is no tool {shown}; {there}{why}")
        })
    }
}

/// Where a tool's command starts.
pub(super) fn folder(tool: &Tool, places: &Places) -> PathBuf {
    let named = tool.cwd.as_ref().and_then(|c| c.value.literal());
    named.map_or_else(|| places.project.clone(), |f| places.project.join(f))
}
