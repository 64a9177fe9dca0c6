//! From a template and values to the words of a command. No shell, no joining but the two that a manifest may
//! write (`--option={value}`, `./{value}`); each value is one word.

use crate::call::{Arguments, Given};
use crate::kind::Value;
use crate::refused::{Refused, Wrong};
use fumehood_policy::config::Argument;
use fumehood_policy::origin::At;
use fumehood_policy::value::ToolName;
use std::ffi::OsString;

/// Bytes of one word (`MAX_ARG_STRLEN` of Linux, its NUL included).
const LONGEST_WORD: usize = 131_071;
/// Bytes of all words: far below what the kernel takes, more than any call needs.
const LONGEST: usize = 512 * 1024;

/// The words of a call, the program first.
///
/// # Errors
/// A value would stand where a program could take it for an option, or all together are too long.
pub fn compile(template: &[At<Argument>], arguments: &Arguments) -> Result<Vec<OsString>, Refused> {
    let mut out = Vec::new();
    for argument in template {
        push(&argument.value, arguments, &mut out)?;
    }
    let longest = out.iter().map(|w| w.len()).max().unwrap_or(0);
    if longest > LONGEST_WORD || out.iter().map(|w| w.len() + 1).sum::<usize>() > LONGEST {
        return Err(Refused::call("the command is too long", "send less in one call"));
    }
    Ok(out)
}

fn push(argument: &Argument, arguments: &Arguments, out: &mut Vec<OsString>) -> Result<(), Refused> {
    match argument {
        Argument::Literal(text) => out.push(text.into()),
        Argument::Parameter(name) => {
            for value in values(arguments, name) {
                alone(name, value)?;
                out.push(value.as_str().into());
            }
        }
        Argument::Prefixed(prefix, name) => {
            let words = values(arguments, name).iter();
            out.extend(words.map(|v| OsString::from(format!("{prefix}{}", v.as_str()))));
        }
        Argument::Group(parts) => {
            if argument
                .parameters()
                .all(|name| !values(arguments, name).is_empty())
            {
                for part in parts {
                    push(part, arguments, out)?;
                }
            }
        }
    }
    Ok(())
}

fn values<'a>(arguments: &'a Arguments, name: &ToolName) -> &'a [Value] {
    arguments.given(name).map_or(&[], Given::values)
}

/// Where it stands alone, nothing that begins with `-`: many programs look for options everywhere, and take
/// any beginning of a long one (GNU getopt, git).
fn alone(name: &ToolName, value: &Value) -> Result<(), Refused> {
    if value.is_like_an_option() {
        let wrong = Wrong::of(
            value.as_str(),
            "would be read as an option",
            "begin with another character",
        );
        return Err(Refused::parameter(name.as_str(), &wrong));
    }
    Ok(())
}
