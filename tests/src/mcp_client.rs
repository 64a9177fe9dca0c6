//! A client of `fumehood mcp` on standard input and output.

use crate::calls::offer_tools_and;
use crate::programs::{fumehood, host_program};
use crate::world::World;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

/// A client of `fumehood mcp`: a process with two pipes.
#[derive(Debug)]
pub struct McpClient {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl McpClient {
    /// With the tools of [`offer_tools`].
    pub fn start(world: &World) -> McpClient {
        McpClient::with(world, "", &[])
    }

    /// With more in the configuration, and flags.
    pub fn with(world: &World, more: &str, flags: &[&str]) -> McpClient {
        offer_tools_and(world, more);
        let mut command = host_program(fumehood());
        command
            .arg("mcp")
            .args(flags)
            .current_dir(world.project())
            .env_clear()
            .envs(world.sandbox().environment());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        McpClient {
            to: child.stdin.take(),
            from: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    /// Sends a line.
    pub fn send(&mut self, line: &str) {
        writeln!(self.to.as_mut().unwrap(), "{line}").unwrap();
    }

    /// The next message; each is one line.
    pub fn message(&mut self) -> String {
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        line
    }

    /// Sends a line, and gives the next message.
    pub fn ask(&mut self, line: &str) -> String {
        self.send(line);
        self.message()
    }

    /// The server is killed.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
    }

    /// The client goes; the server ends, within what it allows its tools and some.
    pub fn leave(mut self) -> String {
        drop(self.to.take());
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut self.from, &mut rest).unwrap();
        assert!(self.child.wait().unwrap().success());
        rest
    }
}

impl Drop for McpClient {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}
