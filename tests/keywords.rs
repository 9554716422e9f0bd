//! The table of all keywords: what `holdfast keywords` prints, and `src/config/keywords.md`, which is the same.
//! `BLESS=1 cargo test --test keywords` rewrites the file.

use holdfast::config::catalogue::{argument, default, markdown, state, text, word};
use holdfast::config::keywords::{Keyword, KEYWORDS};

#[test]
fn the_table_in_the_tree_is_the_one_that_is_printed() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/config/keywords.md");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, markdown()).expect("writable");
    }
    let there = std::fs::read_to_string(path).expect("readable");
    assert!(there == markdown(), "src/config/keywords.md is old: BLESS=1 cargo test --test keywords");
}

#[test]
fn each_keyword_has_its_line_and_its_state() {
    let text = text();
    let lines = text.lines().filter(|l| l.starts_with("    ")).count();
    assert_eq!(lines, KEYWORDS.len());
    for k in KEYWORDS {
        assert!(!state(k).is_empty() && word(k.word).is_ok(), "{}", k.word);
    }
    let unknown = text.lines().filter(|l| !l.starts_with(' ') && l.chars().all(char::is_alphanumeric));
    let unknown: Vec<&str> = unknown.filter(|l| l.starts_with(char::is_uppercase) && *l != "SSL").collect();
    assert!(unknown.is_empty(), "a block without a title: {unknown:?}");
}

fn find(block: &str, word: &str) -> &'static Keyword {
    KEYWORDS.iter().find(|k| format!("{:?}", k.block) == block && k.word == word).expect("a keyword")
}

#[test]
fn arguments_have_their_range_and_unit() {
    for (block, word, shown, without) in [
        ("Global", "vrrp_garp_master_delay", "0 to 4294 seconds", "5"),
        ("Global", "vrrp_garp_interval", "0.000001 to 4294.967295 seconds", "0"),
        ("Global", "vrrp_rlimit_rttime", "2 to 4294967295 microseconds", "10000"),
        ("Global", "lvs_flush", "", "off"),
        ("Global", "smtp_alert_vrrp", "[on|off]", "as smtp_alert, else off"),
        ("Global", "notify_fifo", "PATH [USER [GROUP]]", ""),
        ("Top", "global_defs", "{ .. }", ""),
    ] {
        let k = find(block, word);
        assert_eq!((argument(k).as_str(), default(k)), (shown, without), "{word}");
    }
}

#[test]
fn a_word_that_is_none_finds_its_neighbour() {
    assert!(word("smtp_alert").is_ok_and(|t| t.contains("vrrp_instance") && t.contains("real_server")));
    assert!(word("virtual_ruoter_id").is_err_and(|t| t.ends_with("did you mean 'virtual_router_id'?")));
    assert!(word("enable_snmp_vrrp").is_ok_and(|t| t.contains("not done: SNMP is not spoken")));
}
