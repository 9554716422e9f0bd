//! Where the statements of the VRRP blocks stand, and what they say: what compares the files of several routers shows
//! all the places. Beside the model, for the few keywords that are compared; a real server costs nothing here.

use super::keywords::Block;
use super::lexer::Span;
use super::tree::Node;

#[derive(Default)]
pub struct Marks {
    /// Nobody will ask: nothing is kept.
    pub off: bool,
    blocks: Vec<Marked>,
    /// The last block is still being read.
    open: bool,
}

/// A block with those of its statements that are kept.
pub struct Marked {
    pub block: Block,
    pub name: Box<str>,
    /// The name, or the keyword of a block without one.
    pub span: Span,
    marks: Vec<Mark>,
}

pub struct Mark {
    pub word: &'static str,
    /// The first argument, else the keyword; of a line in a list its first word.
    pub span: Span,
    /// The arguments; of a line in a list all its words.
    pub words: Box<[Box<str>]>,
    /// A line in a list; the list itself has a mark before those of its lines.
    pub line: bool,
}

impl Mark {
    pub fn first(&self) -> Option<&str> {
        self.words.first().map(|w| w.as_ref())
    }
}

/// Kept of each kind of block.
fn kept(block: Block) -> &'static [&'static str] {
    match block {
        Block::Global => &["vrrp_version", "vrrp_strict", "vrrp_mcast_group4", "vrrp_mcast_group6", "lvs_sync_daemon"],
        Block::Instance => &[
            "state",
            "virtual_router_id",
            "version",
            "priority",
            "advert_int",
            "virtual_ipaddress",
            "virtual_ipaddress_excluded",
            "authentication",
            "auth_hmac",
            "nopreempt",
            "preempt",
            "preempt_delay",
            "unicast_peer",
            "unicast_src_ip",
            "mcast_src_ip",
            "mcast_dst_ip",
            "track_interface",
            "track_script",
            "track_file",
            "track_process",
            "track_bfd",
            "native_ipv6",
            "accept",
            "no_accept",
            "strict_mode",
            "lvs_sync_daemon_interface",
            "lvs_sync_daemon_inteface",
        ],
        Block::Group => &[
            "group",
            "track_interface",
            "track_script",
            "track_file",
            "track_process",
            "track_bfd",
            "sync_group_tracking_weight",
        ],
        Block::Script | Block::TrackProcess | Block::TrackFile | Block::BfdInstance => &["weight"],
        _ => &[],
    }
}

impl Marks {
    /// For who compares nothing.
    pub fn none() -> Marks {
        Marks { off: true, ..Marks::default() }
    }

    /// A top-level block begins; `used`: it is not left out.
    pub fn open(&mut self, node: Node, used: bool) {
        self.open = false;
        let Some(keyword) = node.keyword() else { return };
        self.open = used && !self.off && !kept(keyword.child).is_empty();
        if self.open {
            let (name, span) = match node.arg(0) {
                Some(arg) => (arg.str().as_ref().into(), arg.span()),
                None => ("".into(), node.word().span()),
            };
            self.blocks.push(Marked { block: keyword.child, name, span, marks: Vec::new() });
        }
    }

    pub fn entry(&mut self, node: Node) {
        let (true, Some(block), Some(keyword)) = (self.open, self.blocks.last_mut(), node.keyword()) else { return };
        if !kept(block.block).contains(&keyword.word) {
            return;
        }
        block.put(keyword.word, node);
        for child in node.children() {
            match (keyword.child, child.keyword()) {
                (Block::List, _) => {
                    let words = child.all().map(|a| a.str().as_ref().into()).collect();
                    block.marks.push(Mark { word: keyword.word, span: child.word().span(), words, line: true });
                }
                (_, Some(inner)) => block.put(inner.word, child),
                _ => {}
            }
        }
    }

    pub fn close(&mut self) {
        if let (true, Some(block)) = (std::mem::take(&mut self.open), self.blocks.last_mut()) {
            block.marks.shrink_to_fit();
        }
    }

    pub fn blocks(&self, block: Block) -> impl Iterator<Item = &Marked> {
        self.blocks.iter().filter(move |b| b.block == block)
    }

    pub fn named(&self, block: Block, name: &str) -> Option<&Marked> {
        self.blocks(block).find(|b| b.name.as_ref() == name)
    }

    /// A statement of global_defs, which may be there several times: the last one counts.
    pub fn global(&self, word: &str) -> Option<&Mark> {
        self.blocks(Block::Global).filter_map(|b| b.last(&[word])).last()
    }
}

impl Marked {
    fn put(&mut self, word: &'static str, node: Node) {
        let span = node.arg(0).map_or(node.word().span(), |a| a.span());
        let words = node.args().map(|a| a.str().as_ref().into()).collect();
        self.marks.push(Mark { word, span, words, line: false });
    }

    /// The last statement that is one of these.
    pub fn last(&self, words: &[&str]) -> Option<&Mark> {
        self.marks.iter().rev().find(|m| !m.line && words.contains(&m.word))
    }

    /// All statements with this word.
    pub fn all<'m>(&'m self, word: &'m str) -> impl Iterator<Item = &'m Mark> {
        self.marks.iter().filter(move |m| !m.line && m.word == word)
    }

    /// The lines of a list.
    pub fn lines<'m>(&'m self, word: &'m str) -> impl Iterator<Item = &'m Mark> {
        self.marks.iter().filter(move |m| m.line && m.word == word)
    }
}
