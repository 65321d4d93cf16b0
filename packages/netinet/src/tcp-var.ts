/*
 * A TCP connection in memory (tcp_var.h), and what TCP's constants are.
 *
 *     send:      snd_una ≤ snd_nxt ≤ snd_max          the byte at snd_una is the first of so_snd, once the SYN is acknowledged
 *     receive:   rcv_nxt, window up to rcv_adv        the byte at rcv_nxt − 1 is the last of so_rcv
 *                t_reass: what lies beyond rcv_nxt in so_rcv's ring already, as [start, end) of sequence numbers
 *
 * Times are uptime in milliseconds; timers are callouts.
 */
import { callout } from '@port-xen/kern';
import { array, i64, nest, struct, u32, u64, type View } from '@port-xen/layout';

export const NTCPCB = 64;
/** Gaps that a receiver keeps track of; a segment that would need one more is dropped. */
export const NREASS = 8;

export const TCPS_CLOSED = 0;
export const TCPS_LISTEN = 1;
export const TCPS_SYN_SENT = 2;
export const TCPS_SYN_RECEIVED = 3;
export const TCPS_ESTABLISHED = 4;
export const TCPS_CLOSE_WAIT = 5;
export const TCPS_FIN_WAIT_1 = 6;
export const TCPS_CLOSING = 7;
export const TCPS_LAST_ACK = 8;
export const TCPS_FIN_WAIT_2 = 9;
export const TCPS_TIME_WAIT = 10;

/** An acknowledgement is owed, now. */
export const TF_ACKNOW = 0x0001;
/** An acknowledgement is owed, within TCP_DELACK_TICKS. */
export const TF_DELACK = 0x0002;
export const TF_NODELAY = 0x0004;
export const TF_SENTFIN = 0x0008;
/** Both sides scale their windows (RFC 7323, 2). */
export const TF_SCALE = 0x0010;
/** Both sides send timestamps (RFC 7323, 3). */
export const TF_TSTMP = 0x0020;
export const TF_FASTRECOVERY = 0x0040;
/** A partial acknowledgement has come in this recovery. */
export const TF_PARTIAL = 0x0080;
/** The peer's FIN is known to be at t_finseq, and not yet reached. */
export const TF_FINSEEN = 0x0100;
/** The driver had no room, or no back end. */
export const TF_BLOCKED = 0x0200;
/** A probe of the zero window is due; its byte goes whatever the window says. */
export const TF_FORCE = 0x0400;
/** The SYN was sent more than once (RFC 6298, 5.7). */
export const TF_SYNREXMT = 0x0800;

/** Segments without an option to say otherwise (RFC 9293, 3.7.1). */
export const TCP_MSS_DEFAULT = 536;
/** A smaller MSS is not believed: it would make a connection that is all headers. */
export const TCP_MSS_MIN = 64;
export const TCP_MAXWIN = 65535;
export const TCP_MAX_WINSHIFT = 14;
/** Bytes of the timestamps option with its padding. */
export const TCPOLEN_TSTAMP_APPA = 12;
/** TCP and IP headers without options. */
export const TCPIP_HDR_LEN = 40;

/** RFC 6298: 2.1, 2.4, 2.5, 5.7. Milliseconds. */
export const TCPTV_RTOBASE = 1000;
export const TCPTV_MIN = 1000;
export const TCPTV_REXMTMAX = 64_000;
export const TCPTV_SYN_LOST = 3000;
/** A zero window is probed at least this often. */
export const TCPTV_PERSMAX = 60_000;
/** Retransmissions of one segment before the connection is given up: 1 + 2 + … + 64 × 7, about 8.5 minutes. */
export const TCP_MAXRXTSHIFT = 12;
/** A peer that answers no probe of its window for so long, ms, is gone: what the retransmissions come to. */
export const TCPTV_SILENCE = 511_000;
/** Maximum segment lifetime (NetBSD's 30 s), ms. */
export const TCPTV_MSL = 30_000;
/** An orphan in FIN-WAIT-2 waits no longer for the peer's FIN. */
export const TCPTV_FINWAIT2 = 60_000;
/** The delay of an acknowledgement (NetBSD's 200 ms; RFC 9293, 3.8.6.3 allows 500). */
export const TCP_DELACK_TICKS = 20;

/** Seconds. A connection attempt (RFC 9293, 3.8.3: at least three minutes), and RFC 9293, 3.8.4. */
export const TCPTV_KEEP_INIT = 180;
export const TCPTV_KEEP_IDLE = 7200;
export const TCPTV_KEEPINTVL = 75;
export const TCPTV_KEEPCNT = 8;

