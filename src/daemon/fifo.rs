//! notify_fifo, vrrp_notify_fifo, lvs_notify_fifo: lines for whoever reads them. Nobody is waited for: a line that finds
//! its FIFO full is lost, counted, and said.

use crate::config::model::{Fifo, Fifos, Script};
use crate::linux::process;
use crate::linux::sys::{self, Identity};
use crate::node::effect::Line;
use crate::node::note::Half;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Error, ErrorKind, Write};
use std::os::unix::fs::{fchown, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Before the umask.
const MODE: u32 = 0o644;

#[derive(Default)]
pub struct Pipes {
    open: Vec<Pipe>,
    /// Things to say: the loop hands them to the log.
    pub said: Vec<String>,
}

struct Pipe {
    keyword: &'static str,
    /// None: the one of both halves.
    half: Option<Half>,
    path: PathBuf,
    file: File,
    /// We made it: it goes with us.
    made: bool,
    /// Lines that found it full, since the last one that did not.
    lost: u64,
}

/// A program that is to read a FIFO.
pub struct Reader<'a> {
    pub keyword: &'static str,
    pub script: &'a Script,
    pub path: &'a str,
}

impl Pipes {
    /// Those of a configuration, when none is open; returns the readers to start.
    pub fn open<'a>(&mut self, fifos: &'a Fifos, umask: u32) -> Vec<Reader<'a>> {
        let mut readers = Vec::new();
        for (fifo, half, keyword) in [
            (&fifos.all, None, "notify_fifo"),
            (&fifos.vrrp, Some(Half::Vrrp), "vrrp_notify_fifo"),
            (&fifos.lvs, Some(Half::Checkers), "lvs_notify_fifo"),
        ] {
            let Some(path) = fifo.path.as_deref() else { continue };
            match open(Path::new(path), fifo, MODE & !umask) {
                Ok((file, made)) => {
                    self.open.push(Pipe { keyword, half, path: path.into(), file, made, lost: 0 });
                    readers.extend(fifo.script.as_ref().map(|script| Reader { keyword, script, path }));
                }
                Err(e) => self.said.push(format!("{keyword} {path} is not used: {e}")),
            }
        }
        readers
    }

    pub fn write(&mut self, line: &Line) {
        for pipe in self.open.iter_mut().filter(|p| p.half.is_none_or(|half| half == line.half)) {
            self.said.extend(pipe.write(line.text.as_bytes()));
        }
    }

    pub fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Readers read what is left, then find the end; but not where somebody else made the FIFO: returned is whose it is.
    pub fn close(&mut self) -> Vec<&'static str> {
        let kept = self.open.iter().filter(|pipe| !pipe.made).map(|pipe| pipe.keyword).collect();
        for pipe in self.open.drain(..) {
            if pipe.lost > 0 {
                self.said.push(format!("{}: the last {} lines were lost", pipe.path.display(), pipe.lost));
            }
            if pipe.made && pipe.is_in_place() {
                if let Err(e) = fs::remove_file(&pipe.path) {
                    self.said.push(format!("{} could not be removed: {e}", pipe.path.display()));
                }
            }
        }
        kept
    }
}

impl Pipe {
    /// What there is to say of it, if anything.
    fn write(&mut self, line: &[u8]) -> Option<String> {
        let path = self.path.display();
        // Up to this length it goes in whole or not at all.
        let done = match line.len() <= libc::PIPE_BUF {
            true => self.file.write(line).map(drop),
            false => Err(Error::from(ErrorKind::InvalidInput)),
        };
        match done {
            Ok(()) => {
                let lost = std::mem::take(&mut self.lost);
                (lost > 0).then(|| format!("{path} is read again; {lost} lines were lost"))
            }
            Err(e) => {
                self.lost += 1;
                let why = match e.kind() {
                    ErrorKind::WouldBlock => "it is full: nobody reads it, or not fast enough".into(),
                    ErrorKind::InvalidInput => "a line is too long".into(),
                    _ => e.to_string(),
                };
                (self.lost == 1).then(|| format!("{path}: lines are lost: {why}"))
            }
        }
    }

    /// Has nobody put another file there?
    fn is_in_place(&self) -> bool {
        let place = |m: fs::Metadata| (m.dev(), m.ino());
        let (ours, there) = (self.file.metadata().map(place), fs::symlink_metadata(&self.path).map(place));
        matches!((ours, there), (Ok(ours), Ok(there)) if ours == there)
    }
}

/// Opened for reading too, so that it never lacks a reader. True if it was made.
fn open(path: &Path, conf: &Fifo, mode: u32) -> io::Result<(File, bool)> {
    let owner: Option<Identity> = match &conf.user {
        Some(user) => Some(process::identity(user, conf.group.as_deref())?),
        None => None,
    };
    let made = match sys::make_fifo(path, mode) {
        Ok(()) => true,
        Err(e) if e.kind() == ErrorKind::AlreadyExists => false,
        Err(e) => return Err(e),
    };
    check(&fs::symlink_metadata(path)?, owner.as_ref())?;
    let flags = libc::O_NONBLOCK | libc::O_NOFOLLOW;
    let file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path)?;
    // It may have been another one a moment ago.
    check(&file.metadata()?, owner.as_ref())?;
    if made {
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        if let Some(who) = owner {
            fchown(&file, Some(who.uid), Some(who.gid))?;
        }
    }
    Ok((file, made))
}

