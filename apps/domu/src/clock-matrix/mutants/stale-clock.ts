/*
 * Nobody reads the host's wall clock on resume (no inittodr): the date goes on where it stood when the domain was saved, and
 * uptime does not know that the domain was away.
 */
import { Clock } from '@port-xen/clock';

export class StaleClock extends Clock {
  override resynchronise(): void {}
}
