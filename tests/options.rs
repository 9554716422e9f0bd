//! Command line and pid files.

use holdfast::daemon::options::{parse, signum, Action, Facility, Options, HELP};
use holdfast::daemon::pidfile::{self, PidFiles};
use std::fs;
use std::os::unix::fs::{symlink, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

fn ok(line: &str) -> Options {
    parse(line.split_whitespace()).unwrap_or_else(|e| panic!("{line}: {e}"))
}

fn err(line: &str) -> String {
    parse(line.split_whitespace()).expect_err(line)
}

#[test]
fn a_bare_start() {
    let o = ok("");
    assert_eq!(o, Options::default());
    assert!(o.vrrp && o.lvs && o.syslog && !o.foreground && o.ignored.is_empty());
}

#[test]
fn what_works_by_short_and_long_name() {
    let short = ok("-f /a -n -l -D -D -d -p /p -r /r -c /c -R -i one -S 3 -G");
    let long =
        ok("--use-file=/a --dont-fork --log-console --log-detail --log-detail --dump-conf --pid=/p --vrrp_pid=/r \
                   --checkers_pid /c --dont-respawn --config-id one --log-facility=local3 --no-syslog");
    assert_eq!(short, long);
    assert_eq!(short, ok("-nlDDdRGf/a -p/p -r/r -c/c -ione -S3"));
    assert_eq!(short.config, Some("/a".into()));
    assert_eq!((short.detail, short.facility), (2, Facility::Local(3)));
    assert!(short.foreground && short.console && short.dump && short.no_respawn && !short.syslog);
    assert_eq!(short.config_id.as_deref(), Some("one"));
    assert!(short.ignored.is_empty(), "{:?}", short.ignored);
}

#[test]
fn halves() {
    let halves = |line| (ok(line).vrrp, ok(line).lvs);
    assert_eq!(halves("-P"), (true, false));
    assert_eq!(halves("-C"), (false, true));
    assert_eq!(halves("-P -C"), (true, true));
    assert_eq!(halves("--vrrp"), (true, false));
    assert_eq!(halves("--check"), (false, true));
}

#[test]
fn values_that_may_be_missing() {
    assert_eq!(ok("-t").action, Action::Test(None));
    assert_eq!(ok("-t/x").action, Action::Test(Some("/x".into())));
    assert_eq!(ok("-t=/x").action, Action::Test(Some("/x".into())));
    assert_eq!(ok("--config-test=/x -n").action, Action::Test(Some("/x".into())));
    // Never the next word.
    assert_eq!(ok("-t -f /a").config, Some("/a".into()));
    assert_eq!(ok("-g").log_file, Some("/tmp/keepalived.log".into()));
    assert_eq!(ok("-g/x").log_file, Some("/x".into()));
    assert_eq!(ok("-M -n").ignored.len(), 1);
    assert_eq!(ok("-Mcore.%p -n").ignored.len(), 1);
}

/// Every option that keepalived 2.2.7 lists, and those of other builds that its manual names.
#[test]
fn every_option_of_keepalived_is_taken() {
    let all = "-f/f --use-file=/f -P --vrrp -C --check -B --no_bfd --all -l --log-console -D --log-detail -S1 \
        --log-facility=user -g --log-file=/l --flush-log-file -G --no-syslog -u022 --umask=022 -X --release-vips -V \
        --dont-release-vrrp -I --dont-release-ipvs -R --dont-respawn -n --dont-fork -d --dump-conf -p/p --pid=/p -r/r \
        --vrrp_pid=/r -c/c --checkers_pid=/c -a --address-monitoring -b/b --bfd_pid=/b -s ns --namespace=ns -e \
        --all-config -i id --config-id id -x --snmp -A sock --snmp-agent-socket=sock -m --core-dump -M \
        --core-dump-pattern=core -t --config-test=/t --config-fd=3 --ignore-sigint --perf --perf=all --debug --debug=x \
        --no-mem-check -L -O";
    let o = ok(all);
    assert_eq!(o.umask, Some(0o22));
    assert_eq!(o.namespace.as_deref(), Some("ns"));
    assert!(o.all_config);
    for spelled in ["-B (", "--all ", "-x (", "-m (", "--perf ", "-L ("] {
        let said = o.ignored.iter().filter(|line| line.contains(&format!("option {spelled}"))).count();
        assert_eq!(said, 1, "{spelled} in {:#?}", o.ignored);
    }
}

#[test]
fn wrong_lines() {
    assert!(err("--foo").contains("unknown option --foo"));
    assert!(err("-Z").contains("unknown option -Z"));
    assert!(err("-f").contains("needs a value"));
    assert!(err("--pid").contains("--pid"));
    assert!(err("--log").contains("may be"));
    assert!(err("-n=1").contains('1'), "{}", err("-n=1"));
    assert!(err("--dump-conf=yes").contains("yes"));
    assert!(err("--signum=stop").contains("stop"));
    // keepalived starts with these; so do we, and say so.
    assert_eq!(ok("--dump").dump, ok("-d").dump);
    assert_eq!(ok("-S 9").facility, Facility::Daemon);
    assert_eq!(ok("-S local9 -n").ignored.len(), 1);
    assert_eq!(ok("-u 0x1z extra").ignored.len(), 2);
    assert_eq!(ok("-u 0x3f").umask, Some(0x3f));
    assert_eq!(ok("-u 18").umask, Some(18));
}

#[test]
fn answers() {
    assert_eq!(ok("-v --nonsense").action, Action::Version);
    assert_eq!(ok("-n --help").action, Action::Help);
    assert_eq!(ok("-T -s 1.2.3.4 -p 80").action, Action::Genhash(["-s", "1.2.3.4", "-p", "80"].map(Into::into).into()));
    assert_eq!(ok("--signum=STOP").action, Action::Signum(15));
    assert_eq!((signum("RELOAD"), signum("JSON")), (Ok(1), Ok(36)));
    #[cfg(target_arch = "x86_64")]
    assert_eq!((signum("DATA"), signum("STATS"), signum("STATS_CLEAR")), (Ok(10), Ok(12), Ok(63)));
    for line in HELP.lines() {
        assert!(line.len() <= 110, "{line}");
    }
    // What the help lists is there.
    for word in HELP.split_whitespace().filter(|w| w.starts_with("--") && w.len() > 2) {
        let name = word.split(['[', '=']).next().unwrap();
        assert!(!matches!(parse([name]), Err(e) if e.contains("unknown")), "{name}");
    }
}

struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Dir {
        let dir = std::env::temp_dir().join(format!("pidfile-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir(&dir).unwrap();
        Dir(dir)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn program(dir: &Dir, name: &str) -> Killed {
    let path = dir.at(name);
    fs::copy("/bin/sleep", &path).unwrap();
    Killed(Command::new(path).arg("60").spawn().unwrap())
}

fn ours(path: &Path) -> bool {
    fs::read_to_string(path).ok() == Some(format!("{}\n", std::process::id()))
}

#[test]
fn files_of_the_configured_halves() {
    let mut o = ok("-p /a -r /b");
    assert_eq!(pidfile::paths(&o, true, true), ["/a", "/b", "/run/checkers.pid"].map(PathBuf::from));
    assert_eq!(pidfile::paths(&o, false, false), ["/a"].map(PathBuf::from));
    o.pid = None;
    assert_eq!(pidfile::paths(&o, true, false), ["/run/keepalived.pid", "/b"].map(PathBuf::from));
}

#[test]
fn written_followed_and_removed() {
    let dir = Dir::new("life");
    let (a, b, c) = (dir.at("a"), dir.at("b"), dir.at("c"));
    // Stale, longer than ours, and of a mode that others could write.
    fs::write(&a, "4194304999\nand more and more").unwrap();
    fs::set_permissions(&a, PermissionsExt::from_mode(0o666)).unwrap();
    let mut files = PidFiles::claim(&[a.clone(), b.clone()]).unwrap();
    assert!(ours(&a) && ours(&b));
    assert_eq!(fs::metadata(&a).unwrap().permissions().mode() & 0o777, 0o644);
    files.follow(&[a.clone(), c.clone()]).unwrap();
    assert!(ours(&a) && !b.exists() && ours(&c));
    fs::write(&c, "1\n").unwrap();
    files.remove();
    assert!(!a.exists());
    assert!(c.exists(), "it is no longer ours");
}

#[test]
fn refuses_beside_a_living_one_only() {
    let dir = Dir::new("living");
    let file = dir.at("main");
    let one = program(&dir, "keepalived");
    fs::write(&file, format!("{}\n", one.0.id())).unwrap();
    assert_eq!(pidfile::running(&file), Ok(Some(one.0.id())));
    let refusal = PidFiles::claim(std::slice::from_ref(&file)).unwrap_err();
    assert!(refusal.contains(&format!("already running with pid {}", one.0.id())), "{refusal}");
    drop(one);
    assert_eq!(pidfile::running(&file), Ok(None));

    let foreign = program(&dir, "something");
    fs::write(&file, format!("{}\n", foreign.0.id())).unwrap();
    assert_eq!(pidfile::running(&file), Ok(None), "a foreign program has that pid");

    // Ended but not yet waited for: dead.
    let mut zombie = program(&dir, "holdfast");
    fs::write(&file, format!("{}\n", zombie.0.id())).unwrap();
    assert_eq!(pidfile::running(&file), Ok(Some(zombie.0.id())));
    zombie.0.kill().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert_eq!(pidfile::running(&file), Ok(None));

    for text in ["", "0\n", "-1", "12 34", "99999999999999999999", "\u{ff}\u{fe}", "x"] {
        fs::write(&file, text).unwrap();
        assert_eq!(pidfile::running(&file), Ok(None), "{text:?}");
    }
    fs::write(&file, [0xff, 0xfe, 0]).unwrap();
    assert_eq!(pidfile::running(&file), Ok(None));
}

/// In a container the pid of the last run is often that of this one: then there is no other.
#[test]
fn our_own_pid_is_no_other_daemon() {
    const FILE: &str = "HOLDFAST_PID_FILE";
    if let Some(file) = std::env::var_os(FILE).map(PathBuf::from) {
        fs::write(&file, format!("{}\n", std::process::id())).unwrap();
        assert_eq!(pidfile::running(&file), Ok(None));
        PidFiles::claim(&[file]).unwrap();
        return;
    }
    let dir = Dir::new("own");
    let named = dir.at("holdfast");
    fs::copy(std::env::current_exe().unwrap(), &named).unwrap();
    let args = ["--exact", "our_own_pid_is_no_other_daemon"];
    // Another test may have forked while the copy was written: then it is "busy" until that child is on its way.
    let run = loop {
        match Command::new(&named).args(args).env(FILE, dir.at("main")).output() {
            Err(e) if e.kind() == std::io::ErrorKind::ExecutableFileBusy => std::thread::yield_now(),
            other => break other.unwrap(),
        }
    };
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
}

#[test]
fn what_lies_in_the_way() {
    let dir = Dir::new("way");
    let (target, link, fifo, good) = (dir.at("target"), dir.at("link"), dir.at("fifo"), dir.at("good"));
    fs::write(&target, "precious").unwrap();
    symlink(&target, &link).unwrap();
    let e = PidFiles::claim(&[good.clone(), link]).unwrap_err();
    assert!(e.contains("link"), "{e}");
    assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
    assert!(!good.exists(), "an error leaves nothing behind");

    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let e = PidFiles::claim(&[fifo]).unwrap_err();
    assert!(e.contains("not a plain file"), "{e}");

    // Another name of a file is cut off, not written through.
    let other = dir.at("other");
    fs::hard_link(&target, &other).unwrap();
    PidFiles::claim(std::slice::from_ref(&other)).unwrap();
    assert!(ours(&other));
    assert_eq!(fs::read_to_string(&target).unwrap(), "precious");

    let e = PidFiles::claim(&[dir.at("none").join("x")]).unwrap_err();
    assert!(e.contains("No such file"), "{e}");
}
