import type { Msgbuf } from '@port-xen/kern';
import { textOf } from '@port-xen/layout';
import type { NetifSoftc } from './netif-data.ts';

/** What the driver says of its interfaces on the console. */
export class NetifLog {
  readonly msgbuf: Pick<Msgbuf, 'printf'>;

  constructor(msgbuf: Pick<Msgbuf, 'printf'>) {
    this.msgbuf = msgbuf;
  }

  /** A line. */
  say(sc: NetifSoftc, what: string): void {
    this.msgbuf.printf(`${textOf(sc.nt_xname)}: ${what}\n`);
  }

  /** The back end broke the protocol: what it said is passed over. It is told of once a connection, however often it does. */
  breach(sc: NetifSoftc, what: string): void {
    if (sc.nt_breaches++ === 0) this.say(sc, `the back end sent ${what}`);
  }
}
