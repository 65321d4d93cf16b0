import { leaf, type Text } from '@port-xen/kern';
import type { Tcp } from './tcp.ts';
import { syncacheTimeout } from './tcp-syncache.ts';
import {
  delackTimeout,
  keepTimeout,
  msl2Timeout,
  persistTimeout,
  rexmtTimeout,
} from './tcp-timer.ts';

/** The timers' text; each gets the address of what it is a timer of. */
export const tcpText: Text<Tcp> = {
  tcp_timer_rexmt: leaf((m, tp) => rexmtTimeout(m, m.at(tp))),
  tcp_timer_persist: leaf((m, tp) => persistTimeout(m, m.at(tp))),
  tcp_timer_keep: leaf((m, tp) => keepTimeout(m, m.at(tp))),
  tcp_timer_2msl: leaf((m, tp) => msl2Timeout(m, m.at(tp))),
  tcp_timer_delack: leaf((m, tp) => delackTimeout(m, m.at(tp))),
  tcp_syn_timer: leaf((m, entry) => syncacheTimeout(m, entry)),
};