fn check(about: &fs::Metadata, owner: Option<&Identity>) -> io::Result<()> {
    let what = about.file_type();
    if what.is_symlink() {
        return Err(Error::other("it is a symbolic link"));
    }
    if !what.is_fifo() {
        return Err(Error::other("there is something that is no FIFO"));
    }
    let trusted = about.uid() == sys::effective_uid() || owner.is_some_and(|who| who.uid == about.uid());
    if !trusted {
        let user = process::user_name(about.uid());
        return Err(Error::other(format!("it belongs to {user}, who is neither us nor the user that is configured")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn line(half: Half, text: &str) -> Line {
        Line { half, text: text.into() }
    }

    fn dir(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("holdfast-fifo-{name}-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("directory");
        dir
    }

    fn fifos(dir: &Path) -> Fifos {
        let at = |name: &str| Fifo { path: Some(dir.join(name).display().to_string().into()), ..Fifo::default() };
        Fifos { all: at("all"), vrrp: at("vrrp"), lvs: at("lvs"), states_on_reload: false }
    }

    fn read(path: &Path) -> String {
        let mut file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).expect("opens");
        let mut bytes = vec![0; 100_000];
        let n = file.read(&mut bytes).unwrap_or(0);
        String::from_utf8_lossy(&bytes[..n]).into_owned()
    }

    #[test]
    fn each_half_has_its_own_and_both_have_one() {
        let dir = dir("halves");
        let mut pipes = Pipes::default();
        assert!(pipes.open(&fifos(&dir), 0o022).is_empty());
        let mode = fs::metadata(dir.join("all")).expect("made").permissions().mode() & 0o777;
        assert_eq!(mode, 0o644);
        pipes.write(&line(Half::Vrrp, "one\n"));
        pipes.write(&line(Half::Checkers, "two\n\0"));
        assert_eq!(read(&dir.join("all")), "one\ntwo\n\0");
        assert_eq!((read(&dir.join("vrrp")), read(&dir.join("lvs"))), ("one\n".into(), "two\n\0".into()));
        pipes.close();
        assert_eq!(fs::read_dir(&dir).expect("directory").count(), 0, "{:?}", pipes.said);
        assert!(pipes.said.is_empty());
        fs::remove_dir_all(dir).expect("removed");
    }

    #[test]
    fn a_full_one_loses_lines_and_says_how_many() {
        let dir = dir("full");
        let mut pipes = Pipes::default();
        pipes.open(&fifos(&dir), 0o177);
        let text = format!("{}\n", "x".repeat(1023));
        for _ in 0..70 {
            pipes.write(&line(Half::Vrrp, &text));
        }
        assert_eq!(pipes.said.len(), 2, "one for each FIFO: {:?}", pipes.said);
        assert!(pipes.said[0].contains("it is full"));
        pipes.said.clear();
        assert_eq!(read(&dir.join("vrrp")).len(), 65536);
        pipes.write(&line(Half::Vrrp, "more\n"));
        assert_eq!(pipes.said.len(), 1);
        assert!(pipes.said[0].contains("6 lines were lost"), "{:?}", pipes.said);
        assert_eq!(read(&dir.join("vrrp")), "more\n");
        pipes.close();
        fs::remove_dir_all(dir).expect("removed");
    }

    #[test]
    fn only_a_fifo_that_is_ours() {
        let dir = dir("ours");
        let paths = fifos(&dir);
        fs::write(dir.join("all"), "text").expect("file");
        std::os::unix::fs::symlink("elsewhere", dir.join("vrrp")).expect("link");
        sys::make_fifo(&dir.join("lvs"), 0o600).expect("fifo");
        let mut pipes = Pipes::default();
        pipes.open(&paths, 0o022);
        assert_eq!((pipes.open.len(), pipes.said.len()), (1, 2), "{:?}", pipes.said);
        assert_eq!(pipes.close(), ["lvs_notify_fifo"]);
        assert!(dir.join("lvs").exists(), "somebody else made it");
        assert_eq!(fs::read_to_string(dir.join("all")).expect("left alone"), "text");
        if sys::effective_uid() == 0 {
            std::os::unix::fs::chown(dir.join("lvs"), Some(65534), None).expect("owner");
            pipes.said.clear();
            pipes.open(&paths, 0o022);
            assert!(pipes.open.is_empty());
            assert!(pipes.said.iter().any(|s| s.contains("it belongs to ")), "{:?}", pipes.said);
            let mut paths = paths;
            paths.lvs.user = Some("65534".into());
            pipes.open(&paths, 0o022);
            assert_eq!(pipes.open.len(), 1);
        }
        pipes.close();
        fs::remove_dir_all(dir).expect("removed");
    }
}
