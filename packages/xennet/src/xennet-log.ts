import type { Msgbuf } from '@port-xen/kern';
import { textOf } from '@port-xen/layout';
import type { XennetSoftc } from './xennet-data.ts';

/** What the driver says of its interfaces on the console. */
export class XennetLog {
  readonly msgbuf: Msgbuf;

  constructor(msgbuf: Msgbuf) {
    this.msgbuf = msgbuf;
  }

  /** A line. */
  say(sc: XennetSoftc, what: string): void {
    this.msgbuf.printf(`${textOf(sc.sc_xname)}: ${what}\n`);
  }

  /** The back end broke the protocol: what it said is passed over. It is told of once a connection, however often it does. */
  breach(sc: XennetSoftc, what: string): void {
    if (sc.sc_breaches++ === 0) this.say(sc, `the back end sent ${what}`);
  }
}
