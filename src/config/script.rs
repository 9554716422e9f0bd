//! Commands of scripts: one quoted argument, split into words as keepalived does, then perhaps a user and a group.
//!
//! It splits twice by the same rules: the line into command, user and group; then the command into its words. Blanks
//! separate, single and double quotes hold a word together, and a backslash means something everywhere, so
//! `"a\ b"` is two words of a command, and `'a b'` one command of two words.

use super::context::Context;
use super::diagnostic::{Code, Level};
use super::global::GlobalDraft;
use super::lexer::Span;
use super::loader::{Insecure, ScriptFile};
use super::model::Script;
use super::tree::{Arg, Node};

/// A script that others can change.
pub struct Doubt {
    span: Span,
    /// The argument that holds the command.
    arg: Span,
    path: Box<str>,
    program: Box<str>,
    user: Option<Box<str>>,
    insecure: Insecure,
}

/// `KEYWORD "COMMAND" [USER [GROUP]]`
pub fn command(cx: &mut Context, node: Node) -> Option<Script> {
    // keepalived is silent about a user that is not there: no error in the exit status.
    command_of(cx, node, (Level::Warning, 0))
}

/// The same, with how much an unknown user matters.
pub fn command_of(cx: &mut Context, node: Node, unknown: (Level, u8)) -> Option<Script> {
    let fields = line(cx, node)?;
    let runs = cx.script;
    let words = program_of(cx, node, &fields)?;
    let mut script = Script { words, user: None, group: None };
    let (first, user, group) = (fields.first()?, fields.get(1), fields.get(2));
    let Some(user) = user else { return Some(script) };
    let at = node.args().nth(user.arg)?;
    let name = user.text.as_str();
    if cx.host.user.is_some_and(|known| !known(name)) {
        let help = if first.quoted {
            "the script is not run"
        } else {
            "the script is not run; put a command with arguments into double quotes"
        };
        let text = format!("there is no user '{name}'");
        cx.say(unknown.0, Code::Script, at.span(), name, text, unknown.1).help(help);
        cx.script = runs;
        return None;
    }
    if let Some(group) = group {
        let (at, name) = (node.args().nth(group.arg)?, group.text.as_str());
        if cx.host.group.is_some_and(|known| !known(name)) {
            cx.error(Code::Script, at.span(), name, format!("there is no group '{name}'"))
                .help("the script is not run");
            return None;
        }
    }
    script.user = Some(user.text.as_str().into());
    script.group = group.map(|g| g.text.as_str().into());
    runs_as(cx, node, &script.user);
    Some(script)
}

/// The user of `script_user`, for a script that names none.
pub fn default_user(script: Option<&mut Script>, user: &Option<(Box<str>, Option<Box<str>>)>) {
    if let (Some(Script { user: to @ None, group, .. }), Some((name, its_group))) = (script, user) {
        *to = Some(name.clone());
        group.clone_from(its_group);
    }
}

/// The words of the command on this line, and a look at its file.
pub fn program(cx: &mut Context, node: Node) -> Option<Vec<Box<str>>> {
    let fields = line(cx, node)?;
    program_of(cx, node, &fields)
}

/// Words behind a command that has its own line for the user. Single quotes hold several words of the line together.
pub fn beyond(cx: &mut Context, node: Node) {
    let single = node.arg(0).is_some_and(|arg| arg.str().starts_with('\''));
    if let Some(extra) = node.arg(1).filter(|_| !single) {
        let word = extra.str();
        cx.warn(Code::Extra, extra.span(), &word, format!("'{word}' does not belong to the command"))
            .help("put a command with arguments into double quotes; it is not used");
    }
}

/// For a block whose `user` stands on a line of its own: as whom the command of that line runs.
pub fn runs_as(cx: &mut Context, node: Node, user: &Option<Box<str>>) {
    let arg = node.arg(0).map(|a| a.span());
    for doubt in cx.doubts.iter_mut().filter(|d| Some(d.arg) == arg) {
        doubt.user.clone_from(user);
    }
}

