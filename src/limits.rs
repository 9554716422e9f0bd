//! Every maximum that somebody else can drive the program to, one line and one reason each. Paces of its own (how much
//! of one kind of work before the next) stand where they are used.

use std::time::Duration;

/// Largest configuration file that is read: 30,000 real servers are 6 MB; beyond this it is not a configuration.
pub const CONFIG_BYTES: u64 = 32 << 20;
/// Words of one statement with all that is in it, and lines of a list: the largest are the addresses of one instance.
pub const BLOCK_WORDS: usize = 1 << 16;
/// Words of one line; a route over 256 next hops has 1,500.
pub const LINE_WORDS: usize = 1 << 14;
/// Blocks at the top level of one configuration: 30,000 virtual servers are the most that is known of.
pub const CONFIG_BLOCKS: usize = 1 << 16;
/// Statements in all of them, each with all that is in it: 30,000 virtual servers of one real server have 300,000.
pub const CONFIG_STATEMENTS: usize = 1 << 20;
/// Lines with a NUL byte in one file; beyond these it is no text.
pub const NUL_LINES: usize = 16;
/// Nesting of braces in a configuration; the deepest real block has 5.
pub const CONFIG_DEPTH: usize = 16;
/// Files that include one another, one inside the other; a configuration is split two or three deep.
pub const INCLUDE_DEPTH: usize = 16;
/// Files that one configuration includes; each virtual server in a file of its own is hundreds.
pub const INCLUDED_FILES: usize = 4096;
/// Files that one pattern may name.
pub const GLOB_MATCHES: usize = 4096;
/// Bytes of lines made from definitions and repetitions, with what is kept of where they come from: 30,000 real servers
/// are 20 MB.
pub const EXPANDED_BYTES: usize = 32 << 20;
/// Definitions inside definitions; real ones nest two or three deep.
pub const DEFINITION_DEPTH: usize = 16;
/// Definitions of several lines inside each other, with the files and repetitions around them.
pub const EXPANDED_DEPTH: usize = 64;
/// Bytes of one line after its definitions were put in.
pub const EXPANDED_LINE: usize = 256 << 10;
/// Diagnostics kept of one file; a wrong file (a binary, a log) would give millions.
pub const DIAGNOSTICS: usize = 1000;
/// Names of the file among which the nearest to a wrong one is looked for.
pub const CLOSEST: usize = 1000;
/// Instances with one VRID, name or address among which the routers of a domain are compared: they are taken in pairs.
pub const PEER_CANDIDATES: usize = 512;
/// Virtual addresses of one instance: the count in an advert is one byte (RFC 9568 5.2.5).
pub const ADVERT_ADDRESSES: usize = 255;
/// Virtual routers that are said to be unknown (log_unknown_vrids), each once; a LAN has some few.
pub const UNKNOWN_ROUTERS: usize = 64;
/// Senders of one virtual router whose last AH number is remembered: more than that are seldom in one election.
pub const AH_SENDERS: usize = 4;
/// The same of signed adverts (auth_hmac); unicast has a mark for each peer instead.
pub const HMAC_SENDERS: usize = 4;
/// A periodic advert may leave early by this much, so that adverts nearly due leave together.
pub const ADVERT_SLACK: Duration = Duration::from_millis(3);
/// ... but never by more than this share of its interval (3 %).
pub const ADVERT_SLACK_DIVISOR: u32 = 33;
/// Put-backs of one address, route or service in a minute before the instance gives up (FAULT) or the entry is parked.
pub const PUT_BACKS_PER_MINUTE: u32 = 20;
/// A kernel operation that was refused is tried again after this.
pub const REFUSED_RETRY: Duration = Duration::from_secs(5);
/// Deadlines met, or adverts sent, in one step: what leaves together leaves early, and what a step asks for stays small.
pub const DUE_AT_ONCE: usize = 64;
/// Steps in a row that put off the settling because something more is due.
pub const SETTLE_AFTER: u32 = 64;
/// Owners (instances, services) settled in one step; the rest waits for the next turn, so that adverts come between.
pub const SETTLE_OWNERS: usize = 64;
/// Kernel operations gathered before they are flushed although more is due.
pub const KERNEL_BATCH: usize = 128;
/// Packets read from one socket before the others get their turn.
pub const PACKETS_PER_TURN: usize = 64;
/// Log lines written in one turn of the loop.
pub const NOTES_PER_TURN: usize = 64;
/// Room that the loop's queues keep while they are empty; a take-over of a thousand routers fills them for a moment.
pub const QUEUE_KEPT: usize = 128;
/// Announcements (ARP, NA) sent in one turn of the loop; adverts go first.
pub const ANNOUNCEMENTS_PER_TURN: usize = 64;
/// Children started in one turn: a spawn costs 0.3 to 0.8 ms and waits for exec.
pub const SPAWNS_PER_TURN: usize = 2;
/// Children alive at one time.
pub const CHILDREN: usize = 64;
/// Lines written to FIFOs in one turn: each is a system call or two.
pub const LINES_PER_TURN: usize = 64;
/// Events waiting for one notify target; more are dropped, oldest kept, and said.
pub const NOTIFY_QUEUE: usize = 64;
/// Check conversations open at one time; others wait their turn.
pub const PROBES: usize = 256;
/// Bytes of a checked server's reply that are looked at.
pub const REPLY_BYTES: usize = 8 << 20;
/// Attempt of a check: at most this many times its time-out, however the server drips. The longest conversations have four
/// steps (connect, TLS, request, reply; connect, greeting, HELO, QUIT).
pub const PROBE_STEPS: u32 = 4;
/// Bytes read from one checked server before the others get their turn.
pub const PROBE_BYTES_PER_TURN: usize = 64 << 10;
/// Connections that go on with their reading, or with a step of their TLS handshake, in one turn: a step is 0.1 ms on a
/// PC, milliseconds on a small router.
pub const PROBE_BACKLOG_PER_TURN: usize = 8;
/// Conversations begun in one turn, when many wait for a place.
pub const PROBES_PER_TURN: usize = 32;
/// Checks that found no descriptor, memory or port of our own are tried again after this.
pub const PROBE_STARVED: Duration = Duration::from_millis(200);
/// Header of an HTTP answer; servers themselves take 8 to 64 KiB.
pub const HTTP_HEAD_BYTES: usize = 64 << 10;
/// Start of a header line that is kept: the longest that is looked at is a Transfer-Encoding.
pub const HTTP_LINE_KEPT: usize = 128;
/// All replies of an SMTP server; a greeting is a few lines of at most 512 bytes (RFC 5321, section 4.5.3.1.5).
pub const SMTP_BYTES: usize = 32 << 10;
/// Log lines waiting for a log daemon that does not read.
pub const LOG_QUEUE: usize = 512;
/// Bytes of one log line: RFC 3164 allows 1,024 with its head; busybox and others cut there.
pub const LOG_LINE: usize = 960;
/// A log daemon that is gone is looked for again after this.
pub const LOG_RECONNECT: Duration = Duration::from_secs(1);
/// Lines that wait are tried again after this: soon for a reader, seldom enough for a router that idles.
pub const LOG_RETRY: Duration = Duration::from_millis(100);
/// Largest ownership record that is read back: 100,000 objects are 8 MB.
pub const RECORD_BYTES: u64 = 32 << 20;
/// Lines of the ownership record that say nothing any more, beyond as many as still count, before it is written anew.
pub const RECORD_STALE_LINES: usize = 1024;
/// A turn of the loop above this is our own fault; it is said in the detailed log.
pub const TURN: Duration = Duration::from_millis(20);
/// A tracked file whose directory cannot be watched is looked at again after this.
pub const FILE_RETRY: Duration = Duration::from_secs(5);
/// Links that are polled are asked this often.
pub const LINKBEAT_PERIOD: Duration = Duration::from_secs(1);
/// Tracked processes are counted this often where the kernel tells nothing of them ...
pub const PROCESS_PERIOD: Duration = Duration::from_secs(1);
/// ... this often where it does, in case something was lost ...
pub const PROCESS_PERIOD_TOLD: Duration = Duration::from_secs(30);
/// ... so long after such news (one that ends is in /proc a little longer, and many may end together) ...
pub const PROCESS_NEWS_DELAY: Duration = Duration::from_millis(10);
/// ... of which so many are read in one turn ...
pub const PROCESS_NEWS_PER_TURN: usize = 64;
/// ... remembering so many that are tracked; if there are more, whatever begins or ends makes us count ...
pub const PROCESSES_KNOWN: usize = 4096;
/// ... and looking at so many in one turn: each is a read or two of /proc, 10 to 100 us.
pub const PROCESSES_PER_TURN: usize = 32;
