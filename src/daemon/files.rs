//! Tracked files: watched by their directories, read when something happens to them.

use crate::base::bytes::Reader;
use crate::base::time::Instant;
use crate::config::model::Config;
use crate::limits;
use crate::linux::sys;
use crate::wire::inotify::{self, DELETE, DELETE_SELF, IGNORED, MOVED_FROM, MOVED_TO, OVERFLOW};
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

const WANTED: u32 = inotify::CLOSE_WRITE | MOVED_FROM | MOVED_TO | DELETE | DELETE_SELF | inotify::MOVE_SELF;

pub type Value = (Box<str>, i64);

#[derive(Default)]
pub struct Files {
    paths: Vec<Box<str>>,
    fd: Option<OwnedFd>,
    /// The directories, by the number of their watch.
    dirs: BTreeMap<i32, Box<Path>>,
    /// A directory is not there: it is looked for again.
    retry: Option<Instant>,
}

impl Files {
    /// Watches what a configuration names; files that are new in it are made if they are to be. What stands in all of them.
    pub fn follow(&mut self, config: &Config, now: Instant) -> Vec<Value> {
        for file in &config.files {
            if let (Some(init), false) = (file.init, self.paths.contains(&file.path)) {
                if let Err(e) = create(&file.path, init.value, init.overwrite) {
                    log::warn!(target: "vrrp", "track_file {}: {} cannot be written: {e}", file.name, file.path);
                }
            }
        }
        self.paths = config.files.iter().map(|f| f.path.clone()).collect();
        self.watch(now)
    }

    /// From now on; then reads, so that nothing is missed in between.
    fn watch(&mut self, now: Instant) -> Vec<Value> {
        (self.fd, self.retry) = (None, None);
        self.dirs.clear();
        if self.paths.is_empty() {
            return Vec::new();
        }
        let again = now + limits::FILE_RETRY;
        match sys::inotify() {
            Ok(fd) => {
                for path in &self.paths {
                    let dir = directory(path);
                    match sys::inotify_watch(fd.as_fd(), dir, WANTED) {
                        Ok(watch) => drop(self.dirs.insert(watch, dir.into())),
                        Err(_) => self.retry = Some(again),
                    }
                }
                self.fd = Some(fd);
            }
            Err(e) => {
                log::warn!(target: "vrrp", "no inotify: {e}; tracked files are read every {} s", limits::FILE_RETRY.as_secs());
                self.retry = Some(again);
            }
        }
        self.paths.iter().map(|path| (path.clone(), read(path))).collect()
    }

    pub fn fd(&self) -> Option<&OwnedFd> {
        self.fd.as_ref()
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.retry
    }

    /// There may be a directory now: the watches are new, and what stands in all files.
    pub fn due(&mut self, now: Instant) -> Option<Vec<Value>> {
        self.retry.take_if(|at| *at <= now)?;
        Some(self.watch(now))
    }

    /// Something happened: what stands in the files that it happened to. The flag: there are more events.
    pub fn ready(&mut self, now: Instant) -> (Vec<Value>, bool) {
        let Some(fd) = &self.fd else { return (Vec::new(), false) };
        let mut buf = [0; 4096];
        let len = sys::read(fd.as_fd(), &mut buf).unwrap_or(0);
        let (mut touched, mut all) = (Vec::new(), false);
        let mut r = Reader::new(buf.get(..len).unwrap_or_default());
        while let Some(event) = inotify::next(&mut r) {
            if event.mask & (OVERFLOW | IGNORED | DELETE_SELF | inotify::MOVE_SELF) != 0 {
                all = true;
            } else if let Some(dir) = self.dirs.get(&event.watch) {
                let name = std::ffi::OsStr::from_bytes(event.name);
                let same = |p: &str| directory(p) == dir.as_ref() && Path::new(p).file_name() == Some(name);
                touched.extend(self.paths.iter().filter(|p| same(p)).cloned());
            }
        }
        if all {
            // A directory went, or came in another's place.
            self.retry = Some(now);
        }
        touched.dedup();
        (touched.into_iter().map(|path| (path.clone(), read(&path))).collect(), len > 0)
    }
}

