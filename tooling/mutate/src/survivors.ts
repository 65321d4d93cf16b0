/*
 * Statements that no test misses, and why that is as it should be. A statement is named by its package and its text.
 */
export const SURVIVORS: Readonly<Record<string, string>> = {
  'xencons: this.handler();':
    'the console daemon sends an event when it binds, which looks at the ring as well; a daemon need not',
  'xencons: this.evtchn.mask(sc.xc_port);':
    'a port without a handler masks itself at its first event, and a restored domain has every port masked',
  'machdep: m.evtchn.reset();':
    'every driver that can be saved lets its port go at the suspend; this is for one that could not',
};

/** Why nobody misses what is only said. */
const SPOKEN = 'it only tells what happened';

/** The reason why a statement may be taken out unnoticed, if there is one. */
export const reasonFor = (name: string, text: string): string | undefined =>
  SURVIVORS[`${name}: ${text}`] ??
  (/^m?(this)?\.?(kern\.)?msgbuf\.printf\(/.test(text) ? SPOKEN : undefined);
