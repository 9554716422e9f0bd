//! Small files for others: the copy of a configuration (config_save_dir), the mark that one is being read (reload_file),
//! what is said of it (reload_check_config).

use super::options::Options;
use super::pidfile;
use crate::config::model::ReloadFile;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// As keepalived names them: the process, and how many were kept before.
pub fn path(folder: &str, count: u32) -> PathBuf {
    Path::new(folder).join(format!("keepalived.conf.{}.{count}", std::process::id()))
}

/// Beside the main pid file, unless it is named.
pub fn reload_file(file: &ReloadFile, options: &Options, instance: Option<&str>) -> PathBuf {
    match file {
        ReloadFile::At(path) => path.as_ref().into(),
        ReloadFile::Usual => {
            let end = instance.map(|name| format!("_{name}")).unwrap_or_default();
            let pid = options.pid.as_deref().unwrap_or(Path::new(pidfile::MAIN));
            pid.with_file_name(format!("keepalived{end}.reload"))
        }
    }
}

pub fn mark(path: &Path, mode: u32) -> io::Result<()> {
    write(path, b"", mode)
}

pub fn unmark(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// In place: it may be a device. Neither a link is followed, nor a reader of a FIFO waited for.
pub fn write(path: &Path, text: &[u8], mode: u32) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(mode);
    options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)?.write_all(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_of_a_reload_lies_beside_the_pid_file() {
        let mut options = Options::default();
        assert_eq!(reload_file(&ReloadFile::Usual, &options, None), Path::new("/run/keepalived.reload"));
        options.pid = Some("/run/keepalived/keepalived_a.pid".into());
        let usual = reload_file(&ReloadFile::Usual, &options, Some("a"));
        assert_eq!(usual, Path::new("/run/keepalived/keepalived_a.reload"));
        assert_eq!(reload_file(&ReloadFile::At("/x".into()), &options, Some("a")), Path::new("/x"));
    }
}
