/*
 * What ICMP reports of a connection's segments (RFC 1122, 4.2.3.9), believed only when the quoted number is one that is outstanding
 * (RFC 5927, 4): everything but "fragmentation needed" and a refusal of the SYN is kept for when the connection fails.
 */
import { ECONNREFUSED, EHOSTUNREACH } from './errno.ts';
import {
  ICMP_UNREACH,
  ICMP_UNREACH_NEEDFRAG,
  ICMP_UNREACH_PORT,
  ICMP_UNREACH_PROTOCOL,
  type IcmpNotice,
} from './icmp.ts';
import { get16, get32 } from './in-addr.ts';
import type { Tcp } from './tcp.ts';
import { tcpAbandon } from './tcp-close.ts';
import { tcpOutput } from './tcp-output.ts';
import { seqGeq, seqLt } from './tcp-seq.ts';
import { TCP_MSS_MIN, TCPIP_HDR_LEN, TCPS_SYN_SENT, type Tcpcb } from './tcp-var.ts';

/** What to try when a router does not say its MTU: the plateaus of RFC 1191, 7. */
const PLATEAUS = [1492, 1006, 576, 508, 296, 68];

export const tcpCtlinput = (tcp: Tcp, notice: IcmpNotice): void => {
  const tp = tcp.lookup({
    laddr: notice.src,
    lport: get16(notice.quote, 0),
    faddr: notice.dst,
    fport: get16(notice.quote, 2),
  });
  if (tp === undefined) return;
  const seq = get32(notice.quote, 4);
  if (!seqGeq(seq, tp.snd_una) || !seqLt(seq, tp.snd_max)) return;
  if (notice.type === ICMP_UNREACH && notice.code === ICMP_UNREACH_NEEDFRAG) {
    shrink(tcp, tp, notice.mtu);
    return;
  }
  const refused =
    notice.type === ICMP_UNREACH &&
    (notice.code === ICMP_UNREACH_PORT || notice.code === ICMP_UNREACH_PROTOCOL);
  if (refused && tp.t_state === TCPS_SYN_SENT) tcpAbandon(tcp, tp, ECONNREFUSED);
  else tp.t_softerror = refused ? ECONNREFUSED : EHOSTUNREACH;
};

/** Path MTU discovery (RFC 1191, 6.4): smaller segments from here on, what is outstanding goes again. */
const shrink = (tcp: Tcp, tp: Tcpcb, mtu: number): void => {
  const current = tp.t_maxseg + TCPIP_HDR_LEN;
  const next = mtu !== 0 ? mtu : (PLATEAUS.find((plateau) => plateau < current) ?? 68);
  if (next >= current) return;
  tp.t_maxseg = Math.max(TCP_MSS_MIN, next - TCPIP_HDR_LEN);
  if (tp.t_state === TCPS_SYN_SENT) return;
  tp.snd_nxt = tp.snd_una;
  tcpOutput(tcp, tp);
};
