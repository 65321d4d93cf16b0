import type { NetbackXen } from '@port-xen/xennetback';
import type { StaleHandles } from './stale-handles.ts';

/**
 * What Xen does for back ends, with somebody told of what it did not do for them: a reference that grants nothing and a port
 * that is none may be handles of a former life.
 */
export const watchedDom0 = (
  dom0: NetbackXen,
  watcherOf: (domid: number) => StaleHandles | undefined,
): NetbackXen => ({
  mapFrame: (domid, mfn, readonly) => dom0.mapFrame(domid, mfn, readonly),
  reassignPage: (domid, bytes) => dom0.reassignPage(domid, bytes),
  grantMap: (domid, ref, readonly) => {
    try {
      return dom0.grantMap(domid, ref, readonly);
    } catch (error) {
      watcherOf(domid)?.refused(ref);
      throw error;
    }
  },
  grantCopy: (ops) => {
    const statuses = dom0.grantCopy(ops);
    statuses.forEach((status, i) => {
      if (status === 0) return;
      for (const side of [ops[i]?.source, ops[i]?.dest]) {
        if (side !== undefined && 'ref' in side) watcherOf(side.domid)?.refused(side.ref);
      }
    });
    return statuses;
  },
  grantTransfer: (ops) => {
    const statuses = dom0.grantTransfer(ops);
    statuses.forEach((status, i) => {
      const op = ops[i];
      if (status !== 0 && op !== undefined) watcherOf(op.domid)?.refused(op.ref);
    });
    return statuses;
  },
  bindInterdomain: (domid, port, handler) => {
    try {
      return dom0.bindInterdomain(domid, port, handler);
    } catch (error) {
      watcherOf(domid)?.unbindable(port);
      throw error;
    }
  },
  notify: (port) => dom0.notify(port),
  close: (port) => dom0.close(port),
});
