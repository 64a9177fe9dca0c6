//! The tools of this project: those of the configuration, then the shipped ones whose names are free.

use crate::configuration::{Places, real};
use fumehood_policy::config::Upstream;
use fumehood_policy::{Escaped, Layer};
use fumehood_tools::{Manifest, shipped};

/// Tools, and in words what is not offered and why.
#[derive(Debug, Default)]
pub(crate) struct Offered {
    pub(crate) tools: Vec<Manifest>,
    /// Servers whose tools are offered too: name, what is said of it, and which file says it.
    pub(crate) upstreams: Vec<(String, Upstream, String)>,
    pub(super) left_out: Vec<String>,
}

impl Offered {
    /// Those that hold here. The project's own file counts only as far as its digest is trusted.
    pub(crate) fn here(places: &Places) -> Result<Offered, String> {
        let mut offered = Offered::default();
        for file in places.files()? {
            let config = file.parsed().into_result().map_err(|e| e.to_string())?;
            if config.tools.is_empty() && config.upstreams.is_empty() {
                continue;
            }
            if file.layer == Layer::Project && !places.trusts(&file)? {
                let name = Escaped::from(file.path.as_path());
                offered.left_out.push(format!(
                    "{name}: its tools are not offered until you say fumehood trust"
                ));
                continue;
            }
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
        let names = places
            .folders()
            .into_iter()
            .next()
            .map(|top| top.names)
            .unwrap_or_default();
        shipped(&names).into_iter().for_each(|tool| {
            if !offered.tools.iter().any(|t| t.name() == tool.name()) {
                offered.tools.push(tool);
            }
        });
        Ok(offered)
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
