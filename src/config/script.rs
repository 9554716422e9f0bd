//! Commands of scripts: one quoted argument, split into words as a shell would, then perhaps a user and a group.

use super::context::Context;
use super::diagnostic::Code;
use super::loader::ScriptFile;
use super::model::Script;
use super::tree::{Arg, Node};

/// `KEYWORD "COMMAND" [USER [GROUP]]`
pub fn command(cx: &mut Context, node: Node) -> Option<Script> {
    let arg = node.arg(0)?;
    let words = words(cx, arg)?;
    let mut script = Script { words, user: None, group: None };
    if let Some(user) = node.arg(1) {
        let name = user.str();
        if cx.host.user.is_some_and(|known| !known(&name)) {
            let text = format!("there is no user '{name}'");
            let help = if arg.quoted() {
                "the script is not run"
            } else {
                "the script is not run; put a command with arguments into double quotes"
            };
            // keepalived is silent about it: no error in the exit status.
            cx.warn(Code::Script, user.span(), &name, text).help(help);
            return None;
        }
        script.user = Some(name.as_ref().into());
        script.group = node.arg(2).map(|g| g.str().as_ref().into());
    }
    Some(script)
}

/// The user of `script_user`, for a script that names none.
pub fn default_user(script: Option<&mut Script>, user: &Option<(Box<str>, Option<Box<str>>)>) {
    if let (Some(Script { user: to @ None, group, .. }), Some((name, its_group))) = (script, user) {
        *to = Some(name.clone());
        group.clone_from(its_group);
    }
}

/// The words of a command, and a look at its file.
pub fn words(cx: &mut Context, arg: Arg) -> Option<Vec<Box<str>>> {
    let words = split(&arg.str());
    let first = match words.first() {
        Some(first) if !first.is_empty() => first,
        _ => {
            cx.bad(Code::Script, arg, "the command is empty".into()).help("write the program's full path");
            return None;
        }
    };
    if let Some(look) = cx.host.script {
        let text = match look(first) {
            ScriptFile::Fine => {
                cx.scripts = true;
                return Some(words);
            }
            ScriptFile::Missing => format!("there is no program '{first}'"),
            ScriptFile::NotExecutable => format!("'{first}' is not executable"),
        };
        cx.warn(Code::Script, arg.span(), first, text).help("it cannot be run");
    }
    Some(words)
}

/// Blanks separate; single quotes take all as it is, double quotes and a backslash take blanks.
pub fn split(command: &str) -> Vec<Box<str>> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut inside = false;
    let mut quote = None;
    let mut chars = command.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (Some('\''), c) => word.push(c),
            (_, '\\') => {
                inside = true;
                match chars.next() {
                    Some('n') if quote.is_some() => word.push('\n'),
                    Some('t') if quote.is_some() => word.push('\t'),
                    Some('\n') => {}
                    Some(c) => word.push(c),
                    None => word.push('\\'),
                }
            }
            (Some(_), c) => word.push(c),
            (None, '"' | '\'') => {
                quote = Some(c);
                inside = true;
            }
            (None, c) if c.is_whitespace() => {
                if inside {
                    words.push(std::mem::take(&mut word).into_boxed_str());
                }
                inside = false;
            }
            (None, c) => {
                word.push(c);
                inside = true;
            }
        }
    }
    if inside {
        words.push(word.into_boxed_str());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(command: &str) -> Vec<String> {
        split(command).iter().map(|w| w.to_string()).collect()
    }

    #[test]
    fn commands_split_as_a_shell_would() {
        assert_eq!(list("/bin/a  b 'c d' e\\ f"), ["/bin/a", "b", "c d", "e f"]);
        assert_eq!(list("/bin/sh -c \\\"x y\\\" ''"), ["/bin/sh", "-c", "\"x", "y\"", ""]);
        assert_eq!(list("a \"b 'c' d\""), ["a", "b 'c' d"]);
        assert_eq!(list("   "), Vec::<String>::new());
    }
}
