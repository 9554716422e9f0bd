//! The configuration file of a running daemon: read at start, read again in slices on HUP, refused when it is worse
//! than what runs.

use super::options::{Options, DEFAULT_CONFIG};
use super::{kept, trust};
use crate::config::diagnostic::{Code, Level};
use crate::config::loader::{self, Host, Loaded, Loader, Progress};
use crate::config::model::Config;
use crate::linux::process;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What is wrong with a configuration that runs all the same: code, block and token of each error, not its place.
pub type Errors = BTreeSet<(&'static str, Box<str>, Box<str>)>;

pub fn path(options: &Options) -> PathBuf {
    options.config.clone().unwrap_or_else(|| DEFAULT_CONFIG.into())
}

/// A file that cannot be read: the text, and the exit status for it.
pub struct Unreadable {
    pub text: String,
    pub status: u8,
}

/// keepalived's status for a missing or unreadable configuration.
const NO_CONFIG: u8 = 6;

/// Reads the whole file at once. `look`: interfaces, scripts and users are looked up on this machine.
pub fn whole(options: &Options, look: bool) -> Result<Loaded, Unreadable> {
    let path = path(options);
    let text = loader::read_file(&path).map_err(|text| Unreadable { text, status: NO_CONFIG })?;
    let loader = Loader::new(&path.display().to_string(), text, host_of(options, look));
    let mut loaded = loader.without_marks().finish();
    if let Some(config) = &mut loaded.config {
        take_halves(config, options);
    }
    Ok(loaded)
}

pub fn errors(loaded: &Loaded) -> Errors {
    let errors = loaded.diagnostics.iter().filter(|d| d.level == Level::Error);
    errors.map(|d| d.identity()).map(|(code, path, token)| (code.name(), path.into(), token.into())).collect()
}

/// -P and -C run one half of a file.
fn take_halves(config: &mut Config, options: &Options) {
    if !options.vrrp {
        config.instances.clear();
        config.groups.clear();
        config.sync_daemon = config.sync_daemon.take().filter(|d| d.instance.is_none());
    }
    if !options.lvs {
        config.services.clear();
        config.sync_daemon = None;
    }
}

/// Statements of a new configuration that are read, or servers and instances that are settled, in one turn of the loop.
pub const SLICE: usize = 128;

/// Bytes of a file that may hold a key: 64 as hexadecimal digits are 132.
const KEY_FILE: u64 = 1024;

/// A file that is being read again, a slice at a time.
pub struct Loading {
    loader: Option<Loader>,
    done: bool,
}

impl Loading {
    pub fn begin(options: &Options) -> Result<Loading, String> {
        let path = path(options);
        let text = loader::read_file(&path)?;
        // As at the start: a script that cannot be run is not tracked.
        let loader = Loader::new(&path.display().to_string(), text, host_of(options, true));
        Ok(Loading { loader: Some(loader.without_marks()), done: false })
    }

    /// True when it was read to its end.
    pub fn step(&mut self, statements: usize) -> bool {
        if let Some(loader) = &mut self.loader {
            self.done |= loader.step(statements) == Progress::Done;
        }
        self.done
    }

    pub fn is_done(&self) -> bool {
        self.done
    }

    /// The new configuration, unless it cannot run or holds an error that the running one did not have.
    /// What is to be said of it goes into the log, and into the file of reload_check_config.
    pub fn finish(
        self,
        options: &Options,
        running: &Config,
        known: &Errors,
        mode: u32,
    ) -> Result<(Config, Errors), String> {
        let Some(loader) = self.loader else { return Err("nothing was read".into()) };
        let mut loaded = loader.finish();
        log_findings(&loaded);
        if let Some(path) = &running.global.reload.check_log {
            let mut text = String::new();
            let _ = loaded.report(&mut text);
            if let Err(e) = kept::write(Path::new(path.as_ref()), text.as_bytes(), mode) {
                log::warn!("{path} not written: {e}");
            }
        }
        let errors = errors(&loaded);
        let Some(mut config) = loaded.config.take() else { return Err(format!("{} cannot run", loaded.file())) };
        // An interface that is in use may well be away just now; a new name that is none is a mistake.
        let away = |code: &str, token: &str| code == Code::Interface.name() && uses(running, token);
        let mut new = errors.difference(known).filter(|(code, _, token)| !away(code, token));
        if let Some((code, block, token)) = new.next() {
            let more = new.count();
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            return Err(format!("{} has a new error ({code}: {block} {token}){more}", loaded.file()));
        }
        take_halves(&mut config, options);
        // An editor may have emptied it, to write it anew in a moment.
        let empty = |config: &Config| config.instances.is_empty() && !config.serves();
        if empty(&config) && !empty(running) {
            return Err(format!("{} has no virtual router and no virtual server", loaded.file()));
        }
        Ok((config, errors))
    }
}

/// Does the configuration name this interface?
fn uses(config: &Config, name: &str) -> bool {
    config.instances.iter().any(|i| {
        let devices = i.vips.iter().chain(&i.excluded).filter_map(|v| v.dev.as_ref());
        let devices = devices.chain(i.routes.iter().filter_map(|r| r.dev.as_ref()));
        let tracked = i.track.interfaces.iter().map(|t| &t.name);
        devices.chain(tracked).chain([&i.interface]).any(|d| d.as_str() == name)
    })
}

/// Every finding of a file, in the log, line by line.
pub fn log_findings(loaded: &Loaded) {
    let mut text = String::new();
    if loaded.report(&mut text).is_ok() {
        for line in text.lines() {
            log::warn!("{line}");
        }
    }
}

fn host_of(options: &Options, look: bool) -> Host {
    Host { all_files: options.all_config, ..host(options.config_id.as_deref(), look) }
}

/// This machine, as far as a configuration asks about it.
pub fn host(config_id: Option<&str>, look: bool) -> Host {
    let hostname = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let hostname: Box<str> = hostname.trim().into();
    let short = hostname.split('.').next().unwrap_or_default();
    let config_id = config_id.unwrap_or(short).into();
    let mut host = Host { config_id, hostname, ..Host::default() };
    host.files = true;
    host.environment = Some(|name| std::env::var(name).ok());
    host.seed = crate::linux::sys::realtime_micros();
    if look {
        // Not /sys/class/net: that shows the network namespace it was mounted in.
        let names = fs::read_to_string("/proc/self/net/dev");
        let names = names.map(|t| t.lines().filter_map(|l| l.split_once(':')?.0.trim().parse().ok()).collect());
        host.interfaces = names.ok();
        host.script = Some(trust::script);
        host.user = Some(|name| process::identity(name, None).is_ok());
        host.table = Some(table);
        host.key = Some(key);
        host.group = Some(|name| process::group(name).is_ok());
    }
    host
}

/// The file of a key of auth_hmac.
fn key(path: &str) -> Result<Vec<u8>, String> {
    let fault = |e: std::io::Error| format!("the key cannot be read from {path}: {e}");
    // A FIFO would be waited for.
    let about = fs::metadata(path).map_err(fault)?;
    if !about.is_file() || about.len() > KEY_FILE {
        return Err(format!("{path} is no file of a key"));
    }
    fs::read(path).map_err(fault)
}

/// A routing table's number by its name, from where `ip` looks.
fn table(name: &str) -> Option<u32> {
    ["/etc/iproute2/rt_tables", "/usr/share/iproute2/rt_tables", "/usr/lib/iproute2/rt_tables"].iter().find_map(
        |path| {
            let text = fs::read_to_string(path).ok()?;
            text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
                let mut words = line.split_whitespace();
                let number = words.next()?;
                (words.next()? == name).then(|| number.parse().ok()).flatten()
            })
        },
    )
}
