//! The words that the program answers to: each is one function from arguments to an exit status.

pub mod check;
pub mod run;

use std::ffi::OsString;

pub struct Applet {
    pub name: &'static str,
    pub about: &'static str,
    pub run: fn(&str, Vec<OsString>) -> u8,
}

pub const APPLETS: &[Applet] = &[
    Applet { name: "holdfast", about: "the daemon", run: run::run },
    Applet {
        name: "keepalived",
        about: "the daemon, under the name of the program that it stands in for",
        run: run::run,
    },
    Applet { name: "check", about: "what is wrong with a configuration", run: check::check },
    Applet { name: "config", about: "what a configuration means", run: check::config },
];

/// The name that the program was called by decides; a name that nobody knows is the daemon's too.
pub fn dispatch(mut args: impl Iterator<Item = OsString>) -> u8 {
    let called = args.next().unwrap_or_default();
    let name = std::path::Path::new(&called).file_name().and_then(|n| n.to_str()).unwrap_or_default().to_string();
    let applet = APPLETS.iter().find(|a| a.name == name).unwrap_or(&APPLETS[0]);
    let mut args: Vec<OsString> = args.collect();
    // `holdfast keywords`: the first word is the applet's name.
    let named = args.first().and_then(|word| APPLETS.iter().find(|a| *word == *a.name));
    if let (Some(named), "holdfast") = (named, applet.name) {
        args.remove(0);
        return (named.run)(named.name, args);
    }
    (applet.run)(applet.name, args)
}
