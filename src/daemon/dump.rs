//! The files that a signal asks for: keepalived.json, keepalived.data, keepalived.stats in TMPDIR (else /tmp).
//!
//! Such a folder is everybody's. So the text goes into a new file that nobody else can have made, open to its owner only (unless `umask` says otherwise),
//! which then takes the place of the last dump; what stands there under that name, a link for instance, is not written to.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Data,
    Stats,
    Json,
}

/// Temporary names that are tried: each may be there already.
const ATTEMPTS: u32 = 16;

/// `instance`: a part of the file's name that tells daemons of one machine apart.
pub fn path(kind: Kind, instance: Option<&str>) -> PathBuf {
    let folder = std::env::var_os("TMPDIR").map(PathBuf::from).filter(|folder| folder.is_absolute());
    let end = match kind {
        Kind::Data => "data",
        Kind::Stats => "stats",
        Kind::Json => "json",
    };
    let part = instance.map(|name| format!(".{name}")).unwrap_or_default();
    folder.unwrap_or_else(|| "/tmp".into()).join(format!("keepalived{part}.{end}"))
}

/// All of it or nothing: who reads the file never sees half a dump.
pub fn write(path: &Path, text: &[u8], mode: u32) -> io::Result<()> {
    let (mut file, temporary) = create(path, mode)?;
    let done = file.write_all(text).and_then(|()| fs::rename(&temporary, path));
    if done.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    done
}

fn create(path: &Path, mode: u32) -> io::Result<(File, PathBuf)> {
    let mut last = io::Error::from(io::ErrorKind::AlreadyExists);
    for n in 0..ATTEMPTS {
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(format!(".{}.{n}", std::process::id()));
        // create_new: O_EXCL.
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(mode).custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC);
        match options.open(&temporary) {
            Ok(file) => return Ok((file, temporary.into())),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => last = e,
            Err(e) => return Err(e),
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("holdfast-dump-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_dump_takes_the_place_of_a_link_and_of_the_last_dump() {
        let folder = folder("link");
        let (victim, path) = (folder.join("victim"), folder.join("keepalived.json"));
        fs::write(&victim, "precious").unwrap();
        std::os::unix::fs::symlink(&victim, &path).unwrap();
        // Names that somebody guessed.
        std::os::unix::fs::symlink(&victim, folder.join(format!("keepalived.json.{}.0", std::process::id()))).unwrap();
        for text in ["one, and longer", "two"] {
            write(&path, text.as_bytes(), 0o600).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
        let meta = fs::symlink_metadata(&path).unwrap();
        assert_eq!((meta.is_file(), meta.permissions().mode() & 0o777), (true, 0o600));
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn nothing_is_left_when_it_cannot_be_written() {
        let folder = folder("fail");
        let path = folder.join("keepalived.json");
        fs::create_dir(&path).unwrap();
        assert!(write(&path, b"text", 0o600).is_err());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::remove_dir_all(&folder).unwrap();
    }
}