/// Splits the line behind the keyword.
fn line(cx: &mut Context, node: Node) -> Option<Vec<Field>> {
    let arg = node.arg(0)?;
    match fields(&raw_line(node)) {
        Ok(mut fields) => {
            for field in &mut fields {
                field.arg = arg_at(node, field.start);
            }
            Some(fields)
        }
        Err(quote) => {
            unclosed(cx, arg, quote);
            None
        }
    }
}

fn program_of(cx: &mut Context, node: Node, line: &[Field]) -> Option<Vec<Box<str>>> {
    let arg = node.arg(0)?;
    let command = line.first().map_or("", |f| f.text.as_str());
    let words: Vec<Box<str>> = match fields(command.as_bytes()) {
        Ok(fields) => fields.into_iter().map(|f| f.text.into()).collect(),
        Err(quote) => {
            unclosed(cx, arg, quote);
            return None;
        }
    };
    let first = match words.first() {
        Some(first) if !first.is_empty() => first,
        _ => {
            cx.bad(Code::Script, arg, "the command is empty".into()).help("write the program's full path");
            return None;
        }
    };
    if let Some(words) = opened(&words) {
        return Some(words);
    }
    if let Some(look) = cx.host.script {
        let span = span_of(arg, first);
        let text = match look(first) {
            ScriptFile::Fine => {
                cx.runs(span);
                return Some(words);
            }
            ScriptFile::Insecure(insecure) => {
                cx.runs(span);
                let (path, program) = (cx.path(), first.clone());
                cx.doubts.push(Doubt { span, arg: arg.span(), path, program, user: None, insecure });
                return Some(words);
            }
            ScriptFile::Missing => format!("there is no program '{first}'"),
            ScriptFile::NotExecutable => format!("'{first}' is not executable"),
        };
        let said = cx.warn(Code::Script, span, first, text);
        said.hint(first).help("it cannot be run");
    }
    Some(words)
}

fn unclosed(cx: &mut Context, arg: Arg, quote: char) {
    cx.bad(Code::Script, arg, format!("in this command a quote ({quote}) is not closed"))
        .help("the script is not run; write \\\" or ' around a word of a command that stands in double quotes");
}

/// Where the program's name stands in its argument; all of it if that cannot be told.
fn span_of(arg: Arg, program: &str) -> Span {
    let (span, raw) = (arg.span(), arg.raw());
    let at = raw.iter().take_while(|b| b.is_ascii_whitespace() || **b == b'\'').count();
    match raw.get(at..).is_some_and(|rest| rest.starts_with(program.as_bytes())) {
        true => Span::new(span.start as usize + at, span.start as usize + at + program.len()),
        false => span,
    }
}

/// The text behind the keyword, quotes and all. Words need not stand side by side in the text (definitions).
fn raw_line(node: Node) -> Vec<u8> {
    let mut out = Vec::new();
    for arg in node.args() {
        if !out.is_empty() {
            out.push(b' ');
        }
        let quote = arg.quoted().then_some(b'"');
        out.extend(quote);
        out.extend_from_slice(arg.raw());
        out.extend(quote);
    }
    out
}

/// Which argument a place of `raw_line` belongs to.
fn arg_at(node: Node, place: usize) -> usize {
    let mut from = 0;
    for (number, arg) in node.args().enumerate() {
        from += arg.raw().len() + 1 + 2 * usize::from(arg.quoted());
        if place < from {
            return number;
        }
    }
    0
}

/// Once the file is read, so that enable_script_security and script_user may stand anywhere.
pub fn settle(cx: &mut Context, global: &GlobalDraft) {
    let doubts = std::mem::take(&mut cx.doubts);
    if !global.script_security {
        return;
    }
    for doubt in doubts {
        if runs_as_root(doubt.user.as_deref(), global) {
            cx.return_to(&doubt.path);
            insecure(cx, doubt.span, &doubt.program, &doubt.insecure);
        }
    }
    cx.return_to("");
}

/// A script of this user, else of script_user.
pub fn runs_as_root(own: Option<&str>, global: &GlobalDraft) -> bool {
    let default = global.script_user.as_ref().map(|(user, _)| user.as_ref());
    own.or(default).is_none_or(|user| matches!(user, "root" | "0"))
}

