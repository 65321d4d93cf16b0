/*
 * The retransmission timeout (RFC 6298, 2): one measurement a flight, by the timestamp that comes back (RFC 7323, 4) or, without
 * timestamps, of a segment that was sent once (Karn).
 */
import type { Tcp } from './tcp.ts';
import type { Segment } from './tcp-header.ts';
import { seqGt, seqSub } from './tcp-seq.ts';
import { TCPTV_MIN, TCPTV_REXMTMAX, type Tcpcb, TF_TSTMP } from './tcp-var.ts';

/** The clock's granularity: callouts are ticks of 10 ms. */
const GRANULARITY_US = 10_000;
/** A measurement beyond this is an echo of nothing that was sent. */
const RTT_MAX_MS = 3_600_000;

/** Takes the measurement that an acknowledgement of new data gives, if it gives one. */
export const measureRtt = (tcp: Tcp, tp: Tcpcb, seg: Segment): void => {
  if (tp.t_rtttime === 0 || !seqGt(seg.ack, tp.t_rtseq)) return;
  const byTimestamp = (tp.t_flags & TF_TSTMP) !== 0 && seg.hasTs && seg.tsecr !== 0;
  const rtt_ms = byTimestamp
    ? seqSub(tcp.tsNow(tp.ts_offset), seg.tsecr)
    : tcp.now() - tp.t_rtttime;
  tp.t_rtttime = 0;
  if (rtt_ms < 0 || rtt_ms > RTT_MAX_MS) return;
  updateRto(tp, rtt_ms * 1000);
};

const updateRto = (tp: Tcpcb, rtt_us: number): void => {
  if (tp.t_srtt_us === 0) {
    tp.t_srtt_us = Math.max(1, rtt_us);
    tp.t_rttvar_us = Math.floor(rtt_us / 2);
  } else {
    const deviation = Math.abs(tp.t_srtt_us - rtt_us);
    tp.t_rttvar_us = Math.floor((3 * tp.t_rttvar_us + deviation) / 4);
    tp.t_srtt_us = Math.max(1, Math.floor((7 * tp.t_srtt_us + rtt_us) / 8));
  }
  const rto_us = tp.t_srtt_us + Math.max(GRANULARITY_US, 4 * tp.t_rttvar_us);
  tp.t_rto = Math.min(TCPTV_REXMTMAX, Math.max(TCPTV_MIN, Math.ceil(rto_us / 1000)));
};

/** A timeout: doubled (RFC 6298, 5.5), and without timestamps nothing that is under way is measured any more. */
export const backOff = (tp: Tcpcb): void => {
  tp.t_rto = Math.min(TCPTV_REXMTMAX, 2 * tp.t_rto);
  if ((tp.t_flags & TF_TSTMP) === 0) tp.t_rtttime = 0;
};
