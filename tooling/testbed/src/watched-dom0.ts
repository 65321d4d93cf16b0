import type { Dom0 } from '@port-xen/hypervisor';
import type { BackendXen } from '@port-xen/xenbus-backend';
import type { StaleHandles } from './stale-handles.ts';

/**
 * What Xen does for back ends, with somebody told of what it did not do for them: a reference that grants nothing and a port
 * that is none may be handles of a former life.
 */
export const watchedDom0 = (
  dom0: BackendXen & Pick<Dom0, 'mapFrame'>,
  watcherOf: (domid: number) => StaleHandles | undefined,
): BackendXen & Pick<Dom0, 'mapFrame'> => ({
  mapFrame: (domid, mfn, readonly) => dom0.mapFrame(domid, mfn, readonly),
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
