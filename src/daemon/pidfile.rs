//! Pid files: every file that keepalived and its children would have written, all with the one pid that there is here.

use super::options::Options;
use crate::config::model::Global;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

pub const MAIN: &str = "/run/keepalived.pid";
pub const VRRP: &str = "/run/vrrp.pid";
pub const CHECKERS: &str = "/run/checkers.pid";
const DIRECTORY: &str = "/run/keepalived";

/// Programs whose pid in the main file means that the work is being done already.
const NAMES: [&str; 2] = ["holdfast", "keepalived"];

/// The files to write, the main one first. `vrrp` and `lvs`: that half is configured and run.
pub fn paths(options: &Options, vrrp: bool, lvs: bool) -> Vec<PathBuf> {
    let path = |given: &Option<PathBuf>, usual: &str| given.clone().unwrap_or_else(|| usual.into());
    let mut paths = vec![path(&options.pid, MAIN)];
    if vrrp {
        paths.push(path(&options.vrrp_pid, VRRP));
    }
    if lvs {
        paths.push(path(&options.checkers_pid, CHECKERS));
    }
    paths
}

/// `use_pid_dir`, `instance` and `net_namespace` have a directory for the files that no option names.
pub fn place(options: &mut Options, global: &Global) -> Result<(), String> {
    let (instance, space) = (global.instance.as_deref(), global.namespace.name.as_deref());
    if !global.files.pid_dir && instance.is_none() && space.is_none() {
        return Ok(());
    }
    if let Some(bad) = instance.into_iter().chain(space).find(|name| !is_plain(name)) {
        return Err(format!("'{bad}' cannot be a part of a pid file's name"));
    }
    let folder = Path::new(DIRECTORY).join(space.unwrap_or_default());
    fs::create_dir_all(&folder).map_err(|e| format!("cannot make {}: {e}", folder.display()))?;
    let end = instance.map(|name| format!("_{name}")).unwrap_or_default();
    let files =
        [(&mut options.pid, "keepalived"), (&mut options.vrrp_pid, "vrrp"), (&mut options.checkers_pid, "checkers")];
    for (path, name) in files {
        path.get_or_insert_with(|| folder.join(format!("{name}{end}.pid")));
    }
    Ok(())
}

/// Can it stand in a path as one part of it?
pub fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.contains('/') && !name.starts_with('.')
}

/// The pid of the holdfast or keepalived that the file names, if that one lives. To be asked before the daemon detaches
/// from its terminal, so that the refusal is seen.
pub fn running(path: &Path) -> Result<Option<u32>, String> {
    match open(path, false) {
        Ok(mut file) => {
            let pid = read(&mut file).map_err(|e| said("read", path, &e))?;
            Ok(pid.filter(|pid| *pid != std::process::id() && is_one_of_us(*pid)))
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(said("open", path, &e)),
    }
}

/// Files that hold our pid. They are removed by `remove`, not by going out of scope: a crash leaves them, as stale ones.
#[derive(Debug, Default)]
pub struct PidFiles {
    paths: Vec<PathBuf>,
}

impl PidFiles {
    /// Writes the pid of this process, the daemon's own and final one, into all files. The first is the main one, which
    /// decides whether another daemon runs. On an error no file is left behind.
    pub fn claim(paths: &[PathBuf]) -> Result<PidFiles, String> {
        if let Some(main) = paths.first() {
            if let Some(pid) = running(main)? {
                return Err(format!("already running with pid {pid}, says {}", main.display()));
            }
        }
        let mut files = PidFiles::default();
        for path in paths {
            if let Err(e) = write(path) {
                files.remove();
                return Err(said("write", path, &e));
            }
            files.paths.push(path.clone());
        }
        Ok(files)
    }

    /// After a reload: the half that has gone loses its file, a new one gets one.
    pub fn follow(&mut self, paths: &[PathBuf]) -> Result<(), String> {
        let (kept, gone) = self.paths.drain(..).partition(|path| paths.contains(path));
        self.paths = kept;
        PidFiles { paths: gone }.remove();
        for path in paths.iter().filter(|path| !self.paths.contains(path)).cloned().collect::<Vec<_>>() {
            write(&path).map_err(|e| said("write", &path, &e))?;
            self.paths.push(path);
        }
        Ok(())
    }

    /// Removes those files that still hold our pid.
    pub fn remove(&mut self) {
        for path in self.paths.drain(..) {
            remove_ours(&path);
        }
    }
}

fn said(what: &str, path: &Path, e: &io::Error) -> String {
    let hint = match e.raw_os_error() {
        Some(libc::ELOOP) => " (a symbolic link is not followed)",
        Some(libc::EACCES | libc::EPERM) => " (not root? -p, -r and -c name other files)",
        _ => "",
    };
    format!("cannot {what} pid file {}: {e}{hint}", path.display())
}

/// Never follows a link, never waits for a FIFO's other end.
fn open(path: &Path, write: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(write).create(write).mode(0o644);
    let file = options.custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a plain file"));
    }
    Ok(file)
}

fn write(path: &Path) -> io::Result<()> {
    let mut file = open(path, true)?;
    let (found, us) = (file.metadata()?, fs::metadata("/proc/self").map(|us| us.uid()));
    // Whoever owns a pid file, or another name of it, decides which process root signals.
    if found.nlink() > 1 || us.is_ok_and(|us| us != found.uid()) {
        fs::remove_file(path)?;
        file = open(path, true)?;
    }
    file.set_permissions(Permissions::from_mode(0o644))?;
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(format!("{}\n", std::process::id()).as_bytes())
}

/// A pid and a line end; anything else is no pid.
fn read(file: &mut File) -> io::Result<Option<u32>> {
    let mut text = String::new();
    match file.take(32).read_to_string(&mut text) {
        Ok(_) => Ok(text.trim().parse().ok().filter(|pid| *pid > 0)),
        Err(e) if e.kind() == io::ErrorKind::InvalidData => Ok(None),
        Err(e) => Err(e),
    }
}

fn remove_ours(path: &Path) -> bool {
    let ours = open(path, false).and_then(|mut file| read(&mut file));
    matches!(ours, Ok(Some(pid)) if pid == std::process::id()) && fs::remove_file(path).is_ok()
}

/// Whether that process lives and is a daemon of this kind. Pids are used again: after a crash or in a container a foreign
/// process may have the number.
fn is_one_of_us(pid: u32) -> bool {
    let of = |what: &str| format!("/proc/{pid}/{what}");
    // pid (name) state ...: the name may hold blanks and brackets.
    let stat = fs::read(of("stat")).unwrap_or_default();
    let state = stat.rsplit(|b| *b == b')').next().and_then(|rest| rest.trim_ascii_start().first().copied());
    if matches!(state, None | Some(b'Z' | b'X')) {
        return false;
    }
    let name = fs::read_to_string(of("comm")).unwrap_or_default();
    if NAMES.contains(&name.trim_end()) {
        return true;
    }
    let Ok(program) = fs::read_link(of("exe")) else { return false };
    // Installed under whatever name.
    if fs::read_link("/proc/self/exe").is_ok_and(|own| own == program) {
        return true;
    }
    let file = program.file_name().unwrap_or_default().to_string_lossy();
    // What an upgrade leaves of a running program's name.
    NAMES.contains(&file.trim_end_matches(" (deleted)"))
}