fn directory(path: &str) -> &Path {
    let parent = Path::new(path).parent().filter(|p| !p.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

/// The number in a file; what is no file, or holds none, is 0.
fn read(path: &str) -> i64 {
    let mut text = [0; 127];
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let Ok(mut file) = file else { return 0 };
    if !file.metadata().is_ok_and(|about| about.is_file()) {
        return 0;
    }
    let len = file.read(&mut text).unwrap_or(0);
    number(text.get(..len).unwrap_or_default())
}

fn create(path: &str, value: i32, overwrite: bool) -> std::io::Result<()> {
    if !overwrite && fs::symlink_metadata(path).is_ok() {
        return Ok(());
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o644).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    options.open(path)?.write_all(format!("{value}\n").as_bytes())
}

/// As strtol reads it: blanks, a sign, 0x or 0 for other bases, then digits up to what is none.
pub fn number(text: &[u8]) -> i64 {
    let text = text.trim_ascii_start();
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let (base, digits) = match digits {
        [b'0', b'x' | b'X', first, ..] if first.is_ascii_hexdigit() => (16, digits.get(2..).unwrap_or_default()),
        [b'0', ..] => (8, digits),
        _ => (10, digits),
    };
    let mut value = 0i64;
    for digit in digits.iter().map_while(|b| char::from(*b).to_digit(base)) {
        value = value.saturating_mul(i64::from(base)).saturating_add(i64::from(digit));
    }
    if negative {
        -value
    } else {
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::{FileInit, TrackFile};

    #[test]
    fn numbers_as_strtol_reads_them() {
        let cases: [(&[u8], i64); 10] = [
            (b"5\n", 5),
            (b"  -16 foo", -16),
            (b"+0x1f", 31),
            (b"010", 8),
            (b"09", 0),
            (b"0x", 0),
            (b"", 0),
            (b"foo", 0),
            (b"--5", 0),
            (b"99999999999999999999", i64::MAX),
        ];
        for (text, value) in cases {
            assert_eq!(number(text), value, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn a_file_is_followed_wherever_it_comes_from() {
        let dir = std::env::temp_dir().join(format!("holdfast-files-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        let path: Box<str> = dir.join("sub/number").to_str().unwrap().into();
        let init = Some(FileInit { value: 7, overwrite: false });
        let file = |init| TrackFile { name: "f".into(), path: path.clone(), weight: 1, reverse: false, init };
        let config = |init| Config { files: vec![file(init)], ..Config::default() };
        let mut files = Files::default();
        assert_eq!(files.follow(&config(None), Instant(0)), [(path.clone(), 0)]);
        assert!(files.deadline().is_some(), "its directory is not there");
        fs::create_dir(dir.join("sub")).unwrap();
        assert_eq!(files.due(Instant(u64::MAX)), Some(vec![(path.clone(), 0)]));
        let drain = |files: &mut Files| {
            let mut last = None;
            loop {
                let (values, more) = files.ready(Instant(0));
                last = values.last().map(|(_, v)| *v).or(last);
                if !more {
                    return last;
                }
            }
        };
        fs::write(&*path, "12\n").unwrap();
        assert_eq!(drain(&mut files), Some(12));
        fs::write(dir.join("sub/other"), "13\n").unwrap();
        assert_eq!(drain(&mut files), None, "another file");
        fs::rename(dir.join("sub/other"), &*path).unwrap();
        assert_eq!(drain(&mut files), Some(13));
        fs::remove_file(&*path).unwrap();
        assert_eq!(drain(&mut files), Some(0));
        // A new configuration, and with it a file that is to be made.
        assert_eq!(Files::default().follow(&config(init), Instant(0)), [(path.clone(), 7)]);
        fs::write(&*path, "8").unwrap();
        assert_eq!(Files::default().follow(&config(init), Instant(0)), [(path.clone(), 8)]);
        let overwrite = Some(FileInit { value: 9, overwrite: true });
        assert_eq!(Files::default().follow(&config(overwrite), Instant(0)), [(path.clone(), 9)]);
        fs::remove_dir_all(dir.join("sub")).unwrap();
        drain(&mut files);
        assert_eq!(files.deadline(), Some(Instant(0)), "the directory went");
        fs::remove_dir_all(&dir).unwrap();
    }
}
