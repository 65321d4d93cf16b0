/*
 * The handshake of a listening port (RFC 9293, 3.10.7.2; NetBSD's syn_cache):
 *
 *     SYN           ──► entry, SYN|ACK; again after 1, 2, 4, 8 s, and 16 s later the entry goes
 *     ACK           ──► socket and connection block, on the listener's queue
 *     no room       ──► the oldest entry makes room; a full accept queue ignores the ACK, and the SYN|ACK goes again
 */
import type { Endpoints, Tcp } from './tcp.ts';
import { buildOptions, type Segment, TH_ACK, TH_RST, TH_SYN } from './tcp-header.ts';
import { newIss, newTsOffset } from './tcp-secret.ts';
import { seqAdd, seqLt, seqSub } from './tcp-seq.ts';
import { setSegmentSize, startSession } from './tcp-session.ts';
import { NSYNCACHE, type SynEntry, synEntry } from './tcp-syncache-var.ts';
import {
  TCP_MAX_WINSHIFT,
  TCP_MAXWIN,
  TCPS_SYN_RECEIVED,
  TCPTV_RTOBASE,
  type Tcpcb,
  TF_SCALE,
  TF_SYNREXMT,
  TF_TSTMP,
} from './tcp-var.ts';
import { receiveShift } from './tcp-window.ts';

/** SYN|ACKs sent again before an entry is given up, after 31 s. */
export const SYN_RXTSHIFT_MAX = 4;

const entries = (tcp: Tcp): SynEntry[] => {
  const { syncache } = tcp.d;
  return Array.from({ length: NSYNCACHE }, (_, i) => syncache.at(i));
};

const endpointsOf = (sc: SynEntry): Endpoints => ({
  laddr: sc.sc_laddr,
  lport: sc.sc_lport,
  faddr: sc.sc_faddr,
  fport: sc.sc_fport,
});

const release = (tcp: Tcp, sc: SynEntry): void => {
  tcp.callout.stop(sc.sc_ch.address);
  sc.sc_used = 0;
};

/** A listener goes: so do the handshakes with it. */
export const syncacheForget = (tcp: Tcp, listener: Tcpcb): void => {
  for (const sc of entries(tcp)) {
    if (sc.sc_used !== 0 && sc.sc_listener === listener.address) release(tcp, sc);
  }
};

const lookup = (tcp: Tcp, e: Endpoints): SynEntry | undefined =>
  entries(tcp).find(
    (sc) =>
      sc.sc_used !== 0 &&
      sc.sc_fport === e.fport &&
      sc.sc_lport === e.lport &&
      sc.sc_faddr === e.faddr &&
      sc.sc_laddr === e.laddr,
  );

/** Sends the SYN|ACK and sets the timer for the next. */
const respond = (tcp: Tcp, sc: SynEntry): void => {
  const options = buildOptions({
    mss: tcp.mssTo(sc.sc_faddr, tcp.at(sc.sc_listener).t_usermss),
    wscale: sc.sc_wscale >= 0 ? sc.sc_rcv_scale : -1,
    hasTs: sc.sc_tstmp !== 0,
    tsval: tcp.tsNow(sc.sc_ts_offset),
    tsecr: sc.sc_ts_recent,
  });
  const ack = seqAdd(sc.sc_irs, 1);
  tcp.respond(endpointsOf(sc), sc.sc_iss, ack, TH_SYN | TH_ACK, sc.sc_rcvwnd, options);
  const ticks = (TCPTV_RTOBASE / 10) * 2 ** sc.sc_rxtshift;
  tcp.callout.reset(sc.sc_ch.address, ticks, tcp.cpu.sym('tcp_syn_timer'), sc.address);
};

/** No ACK came in time. */
export const syncacheTimeout = (tcp: Tcp, address: number): void => {
  const sc = synEntry.at(tcp.cpu.memory, address);
  if (sc.sc_rxtshift >= SYN_RXTSHIFT_MAX) {
    tcp.stat.tcps_sc_timedout++;
    release(tcp, sc);
    return;
  }
  sc.sc_rxtshift++;
  respond(tcp, sc);
};

const isOlder = (a: SynEntry, b: SynEntry): boolean => seqLt(a.sc_stamp, b.sc_stamp);

/** A SYN for a listening port. */
const add = (tcp: Tcp, listener: Tcpcb, seg: Segment, e: Endpoints): void => {
  const all = entries(tcp);
  let sc = all.find((other) => other.sc_used === 0);
  if (sc === undefined) {
    sc = all.reduce((a, b) => (isOlder(b, a) ? b : a));
    tcp.stat.tcps_sc_overflowed++;
    release(tcp, sc);
  }
  const so = tcp.sockets.at(listener.t_so);
  const stat = tcp.stat;
  stat.tcps_sc_added++;
  tcp.cpu.memory.write(sc.address, new Uint8Array(synEntry.size));
  sc.sc_used = 1;
  sc.sc_stamp = stat.tcps_sc_added % 0x1_0000_0000;
  sc.sc_listener = listener.address;
  sc.sc_laddr = e.laddr;
  sc.sc_faddr = e.faddr;
  sc.sc_lport = e.lport;
  sc.sc_fport = e.fport;
  sc.sc_iss = newIss(tcp, e);
  sc.sc_ts_offset = newTsOffset(tcp, e);
  sc.sc_rcv_scale = receiveShift();
  sc.sc_rcvwnd = Math.min(so.so_rcv.sb_hiwat, TCP_MAXWIN);
  sc.sc_irs = seg.seq;
  sc.sc_mss = seg.mss;
  sc.sc_wscale = Math.min(seg.wscale, TCP_MAX_WINSHIFT);
  sc.sc_wnd = seg.wnd;
  sc.sc_tstmp = seg.hasTs ? 1 : 0;
  sc.sc_ts_recent = seg.tsval;
  respond(tcp, sc);
};

