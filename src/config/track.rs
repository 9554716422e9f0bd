//! vrrp_script and what tracks it. Not in this version (an instance that tracks stays out of MASTER), yet read so far
//! that what is wrong is said, and `-t` ends as keepalived's.

use super::context::{Context, Seen};
use super::diagnostic::{Code, Level};
use super::global::GlobalDraft;
use super::keywords::Block;
use super::lexer::Span;
use super::loader::ScriptFile;
use super::script;
use super::tree::{Arg, Node};

/// A vrrp_script as it was read.
pub struct ScriptDraft {
    name: Box<str>,
    span: Span,
    path: Box<str>,
    seen: Seen,
    program: Option<(Box<str>, Span)>,
    user: bool,
}

/// A line of track_script.
pub struct Tracked {
    name: Box<str>,
    span: Span,
    path: Box<str>,
}

impl Tracked {
    pub fn new(cx: &Context, arg: Arg) -> Tracked {
        Tracked { name: arg.str().as_ref().into(), span: arg.span(), path: cx.path() }
    }
}

impl ScriptDraft {
    pub fn new(cx: &Context, name: Arg) -> ScriptDraft {
        ScriptDraft {
            name: name.str().as_ref().into(),
            span: name.span(),
            path: cx.path(),
            seen: Seen::default(),
            program: None,
            user: false,
        }
    }

    pub fn entry(&mut self, cx: &mut Context, node: Node) {
        // The common rules say what is wrong with each line.
        if let Some(keyword) = cx.known(node, Block::Script, &mut self.seen) {
            cx.unread(node, keyword);
        }
        let Some(arg) = node.arg(0) else { return };
        match node.word().str().as_ref() {
            "script" => {
                let words = script::words(node);
                self.program = words.first().filter(|w| !w.is_empty()).map(|w| (w.clone(), arg.span()));
            }
            "user" => {
                self.user = true;
                let name = arg.str();
                if cx.host.user.is_some_and(|known| !known(&name)) {
                    cx.bad(Code::Script, arg, format!("there is no user '{name}'")).help("the script is not used");
                }
            }
            _ => {}
        }
    }
}

/// Once the file is read: what is tracked must be there.
pub fn settle(cx: &mut Context, global: &GlobalDraft, scripts: &[ScriptDraft]) {
    script::settle(cx, global);
    // With script security a script needs a user: its own, script_user, or one of this name.
    let no_user = global.script_security
        && global.script_user.is_none()
        && cx.host.user.is_some_and(|known| !known("keepalived_script"));
    let tracked = std::mem::take(&mut cx.tracked);
    for draft in scripts {
        cx.return_to(&draft.path);
        let Some((program, span)) = &draft.program else {
            cx.error(Code::Missing, draft.span, &draft.name, format!("vrrp_script '{}' has no 'script'", draft.name))
                .help("it is not used");
            continue;
        };
        if no_user && !draft.user {
            cx.error(Code::Script, draft.span, &draft.name, format!("vrrp_script '{}' has no user", draft.name))
                .help("with enable_script_security write script_user in global_defs");
            continue;
        }
        let is_tracked = tracked.iter().any(|t| t.name == draft.name);
        match cx.host.script.map(|look| look(program)) {
            Some(ScriptFile::Fine) if is_tracked => cx.scripts = true,
            Some(ScriptFile::Insecure(insecure)) if is_tracked => {
                cx.scripts = true;
                if global.script_security && !draft.user {
                    script::insecure(cx, *span, program, &insecure);
                }
            }
            Some(ScriptFile::Missing | ScriptFile::NotExecutable) if is_tracked => {
                cx.error(Code::Script, *span, program, format!("'{program}' is not there, or is not executable"))
                    .help("the script is not run");
            }
            _ => {}
        }
    }
    for line in &tracked {
        if !scripts.iter().any(|s| s.name == line.name) {
            cx.return_to(&line.path);
            let close = super::diagnostic::closest(&line.name, scripts.iter().map(|s| s.name.as_ref()));
            let help = close.map(|c| format!("did you mean '{c}'? ")).unwrap_or_default();
            cx.error(Code::Reference, line.span, &line.name, format!("there is no vrrp_script '{}'", line.name))
                .help(format!("{help}it is not used"));
        }
    }
    cx.return_to("");
    if cx.scripts && !global.script_security {
        cx.say(Level::Warning, Code::Script, Span::NOWHERE, "", "scripts run without enable_script_security".into(), 6)
            .help("write enable_script_security in global_defs, so that nobody but root can change what runs as root");
    }
}