/** A timestamp that is older than this says nothing (RFC 7323, 5.5). */
export const TCP_PAWS_IDLE_MS: number = 24 * 86_400_000;
/** Challenge acknowledgements of one connection in a window of time (RFC 5961, 7). */
export const CHALLENGE_MAX = 10;
export const CHALLENGE_WINDOW_MS = 5000;

const interval = struct('tcp_interval', { start: u32, end: u32 });

export const tcpcb = struct('tcpcb', {
  t_inuse: u32,
  t_state: u32,
  t_flags: u32,
  /** The socket; 0 once nobody can send or receive any more. */
  t_so: i64,
  t_laddr: u32,
  t_faddr: u32,
  t_lport: u32,
  t_fport: u32,

  iss: u32,
  irs: u32,
  snd_una: u32,
  snd_nxt: u32,
  snd_max: u32,
  /** Segment and acknowledgement of the last window update (RFC 9293, 3.10.7.4). */
  snd_wl1: u32,
  snd_wl2: u32,
  snd_wnd: u32,
  /** The largest window the peer ever offered. */
  max_sndwnd: u32,
  rcv_nxt: u32,
  /** The right edge of the window as the peer knows it: it never moves left. */
  rcv_adv: u32,
  last_ack_sent: u32,
  snd_scale: u32,
  rcv_scale: u32,
  /** Largest payload without options, bytes. */
  t_maxseg: u32,
  /** What TCP_MAXSEG asked for; 0: nothing. */
  t_usermss: u32,

  snd_cwnd: u32,
  snd_ssthresh: u32,
  /** RFC 6582, 3.2. */
  snd_recover: u32,
  t_dupacks: u32,

  /** RFC 6298, microseconds; 0: no measurement yet. */
  t_srtt_us: u32,
  t_rttvar_us: u32,
  /** The timeout as it stands, back-off included, ms. */
  t_rto: u32,
  /** Timeouts in a row. */
  t_rxtshift: u32,
  /** When the segment at t_rtseq was sent; 0: none is timed. */
  t_rtttime: u64,
  t_rtseq: u32,

  ts_recent: u32,
  ts_recent_age: u64,
  /** This connection's timestamps are uptime plus this (RFC 7323, 5.4). */
  ts_offset: u32,

  /** When anything came from the peer. */
  t_rcvtime: u64,
  /** When data was sent. */
  t_sndtime: u64,
  /** Since when what is sent waits for an acknowledgement that moves on. */
  t_waitsince: u64,
  t_keepidle: u32,
  t_keepintvl: u32,
  t_keepcnt: u32,
  t_keepinit: u32,
  t_keepprobes: u32,
  /** RFC 9293, 3.9.1 and RFC 5482: how long sent data may wait, ms; 0: until TCP_MAXRXTSHIFT. */
  t_user_timeout: u32,
  /** What ICMP reported, for when the connection fails. */
  t_softerror: u32,
  t_challenge_since: u64,
  t_challenges: u32,

  t_finseq: u32,
  t_nreass: u32,
  t_reass: array(interval, NREASS),

  t_rexmt_ch: nest(callout),
  t_persist_ch: nest(callout),
  t_keep_ch: nest(callout),
  t_2msl_ch: nest(callout),
  t_delack_ch: nest(callout),
});

export type Tcpcb = View<typeof tcpcb>;

export const tcpstat = struct('tcpstat', {
  tcps_connattempt: u64,
  tcps_accepts: u64,
  tcps_connects: u64,
  tcps_drops: u64,
  tcps_sndtotal: u64,
  tcps_sndpack: u64,
  tcps_sndbyte: u64,
  tcps_sndrexmitpack: u64,
  tcps_sndprobe: u64,
  tcps_rcvtotal: u64,
  tcps_rcvbadsum: u64,
  tcps_rcvbadoff: u64,
  tcps_rcvoopack: u64,
  tcps_rcvduppack: u64,
  tcps_rexmttimeo: u64,
  tcps_persisttimeo: u64,
  tcps_keepprobe: u64,
  tcps_keepdrops: u64,
  tcps_fastrexmit: u64,
  tcps_pawsdrop: u64,
  tcps_challenge: u64,
  tcps_badrst: u64,
  tcps_sc_added: u64,
  tcps_sc_completed: u64,
  tcps_sc_overflowed: u64,
  tcps_sc_timedout: u64,
  tcps_sc_reset: u64,
  tcps_noport: u64,
  tcps_nospace: u64,
});
