//! The words that the program answers to: each is one function from arguments to an exit status.

pub mod run;

use std::ffi::OsString;

pub struct Applet {
    pub name: &'static str,
    pub about: &'static str,
    pub run: fn(&str, Vec<OsString>) -> u8,
}

pub const APPLETS: [Applet; 2] = [
    Applet { name: "holdfast", about: "the daemon", run: run::run },
    Applet {
        name: "keepalived",
        about: "the daemon, under the name of the program that it stands in for",
        run: run::run,
    },
];

/// The name that the program was called by decides; a name that nobody knows is the daemon's too.
pub fn dispatch(mut args: impl Iterator<Item = OsString>) -> u8 {
    let called = args.next().unwrap_or_default();
    let name = std::path::Path::new(&called).file_name().and_then(|n| n.to_str()).unwrap_or_default().to_string();
    let applet = APPLETS.iter().find(|a| a.name == name).unwrap_or(&APPLETS[0]);
    (applet.run)(applet.name, args.collect())
}
