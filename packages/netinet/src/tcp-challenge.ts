/*
 * Challenge acknowledgements (RFC 5961): the answer to a segment that may be forged. Who really is the peer says it again, with
 * the right numbers. A connection sends at most CHALLENGE_MAX of them in five seconds (7), so that two hosts that
 * disagree do not answer each other for ever.
 */
import type { Tcp } from './tcp.ts';
import { ackNow } from './tcp-output.ts';
import { CHALLENGE_MAX, CHALLENGE_WINDOW_MS, type Tcpcb } from './tcp-var.ts';

export const challengeAck = (tcp: Tcp, tp: Tcpcb): void => {
  const now = tcp.now();
  if (now - tp.t_challenge_since >= CHALLENGE_WINDOW_MS) {
    tp.t_challenge_since = now;
    tp.t_challenges = 0;
  }
  if (tp.t_challenges >= CHALLENGE_MAX) return;
  tp.t_challenges++;
  tcp.stat.tcps_challenge++;
  ackNow(tcp, tp);
};
