/*
 * Statements that no test misses, and why that is as it should be. A statement is named by its package and its text.
 */
export const SURVIVORS: Readonly<Record<string, string>> = {
  'xencons: this.handler();':
    'the console daemon sends an event when it binds, which looks at the ring as well; a daemon need not',
  'xencons: this.evtchn.mask(sc.xc_port);':
    'a port without a handler masks itself at its first event, and a restored domain has every port masked',
  'ctrl-if: m.d.ctrl_if_draining = 0;': 'whoever is woken without need looks and sleeps on',
  'machdep: m.evtchn.reset();':
    'every driver that can be saved lets its port go at the suspend; this is for one that could not',
  "machdep: kassert(resumed !== 0, 'a device could not be resumed');":
    'no device of ours fails to be resumed: a disk that cannot be had is gone, and says so',
  'evtchn: this.mask(port);': 'the channel is closed, and a port without a handler masks itself',
  'clock: this.evtchn.mask(port);':
    'the channel is closed, and a port without a handler masks itself',
  'clock: keepRecord(clock, 0);':
    'Xen would go on with a record that nobody reads: it costs, and shows nowhere',
  "xenbus: if (dev === undefined) return goto('device');":
    'devices go in the lwp of xenwatch, which rests during a suspend',
  'xennet: m.softintr();':
    'its handler has run but for what came in this very macro-instruction: a frame or two, and networks lose frames',
};

/** Why nobody misses what is only said. */
const SPOKEN = 'it only tells what happened';

/** Whether a statement only tells what happened. */
const isSpoken = (text: string): boolean =>
  /^m?(this)?\.?(kern\.)?(msgbuf\.printf|log\.say)\(/.test(text);

/** The reason why a statement may be taken out unnoticed, if there is one. */
export const reasonFor = (name: string, text: string): string | undefined =>
  SURVIVORS[`${name}: ${text}`] ?? (isSpoken(text) ? SPOKEN : undefined);
