/*
 * Congestion control: slow start and congestion avoidance (RFC 5681), fast retransmit and fast recovery (RFC 6582, NewReno).
 *
 *     third duplicate ACK   ssthresh = flight / 2, resend snd_una, cwnd = ssthresh + 3 segments, recover = snd_max
 *     more of them          cwnd + 1 segment each
 *     partial ACK           resend the new snd_una, cwnd deflated by what was acknowledged
 *     ACK up to recover     cwnd = ssthresh
 */
import type { Tcp } from './tcp.ts';
import { startRexmt } from './tcp-arm.ts';
import { tcpOutput } from './tcp-output.ts';
import { seqGeq, seqGt, seqSub } from './tcp-seq.ts';
import { type Tcpcb, TF_FASTRECOVERY, TF_PARTIAL, TF_TSTMP } from './tcp-var.ts';

/** Duplicate acknowledgements that mean a loss. */
const REXMTTHRESH = 3;
/** No window is larger than what a header can say. */
const CWND_MAX = 65535 * 2 ** 14;

const halveSsthresh = (tp: Tcpcb): void => {
  const flight = seqSub(tp.snd_max, tp.snd_una);
  tp.snd_ssthresh = Math.max(Math.floor(flight / 2), 2 * tp.t_maxseg);
};

/** Sends the segment at snd_una again and nothing else. */
const resendFirst = (tcp: Tcp, tp: Tcpcb): void => {
  const { snd_nxt: next, snd_cwnd: cwnd } = tp;
  if ((tp.t_flags & TF_TSTMP) === 0) tp.t_rtttime = 0;
  tp.snd_nxt = tp.snd_una;
  tp.snd_cwnd = tp.t_maxseg;
  tcpOutput(tcp, tp);
  tp.snd_cwnd = cwnd;
  if (seqGt(next, tp.snd_nxt)) tp.snd_nxt = next;
};

/** An acknowledgement that says again what the last one said, while data is outstanding. */
export const duplicateAck = (tcp: Tcp, tp: Tcpcb): void => {
  tp.t_dupacks++;
  if ((tp.t_flags & TF_FASTRECOVERY) !== 0) {
    tp.snd_cwnd = Math.min(CWND_MAX, tp.snd_cwnd + tp.t_maxseg);
    tcpOutput(tcp, tp);
    return;
  }
  // After a timeout, what was outstanding then is not taken for a new loss (RFC 6582, 3.2, step 2).
  if (tp.t_dupacks === REXMTTHRESH && seqGt(tp.snd_una, tp.snd_recover)) {
    tcp.stat.tcps_fastrexmit++;
    halveSsthresh(tp);
    tp.snd_recover = tp.snd_max;
    tp.t_flags = (tp.t_flags | TF_FASTRECOVERY) & ~TF_PARTIAL;
    resendFirst(tcp, tp);
    tp.snd_cwnd = tp.snd_ssthresh + REXMTTHRESH * tp.t_maxseg;
  }
  tcpOutput(tcp, tp);
};

/** New data was acknowledged: snd_una has moved by `acked`. */
export const ackAdvanced = (tcp: Tcp, tp: Tcpcb, acked: number): void => {
  tp.t_dupacks = 0;
  if ((tp.t_flags & TF_FASTRECOVERY) === 0) {
    growWindow(tp, acked);
    return;
  }
  if (seqGeq(tp.snd_una, tp.snd_recover)) {
    const flight = seqSub(tp.snd_max, tp.snd_una);
    tp.snd_cwnd = Math.min(tp.snd_ssthresh, Math.max(flight, tp.t_maxseg) + tp.t_maxseg);
    tp.t_flags &= ~(TF_FASTRECOVERY | TF_PARTIAL);
    return;
  }
  tp.snd_cwnd = Math.max(
    tp.t_maxseg,
    tp.snd_cwnd - acked + (acked >= tp.t_maxseg ? tp.t_maxseg : 0),
  );
  // The timer starts anew with the first partial acknowledgement only (RFC 6582, 3.2, step 5: "impatient").
  if ((tp.t_flags & TF_PARTIAL) === 0) {
    tp.t_flags |= TF_PARTIAL;
    startRexmt(tcp, tp, true);
  }
  resendFirst(tcp, tp);
};

const growWindow = (tp: Tcpcb, acked: number): void => {
  const mss = tp.t_maxseg;
  const grow =
    tp.snd_cwnd < tp.snd_ssthresh
      ? Math.min(acked, mss)
      : Math.max(1, Math.floor((mss * mss) / tp.snd_cwnd));
  tp.snd_cwnd = Math.min(CWND_MAX, tp.snd_cwnd + grow);
};

/** The retransmission timer has fired. */
export const timedOut = (tp: Tcpcb): void => {
  // A segment that times out again says nothing new about the path (RFC 5681, 3.1).
  if (tp.t_rxtshift === 1) halveSsthresh(tp);
  tp.snd_cwnd = tp.t_maxseg;
  tp.snd_recover = tp.snd_max;
  tp.t_dupacks = 0;
  tp.t_flags &= ~(TF_FASTRECOVERY | TF_PARTIAL);
};