/** The handshake is complete. @returns the new connection, undefined when there is no room for it now */
const expand = (tcp: Tcp, sc: SynEntry, seg: Segment): Tcpcb | undefined => {
  const listener = tcp.at(sc.sc_listener);
  const head = tcp.sockets.at(listener.t_so);
  // The queue first: a block may be one that TIME-WAIT has to give up.
  const tp = head.so_qlen < head.so_qlimit ? tcp.create() : undefined;
  if (tp === undefined) return undefined;
  const so = tcp.sockets.sonewconn(head);
  if (so === undefined) {
    tcp.free(tp);
    return undefined;
  }
  const e = endpointsOf(sc);
  startSession(tcp, tp, so, e);
  tp.t_state = TCPS_SYN_RECEIVED;
  tp.t_flags =
    (listener.t_flags & ~(TF_SCALE | TF_TSTMP)) |
    (sc.sc_wscale >= 0 ? TF_SCALE : 0) |
    (sc.sc_tstmp !== 0 ? TF_TSTMP : 0) |
    (sc.sc_rxtshift > 0 ? TF_SYNREXMT : 0);
  tp.t_keepidle = listener.t_keepidle;
  tp.t_keepintvl = listener.t_keepintvl;
  tp.t_keepcnt = listener.t_keepcnt;
  tp.t_user_timeout = listener.t_user_timeout;
  tp.t_usermss = listener.t_usermss;
  tp.iss = sc.sc_iss;
  tp.snd_una = sc.sc_iss;
  tp.snd_recover = sc.sc_iss;
  tp.snd_nxt = seqAdd(sc.sc_iss, 1);
  tp.snd_max = tp.snd_nxt;
  tp.irs = sc.sc_irs;
  tp.rcv_nxt = seqAdd(sc.sc_irs, 1);
  tp.rcv_adv = seqAdd(tp.rcv_nxt, sc.sc_rcvwnd);
  tp.last_ack_sent = tp.rcv_nxt;
  tp.snd_scale = Math.max(0, sc.sc_wscale);
  tp.rcv_scale = sc.sc_wscale >= 0 ? sc.sc_rcv_scale : 0;
  tp.snd_wnd = sc.sc_wnd;
  tp.snd_wl1 = seqAdd(seg.seq, -1);
  tp.ts_offset = sc.sc_ts_offset;
  tp.ts_recent = sc.sc_ts_recent;
  tp.ts_recent_age = tcp.now();
  setSegmentSize(tcp, tp, sc.sc_mss);
  return tp;
};

/** The acknowledgement of our SYN|ACK, or something else for a handshake under way. */
const answer = (tcp: Tcp, sc: SynEntry, seg: Segment): Tcpcb | undefined => {
  const at = seqSub(seg.seq, seqAdd(sc.sc_irs, 1));
  if ((seg.flags & TH_RST) !== 0) {
    if (at !== 0) return undefined;
    tcp.stat.tcps_sc_reset++;
    release(tcp, sc);
    return undefined;
  }
  if ((seg.flags & TH_SYN) !== 0) {
    respond(tcp, sc);
    return undefined;
  }
  if ((seg.flags & TH_ACK) === 0) return undefined;
  if (seg.ack !== seqAdd(sc.sc_iss, 1)) {
    tcp.reset(seg);
    return undefined;
  }
  if (sc.sc_tstmp !== 0 && (!seg.hasTs || seqLt(seg.tsval, sc.sc_ts_recent))) return undefined;
  if (at < 0 || at >= Math.max(1, sc.sc_rcvwnd)) return undefined;
  const tp = expand(tcp, sc, seg);
  if (tp === undefined) {
    tcp.stat.tcps_nospace++;
    return undefined;
  }
  tcp.stat.tcps_sc_completed++;
  tcp.stat.tcps_accepts++;
  release(tcp, sc);
  return tp;
};

/**
 * A segment that belongs to no connection.
 * @returns the connection that it completes, for the segment to be processed on
 */
export const listenInput = (tcp: Tcp, seg: Segment, e: Endpoints): Tcpcb | undefined => {
  const sc = lookup(tcp, e);
  const again = sc !== undefined && (seg.flags & TH_SYN) !== 0 && seg.seq !== sc.sc_irs;
  if (sc !== undefined && !again) return answer(tcp, sc, seg);
  const listener = tcp.lookupListener(e.laddr, e.lport);
  if (listener === undefined) {
    tcp.stat.tcps_noport++;
    tcp.reset(seg);
    return undefined;
  }
  if ((seg.flags & TH_RST) !== 0) return undefined;
  if ((seg.flags & TH_ACK) !== 0) {
    tcp.reset(seg);
    return undefined;
  }
  if ((seg.flags & TH_SYN) === 0) return undefined;
  // A SYN with another number: the peer has started again, and knows nothing of the entry.
  if (sc !== undefined) release(tcp, sc);
  add(tcp, listener, seg, e);
  return undefined;
};
