/*
 * Receiving data, in order or not (RFC 9293, 3.10.7.4, seventh). Bytes go into so_rcv's ring at the place they will have; t_reass
 * says which of those beyond rcv_nxt are there.
 *
 *     so_rcv:   | sb_cc bytes | gap | start … end | gap | start … end |
 *                             ^ rcv_nxt
 */
import { sbwrite } from './sockbuf.ts';
import { SS_CANTRCVMORE, SS_NOFDREF } from './socket-var.ts';
import type { Tcp } from './tcp.ts';
import { seqAdd, seqGeq, seqGt, seqLeq, seqLt, seqSub } from './tcp-seq.ts';
import { NREASS, type Tcpcb } from './tcp-var.ts';

interface Interval {
  start: number;
  end: number;
}

const load = (tp: Tcpcb): Interval[] =>
  Array.from({ length: tp.t_nreass }, (_, i) => {
    const { start, end } = tp.t_reass.at(i);
    return { start, end };
  });

const store = (tp: Tcpcb, intervals: readonly Interval[]): void => {
  tp.t_nreass = intervals.length;
  intervals.forEach(({ start, end }, i) => {
    const into = tp.t_reass.at(i);
    into.start = start;
    into.end = end;
  });
};

/** The intervals with one more, those that touch joined; in order of sequence. */
const joined = (intervals: readonly Interval[], more: Interval): Interval[] => {
  const merged = { ...more };
  const apart: Interval[] = [];
  for (const other of intervals) {
    if (seqLt(other.end, merged.start) || seqGt(other.start, merged.end)) {
      apart.push(other);
      continue;
    }
    if (seqLt(other.start, merged.start)) merged.start = other.start;
    if (seqGt(other.end, merged.end)) merged.end = other.end;
  }
  return [...apart, merged].sort((a, b) => seqSub(a.start, b.start));
};

/**
 * Takes the data of a segment that lies within the window. @returns whether it was next in order and no gap was there before:
 * when not, an acknowledgement is owed at once (RFC 5681, 4.2)
 */
export const receiveData = (tcp: Tcp, tp: Tcpcb, seq: number, data: Uint8Array): boolean => {
  const so = tcp.sockets.at(tp.t_so);
  const inOrder = seq === tp.rcv_nxt && tp.t_nreass === 0;
  // After shutdown(SHUT_RD) data is taken and thrown away.
  const discards = (so.so_state & (SS_CANTRCVMORE | SS_NOFDREF)) === SS_CANTRCVMORE;
  if (inOrder) {
    if (!discards) {
      sbwrite(tcp.cpu.memory, so.so_rcv, 0, data);
      so.so_rcv.sb_cc += data.length;
    }
    tp.rcv_nxt = seqAdd(seq, data.length);
    tcp.sockets.sorwakeup(so);
    return true;
  }
  tcp.stat.tcps_rcvoopack++;
  const intervals = joined(load(tp), { start: seq, end: seqAdd(seq, data.length) });
  const first = intervals[0] as Interval;
  const fills = seqLeq(first.start, tp.rcv_nxt);
  if (intervals.length > NREASS && !fills) return false;
  if (!discards) sbwrite(tcp.cpu.memory, so.so_rcv, seqSub(seq, tp.rcv_nxt), data);
  if (fills) {
    intervals.shift();
    if (!discards) so.so_rcv.sb_cc += seqSub(first.end, tp.rcv_nxt);
    tp.rcv_nxt = first.end;
    tcp.sockets.sorwakeup(so);
  }
  store(tp, intervals);
  return false;
};

/** Whether everything before `seq` has come. */
export const hasReached = (tp: Tcpcb, seq: number): boolean => seqGeq(tp.rcv_nxt, seq);
