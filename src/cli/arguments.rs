//! What is done to the arguments before clap reads them: the command goes first, and what says nothing goes away.

use std::ffi::{OsStr, OsString};

use clap::builder::Resettable;
use clap::{Arg, Command};

/// What an argument list looks like to clap, with the definition that it is to be read by.
pub(super) struct Prepared {
    pub(super) definition: Command,
    pub(super) arguments: Vec<OsString>,
}

/// Puts the command first, `serve` when none is named, and takes flags and variables that are empty as not given: that is
/// how a template leaves them that has nothing to say. Variables are trimmed, for files of variables end their lines in
/// more ways than one.
pub(super) fn prepare(
    definition: Command,
    arguments: Vec<OsString>,
    variable: impl Fn(&OsStr) -> Option<OsString>,
) -> Prepared {
    let arguments = with_command(&definition, arguments);
    let Some(name) = arguments.get(1).and_then(|name| name.to_str()).map(str::to_owned) else {
        return Prepared { definition, arguments };
    };
    let Some(command) = definition.find_subcommand(&name) else { return Prepared { definition, arguments } };
    let mut arguments = without_empty_flags(command, arguments);
    let mut settled: Vec<String> = Vec::new();
    for (flag, long) in command.get_arguments().filter_map(|flag| Some((flag, flag.get_long()?))) {
        let Some(value) = flag.get_env().and_then(&variable) else { continue };
        let Some(text) = value.to_str() else { continue };
        let trimmed = text.trim();
        if trimmed.len() == text.len() && !text.is_empty() {
            // As it should be: clap reads it, and says where it came from when it is wrong.
            continue;
        }
        let is_switch = !flag.get_action().takes_values();
        if is_switch && !trimmed.is_empty() && says(trimmed).is_none() {
            // Neither yes nor no: clap refuses it, too.
            continue;
        }
        settled.push(flag.get_id().to_string());
        if !trimmed.is_empty() && !is_given(&arguments, long) {
            arguments.extend(as_flag(flag, long, trimmed));
        }
    }
    let definition =
        definition.mut_subcommand(name, |command| {
            command.mut_args(|flag| {
                if settled.contains(&flag.get_id().to_string()) { flag.env(Resettable::Reset) } else { flag }
            })
        });
    Prepared { definition, arguments }
}

/// Flags of `serve` work before its name and without it.
fn with_command(definition: &Command, mut arguments: Vec<OsString>) -> Vec<OsString> {
    let is_command = |text: &str| text == "help" || definition.find_subcommand(text).is_some();
    let is_switch = |text: &str| {
        let mut flags = definition.get_subcommands().flat_map(Command::get_arguments);
        flags.any(|flag| flag.get_long() == text.strip_prefix("--") && !flag.get_action().takes_values())
    };
    let mut position = 1;
    while let Some(argument) = arguments.get(position).and_then(|argument| argument.to_str()) {
        match argument {
            "-h" | "--help" | "-V" | "--version" if position == 1 => return arguments,
            // Of `serve`, since its flags came before.
            "-h" | "--help" | "-V" | "--version" => break,
            _ if is_command(argument) => {
                let command = arguments.remove(position);
                arguments.insert(1, command);
                return arguments;
            }
            _ if is_switch(argument) => {}
            // The value of a flag may look like a command.
            flag if flag.starts_with("--") && !flag.contains('=') => position += 1,
            flag if flag.starts_with('-') => {}
            // Neither a command nor a flag: the parser knows what to say.
            _ => return arguments,
        }
        position += 1;
    }
    let end = arguments.len().min(1);
    arguments.insert(end, "serve".into());
    arguments
}

/// Drops `--flag ""` and `--flag=`.
fn without_empty_flags(command: &Command, arguments: Vec<OsString>) -> Vec<OsString> {
    let takes_value = |text: &str| {
        let mut flags = command.get_arguments();
        flags.any(|flag| flag.get_long() == text.strip_prefix("--") && flag.get_action().takes_values())
    };
    let mut kept = Vec::with_capacity(arguments.len());
    let mut rest = arguments.into_iter().peekable();
    while let Some(argument) = rest.next() {
        let text = argument.to_str().unwrap_or_default();
        if text.strip_suffix('=').is_some_and(takes_value) {
            continue;
        }
        if takes_value(text) {
            let Some(value) = rest.next() else {
                kept.push(argument);
                break;
            };
            if !value.is_empty() {
                kept.extend([argument, value]);
            }
            continue;
        }
        kept.push(argument);
    }
    kept
}

fn is_given(arguments: &[OsString], long: &str) -> bool {
    arguments.iter().filter_map(|argument| argument.to_str()?.strip_prefix("--")).any(|text| {
        let name = text.split_once('=').map_or(text, |(name, _)| name);
        name == long
    })
}

/// A variable's value as its flag; none for a switch that is off.
fn as_flag(flag: &Arg, long: &str, value: &str) -> Option<OsString> {
    if flag.get_action().takes_values() {
        return Some(format!("--{long}={value}").into());
    }
    says(value).unwrap_or(false).then(|| format!("--{long}").into())
}

/// Yes or no, in the words that clap knows.
fn says(value: &str) -> Option<bool> {
    let is_one_of = |words: [&str; 6]| words.iter().any(|word| value.eq_ignore_ascii_case(word));
    let yes = is_one_of(["y", "yes", "t", "true", "on", "1"]);
    (yes || is_one_of(["n", "no", "f", "false", "off", "0"])).then_some(yes)
}
