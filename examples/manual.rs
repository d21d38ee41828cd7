//! Writes the manual page and the shells' completions, for packages: `cargo run --example manual -- FOLDER`.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use clap_complete::Shell;
use csp_invitations_exporter::cli;

const NAME: &str = "csp-invitations-exporter";

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: manual FOLDER")?);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(format!("{NAME}.1")), manual()?)?;
    complete(&folder)?;
    Ok(())
}

/// One page for everything: the general part, then each command with its flags.
fn manual() -> Result<Vec<u8>, Box<dyn Error>> {
    let mut command = cli::command();
    command.build();
    let mut page = Vec::new();
    let man = clap_mangen::Man::new(command.clone());
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    for subcommand in command.get_subcommands().filter(|subcommand| subcommand.get_name() != "help") {
        let (name, about) =
            (subcommand.get_name(), subcommand.get_about().map(ToString::to_string).unwrap_or_default());
        page.extend_from_slice(format!(".SH \"COMMAND {}\"\n{}\n", name.to_uppercase(), roff(&about)).as_bytes());
        let mut options = Vec::new();
        clap_mangen::Man::new(subcommand.clone()).render_options_section(&mut options)?;
        let options = String::from_utf8(options)?;
        page.extend_from_slice(options.replace(".SH OPTIONS\n", "").as_bytes());
    }
    page.extend_from_slice(EXIT_STATUS.as_bytes());
    Ok(page)
}

/// A line of text that starts no request of the typesetter.
fn roff(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}

fn complete(folder: &Path) -> Result<(), Box<dyn Error>> {
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut cli::command(), NAME, folder)?;
    }
    Ok(())
}

const EXIT_STATUS: &str = r#".SH "EXIT STATUS"
.TP
.B 0
Fine.
.TP
.B 1
A failure while running.
.TP
.B 2
An organization failed
.RB ( once ).
.TP
.B 64
Wrong usage or configuration; nothing was bound or sent.
.SH ENVIRONMENT
Each flag of
.B serve
has a variable:
.B \-\-web.listen\-address
is
.BR CSP_EXPORTER_WEB_LISTEN_ADDRESS .
A flag wins over its variable; an empty variable counts as unset.
.SH SIGNALS
.TP
.BR SIGTERM ", " SIGINT
Finish the requests under way, write the state and end. A second one ends at once.
.TP
.B SIGHUP
Read the configuration again.
.SH FILES
.TP
.I /etc/csp\-invitations\-exporter/config.yaml
The configuration of the packaged service.
.TP
.I /etc/default/csp\-invitations\-exporter
Its environment and flags.
"#;