/// With enable_script_security: this would run as root.
pub fn insecure(cx: &mut Context, span: Span, program: &str, insecure: &Insecure) {
    let text = format!("'{program}' would run as root, and is not safe: {}", insecure.what);
    cx.say(Level::Error, Code::Insecure, span, program, text, 6)
        .help(format!("enable_script_security forbids it; mend it with: {}", insecure.mend));
}

/// `</path` only asks whether the file can be opened: nothing of others is run.
pub fn opened(words: &[Box<str>]) -> Option<Vec<Box<str>>> {
    let [word] = words else { return None };
    let path = word.strip_prefix('<').filter(|path| !path.is_empty())?;
    Some(["/bin/sh", "-c", "< \"$0\"", path].map(Box::from).to_vec())
}

/// The words of the command on this line, without a look at its file; none if a quote is not closed.
pub fn words(node: Node) -> Vec<Box<str>> {
    let line = fields(&raw_line(node)).unwrap_or_default();
    line.first().map(|f| split(&f.text)).unwrap_or_default()
}

/// The words of a command that was taken out of its line already.
pub fn split(command: &str) -> Vec<Box<str>> {
    fields(command.as_bytes()).unwrap_or_default().into_iter().map(|f| f.text.into()).collect()
}

struct Field {
    text: String,
    /// Where it begins in what was split, and the argument of the line that this is in.
    start: usize,
    arg: usize,
    quoted: bool,
}

/// Splits at blanks. The error is the quote that has no end.
fn fields(text: &[u8]) -> Result<Vec<Field>, char> {
    let blank = |b: u8| b.is_ascii_whitespace() || b == 0x0b;
    let mut all = Vec::new();
    // Start, bytes and whether it began with a quote.
    let mut word: Option<(usize, Vec<u8>, bool)> = None;
    let mut quote = None;
    let mut at = 0;
    let mut end = |word: &mut Option<(usize, Vec<u8>, bool)>| {
        if let Some((start, bytes, quoted)) = word.take() {
            all.push(Field { text: String::from_utf8_lossy(&bytes).into_owned(), start, arg: 0, quoted });
        }
    };
    while let Some(&byte) = text.get(at) {
        let begun = word.is_some();
        match (quote, byte) {
            (Some(q), b) if b == q => quote = None,
            (None, b'"' | b'\'') => {
                quote = Some(byte);
                word.get_or_insert((at, Vec::new(), true));
            }
            (None, b) if blank(b) => end(&mut word),
            (_, b'\\') => {
                let (value, len) = escape(text.get(at + 1..).unwrap_or_default());
                // A line that goes on is no part of a word.
                if value.is_some() || begun {
                    word.get_or_insert((at, Vec::new(), false)).1.extend(value);
                }
                at += len;
            }
            (_, b) => word.get_or_insert((at, Vec::new(), false)).1.push(b),
        }
        at += 1;
    }
    end(&mut word);
    quote.map_or(Ok(all), |q| Err(char::from(q)))
}

