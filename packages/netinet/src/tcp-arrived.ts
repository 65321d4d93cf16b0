/*
 * Data and FIN of a segment that lies in the window (RFC 9293, 3.10.7.4, seventh and eighth), and what is to be sent for it.
 */
import { ECONNRESET } from './errno.ts';
import { SS_INQUEUE, SS_NOFDREF } from './socket-var.ts';
import type { Tcp } from './tcp.ts';
import { enterTimeWait, tcpDrop } from './tcp-close.ts';
import { type Segment, TH_FIN } from './tcp-header.ts';
import { tcpOutput } from './tcp-output.ts';
import { hasReached, receiveData } from './tcp-reass.ts';
import { seqAdd, seqLt } from './tcp-seq.ts';
import {
  TCP_DELACK_TICKS,
  TCPS_CLOSE_WAIT,
  TCPS_CLOSING,
  TCPS_ESTABLISHED,
  TCPS_FIN_WAIT_1,
  TCPS_FIN_WAIT_2,
  type Tcpcb,
  TF_ACKNOW,
  TF_DELACK,
  TF_FINSEEN,
} from './tcp-var.ts';

/** Whether the connection still takes data from the peer. */
const receives = (tp: Tcpcb): boolean =>
  tp.t_state === TCPS_ESTABLISHED ||
  tp.t_state === TCPS_FIN_WAIT_1 ||
  tp.t_state === TCPS_FIN_WAIT_2;

/** Data and FIN of a segment that lies in the window, and what is to be sent now. */
export const arrived = (tcp: Tcp, tp: Tcpcb, seg: Segment): void => {
  if (receives(tp) && seg.data.length > 0) {
    const { so_state } = tcp.sockets.at(tp.t_so);
    if ((so_state & SS_NOFDREF) !== 0 && (so_state & SS_INQUEUE) === 0) {
      // Nobody can read it any more: the peer is told (RFC 9293, 3.6).
      tcpDrop(tcp, tp, ECONNRESET);
      return;
    }
    const delayed = receiveData(tcp, tp, seg.seq, seg.data);
    acknowledge(tcp, tp, delayed);
  }
  if (receives(tp) && (seg.flags & TH_FIN) !== 0) {
    tp.t_flags |= TF_FINSEEN;
    tp.t_finseq = seqAdd(seg.seq, seg.data.length);
    tp.t_flags |= TF_ACKNOW;
  }
  if (receives(tp) && (tp.t_flags & TF_FINSEEN) !== 0 && hasReached(tp, tp.t_finseq)) {
    processFin(tcp, tp);
  }
  tcpOutput(tcp, tp);
};

/** Every second segment at once, a single one later (RFC 9293, 3.8.6.3). */
const acknowledge = (tcp: Tcp, tp: Tcpcb, delayed: boolean): void => {
  if (!delayed || (tp.t_flags & TF_DELACK) !== 0) {
    tp.t_flags |= TF_ACKNOW;
    return;
  }
  tp.t_flags |= TF_DELACK;
  tcp.startTimer(tp.t_delack_ch, TCP_DELACK_TICKS * 10, 'tcp_timer_delack', tp);
};

const processFin = (tcp: Tcp, tp: Tcpcb): void => {
  tp.rcv_nxt = seqAdd(tp.t_finseq, 1);
  if (seqLt(tp.rcv_adv, tp.rcv_nxt)) tp.rcv_adv = tp.rcv_nxt;
  tp.t_flags = (tp.t_flags & ~TF_FINSEEN) | TF_ACKNOW;
  tcp.sockets.socantrcvmore(tcp.sockets.at(tp.t_so));
  if (tp.t_state === TCPS_ESTABLISHED) tp.t_state = TCPS_CLOSE_WAIT;
  else if (tp.t_state === TCPS_FIN_WAIT_1) tp.t_state = TCPS_CLOSING;
  else enterTimeWait(tcp, tp);
};
