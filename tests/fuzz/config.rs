//! The configuration language: any bytes end in a verdict, all findings can be printed, and what was understood can be
//! written and read again.
#![no_main]

use holdfast::config::dump::dump;
use holdfast::config::loader::{load, Host, ScriptFile};
use holdfast::config::peer;
use holdfast::config::write::write;
use libfuzzer_sys::fuzz_target;

/// Texts of an odd length are for the machine that reads them, those of an even one for any.
fn host(odd: bool) -> Host {
    let host = Host { config_id: "here".into(), hostname: "here.example".into(), ..Host::default() };
    if !odd {
        return host;
    }
    Host {
        interfaces: Some("eth0".parse().into_iter().collect()),
        script: Some(|path| if path.len() % 2 == 0 { ScriptFile::Missing } else { ScriptFile::Fine }),
        user: Some(|name| name.len() % 2 == 0),
        group: Some(|name| name.len() % 2 == 0),
        table: Some(|name| u32::try_from(name.len()).ok()),
        key: Some(|path| Ok(path.bytes().rev().collect())),
        environment: Some(|name| (name.len() % 2 == 0).then(|| name.to_string())),
        ..host
    }
}

fuzz_target!(|text: &[u8]| {
    let host = host(text.len() % 2 == 1);
    let loaded = load("f", text.to_vec(), host.clone());
    assert!(matches!(loaded.status, 0 | 2 | 4 | 5 | 6), "{}", loaded.status);
    let mut report = String::new();
    loaded.report(&mut report).expect("a string takes all");
    let Some(config) = &loaded.config else { return };
    dump(config, &mut |line| assert!(!line.contains('\n')));
    let written = write(config, true);
    let again = load("written", written.clone().into_bytes(), host.clone());
    again.report(&mut report).expect("a string takes all");
    let Some(config) = &again.config else { panic!("what was written does not start:\n{written}") };
    // A word that is not UTF-8 is another word once it is written; from then on nothing changes.
    let third = load("again", write(config, true).into_bytes(), host).config;
    assert!(third.is_some_and(|third| third == *config), "written again it is something else:\n{written}");
    let routers = [loaded, again];
    let found = peer::compare(&routers);
    peer::report(&mut report, &routers, &found).expect("a string takes all");
});