/// What stands behind a backslash: the byte that is meant, and how many bytes say so.
fn escape(rest: &[u8]) -> (Option<u8>, usize) {
    let number = |digits: &[u8], base: u32| {
        digits.iter().fold(0u32, |n, b| n * base + char::from(*b).to_digit(base).unwrap_or(0)) as u8
    };
    match rest {
        [] => (Some(b'\\'), 0),
        [b'\n', ..] => (None, 1),
        [b'\r', b'\n', ..] => (None, 2),
        [b'x', digits @ ..] if digits.first().is_some_and(u8::is_ascii_hexdigit) => {
            let len = digits.iter().take(2).take_while(|b| b.is_ascii_hexdigit()).count();
            (Some(number(digits.get(..len).unwrap_or_default(), 16)), len + 1)
        }
        [b'0'..=b'7', ..] => {
            let len = rest.iter().take(3).take_while(|b| (b'0'..=b'7').contains(b)).count();
            (Some(number(rest.get(..len).unwrap_or_default(), 8)), len)
        }
        [b'c', letter @ b'A'..=b'Z', ..] => (Some(letter - b'A' + 1), 2),
        [letter, ..] => {
            let value = match letter {
                b'a' => 7,
                b'b' => 8,
                b'E' => 27,
                b'f' => 12,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'v' => 11,
                other => *other,
            };
            (Some(value), 1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As keepalived 2.2.7 started it: the line is split, then the command.
    fn list(line: &str) -> Vec<String> {
        let line = fields(line.as_bytes()).unwrap_or_default();
        line.first().map_or(Vec::new(), |f| split(&f.text).iter().map(|w| w.to_string()).collect())
    }

    #[test]
    fn commands_split_as_keepalived_splits_them() {
        for (line, words) in [
            (r#""p a  b c""#, &["p", "a", "b", "c"][..]),
            (r#""p 'c d' e\ f""#, &["p", "c d", "e", "f"]),
            (r#""p \"x y\" ''""#, &["p", "x y", ""]),
            (r#""p \'x y\' z""#, &["p", "x y", "z"]),
            (r#"'p a b'"#, &["p", "a", "b"]),
            (r#""p a\ b""#, &["p", "a", "b"]),
            (r#""p 'a\ b'""#, &["p", "a b"]),
            (r#""p a\\b""#, &["p", "a\u{8}"]),
            (r#""p a\\\\b""#, &["p", r"a\b"]),
            (r#""p a\nb\tc""#, &["p", "a", "b", "c"]),
            (r#""p x'a b'y""#, &["p", "xa by"]),
            (r#""p \"a 'b c' d\"""#, &["p", "a 'b c' d"]),
            (r#""p 'a \"b c\" d'""#, &["p", r#"a "b c" d"#]),
            (r#""p '\x41\101'""#, &["p", "AA"]),
            (r#""p a\#b !c""#, &["p", "a#b", "!c"]),
            (r#"'"p" x "b c"'"#, &["p", "x", "b c"]),
            (r#""p \"b c\"d""#, &["p", "b cd"]),
            (r#""p \'\'""#, &["p", ""]),
            (r#""p \e\$HOME \z""#, &["p", "e$HOME", "z"]),
            (r#""p 'a\nb'""#, &["p", "a\nb"]),
            (r#"'p "b c" d'"#, &["p", "b c", "d"]),
            (r#"'p b\ c d'"#, &["p", "b", "c", "d"]),
            (r#"p\ x\ b"#, &["p", "x", "b"]),
            (r#""p \0101 \x4 \v\f\r|""#, &["p", "\u{8}1", "\u{4}", "|"]),
            (r#""p \\\"q r\\\" s""#, &["p", "\"q", "r\"", "s"]),
            (r#""p a \\ b""#, &["p", "a", " b"]),
            (r#""p a \\\\ b""#, &["p", "a", "\\", "b"]),
            (r#""p \"a\\\"b\" c""#, &["p", "a\"b", "c"]),
            (r#""p 'a'\"b\"c""#, &["p", "abc"]),
            (r#""p \d\g\é\ü é""#, &["p", "dgéü", "é"]),
            (r#""p \E\cA \x \8""#, &["p", "\u{1b}\u{1}", "x", "8"]),
            (r#"'p \n \t \x41'"#, &["p", "A"]),
            (r#"'p x '"b c""#, &["p", "x", "b", "c"]),
            (r#"'p \'b c\' \"d e\" f\\\ g'"#, &["p", "b c", "d e", "f g"]),
            ("\"p a \\\n b\"", &["p", "a", "b"]),
            ("   ", &[]),
        ] {
            assert_eq!(list(line), words, "{line}");
        }
    }

    #[test]
    fn a_quote_without_end_is_no_command() {
        assert!(fields(b"p 'a").is_err_and(|q| q == '\''));
        assert!(fields(br#"p "a' b"#).is_err_and(|q| q == '"'));
        assert!(fields(br"p 'it\'s ok' z").is_ok());
        assert_eq!(list(r#""p 'it\'s ok' z""#), Vec::<String>::new());
    }

    /// What the writer makes of words is split into the same words.
    #[test]
    fn written_words_come_back() {
        for words in [&["/bin/a", "b c", "it's", "a\\b", "\"q\" #!", "", "\n\t\u{7f}é", "$x {y}"][..], &["a"]] {
            let words: Vec<Box<str>> = words.iter().map(|w| Box::from(*w)).collect();
            let line = super::super::write::quote(&super::super::write::command(&words));
            assert_eq!(list(&line), words.iter().map(|w| w.to_string()).collect::<Vec<_>>(), "{line}");
        }
    }
}
