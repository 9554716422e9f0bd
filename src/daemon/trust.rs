//! Whether others than root can change a program that is to run as root.

use crate::config::loader::{Insecure, ScriptFile};
use crate::linux::process;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

/// A script's first word: a path, or a name to be found in PATH.
pub fn script(word: &str) -> ScriptFile {
    let look = |path: &Path| match fs::metadata(path) {
        Err(_) => ScriptFile::Missing,
        Ok(about) if about.is_file() && about.permissions().mode() & 0o111 != 0 => {
            insecure(path).map_or(ScriptFile::Fine, ScriptFile::Insecure)
        }
        Ok(_) => ScriptFile::NotExecutable,
    };
    if word.contains('/') {
        return look(Path::new(word));
    }
    let dirs = std::env::var("PATH").unwrap_or_else(|_| "/usr/sbin:/usr/bin:/sbin:/bin".into());
    let found = dirs.split(':').map(|dir| look(&Path::new(dir).join(word))).find(|f| *f != ScriptFile::Missing);
    found.unwrap_or(ScriptFile::Missing)
}

/// The first part of the path that somebody else than root can change: as it is written, since it is run so, and as it
/// is behind all links.
fn insecure(path: &Path) -> Option<Insecure> {
    let real = fs::canonicalize(path).ok()?;
    let written = std::path::absolute(path).ok()?;
    weak_part(&written).or_else(|| weak_part(&real))
}

fn weak_part(path: &Path) -> Option<Insecure> {
    let mut so_far = PathBuf::new();
    for part in path.components() {
        so_far.push(part);
        if part == Component::RootDir || part == Component::CurDir {
            continue;
        }
        // A link is what its directory lets it be; what it points to is looked at by itself.
        let about = fs::symlink_metadata(&so_far).ok()?;
        if about.is_symlink() {
            continue;
        }
        let (name, mode) = (so_far.display(), about.mode());
        let sticky = about.is_dir() && mode & 0o1000 != 0;
        if about.uid() != 0 {
            let owner = process::user_name(about.uid());
            return weak(format!("{name} belongs to {owner}"), format!("chown root {name}"));
        }
        if mode & 0o002 != 0 && !sticky {
            return weak(format!("everybody can write to {name}"), format!("chmod o-w {name}"));
        }
        if mode & 0o020 != 0 && about.gid() != 0 && !sticky {
            let group = process::group_name(about.gid());
            return weak(format!("the group {group} can write to {name}"), format!("chmod g-w {name}"));
        }
    }
    None
}

fn weak(what: String, mend: String) -> Option<Insecure> {
    Some(Insecure { what: what.into(), mend: mend.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_the_path_that_others_can_change() {
        let dir = std::env::temp_dir().join(format!("holdfast-script-{}", std::process::id()));
        let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("mode");
        fs::create_dir_all(dir.join("open")).expect("directories");
        let program = dir.join("open/program");
        fs::write(&program, "#!/bin/sh\n").expect("program");
        mode(&program, 0o755);
        mode(&dir, 0o755);
        let what = || match script(&program.display().to_string()) {
            ScriptFile::Insecure(i) => format!("{}; {}", i.what, i.mend).replace(&dir.display().to_string(), "D"),
            other => format!("{other:?}"),
        };
        mode(&dir.join("open"), 0o777);
        let root = fs::metadata(&dir).is_ok_and(|m| m.uid() == 0);
        if root {
            assert_eq!(what(), "everybody can write to D/open; chmod o-w D/open");
            let link = dir.join("link");
            std::os::unix::fs::symlink(&program, &link).expect("link");
            assert!(matches!(script(&link.display().to_string()), ScriptFile::Insecure(_)));
            mode(&dir.join("open"), 0o1777);
            assert_eq!(what(), "Fine");
            mode(&program, 0o757);
            assert_eq!(what(), "everybody can write to D/open/program; chmod o-w D/open/program");
            mode(&program, 0o755);
            std::os::unix::fs::chown(&program, Some(65534), None).expect("owner");
            assert!(what().starts_with("D/open/program belongs to "), "{}", what());
            std::os::unix::fs::chown(&program, Some(0), Some(65534)).expect("owner");
            mode(&program, 0o775);
            assert!(what().starts_with("the group "), "{}", what());
        } else {
            assert!(what().starts_with("D belongs to "), "{}", what());
        }
        mode(&program, 0o644);
        assert_eq!(what(), "NotExecutable");
        fs::remove_dir_all(&dir).expect("removed");
        assert_eq!(what(), "Missing");
    }
}
