//! Children: notify scripts, script checks, modprobe.

use super::sys::{self, Identity};
pub use super::sys::{kill_group, Exit};
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Error, ErrorKind};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

#[derive(Debug)]
pub struct Child {
    /// Also the number of its process group.
    pub pid: i32,
}

/// What would let the environment change what a program does.
const REMOVED: [&str; 4] = ["IFS", "LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT"];

/// Starts a program, with nothing on its standard input and output, as somebody else if wanted.
/// Returns when it runs, or with the error of its start.
pub fn spawn<S: AsRef<OsStr>>(words: &[S], who: Option<&Identity>, env: &[(&str, &str)]) -> io::Result<Child> {
    let program = words.first().ok_or_else(|| Error::from(ErrorKind::InvalidInput))?;
    spawn_file(program.as_ref(), words, who, env)
}

/// The same, when the file that is run is not what the first word says: a link's target, say.
pub fn spawn_file<S: AsRef<OsStr>>(
    file: &OsStr,
    words: &[S],
    who: Option<&Identity>,
    env: &[(&str, &str)],
) -> io::Result<Child> {
    let (name, args) = words.split_first().ok_or_else(|| Error::from(ErrorKind::InvalidInput))?;
    let mut command = Command::new(file);
    command.arg0(name).args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    for name in REMOVED {
        command.env_remove(name);
    }
    command.envs(env.iter().copied());
    sys::prepare_child(&mut command, who.cloned());
    let pid = i32::try_from(command.spawn()?.id()).map_err(|_| Error::from(ErrorKind::InvalidData))?;
    Ok(Child { pid })
}

/// How a child ended; None while it runs.
pub fn reap(pid: i32) -> Option<Exit> {
    // No child of ours (any more): nobody will ever say more of it.
    sys::wait(pid).unwrap_or(Some(Exit::Status(-1)))
}

/// User and group by name or number, with all the groups of the user. The files are read by hand: the C library's
/// own look-ups load modules, which a static binary cannot.
pub fn identity(user: &str, group: Option<&str>) -> io::Result<Identity> {
    let passwd = fs::read_to_string("/etc/passwd")?;
    let groups = fs::read_to_string("/etc/group")?;
    identity_in(&passwd, &groups, user, group).ok_or_else(|| Error::from(ErrorKind::NotFound))
}

fn identity_in(passwd: &str, groups: &str, user: &str, group: Option<&str>) -> Option<Identity> {
    let number: Option<u32> = user.parse().ok();
    let entry = find(passwd, |name, uid| name == user || number.is_some() && uid == number);
    let (name, uid, own) = match entry {
        Some(fields) => (fields.first().copied()?, field(&fields, 2)?, field(&fields, 3)),
        // A number needs no name.
        None => (user, number?, None),
    };
    let gid = match group {
        Some(group) => group_in(groups, group)?,
        // keepalived's rule: a number without an entry is taken for both.
        None => own.unwrap_or(uid),
    };
    let mut all = vec![gid];
    for line in groups.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let member = fields.get(3).is_some_and(|members| members.split(',').any(|m| m == name));
        if let Some(other) = field(&fields, 2).filter(|g| member && !all.contains(g)) {
            all.push(other);
        }
    }
    Some(Identity { uid, gid, groups: all })
}

/// A group's number, by name or number.
pub fn group(name: &str) -> io::Result<u32> {
    group_in(&fs::read_to_string("/etc/group")?, name).ok_or_else(|| Error::from(ErrorKind::NotFound))
}

/// The name of a user's number, else the number.
pub fn user_name(uid: u32) -> String {
    name_in(&fs::read_to_string("/etc/passwd").unwrap_or_default(), uid)
}

pub fn group_name(gid: u32) -> String {
    name_in(&fs::read_to_string("/etc/group").unwrap_or_default(), gid)
}

fn name_in(file: &str, number: u32) -> String {
    let entry = find(file, |_, n| n == Some(number)).and_then(|fields| fields.first().copied());
    entry.map_or_else(|| number.to_string(), str::to_string)
}

fn group_in(groups: &str, name: &str) -> Option<u32> {
    find(groups, |other, _| other == name).and_then(|fields| field(&fields, 2)).or_else(|| name.parse().ok())
}

fn find(file: &str, wanted: impl Fn(&str, Option<u32>) -> bool) -> Option<Vec<&str>> {
    file.lines().map(|l| l.split(':').collect::<Vec<_>>()).find(|f| f.first().is_some_and(|n| wanted(n, field(f, 2))))
}

fn field(fields: &[&str], i: usize) -> Option<u32> {
    fields.get(i)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str =
        "root:x:0:0:root:/root:/bin/sh\n# a comment\nana:x:1000:1001::/home/ana:\nbroken\n7:x:70:71::/:\n";
    const GROUP: &str = "root:x:0:\nana:x:1001:\nadm:x:4:syslog,ana\nops:x:99:ana,bob\nnobody\n";

    #[test]
    fn users_and_groups() {
        let id = |user, group| identity_in(PASSWD, GROUP, user, group).map(|i| (i.uid, i.gid, i.groups));
        assert_eq!(id("root", None), Some((0, 0, vec![0])));
        assert_eq!(id("ana", None), Some((1000, 1001, vec![1001, 4, 99])));
        assert_eq!(id("1000", Some("ops")), Some((1000, 99, vec![99, 4])));
        assert_eq!(id("ana", Some("42")), Some((1000, 42, vec![42, 4, 99])));
        assert_eq!(id("7", None), Some((70, 71, vec![71])));
        assert_eq!(id("555", None), Some((555, 555, vec![555])));
        assert_eq!(id("nosuch", None), None);
        assert_eq!(id("ana", Some("nosuch")), None);
        assert_eq!(id("broken", None), None);
    }
}
